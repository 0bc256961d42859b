"""From coarse beat positions to the R peak in the record's own samples."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

REACH_S: Final = 0.10  # the peak lies within this of the coarse position
BASELINE_S: Final = 0.25  # around it, for the median taken off
QUIETEST: Final = 0.05  # no lead counts as quieter than this
BLOCK_S: Final = 120.0


def refine(read: Callable[[int, int], NDArray[np.float32]], n_samples: int, fs_hz: float, coarse_s: NDArray[np.float64], backgrounds: NDArray[np.float32]) -> NDArray[np.int64]:
    """R peaks (n_beats,) at the record's own rate, strictly ascending.

    read(start, stop)  (n_leads, n) in mV, NaN where missing
    coarse_s           (n_beats,) positions in s, good to ±0.1 s
    backgrounds        (n_leads, n_beats) how noisy each lead is at each beat; a noisy lead has less say

    The peak is where the leads are farthest from their median, summed over leads by range and quietness.
    """
    out = np.empty(coarse_s.size, np.int64)
    half, reach = round(BASELINE_S * fs_hz), max(1, round(REACH_S * fs_hz))
    for first in np.unique((coarse_s // BLOCK_S).astype(np.int64)):
        chosen = np.flatnonzero((coarse_s // BLOCK_S).astype(np.int64) == first)
        centres = np.clip(np.round(coarse_s[chosen] * fs_hz).astype(np.int64), 0, n_samples - 1)
        left, right = max(0, int(centres[0]) - half), min(n_samples, int(centres[-1]) + half + 1)
        block = read(left, right)
        index = np.clip(centres[:, None] + np.arange(-half, half + 1), left, right - 1) - left
        height = sum(_height(lead[index]) / (QUIETEST + background[chosen])[:, None] for lead, background in zip(block, backgrounds, strict=True))
        out[chosen] = centres + np.asarray(height)[:, half - reach : half + reach + 1].argmax(axis=1) - reach
    return _ascending(np.clip(out, 0, n_samples - 1))


def _height(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance from the median over the greatest distance, (n_beats, width); 0 where missing."""
    known = np.isfinite(windows)
    filled = np.where(known, windows, np.float32(0))
    middle = np.median(filled, axis=1, keepdims=True)
    distance = np.where(known, np.abs(filled - middle), np.float32(0))
    return np.asarray(distance / np.maximum(distance.max(axis=1, keepdims=True), np.float32(1e-6)))


def _ascending(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions with those dropped that do not come after the one before."""
    keep = np.concatenate([[True], np.diff(samples) > 0])[: samples.size]
    return np.asarray(samples[keep])
