"""Beats grouped by the shape they have, whatever their timing and whatever they are called.

Windows around the R peaks, all leads side by side, are aligned and compared by their misfit: the root mean square of the
difference over that of the larger of the two, so that 0 is the same shape and 1 a beat against nothing. Ward's method
(1963) finds more shapes than wanted on a sample of the beats, and more among those that none of these fit, so that a shape
seen five times in a day is not lost in the sample; shapes whose means hardly differ are then made one. The settings were
chosen on DS1 of mitdb and svdb; see EXPERIMENTS.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.signals.detection import FS_HZ
from ecgcore.signals.windows import cut

Windows = NDArray[np.float32]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Settings:
    """All constants of the grouping."""

    band_hz: tuple[float, float] = (0.5, 40.0)
    before_s: float = 0.20  # from the P wave …
    after_s: float = 0.28  # … into the T wave; no later, or the next beat of a fast rhythm would be in it
    lag_s: float = 0.05  # an R peak may be this far from where the shapes agree best
    flat_share: float = 0.1  # of a lead's usual range; a beat with no more does not show in that lead
    sample_beats: int = 3000  # for Ward's method, whose time and memory grow with the square
    components: int = 20
    common: int = 30  # shapes looked for in the sample
    rare: int = 20  # and among beats that misfit all of those
    rare_misfit: float = 0.6
    same_misfit: float = 0.20  # shapes whose means differ by no more are one …
    loosest_misfit: float = 0.5  # … or by no more than this, where there would be too many clusters
    outlier_misfit: float = 0.7  # a beat farther from every shape is like no other
    next_misfit: float = 0.5  # one that has its shape to itself may join another from which it differs by no more
    least_beats: int = 3  # fewer are relabelled as fast one by one
    most_clusters: int = 20


DEFAULT: Final = Settings()
SPLINE: Final = 3  # samples on either side that a value between two samples is drawn from
FINER: Final = 4  # lags between shapes are looked for in quarters of a sample: half of one makes a narrow QRS misfit by 0.3
CHUNK: Final = 4096  # beats compared at a time
NO_CLUSTER: Final = -1


@dataclass(frozen=True, eq=False)
class Cluster:
    """Beats of one shape.

    members    (k,) int64 ascending, numbers of the beats
    misfit     (k,) float32, how far each is from the mean; infinite where no lead shows the beat
    mean_mv    (n_leads, width) float32, the mean of the aligned beats, each less its own mean; and
    spread_mv  their standard deviation; both NaN for a lead that shows none of them
    """

    members: Indices
    misfit: NDArray[np.float32]
    mean_mv: NDArray[np.float32]
    spread_mv: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def worst_first(self) -> Indices:
        """The members, those least like the mean first."""
        return np.asarray(self.members[np.argsort(-self.misfit, kind="stable")])


@dataclass(frozen=True, eq=False)
class Grouping:
    """All beats by shape: at most Settings.most_clusters, the largest first, and the beats like no other, perhaps none."""

    clusters: tuple[Cluster, ...]
    other: Cluster


def around(x: NDArray[np.float32], peaks: Indices, settings: Settings = DEFAULT) -> Windows:
    """Windows (n_beats, width + 2 · margin) of one lead (n,) at FS_HZ around R peaks at FS_HZ; the ends are repeated outside."""
    before, after, margin = extent(settings)
    return cut(x, peaks, before + margin, after + margin)


def extent(settings: Settings = DEFAULT) -> tuple[int, int, int]:
    """Samples at FS_HZ before and after the R peak, which make the width, and the margin on either side for the alignment."""
    return round(settings.before_s * FS_HZ), round(settings.after_s * FS_HZ), round(settings.lag_s * FS_HZ) + SPLINE


def group(windows: Windows, present: Flags, settings: Settings = DEFAULT) -> Grouping:
    """Beats given as windows (n_beats, n_leads, width + 2 · margin) in mV, as `around` cuts them from leads within band_hz.

    present  (n_beats, n_leads), False where samples are missing; such a beat is compared on its other leads
    The same windows give the same clusters at each call.
    """
    beats = _Beats.of(windows, present, settings)
    if not beats.shown.any():
        return Grouping((), _cluster(beats, np.arange(len(windows))))
    shapes = _shapes(beats)
    nearest, _ = beats.nearest(shapes)
    beats = beats.aligned(_targets(beats, shapes, nearest), nearest)
    number = _numbers(beats, _shapes(beats))
    clusters = [_cluster(beats, np.flatnonzero(number == one)) for one in range(number.max() + 1)]
    clusters.sort(key=lambda cluster: (-len(cluster), cluster.members[0]))
    return Grouping(tuple(clusters), _cluster(beats, np.flatnonzero(number == NO_CLUSTER)))


@dataclass(frozen=True, eq=False)
class _Beats:
    """Windows of all beats, with a margin until they are aligned, and what makes them comparable.

    usual_mv  (n_leads,) range of the usual beat, to which each lead is scaled
    """

    windows: Windows
    present: Flags
    usual_mv: NDArray[np.float32]
    settings: Settings

    @classmethod
    def of(cls, windows: Windows, present: Flags, settings: Settings) -> "_Beats":
        """Beats not yet aligned. A lead in which a beat is flat counts as absent."""
        ranges = np.ptp(windows, axis=2)
        usual = np.array([np.median(lead[there]) if there.any() else 0.0 for lead, there in zip(ranges.T, present.T, strict=True)], np.float32)
        return cls(windows, present & (ranges > settings.flat_share * usual), np.where(usual > 0, usual, np.float32(1)), settings)

    @cached_property
    def shown(self) -> Flags:
        """Beats (n_beats,) that any lead shows."""
        return np.asarray(self.present.any(axis=1))

    @property
    def width(self) -> int:
        """Samples of a shape in one lead."""
        before, after, _ = extent(self.settings)
        return before + after

    @property
    def margin(self) -> int:
        """Samples on either side of it."""
        return (int(self.windows.shape[2]) - self.width) // 2

    def mv(self, rows: Indices) -> Windows:
        """Windows (k, n_leads, width) of some beats in mV, each less its mean."""
        inner = self.windows[rows, :, self.margin : self.margin + self.width]
        return np.asarray(inner - inner.mean(axis=2, keepdims=True))

    def shapes(self, rows: Indices) -> NDArray[np.float32]:
        """The same without unit, (k, n_leads · width): the usual beat ranges over 1 in each lead. 0 where a lead is absent."""
        return np.asarray((self.mv(rows) / self.usual_mv[:, None] * self.present[rows][:, :, None]).reshape(len(rows), -1))

    def nearest(self, shapes: NDArray[np.float32]) -> tuple[Indices, NDArray[np.float32]]:
        """The shape (k, n_leads · width) that each beat fits best, and by how much it misfits."""
        number, misfit = np.zeros(len(self.windows), np.int64), np.full(len(self.windows), np.inf, np.float32)
        for rows in _chunks(np.flatnonzero(self.shown)):
            x = self.shapes(rows)
            for leads in np.unique(self.present[rows], axis=0):
                alike = (self.present[rows] == leads).all(axis=1)
                columns = np.repeat(leads, self.width)
                found = misfits(x[np.ix_(alike, columns)], shapes[:, columns])
                number[rows[alike]], misfit[rows[alike]] = found.argmin(axis=1), found.min(axis=1)
        return number, misfit

    def aligned(self, shapes: NDArray[np.float32], number: Indices) -> "_Beats":
        """The beats without margin, each moved to where it differs least from its shape."""
        out = np.empty((*self.windows.shape[:2], self.width), np.float32)
        for rows in _chunks(np.arange(len(self.windows))):
            seen = self.present[rows][:, :, None]
            wide = self.windows[rows] / self.usual_mv[:, None] * seen
            lag = _lag(wide, shapes[number[rows]].reshape(len(rows), -1, self.width) * seen)
            out[rows] = _moved(self.windows[rows], SPLINE + lag, self.width)
        return replace(self, windows=out)


def _lag(wide: Windows, target: Windows) -> NDArray[np.float64]:
    """Where in windows (k, n_leads, width + 2 · margin) the targets (k, n_leads, width) of mean 0 fit best, in samples from SPLINE on.

    Between the samples by a parabola through the least difference and its neighbours.
    """
    width = target.shape[2]
    apart = np.empty((wide.shape[2] - width + 1 - 2 * SPLINE, len(wide)))
    for first in range(len(apart)):
        rest = wide[:, :, SPLINE + first : SPLINE + first + width] - target
        # The mean of the window itself is taken off here.
        apart[first] = np.square(rest).sum(axis=(1, 2)) - width * np.square(rest.mean(axis=2)).sum(axis=1)
    every, middle = np.arange(len(wide)), len(apart) // 2
    best = apart.argmin(axis=0)
    best = np.where(apart[best, every] < apart[middle], best, middle)
    inner = (best > 0) & (best < len(apart) - 1)
    low, least, high = (apart[np.clip(best + step, 0, len(apart) - 1), every] for step in (-1, 0, 1))
    bend = low - 2 * least + high
    return np.asarray(best + np.divide(low - high, 2 * bend, out=np.zeros_like(bend), where=inner & (bend > 0)))


def _moved(wide: Windows, first: NDArray[np.float64], width: int) -> Windows:
    """Windows (k, n_leads, width) that begin at some place, perhaps between samples, of wide ones, by cubic splines; each less its mean."""
    from scipy.ndimage import map_coordinates

    row = np.arange(wide.shape[0] * wide.shape[1]).reshape(*wide.shape[:2], 1) * wide.shape[2]
    moved = map_coordinates(wide.ravel(), [row + first[:, None, None] + np.arange(width)], order=3)
    return np.asarray(moved - moved.mean(axis=2, keepdims=True), np.float32)


def misfits(x: NDArray[np.float32], shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Misfit (n, k) of beats (n, width) to shapes (k, width): rms of the difference over the larger rms of the two; 0 for two flat ones."""
    own, theirs = np.square(x).sum(axis=1)[:, None], np.square(shapes).sum(axis=1)[None]
    larger = np.maximum(own, theirs)
    apart = np.maximum(own + theirs - 2 * x @ shapes.T, 0)
    return np.asarray(np.sqrt(np.divide(apart, larger, out=np.zeros_like(apart), where=larger > 0)), np.float32)


def _shapes(beats: _Beats) -> NDArray[np.float32]:
    """More shapes than wanted, (k, n_leads · width): those of the common beats, then those of beats that fit none of them.

    The common ones are learned from beats that show in every lead, where there are any.
    """
    settings = beats.settings
    whole = np.flatnonzero(beats.present.all(axis=1))
    common = _ward(beats.shapes(_some(whole if len(whole) else np.flatnonzero(beats.shown), settings.sample_beats)), settings.common, settings.components)
    far = np.flatnonzero((beats.nearest(common)[1] > settings.rare_misfit) & beats.shown)
    if not len(far):
        return common
    return np.concatenate([common, _ward(beats.shapes(_some(far, settings.sample_beats)), settings.rare, settings.components)])


def _targets(beats: _Beats, shapes: NDArray[np.float32], number: Indices) -> NDArray[np.float32]:
    """What the beats of each shape are to be aligned to, (k, n_leads · width): the commonest shape that is the same at some lag.

    It is put where the R peaks have it in the median, so that time 0 of a mean stays the R peak.
    """
    wide, sizes = _wide(beats, len(shapes), number)
    steps = np.arange(FINER * 2 * (beats.margin - SPLINE) + 1) / FINER + SPLINE
    apart = np.stack([misfits(_moved(wide, np.full(len(wide), step), beats.width).reshape(len(wide), -1), shapes) for step in steps])
    least, later = apart.min(axis=0), steps[apart.argmin(axis=0)] - beats.margin
    targets, done = shapes.copy(), np.zeros(len(shapes), np.bool_)
    for leader in np.argsort(-sizes, kind="stable").tolist():
        follow = np.flatnonzero(~done & ((least[:, leader] <= beats.settings.same_misfit) | (np.arange(len(shapes)) == leader)))
        if not done[leader] and sizes[leader]:
            order = follow[np.argsort(later[follow, leader], kind="stable")]
            middle = order[np.searchsorted(np.cumsum(sizes[order]), sizes[order].sum() / 2)]
            targets[follow] = _moved(wide[leader : leader + 1], beats.margin - later[middle : middle + 1, leader], beats.width).reshape(1, -1)
            done[follow] = True
    return targets


def _wide(beats: _Beats, k: int, number: Indices) -> tuple[Windows, Indices]:
    """Means of the beats of each of k shapes with their margins and without unit, (k, n_leads, width + 2 · margin), and how many there are."""
    total, seen_by = np.zeros((k, *beats.windows.shape[1:]), np.float32), np.zeros((k, beats.windows.shape[1]), np.float32)
    for rows in _chunks(np.flatnonzero(beats.shown)):
        members = (number[rows] == np.arange(k)[:, None]).astype(np.float32)
        seen = (beats.windows[rows] - beats.windows[rows].mean(axis=2, keepdims=True)) / beats.usual_mv[:, None] * beats.present[rows][:, :, None]
        total += (members @ seen.reshape(len(rows), -1)).reshape(total.shape)
        seen_by += members @ beats.present[rows].astype(np.float32)
    return np.asarray(total / np.maximum(seen_by, 1)[:, :, None], np.float32), np.bincount(number[beats.shown], minlength=k).astype(np.int64)


def _ward(x: NDArray[np.float32], k: int, components: int) -> NDArray[np.float32]:
    """Means of at most k clusters of beats (n, width) by Ward's method, on their principal components."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(x) < 2:
        return x
    about = x - x.mean(axis=0)
    if len(x) > x.shape[1]:  # fewer beats are compared as fast as they are
        about = about @ np.linalg.eigh(about.T @ about)[1][:, ::-1][:, :components]
    number = fcluster(linkage(about, "ward"), k, "maxclust") - 1
    members = number == np.arange(number.max() + 1)[:, None]
    return np.asarray(members.astype(np.float32) @ x / members.sum(axis=1, keepdims=True), np.float32)


def _numbers(beats: _Beats, shapes: NDArray[np.float32]) -> Indices:
    """Cluster (n_beats,) of each beat. One of a shape that has too few goes to the shape next to its own, if it fits there."""
    settings = beats.settings
    nearest, misfit = beats.nearest(shapes)
    sizes = np.bincount(nearest[misfit <= settings.outlier_misfit], minlength=len(shapes))
    of_shape = _merged(shapes, sizes, settings)
    number = np.where(misfit <= settings.outlier_misfit, of_shape[nearest], NO_CLUSTER)
    kept = np.flatnonzero(of_shape != NO_CLUSTER)
    if len(kept) and (number == NO_CLUSTER).any():
        nearest, misfit = beats.nearest(shapes[kept])
        number = np.where((number == NO_CLUSTER) & (misfit <= settings.next_misfit), of_shape[kept[nearest]], number)
    return number


def _merged(shapes: NDArray[np.float32], sizes: Indices, settings: Settings) -> Indices:
    """Cluster (k,) of each shape: those that differ little are one, those of few beats are none.

    Where more than most_clusters would be left, shapes that differ more are made one too, and then the smallest left out.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(shapes) < 2:
        return np.where(sizes >= settings.least_beats, 0, NO_CLUSTER)
    tree = linkage(misfits(shapes, shapes)[np.triu_indices(len(shapes), 1)], "average")
    looser = sorted(level for level in tree[:, 2].tolist() if settings.same_misfit < level <= settings.loosest_misfit)
    for level in (settings.same_misfit, *looser):
        merged = fcluster(tree, level, "distance").astype(np.int64) - 1
        together = np.bincount(merged, weights=sizes)
        kept = np.flatnonzero(together >= settings.least_beats)
        if len(kept) <= settings.most_clusters:
            break
    rank = np.full(len(together), NO_CLUSTER, np.int64)
    largest = kept[np.argsort(-together[kept], kind="stable")][: settings.most_clusters]
    rank[largest] = np.arange(len(largest))
    return rank[merged]


def _cluster(beats: _Beats, members: Indices) -> Cluster:
    """Mean, spread and misfit of some beats, each lead over the beats it shows."""
    shape = (beats.windows.shape[1], beats.width)
    total, squares, count = np.zeros(shape), np.zeros(shape), beats.present[members].sum(axis=0)[:, None]
    for rows in _chunks(members):
        mv = beats.mv(rows) * beats.present[rows][:, :, None]
        total += mv.sum(axis=0, dtype=np.float64)
        squares += np.square(mv, dtype=np.float64).sum(axis=0)
    nothing = np.full(shape, np.nan)
    mean = np.divide(total, count, out=nothing.copy(), where=count > 0)
    variance = np.divide(squares, count, out=nothing, where=count > 0) - mean**2
    unitless = np.nan_to_num(mean / beats.usual_mv[:, None]).reshape(1, -1).astype(np.float32)
    chosen = replace(beats, windows=beats.windows[members], present=beats.present[members])
    return Cluster(members, chosen.nearest(unitless)[1], mean.astype(np.float32), np.sqrt(np.maximum(variance, 0)).astype(np.float32))


def _some(rows: Indices, most: int) -> Indices:
    """At most so many rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _chunks(rows: Indices) -> Iterator[Indices]:
    """Rows, CHUNK at a time."""
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
