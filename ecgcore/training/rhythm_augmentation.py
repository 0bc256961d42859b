"""What is done to a batch of rhythm records before a network learns from it (Kisialeu & Nedzved, table 2)."""

import math

import torch
from torch import Tensor

from ecgcore.training.recipes import RhythmAugmentation


def altered(signals_mv: Tensor, fs_hz: float, how: RhythmAugmentation, chance: torch.Generator) -> Tensor:
    """Signals (batch, leads, n) in mV with wander, mains, noise and another size, each in its own share of the records.

    Wander and mains have one frequency and phase a record and a size of its own in each lead; noise is a share of the lead's power.
    `chance` is a generator on the signals' device.
    """
    batch, leads, n = signals_mv.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=chance, device=signals_mv.device)

    def some() -> Tensor:
        return (uniform(0, 1, batch, 1, 1) < how.chance).to(signals_mv.dtype)

    turns = 2 * math.pi * torch.arange(n, device=signals_mv.device) / fs_hz
    wander = torch.sin(turns * uniform(*how.wander_hz, batch, 1, 1) + uniform(0, 2 * math.pi, batch, 1, 1)) * uniform(-how.wander_mv, how.wander_mv, batch, leads, 1)
    mains = torch.sin(turns * how.mains_hz + uniform(0, 2 * math.pi, batch, 1, 1)) * uniform(-how.mains_mv, how.mains_mv, batch, leads, 1)
    amplitude = signals_mv.std(dim=2, keepdim=True) * 10 ** (-uniform(*how.noise_db, batch, 1, 1) / 20)
    noise = amplitude * torch.randn(signals_mv.shape, generator=chance, device=signals_mv.device)
    size = 1 + some() * uniform(-how.scale, how.scale, batch, 1, 1)
    return (signals_mv + some() * wander + some() * mains + some() * noise) * size
