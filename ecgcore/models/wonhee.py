"""WonHEE: one transformer that classifies, fills gaps and forecasts, after Kang et al. (2025).

What is missing is never read: where a sample is not observed, a learned vector stands for it, and neither its
value nor a gradient passes. With `patch_samples` 1 each sample is a token, as in the paper; more samples a token
cost less, and the vector of a token is then the sum over its samples of what each would have been alone.

New here: `candidates` are fills computed from the observed samples (`signals.fills`). Each head may mix them,
sample by sample, with what it says itself; without them the network is the paper's.
"""

import math
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own usage
from torch import Tensor, nn

EPSILON: Final = 1e-6
BAND: Final = 2  # distances to the lower and the upper end of the band


class Reconstructed(NamedTuple):
    """What a head says of every sample of a window, (batch, samples) each: the signal, and distances ≥ 0 down and up to the ends of its band."""

    signal: Tensor
    down: Tensor
    up: Tensor


class RmsNorm(nn.Module):
    """x over the root mean square of its last axis, times a learned scale; no mean is taken off (Zhang & Sennrich, 2019)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """(…, size) → the same shape."""
        return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + EPSILON) * self.scale


class SwiGlu(nn.Module):
    """Swish(x W₁ + b₁) ⊙ (x W₂ + b₂), then back to the size of x; Swish(x) = x σ(β x) with β learned (Shazeer, 2020)."""

    def __init__(self, size: int, inner: int) -> None:
        super().__init__()
        self.gate, self.value, self.out = nn.Linear(size, inner), nn.Linear(size, inner), nn.Linear(inner, size)
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(…, size) → the same shape."""
        gate = self.gate(x)
        return self.out(gate * torch.sigmoid(self.beta * gate) * self.value(x))  # type: ignore[no-any-return]


class SoftMoe(nn.Module):
    """Soft mixture of experts (Puigcerver et al., 2024): each slot is a mean over all tokens, each token a mean over what the experts made of the slots."""

    def __init__(self, size: int, inner: int, experts: int, slots: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList([SwiGlu(size, inner) for _ in range(experts)])
        self.slots = slots
        self.to_slots = nn.Parameter(torch.randn(size, experts * slots) / math.sqrt(size))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, size) → the same shape."""
        logits = x @ self.to_slots
        mixed = logits.softmax(dim=1).transpose(1, 2) @ x
        answers = [expert(mixed[:, i * self.slots : (i + 1) * self.slots]) for i, expert in enumerate(self.experts)]
        return logits.softmax(dim=2) @ torch.cat(answers, dim=1)


class Attention(nn.Module):
    """Multi-head attention of all tokens to all tokens (Vaswani et al., 2017)."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, size) → the same shape."""
        batch, tokens, size = x.shape
        query, key, value = self.project(x).view(batch, tokens, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) / math.sqrt(size // self.heads)  # written out: on a CPU in bfloat16 twice as fast as torch's fused one
        mixed = scores.softmax(dim=-1).to(value.dtype) @ value
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, size))  # type: ignore[no-any-return]


class Block(nn.Module):
    """A transformer block: attention, then feed-forward or Soft-MoE, each on the RMS-normalised sum so far."""

    def __init__(self, size: int, heads: int, inner: int, experts: int, slots: int) -> None:
        super().__init__()
        self.before_attention, self.before_feed = RmsNorm(size), RmsNorm(size)
        self.attention = Attention(size, heads)
        self.feed: nn.Module = SoftMoe(size, inner, experts, slots) if experts else SwiGlu(size, inner)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, size) → the same shape."""
        x = x + self.attention(self.before_attention(x))
        return x + self.feed(self.before_feed(x))  # type: ignore[no-any-return]


class Embedding(nn.Module):
    """Tokens of a window: for each sample a learned direction times its value where it is observed, a learned vector where it is missing, summed over the token."""

    def __init__(self, patch_samples: int, size: int, candidates: int) -> None:
        super().__init__()
        self.patch_samples = patch_samples
        self.value = nn.Parameter(torch.randn(patch_samples, size) / math.sqrt(patch_samples))
        self.missing = nn.Parameter(torch.randn(patch_samples, size) / math.sqrt(patch_samples))
        self.bias = nn.Parameter(torch.zeros(size))
        self.candidates = nn.Linear(candidates * patch_samples, size, bias=False) if candidates else None

    def forward(self, windows: Tensor, observed: Tensor, candidates: Tensor | None) -> Tensor:
        """windows (batch, samples), anything where observed (batch, samples) is False; candidates (batch, n, samples) → (batch, tokens, size)."""
        tokens = windows.shape[1] // self.patch_samples
        known = observed.view(-1, tokens, self.patch_samples)
        values = torch.where(known, windows.view(-1, tokens, self.patch_samples), 0.0)
        x = values @ self.value + (~known).to(values.dtype) @ self.missing + self.bias
        if self.candidates is None or candidates is None:
            return x
        cut = candidates.view(-1, candidates.shape[1], tokens, self.patch_samples).transpose(1, 2).flatten(2)
        return x + self.candidates(cut)  # type: ignore[no-any-return]


class FillHead(nn.Module):
    """Blocks of its own, then for each sample a value, its band, and how much of each candidate to take."""

    def __init__(self, blocks: list[Block], patch_samples: int, size: int, candidates: int) -> None:
        super().__init__()
        self.blocks, self.norm = nn.Sequential(*blocks), RmsNorm(size)
        self.patch_samples, self.candidates = patch_samples, candidates
        self.out = nn.Linear(size, patch_samples * (1 + BAND + candidates + 1))
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, candidates: Tensor | None) -> Reconstructed:
        """tokens (batch, n, size), candidates (batch, n, samples) → values of every sample."""
        said = self.out(self.norm(self.blocks(tokens))).float().view(tokens.shape[0], -1, 1 + BAND + self.candidates + 1)
        signal, down, up = said[..., 0], F.softplus(said[..., 1]), F.softplus(said[..., 2])
        if self.candidates and candidates is not None:
            share = said[..., 1 + BAND :].softmax(dim=-1)[..., :-1]  # the last share goes to none of them
            signal = signal + (share * candidates.transpose(1, 2)).sum(dim=-1)
        return Reconstructed(signal, down, up)


class Wonhee(nn.Module):
    """The transformer with its three heads; see `Embedding` for what it is fed.

    samples        of a window; a multiple of patch_samples
    experts        of the Soft-MoE in place of each feed-forward layer; 0 for none
    candidates     number of fills it is given beside the window; 0 for the paper's network
    """

    positions: Tensor

    def __init__(
        self, samples: int, n_classes: int, *, patch_samples: int = 1, size: int = 128, heads: int = 4, inner: int = 256,
        blocks: int = 4, head_blocks: int = 2, experts: int = 0, candidates: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        tokens = samples // patch_samples
        self.samples, self.n_candidates = samples, candidates
        self.embedding = Embedding(patch_samples, size, candidates)
        self.register_buffer("positions", sinusoids(tokens, size), persistent=False)

        def some(count: int) -> list[Block]:
            return [Block(size, heads, inner, experts, -(-tokens // experts) if experts else 0) for _ in range(count)]

        self.encoder = nn.Sequential(*some(blocks))
        self.cls = nn.Parameter(torch.randn(size) / math.sqrt(size))
        self.classifier, self.classifier_norm, self.classify_out = nn.Sequential(*some(head_blocks)), RmsNorm(size), nn.Linear(size, n_classes)
        self.imputer, self.forecaster = (FillHead(some(head_blocks), patch_samples, size, candidates) for _ in range(2))

    def encode(self, windows: Tensor, observed: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Tokens (batch, n, size) that all heads share."""
        return self.encoder(self.embedding(windows, observed, candidates) + self.positions)  # type: ignore[no-any-return]

    def classify(self, tokens: Tensor) -> Tensor:
        """Logits (batch, n_classes), read off a [CLS] token put in front."""
        cls = self.cls.expand(tokens.shape[0], 1, -1).to(tokens.dtype)
        return self.classify_out(self.classifier_norm(self.classifier(torch.cat([cls, tokens], dim=1))[:, 0]))  # type: ignore[no-any-return]

    def forward(self, windows: Tensor, observed: Tensor, candidates: Tensor | None = None) -> tuple[Tensor, Reconstructed, Reconstructed]:
        """Logits of the classes, and every sample as the imputing and as the forecasting head say it.

        windows (batch, samples) float, observed (batch, samples) bool, candidates (batch, n, samples) float
        """
        tokens = self.encode(windows, observed, candidates)
        return self.classify(tokens), self.imputer(tokens, candidates), self.forecaster(tokens, candidates)


class Restorer(nn.Module):
    """A trained network as it is shipped: one signal with its band, and probabilities.

    A missing sample after which nothing is observed is the forecasting head's, any other the imputing head's;
    observed samples are handed back as they are. `factors` (imputing, forecasting) widen the band so that it
    holds its share on unseen patients (`conformal`). `leaning` is the share of the last candidate, the mean beat,
    in a forecast: what is right on average has lower R peaks than any beat. The forecast stays within its band.
    """

    factors: Tensor
    leaning: Tensor

    def __init__(self, net: Wonhee, factors: tuple[float, float] = (1.0, 1.0), leaning: float = 0.0) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("factors", torch.tensor(factors))
        self.register_buffer("leaning", torch.tensor(leaning))

    def forward(self, windows: Tensor, observed: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Signal, low and high (batch, samples), and probabilities (batch, n_classes); observed is 0 or 1, float."""
        known = observed > 0.5
        logits, imputed, forecast = self.net(windows, known, candidates)
        later = torch.flip(torch.cumsum(torch.flip(observed, [1]), dim=1), [1]) < 0.5
        signal = torch.where(later, forecast.signal, imputed.signal)
        low = signal - torch.where(later, forecast.down * self.factors[1], imputed.down * self.factors[0])
        high = signal + torch.where(later, forecast.up * self.factors[1], imputed.up * self.factors[0])
        leaned = torch.where(later, torch.lerp(signal, candidates[:, -1], self.leaning), signal)
        shown = torch.minimum(torch.maximum(leaned, low), high)
        return torch.where(known, windows, shown), torch.where(known, windows, low), torch.where(known, windows, high), logits.softmax(dim=1)


def sinusoids(tokens: int, size: int) -> Tensor:
    """Positions (tokens, size): sin and cos of wavelengths from 2π to 20,000π (Vaswani et al., 2017)."""
    at = torch.arange(tokens)[:, None]
    rate = torch.exp(torch.arange(0, size, 2) * (-math.log(10_000.0) / size))
    out = torch.zeros(tokens, size)
    out[:, 0::2], out[:, 1::2] = torch.sin(at * rate), torch.cos(at * rate)
    return out
