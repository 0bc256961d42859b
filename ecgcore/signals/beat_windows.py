"""Windows of one beat by itself, as the papers cut them: nothing is known of the patient's other beats but their times."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.signals.windows import LEAST_RANGE_MV, cut

KACHUEE_PART_S: Final = 10.0  # signal is scaled to 0–1 over parts of this length
KACHUEE_RR: Final = 1.2  # a beat lasts so many of the part's median RR interval

Windows = Callable[[NDArray[np.float32], NDArray[np.int64], float, int, int], NDArray[np.float32]]


def centred(x: NDArray[np.float32], peaks: NDArray[np.int64], fs_hz: float, before: int, samples: int) -> NDArray[np.float32]:
    """Windows (n_beats, samples) of x (n,) in mV around R peaks (n_beats,), `before` samples of them before the peak.

    The median of each window is taken off, and it is divided by its standard deviation, so that the result has no unit.
    """
    del fs_hz
    beats = cut(x, peaks, before, samples - before)
    beats = beats - np.median(beats, axis=1, keepdims=True)
    return np.asarray(beats / np.maximum(beats.std(axis=1, keepdims=True), LEAST_RANGE_MV / 4), np.float32)


def kachuee(x: NDArray[np.float32], peaks: NDArray[np.int64], fs_hz: float, before: int, samples: int) -> NDArray[np.float32]:
    """Windows (n_beats, samples) from each R peak on, after Kachuee et al. (2018); `before` is 0 there.

    x (n,) is scaled to 0–1 over each part of 10 s. A beat lasts 1.2 of the median RR interval of the part it begins in, is
    cut at `samples`, and zeros follow it. A part with fewer than two R peaks takes the record's median RR interval.
    """
    part = max(1, round(KACHUEE_PART_S * fs_hz))
    parts = peaks // part
    overall = float(np.median(np.diff(peaks))) if peaks.size > 1 else float(samples)
    out = np.zeros((peaks.size, samples), np.float32)
    for number in np.unique(parts):
        here = parts == number
        low, high = _range(x[number * part : (number + 1) * part])
        lasts = KACHUEE_RR * (float(np.median(np.diff(peaks[here]))) if here.sum() > 1 else overall)
        beats = (cut(x, peaks[here], before, samples - before) - low) / (high - low)
        beats[:, before + max(1, round(lasts)) :] = 0.0
        out[here] = beats
    return out


WINDOWINGS: Final[dict[str, Windows]] = {"centred": centred, "kachuee": kachuee}


def _range(x: NDArray[np.float32]) -> tuple[float, float]:
    if x.size == 0:
        return 0.0, 1.0
    low, high = float(x.min()), float(x.max())
    return low, max(high, low + LEAST_RANGE_MV)
