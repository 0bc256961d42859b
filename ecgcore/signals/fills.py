"""What the observed samples of windows say of the missing ones without any network: levels, scales, and fills.

All functions take windows (n, samples) float32 and observed (n, samples) bool, and read no sample that is not observed.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

FS_HZ: Final = 128.0  # of all windows here
LEVEL_S: Final = 0.35  # standard deviation of the Gaussian under which the level is a mean
LEAST_SCALE_MV: Final = 0.02
BRIDGED_S: Final = 0.04  # missing runs no longer than this hide no beat
PERIOD_S: Final = (0.3, 2.0)  # from 200 to 30 beats/min
LEAST_PAIRS: Final = 96  # pairs of samples that a lag is judged by
LONGER_COSTS: Final = 0.05  # of correlation a second: of two lags that are as good, the shorter is one beat
SLOPE_S: Final = 0.1
REFRACTORY_S: Final = 0.25
PEAK_SHARE: Final = 0.35  # of the usual beat's slope, to be a beat
PEAK_REACH_S: Final = 0.06
USUAL_RR_S: Final = 0.8  # where a window tells nothing of it
TEMPLATE_S: Final = (0.35, 1.1)  # before and after R
OWN_S: Final = 0.3  # before R at the most, the samples are its beat's
MOVED_S: Final = 0.12  # a beat to be expected may come so much earlier or later, if what is known of its P and T waves says so
FITTED_S: Final = (0.3, 0.5)  # before and after R, compared to tell
LEAST_FITTED: Final = 24  # samples, to tell
CANDIDATES: Final = ("straight line", "periodic copy from before", "periodic copy from after", "mean beat")

Windows = NDArray[np.float32]
Observed = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scaled:
    """Windows without their level, over their scale: `mv` = values · scale_mv + level_mv.

    values    (n, samples) float32, 0 where missing
    level_mv  (n, samples) float32, the slow baseline, defined everywhere
    scale_mv  (n, 1) float32, root mean square of the observed samples about the level
    """

    values: Windows
    level_mv: Windows
    scale_mv: Windows

    def mv(self, values: Windows) -> Windows:
        """Values on the scale of these, in mV."""
        return np.asarray(values * self.scale_mv + self.level_mv, np.float32)


def scaled(windows_mv: Windows, observed: Observed) -> Scaled:
    """Windows in mV, anything where not observed, without level and scale; both are taken from the observed samples alone."""
    known = np.where(observed, windows_mv, np.float32(0))
    kernel = _gaussian(windows_mv.shape[1])
    counted = observed.astype(np.float32)
    level = (known @ kernel) / np.maximum(counted @ kernel, np.float32(1e-6))
    values = np.where(observed, known - level, np.float32(0))
    square = (values**2).sum(axis=1, keepdims=True) / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    scale = np.maximum(np.sqrt(square), np.float32(LEAST_SCALE_MV))
    return Scaled((values / scale).astype(np.float32), level.astype(np.float32), scale.astype(np.float32))


def candidates(values: Windows, observed: Observed) -> NDArray[np.float32]:
    """The fills of CANDIDATES for windows without level, (n, 4, samples); where one has nothing to say it is the straight line."""
    line = straight_line(values, observed)
    near = bridged(observed)
    lag = period(line, near)
    before, after = periodic_copies(line, near, lag)
    beat = mean_beat(line, near, lag)
    return np.stack([line, _or(before, line), _or(after, line), beat], axis=1).astype(np.float32)


def straight_line(values: Windows, observed: Observed) -> Windows:
    """Missing samples on a straight line between their observed neighbours; level beyond the first and the last of them."""
    at = np.arange(values.shape[1])
    left = np.maximum.accumulate(np.where(observed, at, -1), axis=1)
    right = np.minimum.accumulate(np.where(observed, at, at.size)[:, ::-1], axis=1)[:, ::-1]
    none = ~observed.any(axis=1, keepdims=True)
    left, right = np.where(left < 0, right, left), np.where(right >= at.size, left, right)
    left, right = (np.where(none, 0, side).clip(0, at.size - 1) for side in (left, right))
    share = (at - left) / np.maximum(right - left, 1)
    known = np.where(observed, values, np.float32(0))
    low, high = np.take_along_axis(known, left, axis=1), np.take_along_axis(known, right, axis=1)
    return np.where(observed, known, low + (high - low) * share).astype(np.float32)


def bridged(observed: Observed) -> Observed:
    """Observed, or missing for so short a run that a straight line will do."""
    n = observed.shape[1]
    at = np.arange(n)
    left = np.maximum.accumulate(np.where(observed, at, -n), axis=1)
    right = np.minimum.accumulate(np.where(observed, at, 2 * n)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(right - left - 1 <= round(BRIDGED_S * FS_HZ))


def period(line: Windows, near: Observed) -> NDArray[np.int64]:
    """The lag (n,) in samples at which the known part of each window is most like itself."""
    size = 2 * line.shape[1]
    known = near.astype(np.float32)
    x = np.where(near, line, np.float32(0))
    of_x, of_known, of_square = (np.fft.rfft(part, size, axis=1) for part in (x, known, x * x))
    lags = np.arange(round(PERIOD_S[0] * FS_HZ), round(PERIOD_S[1] * FS_HZ) + 1)

    def at_lags(spectrum: NDArray[np.complexfloating]) -> NDArray[np.float64]:
        return np.asarray(np.fft.irfft(spectrum, size, axis=1)[:, lags])

    product, pairs = at_lags(np.conj(of_x) * of_x), at_lags(np.conj(of_known) * of_known)
    energy = np.sqrt(np.maximum(at_lags(np.conj(of_square) * of_known) * at_lags(np.conj(of_known) * of_square), 1e-9))
    likeness = np.where(pairs >= LEAST_PAIRS, product / energy, -1.0) - LONGER_COSTS * lags / FS_HZ
    return np.asarray(lags[likeness.argmax(axis=1)], np.int64)


def periodic_copies(line: Windows, near: Observed, lag: NDArray[np.int64]) -> tuple[Windows, Windows]:
    """Each sample as it was the fewest lags before it, and after it, where that is known; NaN where it never is."""
    n = line.shape[1]
    at, rows = np.arange(n), np.arange(len(line))[:, None]
    both = []
    for way in (-1, 1):
        out = np.full(line.shape, np.nan, np.float32)
        for count in range(1, n // round(PERIOD_S[0] * FS_HZ) + 1):
            there = at + way * count * lag[:, None]
            inside = (there >= 0) & (there < n)
            there = there.clip(0, n - 1)
            take = np.isnan(out) & inside & near[rows, there]
            out = np.where(take, line[rows, there], out)
        both.append(out)
    return both[0], both[1]


def r_peaks(line: Windows, near: Observed) -> list[NDArray[np.int64]]:
    """R peaks of each window where it is known: slopes that stand out, the highest or lowest point near each."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    steps = np.diff(line, axis=1, prepend=line[:, :1])
    steps[:, 1:][~(near[:, 1:] & near[:, :-1])] = 0
    slope = np.sqrt(np.maximum(uniform_filter1d(steps**2, round(SLOPE_S * FS_HZ), axis=1, mode="constant"), 0))
    top = maximum_filter1d(slope, 2 * round(REFRACTORY_S * FS_HZ) + 1, axis=1, mode="constant")
    reach = round(PEAK_REACH_S * FS_HZ)
    found = []
    for x, known, height, highest in zip(line, near, slope, top, strict=True):
        at = np.flatnonzero((height == highest) & (height > 0) & known)
        tall = np.sort(height[at])[-max(1, round(line.shape[1] / FS_HZ / 2)) :]  # as many as 30 beats/min would give
        at = at[height[at] >= PEAK_SHARE * np.median(tall)] if at.size else at
        found.append(_refined(x, known, at, reach))
    return found


def _refined(x: NDArray[np.float32], known: NDArray[np.bool_], at: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """The extreme of the polarity that is greater over all beats, within reach of each."""
    if not at.size:
        return at
    index = (at[:, None] + np.arange(-reach, reach + 1)).clip(0, x.size - 1)
    cut = np.where(known[index], x[index] - np.median(x[known]), 0)
    sign = 1 if cut.max(axis=1).sum() >= -cut.min(axis=1).sum() else -1
    return np.unique(index[np.arange(at.size), (sign * cut).argmax(axis=1)])


def mean_beat(line: Windows, near: Observed, lag: NDArray[np.int64]) -> Windows:
    """The window as its median beat would have it, at each R peak found, and in what is missing where beats are to be expected."""
    out = np.empty_like(line)
    for row, (x, known, peaks) in enumerate(zip(line, near, r_peaks(line, near), strict=True)):
        rr = usual_rr(peaks, known, int(lag[row]))
        beats = expected_beats(peaks, rr, known)
        out[row] = _placed(x, known, peaks, beats) if peaks.size else x
    return out


def usual_rr(peaks: NDArray[np.int64], known: NDArray[np.bool_], lag: int) -> int:
    """Median interval between R peaks with nothing missing between them; the lag where there is none."""
    missing = np.concatenate([[0], np.cumsum(~known)])
    whole = [b - a for a, b in pairwise(peaks.tolist()) if missing[b] == missing[a]]
    return round(float(np.median(whole))) if whole else lag


def expected_beats(peaks: NDArray[np.int64], rr: int, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """R peaks found, and those to be expected where something is missing: evenly between two found, on by the usual interval at the ends."""
    if not peaks.size:
        return peaks
    beats = [int(p) for p in peaks]
    expected: list[float] = []
    for a, b in pairwise(beats):
        count = max(1, round((b - a) / rr))
        expected += [a + (b - a) * k / count for k in range(1, count)]
    expected += [float(p) for p in range(beats[-1] + rr, known.size + rr, rr)]
    expected += [float(p) for p in range(beats[0] - rr, -rr, -rr)]
    kept = [round(p) for p in expected if not (0 <= p < known.size and known[min(round(p), known.size - 1)])]
    return np.array(sorted(beats + kept), np.int64)


def _placed(x: NDArray[np.float32], known: NDArray[np.bool_], peaks: NDArray[np.int64], beats: NDArray[np.int64]) -> NDArray[np.float32]:
    """The median of the beats at `peaks`, put at `beats`; those not found are moved to where the median fits best."""
    before = round(TEMPLATE_S[0] * FS_HZ)
    template = _template(x, known, peaks)
    beats = np.array([beat if beat in peaks else _fitted(x, known, template, int(beat)) for beat in beats], np.int64)
    at = np.arange(x.size)
    mine = beats[(np.searchsorted(beats, at + round(OWN_S * FS_HZ), side="right") - 1).clip(0)]
    offset = at - mine + before
    return np.where((offset >= 0) & (offset < template.size), template[offset.clip(0, template.size - 1)], 0.0).astype(np.float32)


def _template(x: NDArray[np.float32], known: NDArray[np.bool_], peaks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of the beats where they are known, from TEMPLATE_S before to after R; 0 where none is."""
    before, after = (round(s * FS_HZ) for s in TEMPLATE_S)
    offsets = np.arange(-before, after)
    index = peaks[:, None] + offsets
    inside = (index >= 0) & (index < x.size)
    index = index.clip(0, x.size - 1)
    owner = np.searchsorted(peaks, index + round(OWN_S * FS_HZ), side="right") - 1
    usable = inside & known[index] & ((owner == np.arange(peaks.size)[:, None]) | (offsets < 0))
    ordered = np.sort(np.where(usable, x[index], np.inf), axis=0)
    count = usable.sum(axis=0)
    low, high = (np.take_along_axis(ordered, k.clip(0)[None], axis=0)[0] for k in ((count - 1) // 2, count // 2))
    return np.where(count > 0, 0.5 * (low + np.where(count > 0, high, 0)), 0.0)


def _fitted(x: NDArray[np.float32], known: NDArray[np.bool_], template: NDArray[np.float64], beat: int) -> int:
    """Where near `beat` the template is nearest to what is known; `beat` itself where too little is."""
    before, reach = round(TEMPLATE_S[0] * FS_HZ), round(MOVED_S * FS_HZ)
    offsets = np.arange(-round(FITTED_S[0] * FS_HZ), round(FITTED_S[1] * FS_HZ))
    moves = np.arange(-reach, reach + 1)
    index = beat + moves[:, None] + offsets
    usable = (index >= 0) & (index < x.size)
    index = index.clip(0, x.size - 1)
    usable &= known[index]
    if usable.sum(axis=1).min() < LEAST_FITTED:
        return beat
    error = np.where(usable, (x[index] - template[offsets + before]) ** 2, 0).sum(axis=1) / usable.sum(axis=1)
    return beat + int(moves[error.argmin()])


def _or(fill: Windows, line: Windows) -> Windows:
    return np.where(np.isnan(fill), line, fill)


def _gaussian(samples: int) -> Windows:
    """(samples, samples): weights of a sample at another's place."""
    distance = (np.arange(samples)[:, None] - np.arange(samples)[None]) / (LEVEL_S * FS_HZ)
    return np.asarray(np.exp(-0.5 * distance**2) + 1e-9, np.float32)  # far from all that is observed, it is a mean of all of it
