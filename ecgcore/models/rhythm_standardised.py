"""Rhythm networks with what their inputs are standardised by, so that they take mV and features in units of their own."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.models.universal import LEAD_IDS, SeResNet18, UniversalECGNet

LEAST_DEVIATION: Final = 1e-6


class Standardised(nn.Module):
    """Mean and deviation of each of so many things; what is not known (NaN) takes the mean."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def take(self, mean: Sequence[float] | NDArray[np.float64], deviation: Sequence[float] | NDArray[np.float64]) -> None:
        """Use these; a thing that does not vary keeps its own size."""
        self.mean.copy_(torch.as_tensor(np.asarray(mean)))
        spread = torch.as_tensor(np.asarray(deviation))
        self.deviation.copy_(torch.where(spread < LEAST_DEVIATION, torch.ones_like(spread), spread))

    def forward(self, values: Tensor, places: Tensor | None = None) -> Tensor:
        """Values (batch, size), or (batch, size, n); `places` (batch, k) are those that values (batch, k, n) are of, where not all are there."""
        shape = (-1, 1) if values.ndim > 2 else (-1,)
        mean, deviation = (self.mean.reshape(shape), self.deviation.reshape(shape)) if places is None else (self.mean[places][..., None], self.deviation[places][..., None])
        scaled = (values - mean) / deviation
        return torch.where(torch.isnan(scaled), torch.zeros_like(scaled), scaled)


class StandardisedSeResNet18(nn.Module):
    """Twelve leads (batch, 12, n) in mV and features (batch, k) → logits (batch, classes)."""

    def __init__(self, net: SeResNet18, features: int) -> None:
        super().__init__()
        self.net, self.signals, self.features = net, Standardised(LEAD_IDS), Standardised(features)

    def forward(self, signals: Tensor, features: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.net(self.signals(signals), self.features(features))
        return logits


class StandardisedUniversal(nn.Module):
    """Leads (batch, leads, n) in mV with their ids (batch, leads) → logits (batch, classes), weights of the leads (batch, leads)."""

    def __init__(self, net: UniversalECGNet) -> None:
        super().__init__()
        self.net, self.signals = net, Standardised(LEAD_IDS)

    def forward(self, signals: Tensor, lead_ids: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits and lead weights; `present` (batch, leads) bool for leads of which some are not there."""
        logits, weights = self.net(self.signals(signals, lead_ids), lead_ids, present)
        return logits, weights


class FromTwelve(nn.Module):
    """A universal network as it is exported: twelve leads (batch, 12, n) in mV, which of them are there (batch, 12) as numbers above 0 → probabilities, lead weights."""

    lead_ids: Tensor

    def __init__(self, net: StandardisedUniversal) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("lead_ids", torch.arange(LEAD_IDS)[None])

    def forward(self, signals: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and lead weights."""
        there = present > 0
        logits, weights = self.net(torch.where(there[:, :, None], signals, 0.0), self.lead_ids.expand(signals.shape[0], LEAD_IDS), there)
        return torch.softmax(logits, dim=1), weights


class FromAll(nn.Module):
    """A network of all leads as it is exported: signals (batch, 12, n) in mV and, where it takes them, features (batch, k), NaN where not known → probabilities."""

    def __init__(self, net: StandardisedSeResNet18) -> None:
        super().__init__()
        self.net = net

    def forward(self, signals: Tensor, features: Tensor | None = None) -> Tensor:
        """Probabilities."""
        return torch.softmax(self.net(signals, signals.new_zeros(signals.shape[0], 0) if features is None else features), dim=1)
