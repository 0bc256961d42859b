"""What is hidden from the network: random points, bursts, a blackout, or all from some point on.

Every function gives `observed` (n, samples) bool for windows at fs_hz, by a generator alone: the same seed hides the same.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Observed = NDArray[np.bool_]
POINTS: Final = (200, 540)  # of 640, as in the paper
BURST_S: Final = (0.05, 0.5)
BURSTS: Final = 3  # in a window, each within its own third
BLACKOUT_S: Final = (1.0, 2.0)
LONGEST_S: Final = 4.0
EDGE_S: Final = 0.5  # observed on either side of a blackout


def random_points(n: int, samples: int, rng: Generator, points: tuple[int, int] = POINTS) -> Observed:
    """From points[0] to points[1] samples hidden, anywhere."""
    count = rng.integers(points[0], points[1] + 1, (n, 1))
    rank = rng.random((n, samples)).argsort(axis=1).argsort(axis=1)
    return np.asarray(rank >= count)


def bursts(n: int, samples: int, rng: Generator, fs_hz: float, lengths_s: tuple[float, float] = BURST_S, count: int = BURSTS) -> Observed:
    """`count` runs hidden, each of a length drawn evenly and within its own part of the window, so that none touch."""
    observed = np.ones((n, samples), bool)
    part = samples // count
    for k in range(count):
        inner = np.zeros((n, samples), bool)
        inner[:, k * part : (k + 1) * part - 1] = ~_run(n, part - 1, rng, fs_hz, lengths_s, 0)
        observed &= ~inner
    return observed


def blackout(n: int, samples: int, rng: Generator, fs_hz: float, lengths_s: tuple[float, float] = BLACKOUT_S, edge_s: float = EDGE_S) -> Observed:
    """One run hidden, at least edge_s from either end of the window."""
    return _run(n, samples, rng, fs_hz, lengths_s, round(edge_s * fs_hz))


def forecast(n: int, samples: int, rng: Generator, fs_hz: float, lengths_s: tuple[float, float]) -> Observed:
    """All hidden from a point on: the last samples, as many as drawn."""
    length = _lengths(n, rng, fs_hz, lengths_s)
    return np.asarray(np.arange(samples) < samples - length)


def tested(fs_hz: float) -> dict[str, Callable[[int, int, Generator], Observed]]:
    """The kinds of gap that are measured, by name."""
    return {
        "random points": random_points,
        "bursts of 50–500 ms": lambda n, samples, rng: bursts(n, samples, rng, fs_hz),
        "blackout of 1–2 s": lambda n, samples, rng: blackout(n, samples, rng, fs_hz),
        "forecast of 1 s": lambda n, samples, rng: forecast(n, samples, rng, fs_hz, (1.0, 1.0)),
        "forecast of 2 s": lambda n, samples, rng: forecast(n, samples, rng, fs_hz, (2.0, 2.0)),
    }


def imputed(n: int, samples: int, rng: Generator, fs_hz: float) -> Observed:
    """What the imputing head learns from: a fifth random points, two fifths bursts, two fifths blackouts up to LONGEST_S, some at the window's start."""
    draws: list[Callable[[int], Observed]] = [
        lambda k: random_points(k, samples, rng),
        lambda k: bursts(k, samples, rng, fs_hz, count=int(rng.integers(1, 5))),
        lambda k: blackout(k, samples, rng, fs_hz, (0.5, 2.2), float(rng.uniform(0.0, EDGE_S))),
        lambda k: blackout(k, samples, rng, fs_hz, (BLACKOUT_S[0], LONGEST_S), float(rng.uniform(0.1, 0.4))),
    ]
    return _mixed(n, rng, draws, (0.15, 0.4, 0.3, 0.15))


def foreseen(n: int, samples: int, rng: Generator, fs_hz: float) -> Observed:
    """What the forecasting head learns from: mostly 1 to 2 s, a fifth as long as the paper's 200 to 540 samples of 640."""
    draws: list[Callable[[int], Observed]] = [
        lambda k: forecast(k, samples, rng, fs_hz, (0.3, 2.2)),
        lambda k: forecast(k, samples, rng, fs_hz, (POINTS[0] / 640 * samples / fs_hz, POINTS[1] / 640 * samples / fs_hz)),
    ]
    return _mixed(n, rng, draws, (0.85, 0.15))


def _mixed(n: int, rng: Generator, draws: list[Callable[[int], Observed]], shares: tuple[float, ...]) -> Observed:
    counts = rng.multinomial(n, shares)
    return np.concatenate([draw(int(k)) for draw, k in zip(draws, counts, strict=True) if k])


def _run(n: int, samples: int, rng: Generator, fs_hz: float, lengths_s: tuple[float, float], edge: int) -> Observed:
    """One run hidden in each row, within edge samples of neither end."""
    length = np.minimum(_lengths(n, rng, fs_hz, lengths_s), samples - 2 * edge)
    start = edge + np.floor(rng.random((n, 1)) * (samples - 2 * edge - length + 1)).astype(np.int64)
    at = np.arange(samples)
    return np.asarray((at < start) | (at >= start + length))


def _lengths(n: int, rng: Generator, fs_hz: float, lengths_s: tuple[float, float]) -> NDArray[np.int64]:
    """(n, 1) samples, drawn evenly."""
    return np.asarray(np.round(rng.uniform(*lengths_s, (n, 1)) * fs_hz), np.int64)
