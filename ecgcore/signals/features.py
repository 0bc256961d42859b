"""Timing of each beat against its neighbours."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS: Final = 8  # beats on either side that make the local rate
LIMIT: Final = 1.5  # features are logarithms of ratios, cut off at e^±1.5
MAX_RR_S: Final = 3.0  # a longer interval tells of a gap, not of the rate
REFERENCE_RR_S: Final = 0.8
LATE_NEIGHBOURS: Final = 24  # beats on either side among which an interval is long or not
LATE: Final = 0.85  # quantile of the intervals that is long for this patient
LATE_BEATS: Final = 0.75  # beats after a longer interval than this quantile are not premature, whatever the others are
FEWEST_INTERVALS: Final = 4
RR_FEATURES: Final = (
    "pre_to_local",
    "post_to_local",
    "pre_to_median",
    "pre_to_post",
    "previous_to_local",
    "local_to_reference",
    "irregularity",
    "pre_to_late",
    "pre_to_late_of_record",
    "pre_to_reference",
)


def rr_s(samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.float64]:
    """RR interval before each beat in s, (n_beats,); NaN for the first."""
    return np.concatenate([[np.nan], np.diff(samples) / fs_hz])[: len(samples)]


def rr_features(samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.float32]:
    """RR features (n_beats, 10), in the order of RR_FEATURES: logarithms of ratios, 0 where an interval is not known.

    The local interval is the median of the intervals of 8 beats on either side. Irregularity is the median
    absolute difference of successive intervals there, over the local interval. The late interval is the .85 quantile of
    24 beats on either side: where premature beats outnumber the others, it still is that of the others.
    """
    n = len(samples)
    if n == 0:
        return np.zeros((0, len(RR_FEATURES)), np.float32)
    pre = rr_s(samples, fs_hz)
    pre[pre > MAX_RR_S] = np.nan
    post = np.append(pre[1:], np.nan)
    previous = np.append(np.nan, pre[:-1])
    local = _running_median(pre)
    overall = np.nanmedian(pre) if np.isfinite(pre).any() else np.nan
    jumps = _running_median(np.abs(np.diff(pre, prepend=np.nan)))
    late_of_record = np.nanquantile(pre, LATE) if np.isfinite(pre).any() else np.nan
    columns = [
        _log(pre / local), _log(post / local), _log(pre / overall), _log(pre / post), _log(previous / local), _log(local / REFERENCE_RR_S), jumps / local,
        _log(pre / _running_quantile(pre, LATE)), _log(pre / late_of_record), _log(pre / REFERENCE_RR_S),
    ]  # fmt: skip
    return np.nan_to_num(np.clip(np.stack(columns, axis=1), -LIMIT, LIMIT), nan=0.0).astype(np.float32)


def late_beats(samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
    """Numbers of the beats that follow a long interval, those of the longest quarter; all beats where too few intervals are known.

    Their median shows this patient's beat as it is when it is not premature, even where premature beats are the majority.
    """
    pre = rr_s(samples, fs_hz)
    known = np.isfinite(pre) & (pre <= MAX_RR_S)
    if known.sum() < FEWEST_INTERVALS:
        return np.arange(len(samples))
    return np.flatnonzero(known & (pre >= np.quantile(pre[known], LATE_BEATS)))


def irregularity(samples: NDArray[np.int64], fs_hz: float) -> float:
    """Median absolute difference of successive RR intervals over the median interval; 0 for fewer than three beats."""
    intervals = rr_s(samples, fs_hz)[1:]
    return float(np.median(np.abs(np.diff(intervals))) / np.median(intervals)) if intervals.size > 1 else 0.0


def _log(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(ratio, 1e-3))


def _running_quantile(x: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Quantile of the known values within LATE_NEIGHBOURS on either side, the nearest below; NaN where there is none."""
    padded = np.pad(x, LATE_NEIGHBOURS, constant_values=np.nan)
    view = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 2 * LATE_NEIGHBOURS + 1), axis=1)  # NaN sort last
    known = np.isfinite(view).sum(axis=1)
    place = np.minimum((known * share).astype(np.int64), np.maximum(known - 1, 0))
    return np.asarray(np.where(known > 0, view[np.arange(len(x)), place], np.nan))


def _running_median(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the known values within NEIGHBOURS on either side; NaN where there is none."""
    padded = np.pad(x, NEIGHBOURS, constant_values=np.nan)
    view = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)  # NaN sort last
    known = np.isfinite(view).sum(axis=1)
    middle = np.maximum(known - 1, 0) // 2
    rows = np.arange(len(x))
    return np.where(known > 0, (view[rows, middle] + view[rows, np.minimum(known // 2, view.shape[1] - 1)]) / 2, np.nan)
