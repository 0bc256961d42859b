"""Whether an attention map says anything about its network: deletion of what it highlights, and a network of random weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgcore.inference.cards import Figure

SHARE: Final = 0.1  # of the window that is flattened
DRAWS: Final = 5  # random places each window is flattened at
CHUNK: Final = 4096


@dataclass(frozen=True, eq=False)
class Checks:
    """By beat (n,): fall of the called class's probability with the highlighted tenth and a random one flattened; correlation with chance's map."""

    highlighted: NDArray[np.float64]
    random: NDArray[np.float64]
    correlation: NDArray[np.float64]


def check(net: nn.Module, fresh: nn.Module, windows: NDArray[np.float32], seed: int) -> Checks:
    """Check the maps of `net` on windows (n, samples) it has not learned from; `fresh` is the same network with random weights.

    Both answer windows with probabilities (n, n_classes), or logits, and attention (n, steps), steps of equal length; `net` with probabilities.
    """
    probabilities, attention = _answers(net, windows)
    called = probabilities.argmax(axis=1)
    width = max(2, round(SHARE * windows.shape[1]))
    rng = np.random.default_rng(seed)

    def fall(starts: NDArray[np.int64]) -> NDArray[np.float64]:
        after, _ = _answers(net, flattened(windows, starts, width))
        rows = np.arange(called.size)
        return np.asarray(probabilities[rows, called] - after[rows, called], np.float64)

    random = np.mean([fall(rng.integers(0, windows.shape[1] - width + 1, called.size)) for _ in range(DRAWS)], axis=0)
    return Checks(fall(highlighted(attention, windows.shape[1], width)), random, correlations(attention, _answers(fresh, windows)[1]))


def highlighted(attention: NDArray[np.float32], samples: int, width: int) -> NDArray[np.int64]:
    """First sample (n,) of the `width` samples in a row with the most attention (n, steps)."""
    steps = np.minimum(np.arange(samples) * attention.shape[1] // samples, attention.shape[1] - 1)
    total = np.cumsum(np.pad(attention[:, steps].astype(np.float64), ((0, 0), (1, 0))), axis=1)
    return np.asarray((total[:, width:] - total[:, :-width]).argmax(axis=1), np.int64)


def flattened(windows: NDArray[np.float32], starts: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    """Windows (n, samples) with `width` samples from each start (n,) replaced by a straight line between their ends."""
    rows, out = np.arange(len(windows)), windows.copy()
    first, last = windows[rows, starts], windows[rows, starts + width - 1]
    line = first[:, None] + (last - first)[:, None] * np.linspace(0.0, 1.0, width, dtype=np.float32)
    out[rows[:, None], starts[:, None] + np.arange(width)] = line
    return out


def correlations(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pearson's correlation of maps (n, steps) row by row; 0 where one of them is the same everywhere."""
    x, y = (np.asarray(m, np.float64) - m.mean(axis=1, keepdims=True) for m in (a, b))
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.asarray(np.where(size > 0, (x * y).sum(axis=1) / np.where(size > 0, size, 1.0), 0.0), np.float64)


def card_figures(checks: Sequence[Checks], split: str, command: str) -> tuple[Figure, ...]:
    """The checks of several networks as they stand on a card: the mean over all beats, one run; the protocol says how many beats and how they spread."""
    falls = "fall of the called class's probability when a tenth of the window is flattened"
    rows = {
        "attention deletion, highlighted": (np.concatenate([one.highlighted for one in checks]), f"{falls}, the tenth with the most attention"),
        "attention deletion, random": (np.concatenate([one.random for one in checks]), f"{falls}, {DRAWS} random tenths"),
        "attention randomisation": (np.concatenate([one.correlation for one in checks]), "correlation of the map with that of the same network with random weights"),
    }
    return tuple(
        Figure(name=name, value=round(float(x.mean()), 4), spread=None, n=1, protocol=f"{protocol}; {_over(x)}", split=split, command=command)
        for name, (x, protocol) in rows.items()
    )


def _over(x: NDArray[np.float32]) -> str:
    return f"mean over {x.size:,} ectopic beats of patients the network has not learned from, standard deviation between beats {x.std():.3f}"


def _answers(net: nn.Module, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with torch.no_grad():
        parts = [net(part) for part in torch.split(torch.from_numpy(windows), CHUNK)]
    first, second = (torch.cat([part[k] for part in parts]).numpy() for k in (0, 1))
    return np.asarray(first, np.float32), np.asarray(second, np.float32)
