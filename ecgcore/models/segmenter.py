"""Joint segmenter and classifier: a 1D U-Net gives attention, pooled, multiplied into every lead; a CNN classifies the product.

After "Attention based joint learning for supervised electrocardiogram arrhythmia differentiation with unsupervised
abnormal beat segmentation". Only the class of a segment is supervised.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

ARMS: Final = ("classifier only", "cascaded", "ReLU and max", "L2 norm")
EPSILON: Final = 1e-6  # under the root: its slope at zero has no end
POINTWISE: Final = 8  # channels of the classifier's first layer


def l2_pool(x: Tensor, kernel: int) -> Tensor:
    """Sliding root of the sum of squares, (…, channels, n) of the same length, zeros around; its gradient is finite everywhere."""
    running = functional.pad(torch.cumsum(_surrounded(x * x, kernel), dim=-1), (1, 0))
    return torch.sqrt((running[..., kernel:] - running[..., :-kernel]).clamp(min=0.0) + EPSILON)


def relu_max_pool(x: Tensor, kernel: int) -> Tensor:
    """Sliding maximum of what is positive, (…, channels, n) of the same length."""
    return functional.max_pool1d(_surrounded(torch.relu(x), kernel), kernel, stride=1)


def _surrounded(x: Tensor, kernel: int) -> Tensor:
    """Zeros on both sides, so that a sliding kernel centred on each sample keeps the length."""
    return functional.pad(x, (kernel // 2, kernel - 1 - kernel // 2))


class Block(nn.Sequential):
    """Two convolutions with batch norm and ReLU, the first with a stride."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int) -> None:
        layers: list[nn.Module] = []
        for size, step in ((channels_in, stride), (channels, 1)):
            layers += [nn.Conv1d(size, channels, kernel, step, kernel // 2, bias=False), nn.BatchNorm1d(channels), nn.ReLU()]
        super().__init__(*layers)


class UNet(nn.Module):
    """One-dimensional U-Net: (batch, channels, n) → (batch, channels_out, n / strides[0]); rates fall by strided convolutions.

    widths, strides  by level, from the input down
    """

    def __init__(self, channels_in: int, channels_out: int, widths: Sequence[int], strides: Sequence[int], kernel: int) -> None:
        super().__init__()
        sizes = (channels_in, *widths)
        self.down = nn.ModuleList(Block(sizes[i], width, kernel, stride) for i, (width, stride) in enumerate(zip(widths, strides, strict=True)))
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv1d(widths[i] + widths[i + 1], widths[i], kernel, padding=kernel // 2, bias=False), nn.BatchNorm1d(widths[i]), nn.ReLU())
            for i in reversed(range(len(widths) - 1))
        )
        self.out = nn.Conv1d(widths[0], channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The map at the rate of the first level."""
        levels = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        for up, skip in zip(self.up, reversed(levels[:-1]), strict=True):
            x = up(torch.cat([functional.interpolate(x, size=skip.shape[-1], mode="nearest"), skip], dim=1))
        answer: Tensor = self.out(x)
        return answer


class Features(nn.Sequential):
    """The classifier's convolutions: a pointwise layer, then blocks each with its stride; (batch, channels, n) → (batch, widths[-1], fewer)."""

    def __init__(self, channels_in: int, widths: Sequence[int], strides: Sequence[int], kernel: int) -> None:
        sizes = (POINTWISE, *widths)
        blocks = (Block(sizes[i], width, kernel, stride) for i, (width, stride) in enumerate(zip(widths, strides, strict=True)))
        super().__init__(nn.Conv1d(channels_in, POINTWISE, 1), *blocks)


class Segmenter(nn.Module):
    """The paper's network, by arm: segments (batch, n_leads, n) → logits (batch, n_classes), attention (batch, n); ones where an arm has none."""

    def __init__(self, arm: str, n_leads: int, n_classes: int, *, widths: Sequence[int], strides: Sequence[int], kernel: int, pool: int, dropout: float) -> None:
        super().__init__()
        if arm not in ARMS:
            raise ValueError(f"no arm {arm!r}; there are: {', '.join(ARMS)}")
        self.arm, self.pool = arm, pool
        self.segmenter = None if arm == "classifier only" else UNet(n_leads, 1, widths, strides, kernel)
        self.features = Features(1 if arm == "cascaded" else n_leads, widths, strides, kernel)
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], 128), nn.ReLU(), nn.Linear(128, n_classes))

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the attention that every lead is multiplied by."""
        attention = self.attention(segments)
        if self.arm == "classifier only":
            seen = segments
        elif self.arm == "cascaded":
            seen = attention[:, None]
        else:
            seen = attention[:, None] * segments
        return self.answer(self.features(seen).mean(dim=-1)), attention

    def attention(self, segments: Tensor) -> Tensor:
        """Attention (batch, n)."""
        if self.segmenter is None:
            return torch.ones_like(segments[:, 0])
        drawn = functional.interpolate(self.segmenter(segments).float(), size=segments.shape[-1], mode="linear", align_corners=False)
        pooled = relu_max_pool(drawn, self.pool) if self.arm == "ReLU and max" else l2_pool(drawn, self.pool) / self.pool**0.5
        return pooled[:, 0]
