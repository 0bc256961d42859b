"""The segmenter at large: one lead and the timing of its beats in, where ectopic beats of each class lie out.

A U-Net draws one map a class; its strengths, pooled by a sliding L2 norm, are multiplied into the lead, and a CNN a class
classifies the product. It learns from the classes of segments alone.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgcore.models.segmenter import Features, UNet, l2_pool

RARE: Final = -4.0  # logit from which a map starts: most of a record is not ectopic


class EctopyNet(nn.Module):
    """Input (batch, channels, n), the lead first → strengths (batch, n_labels, n / step), probabilities (batch, n_labels) that there is one in it.

    A step is as many samples as the first stride of the U-Net; n is a multiple of the product of all strides.
    """

    def __init__(
        self, channels: int, n_labels: int, *, widths: Sequence[int], strides: Sequence[int], kernel: int, pool: int, seen: Sequence[int], seen_strides: Sequence[int]
    ) -> None:
        super().__init__()
        self.pool, self.n_labels, self.strides = pool, n_labels, tuple(strides)
        self.segmenter = UNet(channels, n_labels, widths, strides, kernel)
        nn.init.constant_(self.segmenter.out.bias, RARE)  # type: ignore[arg-type] # it has one
        self.features = nn.ModuleList(Features(1, seen, seen_strides, kernel) for _ in range(n_labels))
        self.answers = nn.ModuleList(nn.Conv1d(seen[-1], 1, 1) for _ in range(n_labels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Strengths and probabilities, both 0 to 1."""
        drawn = self.maps(x)
        return torch.sigmoid(drawn), torch.sigmoid(self.classified(x[:, :1], drawn))

    def maps(self, x: Tensor) -> Tensor:
        """Logits of the strengths, (batch, n_labels, n / step)."""
        answer: Tensor = self.segmenter(x)
        return answer.float()

    def attention(self, drawn: Tensor, n: int) -> Tensor:
        """What the lead is multiplied by, (batch, n_labels, n), from logits of the strengths: 1 where all within the pool is 1."""
        step = n // drawn.shape[-1]
        kernel = max(1, self.pool // step)
        pooled = l2_pool(torch.sigmoid(drawn), kernel) / kernel**0.5
        return functional.interpolate(pooled, size=n, mode="linear", align_corners=False)

    def classified(self, lead: Tensor, drawn: Tensor) -> Tensor:
        """Logits (batch, n_labels) that a label occurs, from the lead (batch, 1, n) multiplied by each class's attention."""
        seen = lead * self.attention(drawn, lead.shape[-1])
        rows = [answer(features(seen[:, k : k + 1])).float().amax(dim=-1) for k, (features, answer) in enumerate(zip(self.features, self.answers, strict=True))]
        return torch.cat(rows, dim=1)


class Several(nn.Module):
    """Networks side by side, their labels one network's after the other's: what a map is compared with when its network's weights are random."""

    def __init__(self, nets: Sequence[EctopyNet]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Strengths (batch, n_nets · n_labels, n / step) and probabilities (batch, n_nets · n_labels)."""
        strengths, probabilities = zip(*(net(x) for net in self.nets), strict=True)
        return torch.cat(strengths, dim=1), torch.cat(probabilities, dim=1)
