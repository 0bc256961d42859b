"""Rhythm from twelve leads or any of them: SE-ResNet18, and UniversalECGNet with one backbone for every lead.

After Kisialeu & Nedzved, "Automated cardiac rhythm classification from 12-lead ECG using attention-enhanced deep neural
networks". Squeeze and excitation after Hu et al. (2018), the residual network after He et al. (2016), in one dimension.
What the paper leaves out (a kernel of 7 in the blocks too, no bias in squeeze and excitation) is chosen so that
UniversalECGNet has the paper's 9,179,977 parameters; the parts that the paper gives do not add up to them.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

WIDTHS: Final = (64, 128, 256, 512)
KERNEL: Final = 7
REDUCTION: Final = 16
LEAD_IDS: Final = 12
LEAD_SIZE: Final = 64
SCORE_SIZE: Final = 128
METADATA_SIZE: Final = 64
METADATA_DROPOUT: Final = 0.3
LEAD_II: Final = 1
DRAWN_OUT: Final = 500 / 128


class SqueezeExcitation(nn.Module):
    """Scales channels (batch, channels, n) by what their means say of each other."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(nn.Linear(channels, channels // reduction, bias=False), nn.ReLU(), nn.Linear(channels // reduction, channels, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Channels scaled."""
        scale: Tensor = self.scale(x.mean(dim=2))
        return x * scale[:, :, None]


class Block(nn.Module):
    """Two convolutions with batch norm, squeeze and excitation, and the way past them: (batch, channels_in, n) → (batch, channels, n / stride)."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, reduction: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
        self.first_norm = nn.BatchNorm1d(channels)
        self.second = nn.Conv1d(channels, channels, kernel, 1, kernel // 2, bias=False)
        self.second_norm = nn.BatchNorm1d(channels)
        self.excitation = SqueezeExcitation(channels, reduction)
        past = channels_in == channels and stride == 1
        self.past: nn.Module = nn.Identity() if past else nn.Sequential(nn.Conv1d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm1d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Both ways added."""
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.excitation(self.second_norm(self.second(y))) + self.past(x))


def stages(widths: Sequence[int], kernel: int, reduction: int) -> list[nn.Module]:
    """The stages of a ResNet18, two blocks each; every stage but the first halves the rate."""
    sizes = (widths[0], *widths)
    return [nn.Sequential(Block(sizes[i], width, kernel, 1 if i == 0 else 2, reduction), Block(width, width, kernel, 1, reduction)) for i, width in enumerate(widths)]


class Backbone(nn.Module):
    """SE-ResNet18 without its head: (batch, leads, n) → (batch, widths[-1], about n / 32).

    widths       of the stages, two blocks each
    recompute    forget what the stages hold and make it again for the gradient: less memory, more time
    """

    def __init__(self, leads: int, widths: Sequence[int] = WIDTHS, kernel: int = KERNEL, reduction: int = REDUCTION, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.stem = nn.Sequential(nn.Conv1d(leads, widths[0], 7, 2, 3, bias=False), nn.BatchNorm1d(widths[0]), nn.ReLU(), nn.MaxPool1d(3, 2, 1))
        self.stages = nn.ModuleList(stages(widths, kernel, reduction))

    def forward(self, x: Tensor) -> Tensor:
        """Features at a thirty-second of the rate."""
        x = self.stem(x)
        for stage in self.stages:
            x = checkpoint(stage, x, use_reentrant=False, context_fn=partial(_contexts, stage)) if self.recompute and self.training else stage(x)
        return x


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of a stage's first run, and of the one that makes it again."""
    return nullcontext(), _statistics_kept(stage)


@contextmanager
def _statistics_kept(stage: nn.Module) -> Iterator[None]:
    """What a batch norm has learned of its input stays: a stage that is made again must not count its batch twice."""
    norms = [module for module in stage.modules() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


class SeResNet18(nn.Module):
    """Rhythm of all leads at once: signals (batch, leads, n) and, where there is a branch for them, metadata (batch, metadata) → logits (batch, classes)."""

    def __init__(self, classes: int, leads: int = 12, metadata: int = 0, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.backbone = Backbone(leads, widths)
        self.branch = nn.Sequential(nn.Linear(metadata, METADATA_SIZE), nn.ReLU(), nn.Dropout(METADATA_DROPOUT)) if metadata else None
        self.head = nn.Linear(widths[-1] + (METADATA_SIZE if metadata else 0), classes)

    def forward(self, signals: Tensor, metadata: Tensor | None = None) -> Tensor:
        """Logits."""
        features = self.backbone(signals).mean(dim=2)
        if self.branch is not None and metadata is not None:
            features = torch.cat((features, self.branch(metadata)), dim=1)
        logits: Tensor = self.head(features)
        return logits


class LeadAttentionPool(nn.Module):
    """Features of leads (batch, leads, size) → their sum weighted by attention (batch, size), and the weights (batch, leads); absent leads weigh nothing.

    The paper scores a lead by a learned query in one place, by two layers in another; its total of parameters holds both, and so does this.
    """

    def __init__(self, size: int, hidden: int = SCORE_SIZE) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.query = nn.Parameter(torch.zeros(size))

    def forward(self, features: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pooled features and weights."""
        scores = self.score(features)[:, :, 0] + features @ self.query / self.query.numel() ** 0.5
        if present is not None:
            scores = scores.masked_fill(~present, float("-inf"))
        weights = torch.softmax(scores, dim=1)
        return (weights[:, :, None] * features).sum(dim=1), weights


class UniversalECGNet(nn.Module):
    """Rhythm of any leads: each through the same backbone, told apart by an embedding, pooled by attention.

    signals (batch, leads, n), lead ids (batch, leads), present (batch, leads) or None for all → logits (batch, classes), weights (batch, leads).
    """

    def __init__(self, classes: int, widths: Sequence[int] = WIDTHS, lead_ids: int = LEAD_IDS, lead_size: int = LEAD_SIZE, recompute: bool = False) -> None:
        super().__init__()
        self.backbone = Backbone(1, widths, recompute=recompute)
        self.leads = nn.Embedding(lead_ids, lead_size)
        self.project = nn.Linear(widths[-1] + lead_size, widths[-1])
        self.pool = LeadAttentionPool(widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, signals: Tensor, lead_ids: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits and weights."""
        pooled, weights = self.pool(self.features(signals, lead_ids), present)
        return self.head(pooled), weights

    def features(self, signals: Tensor, lead_ids: Tensor) -> Tensor:
        """What is known of each lead, (batch, leads, size)."""
        each = self.backbone(signals.flatten(0, 1)[:, None]).mean(dim=2).reshape(signals.shape[0], signals.shape[1], -1)
        known: Tensor = self.project(torch.cat((each, functional.normalize(self.leads(lead_ids), dim=2)), dim=2))
        return known


class UniversalRhythmNet(nn.Module):
    """UniversalECGNet asked as AnyLeadNet is, with a head for the kinds of CinC 2017; it is not shown where the beats are.

    Signals within 40 Hz come at 128 samples a second and are drawn out to the paper's 500. An unknown lead has the embedding of lead II.
    """

    def __init__(self, classes: int, kinds: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.universal = UniversalECGNet(classes, widths, recompute=True)
        self.dropout = nn.Dropout(dropout)
        self.kind = nn.Linear(widths[-1], kinds)

    def forward(self, signals: Tensor, beats: Tensor, lead_ids: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the rhythms and of the kinds, and weights."""
        del beats
        drawn_out = functional.interpolate(signals, scale_factor=DRAWN_OUT, mode="linear")
        known = torch.where(lead_ids < LEAD_IDS, lead_ids, LEAD_II)
        pooled, weights = self.universal.pool(self.dropout(self.universal.features(drawn_out, known)), present)
        return self.universal.head(pooled), self.kind(pooled), weights


class AnyLeadNet(nn.Module):
    """Leadwise's own, small enough for two cores: as UniversalECGNet, but shown where the beats are and their timing too, and a lead that is none of the twelve.

    signals (batch, leads, n), beats (batch, beat_channels, n), lead ids (batch, leads), present (batch, leads) bool
    → rhythm logits (batch, classes), logits of the kinds of CinC 2017 (batch, kinds), weights (batch, leads).
    Of each channel the mean over time and the greatest value are kept: a rhythm lasts, one odd beat does not.
    """

    def __init__(self, classes: int, kinds: int, beat_channels: int, widths: Sequence[int], kernel: int, size: int, lead_size: int, reduction: int, dropout: float) -> None:
        super().__init__()
        self.signal = nn.Conv1d(1, widths[0], kernel, 2, kernel // 2, bias=False)
        self.beats = nn.Conv1d(beat_channels, widths[0], kernel, 2, kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(widths[0])
        self.thin = nn.MaxPool1d(3, 2, 1)
        self.stages = nn.Sequential(*stages(widths, kernel, reduction))
        self.leads = nn.Embedding(LEAD_IDS + 1, lead_size)
        self.project = nn.Linear(2 * widths[-1] + lead_size, size)
        self.dropout = nn.Dropout(dropout)
        self.pool = LeadAttentionPool(size, size // 2)
        self.rhythm = nn.Linear(size, classes)
        self.kind = nn.Linear(size, kinds)

    def forward(self, signals: Tensor, beats: Tensor, lead_ids: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the rhythms and of the kinds, and weights."""
        rows, leads = signals.shape[0], signals.shape[1]
        shown = self.beats(beats)
        x = self.signal(signals.flatten(0, 1)[:, None]).reshape(rows, leads, shown.shape[1], -1) + shown[:, None]
        x = self.stages(self.thin(torch.relu(self.norm(x.flatten(0, 1)))))
        each = torch.cat((x.mean(dim=2), x.amax(dim=2)), dim=1).reshape(rows, leads, -1)
        each = torch.relu(self.project(torch.cat((each, functional.normalize(self.leads(lead_ids), dim=2)), dim=2)))
        pooled, weights = self.pool(self.dropout(each), present)
        return self.rhythm(pooled), self.kind(pooled), weights


def lead_dropout(shape: tuple[int, int], generator: torch.Generator, chance: float = 0.5) -> Tensor:
    """Which leads a batch sees, (batch, leads) bool: all of them, or by `chance` a subset each, of 1 to leads − 1, the same count for all and any as likely as another."""
    present = torch.ones(shape, dtype=torch.bool)
    if shape[1] > 1 and torch.rand((), generator=generator) < chance:
        count = int(torch.randint(1, shape[1], (), generator=generator))
        kept = torch.stack([torch.randperm(shape[1], generator=generator)[:count] for _ in range(shape[0])])
        present = torch.zeros(shape, dtype=torch.bool).scatter_(1, kept, True)
    return present


def parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in net.parameters())
