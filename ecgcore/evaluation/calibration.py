"""How far probabilities can be believed: reliability by bin of confidence, and the expected calibration error (Guo et al., 2017)."""

import math
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15  # of confidence
Bins: TypeAlias = tuple[tuple[float, float, int], ...]  # mean confidence, share right, how many


def binned(confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = BINS) -> Bins:
    """For equal bins of confidence (n,) that hold any: its mean, the share that is right (n,), how many."""
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums, hits = np.bincount(place, confidence, bins), np.bincount(place, right, bins)
    return tuple((round(float(sums[i] / counts[i]), 4), round(float(hits[i] / counts[i]), 4), int(counts[i])) for i in np.flatnonzero(counts))


def calibration_error(bins: Bins) -> float:
    """Mean distance of confidence and share right over bins, weighted by what they hold; NaN where they hold nothing."""
    held = sum(n for *_, n in bins)
    return sum(abs(confidence - right) * n for confidence, right, n in bins) / held if held else math.nan
