"""Weighted focal loss (Lin et al., 2017), on logits and beat by beat."""

import torch
from torch import Tensor, nn


class FocalLoss(nn.Module):
    """Mean over beats, by weight, of -(1 - p)^γ log p, where p is what the softmax gives the beat's own class.

    weights (n_classes,); with γ = 0 it is the weighted cross-entropy. Each beat may have a weight of its own beside that of its class.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weights", weights)

    def forward(self, logits: Tensor, targets: Tensor, own: Tensor | None = None) -> Tensor:
        """Of logits (n, n_classes) as the network gives them, without softmax, and targets (n,); `own` (n,) are the beats' own weights."""
        log_p = torch.log_softmax(logits.float(), dim=1).gather(1, targets[:, None])[:, 0]
        weight = self.weights[targets] if own is None else self.weights[targets] * own
        return -(weight * (1 - log_p.exp()) ** self.gamma * log_p).sum() / weight.sum()
