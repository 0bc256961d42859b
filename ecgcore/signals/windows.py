"""Windows of signal around beats, and the patient's own usual beats."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

DOMINANT_ROUNDS: Final = 3
DOMINANT_SHARE: Final = 0.5  # share of beats nearest to the median that make the next median
DOMINANT_MAX_BEATS: Final = 500  # beats looked at, evenly spread; more change the median no further
LEAST_RANGE_MV: Final = 0.05  # a lead flatter than this is not blown up to full scale
COMPRESSION: Final = 3.0  # arcsinh(3x) leaves a P wave visible beside the QRS


def cut(x: NDArray[np.float32], centres: NDArray[np.int64], before: int, after: int) -> NDArray[np.float32]:
    """Windows (n_beats, before + after) of x (n,): samples centre - before ≤ i < centre + after; the ends are repeated outside."""
    index = centres[:, None] + np.arange(-before, after)[None, :]
    return np.asarray(x[np.clip(index, 0, x.size - 1)])


def dominant(x: NDArray[np.float32], centres: NDArray[np.int64], before: int, after: int) -> NDArray[np.float32]:
    """The patient's dominant beat (before + after,): median of the beats nearest to their median, three times over.

    No beats give zeros.
    """
    if centres.size == 0:
        return np.zeros(before + after, np.float32)
    some = cut(x, centres[:: max(1, -(-centres.size // DOMINANT_MAX_BEATS))], before, after)
    kept = some
    for _ in range(DOMINANT_ROUNDS):
        shape = np.median(kept, axis=0)
        distance = np.abs(some - shape).mean(axis=1)
        kept = some[distance <= np.quantile(distance, DOMINANT_SHARE)]
    return np.asarray(np.median(kept, axis=0), np.float32)


def usual_beats(x: NDArray[np.float32], centres: NDArray[np.int64], late: NDArray[np.int64], before: int, after: int) -> NDArray[np.float32]:
    """What a beat is compared with, (2, before + after): the dominant beat, and the dominant one among the beats numbered `late`."""
    return np.stack([dominant(x, centres, before, after), dominant(x, centres[late], before, after)])


def beside_usual(x: NDArray[np.float32], centres: NDArray[np.int64], usual: NDArray[np.float32], before: int) -> NDArray[np.float32]:
    """Network input (n_beats, 3, width): each beat and, beside it, `usual_beats` (2, width), all over the dominant beat's range.

    Medians are taken off and values compressed by arcsinh, so that the result has no unit.
    """
    range_mv = max(float(np.ptp(usual[0])), LEAST_RANGE_MV)
    beats = cut(x, centres, before, usual.shape[1] - before)
    beats = beats - np.median(beats, axis=1, keepdims=True)
    compared = np.broadcast_to(usual - np.median(usual, axis=1, keepdims=True), (len(beats), *usual.shape))
    return np.arcsinh(COMPRESSION / range_mv * np.concatenate([beats[:, None], compared], axis=1)).astype(np.float32)
