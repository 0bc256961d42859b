"""What is shipped of a classifier of single windows, whatever its network."""

import torch
from torch import Tensor, nn


class CalibratedWindowNet(nn.Module):
    """Windows (batch, samples) → probabilities (batch, n_classes) and attention (batch, steps).

    `net` answers with logits and attention; scale and bias by class (n_classes,) were found on held-out patients.
    """

    scale: Tensor
    bias: Tensor

    def __init__(self, net: nn.Module, scale: float, bias: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("scale", torch.tensor([float(scale)]))
        self.register_buffer("bias", bias.clone())

    def forward(self, beats: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and attention."""
        logits, attention = self.net(beats)
        return torch.softmax(logits * self.scale + self.bias, dim=1), attention
