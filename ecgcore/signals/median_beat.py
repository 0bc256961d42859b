"""The median beat: windows of the beats levelled, aligned and compared, and the median of those that are alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.signals.delineation import FS_HZ
from ecgcore.signals.resampling import filled, resample
from ecgcore.signals.windows import DOMINANT_ROUNDS, DOMINANT_SHARE

BEFORE_S: Final = 0.45  # a PR interval of 0.32 s and what lies before it
MARGIN_S: Final = 0.02  # beats are moved no farther than this to lie on each other
LEVEL_S: Final = (-0.10, -0.06)  # before R the heart is at rest: what these levels do is baseline wander
LEVEL_REACH_S: Final = 2.5  # a neighbour farther away tells nothing of the level here
ALIGN_S: Final = 0.12  # either side of R, compared to align
SHAPE_S: Final = (-0.12, 0.30)  # from R, compared to tell whether beats are alike
NEAR: Final = 0.90  # correlation with the median, over leads; in noise the better half will do
FEWEST: Final = 3  # a median of fewer beats is none
SPREAD_OF_MEDIAN: Final = 1.858  # standard error of a median of n: 1.2533 σ / √n, with σ = 1.4826 times the median distance


@dataclass(frozen=True, eq=False)
class Windows:
    """Beats cut out, at FS_HZ, with the baseline taken off.

    mv       (n_beats, n_leads, width) float32, R at `r`; missing samples bridged
    missing  (n_beats, n_leads) whether any sample was missing
    """

    mv: NDArray[np.float32]
    missing: NDArray[np.bool_]
    r: int


@dataclass(frozen=True, eq=False)
class MedianBeat:
    """The median of beats alike, and those beats.

    mv     (n_leads, width) float32, R at sample `r`, at FS_HZ
    beats  (n_beats, n_leads, width) float32, aligned
    alike  correlation of the beats with it, median over all that were offered
    """

    mv: NDArray[np.float32]
    beats: NDArray[np.float32]
    r: int
    alike: float

    @property
    def noise_mv(self) -> NDArray[np.float64]:
        """Standard error of the median in each lead (n_leads,), mean over the beat."""
        distance = np.median(np.abs(self.beats - self.mv), axis=0).mean(axis=1)
        return np.asarray(SPREAD_OF_MEDIAN * distance / np.sqrt(len(self.beats)), np.float64)


def fits(samples: NDArray[np.int64], n_samples: int, fs_hz: float, after_s: float) -> NDArray[np.bool_]:
    """Whether the window of each beat lies within the record."""
    return np.asarray((samples >= _own(BEFORE_S + MARGIN_S, fs_hz)) & (samples + _own(after_s + MARGIN_S, fs_hz) < n_samples))


def cut(read: Callable[[int, int], NDArray[np.float32]], samples: NDArray[np.int64], chosen: NDArray[np.int64], fs_hz: float, after_s: float) -> Windows:
    """Windows of the beats `chosen` among R peaks `samples` (n,) at the record's rate; each must fit.

    read(start, stop) gives (n_leads, n) in mV, NaN where missing. The baseline runs straight from the level before one beat to that before the next.
    """
    before, after = _own(BEFORE_S + MARGIN_S, fs_hz), _own(after_s + MARGIN_S, fs_hz)
    cuts = [_levelled(read, samples, int(i), fs_hz, (before, after)) for i in chosen]
    missing = np.stack([np.isnan(one).any(axis=1) for one in cuts])
    whole = np.stack([np.stack([filled(lead) for lead in one]) if gap.any() else one for one, gap in zip(cuts, missing, strict=True)])
    return Windows(resample(whole, fs_hz, FS_HZ), missing, round(before / fs_hz * FS_HZ))


def _levelled(read: Callable[[int, int], NDArray[np.float32]], samples: NDArray[np.int64], i: int, fs_hz: float, reach: tuple[int, int]) -> NDArray[np.float32]:
    """One beat without its baseline, (n_leads, n)."""
    at = int(samples[i])
    left, right = at - reach[0], at + reach[1]
    from_s, to_s = LEVEL_S
    around = [int(s) for s in samples[max(0, i - 1) : i + 2] if abs(s - at) <= LEVEL_REACH_S * fs_hz]
    spans = [(s + round(from_s * fs_hz), s + max(round(to_s * fs_hz), round(from_s * fs_hz) + 1)) for s in around]
    spans = [span for span in spans if span[0] >= 0]
    first = min([left, *(start for start, _ in spans)])
    mv = read(first, max([right, *(stop for _, stop in spans)]))
    time = np.arange(left, right)
    out = np.array(mv[:, left - first : right - first], np.float32)
    for lead, row in zip(mv, out, strict=True):
        levels = [(0.5 * (start + stop - 1), float(np.median(known))) for start, stop in spans if (known := _known(lead[start - first : stop - first])).size]
        if levels:
            row -= np.interp(time, [place for place, _ in levels], [level for _, level in levels]).astype(np.float32)
    return out


def _known(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(x[~np.isnan(x)])


def combine(windows: NDArray[np.float32], r: int) -> MedianBeat:
    """The median of beats (n_beats, n_leads, width) that are alike once aligned to their dominant shape; at least one beat."""
    margin, half = _own(MARGIN_S, FS_HZ), _own(ALIGN_S, FS_HZ)
    aligned = windows[:, :, margin:-margin]
    shape = _dominant(windows[:, :, r - half : r + half])
    for _ in range(2):
        distances = [np.abs(windows[:, :, r + move - half : r + move + half] - shape).mean(axis=(1, 2)) for move in range(-margin, margin + 1)]
        index = np.argmin(distances, axis=0)[:, None] + np.arange(aligned.shape[2])
        aligned = np.take_along_axis(windows, index[:, None, :], axis=2)
        shape = _dominant(aligned[:, :, r - margin - half : r - margin + half])
    low, high = (r - margin + round(edge * FS_HZ) for edge in SHAPE_S)
    alike = _correlation(aligned[:, :, low:high], _dominant(aligned[:, :, low:high]))
    kept = aligned[alike >= min(NEAR, float(np.median(alike)), float(np.sort(alike)[-FEWEST:][0]))]
    return MedianBeat(np.median(kept, axis=0).astype(np.float32), kept, r - margin, float(np.median(alike)))


def _dominant(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """The dominant shape (n_leads, width) of parts of beats, as `windows.dominant`, over all leads at once."""
    kept = parts
    for _ in range(DOMINANT_ROUNDS):
        distance = np.abs(parts - np.median(kept, axis=0)).mean(axis=(1, 2))
        kept = parts[distance <= np.quantile(distance, DOMINANT_SHARE)]
    return np.asarray(np.median(kept, axis=0), np.float32)


def _correlation(parts: NDArray[np.float32], shape: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlation of each beat with a shape over all leads, each lead about its own mean; 0 for a flat one."""
    x = (parts - parts.mean(axis=2, keepdims=True)).reshape(len(parts), -1).astype(np.float64)
    y = (shape - shape.mean(axis=1, keepdims=True)).ravel().astype(np.float64)
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum())
    return np.asarray(np.divide(x @ y, size, out=np.zeros(len(x)), where=size > 0))


def _own(seconds: float, fs_hz: float) -> int:
    return max(1, round(seconds * fs_hz))
