"""HADLN: a bidirectional LSTM beside a residual CNN, joined, then attention, then a linear classifier.

After Gritton & Thio (2021), `self` attention over time, and Jiang et al. (2021), `channel` attention over the CNN's channels.
Strided convolutions stand for the pooling of the original. The LSTM reads a patch of a few samples at each step, and the
CNN comes to as many steps, so that step k of both is about the same stretch of the beat.
"""

import math
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own usage
from torch import Tensor, nn

ATTENTIONS: Final = ("self", "channel")


class Standardise(nn.Module):
    """(x - mean) / deviation, of all training beats together: the same for every beat."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("deviation", torch.ones(1))

    def take(self, mean: float, deviation: float) -> None:
        """Standardise by these from now on; until then the beats are left as they are."""
        self.mean.fill_(mean)
        self.deviation.fill_(deviation)

    def forward(self, x: Tensor) -> Tensor:
        """Of the shape of x."""
        return (x - self.mean) / self.deviation


class Hadln(nn.Module):
    """Beats (batch, samples) → logits (batch, n_classes) and attention: (batch, steps) for `self`, (batch, channels) for `channel`.

    patch      samples of a step; a power of 2, for each halving is one strided convolution
    hidden     units of the LSTM in each direction
    channels   of the CNN: of its stem, and of each residual block after it
    attention  "self" or "channel"
    """

    def __init__(
        self,
        samples: int,
        n_classes: int,
        *,
        patch: int = 4,
        hidden: int = 32,
        channels: tuple[int, ...] = (32, 64, 64),
        kernel: int = 17,
        dropout: float = 0.2,
        attention: str = "self",
    ) -> None:
        super().__init__()
        if attention not in ATTENTIONS:
            raise ValueError(f"attention {attention!r} is none of {', '.join(ATTENTIONS)}")
        if patch < 2 or patch & (patch - 1):
            raise ValueError(f"a patch of {patch} samples is no power of 2 above 1")
        self.patch, self.steps = patch, math.ceil(samples / patch)
        self.standardise = Standardise()
        self.recurrent = nn.LSTM(patch, hidden, batch_first=True, bidirectional=True)
        self.convolutional = _residual_cnn(channels, kernel, patch)
        self.attention: SelfAttention | ChannelAttention
        self.attention = SelfAttention(channels[-1] + 2 * hidden, self.steps) if attention == "self" else ChannelAttention(channels[-1], 2 * hidden)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.attention.width, n_classes))

    def forward(self, beats: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, uncalibrated, and the weights of the attention; each row of them sums to 1."""
        seen, weights = self.attention(*self.features(beats))
        return self.classifier(seen), weights

    def features(self, beats: Tensor) -> tuple[Tensor, Tensor]:
        """What CNN (batch, steps, channels) and LSTM (batch, steps, 2 · hidden) say of each step of the beats."""
        padded = F.pad(self.standardise(beats), (0, self.steps * self.patch - beats.shape[1]))
        across = self.convolutional(padded.unsqueeze(1)).transpose(1, 2)
        along, _ = self.recurrent(padded.reshape(beats.shape[0], self.steps, self.patch))
        return across, along


class SelfAttention(nn.Module):
    """Scaled dot-product attention of every step to every step, then the mean over the steps that ask.

    That mean is the sum of the values, each by the weight its step receives: what is drawn is what is used. The steps know
    their place by a vector learned for each; several heads look at different steps, and what is drawn is their mean.
    """

    def __init__(self, width: int, steps: int, heads: int = 4) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} features cannot be shared out evenly among {heads} heads")
        self.width, self.heads = width, heads
        self.normalised = nn.LayerNorm(width)
        self.place = nn.Parameter(0.02 * torch.randn(steps, width))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, across: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches (batch, steps, …) → (batch, width), and the mean weight each step receives (batch, steps)."""
        steps = self.normalised(torch.cat([across, along], dim=2))
        placed = steps + self.place
        query, key, value = (self._by_head(x) for x in (self.query(placed), self.key(placed), self.value(steps)))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        received = torch.softmax(scores.float(), dim=3).mean(dim=2)
        seen = (received.unsqueeze(2) @ value.float()).flatten(1)
        return seen, received.mean(dim=1)

    def _by_head(self, x: Tensor) -> Tensor:
        """(batch, steps, width) → (batch, heads, steps, width / heads)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.width // self.heads).transpose(1, 2)


class ChannelAttention(nn.Module):
    """The original's: softmax of W·tanh(Wc·cnn + Wl·lstm) over the channels weighs the CNN's features."""

    def __init__(self, channels: int, recurrent: int) -> None:
        super().__init__()
        self.width = channels
        self.of_cnn, self.of_lstm = nn.Linear(channels, channels), nn.Linear(recurrent, channels, bias=False)
        self.scores = nn.Linear(channels, channels)

    def forward(self, across: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches (batch, steps, …), means over time → (batch, channels), and the weights (batch, channels).

        Times the number of channels, so that even weights leave the features as they are.
        """
        cnn, lstm = across.mean(dim=1), along.mean(dim=1)
        weights = torch.softmax(self.scores(torch.tanh(self.of_cnn(cnn) + self.of_lstm(lstm))).float(), dim=1)
        return cnn * weights * self.width, weights


class _ResidualBlock(nn.Module):
    """Two convolutions, and the input added to them; the stride stands in the first."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(inputs, outputs, kernel, stride), nn.BatchNorm1d(outputs), nn.ReLU(),
            _convolution(outputs, outputs, kernel, 1), nn.BatchNorm1d(outputs),
        )  # fmt: skip
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv1d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm1d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, n) → (batch, outputs, n / stride)."""
        return torch.relu(self.body(x) + self.shortcut(x))


def _residual_cnn(channels: tuple[int, ...], kernel: int, patch: int) -> nn.Sequential:
    """(batch, 1, n) → (batch, channels[-1], n / patch): a stem, then a block for each further number of channels; the first halve."""
    halvings = round(math.log2(patch))
    if halvings > len(channels):
        raise ValueError(f"{len(channels)} stages cannot halve {halvings} times for a patch of {patch} samples")
    strides = [2 if stage < halvings else 1 for stage in range(len(channels))]
    stem = nn.Sequential(_convolution(1, channels[0], kernel, strides[0]), nn.BatchNorm1d(channels[0]), nn.ReLU())
    blocks = [_ResidualBlock(i, o, kernel, stride) for i, o, stride in zip(channels, channels[1:], strides[1:], strict=False)]
    return nn.Sequential(stem, *blocks)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv1d:
    return nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
