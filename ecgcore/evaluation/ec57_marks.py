"""What the EC57 comparisons see in an annotation file: classed beats, flutter segments, shutdowns, the test period."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT
from ecgcore.record import Annotation

# EC57 defines S as atrial or nodal, premature or escape, which takes e, j and n from N (bxb does so; the grouping
# of de Chazal 2004 in `AAMI_OF_MIT` does not). "r" is a ventricular premature beat on the T wave.
EC57_OF_MIT: Final[Mapping[str, str]] = {**AAMI_OF_MIT, "e": "S", "j": "S", "n": "S", "r": "V"}
START_S: Final = 300.0
WINDOW_S: Final = 0.150
SHUTDOWN_BITS: Final = 0x30  # of the subtype of "~": both signals unreadable

Samples = NDArray[np.int64]


@dataclass(frozen=True)
class Period:
    """The test period and the match window, in samples; `stop` is the last sample still in it, None the end."""

    start: int
    stop: int | None
    window: int

    @classmethod
    def of(cls, fs_hz: float, start_s: float, stop_s: float | None, window_s: float) -> "Period":
        """The period in samples, rounded to the nearest, halves up. Raises InputError for an impossible one."""
        if not (math.isfinite(fs_hz) and fs_hz > 0):
            raise InputError(f"sampling rate {fs_hz} Hz must be above 0")
        if not (math.isfinite(start_s) and start_s >= 0):
            raise InputError(f"start of the test period {start_s} s must be 0 or more")
        if stop_s is not None and not stop_s > start_s:
            raise InputError(f"stop of the test period {stop_s} s must be after its start {start_s} s")
        if not (math.isfinite(window_s) and window_s >= 0):
            raise InputError(f"match window {window_s} s must be 0 or more")
        start, window = (math.floor(seconds * fs_hz + 0.5) for seconds in (start_s, window_s))
        stop = None if stop_s is None or math.isinf(stop_s) else math.floor(stop_s * fs_hz + 0.5)
        return cls(start, stop, window)

    def holds(self, samples: Samples) -> NDArray[np.bool_]:
        """Which samples lie in the period, both ends included."""
        inside: NDArray[np.bool_] = samples >= self.start
        return inside if self.stop is None else inside & (samples <= self.stop)

    def overlap(self, intervals: Samples) -> int:
        """Samples of the (n, 2) intervals that fall in the period."""
        ends = np.clip(intervals, self.start, self.stop)
        return int(np.sum(ends[:, 1] - ends[:, 0]))


@dataclass(frozen=True, eq=False)
class Marks:
    """Beats of one annotation file, all of the record, and the stretches that bear on them.

    samples    (n,) int64
    classes    (n,) int64, place in `AAMI_CLASSES`
    shutdowns  (m, 2) int64, first and last sample of each stretch marked unreadable
    flutter    (k, 2) int64, first and last sample of each segment between "[" and "]"
    breaks     (b,) int64 ascending, samples across which there is neither an RR interval nor a run
    """

    samples: Samples
    classes: Samples
    shutdowns: Samples
    flutter: Samples
    breaks: Samples

    @classmethod
    def of(cls, annotation: Annotation, window: int, classes: Mapping[str, str]) -> "Marks":
        """The beats by `classes` (MIT code → AAMI letter; other codes are no beats). Raises InputError for marks out of order or a foreign letter."""
        samples = np.asarray(annotation.samples, np.int64)
        if (np.diff(samples) < 0).any():
            where = int(np.flatnonzero(np.diff(samples) < 0)[0])
            raise InputError(f"annotations {annotation.annotator!r} are not in time order: sample {samples[where + 1]} follows {samples[where]}")
        foreign = sorted(set(classes.values()) - set(AAMI_CLASSES))
        if foreign:
            raise InputError(f"classes {foreign} are none of {', '.join(AAMI_CLASSES)}")
        place = {code: AAMI_CLASSES.index(letter) for code, letter in classes.items()}
        label = np.fromiter((place.get(symbol, -1) for symbol in annotation.symbols), np.int64, len(annotation))
        beat = label >= 0
        shutdowns = _shutdowns(annotation, beat, window)
        flutter = _flutter(annotation)
        breaks = [sample for sample, symbol, subtype in _noise_and_flutter(annotation) if symbol == "[" or _is_shutdown(symbol, subtype)]
        return cls(samples[beat], label[beat], shutdowns, flutter, np.array(breaks, np.int64))

    def rr(self) -> NDArray[np.float64]:
        """(n,) samples since the beat before; NaN for the first and across a break."""
        rr = np.full(len(self.samples), np.nan)
        rr[1:] = np.diff(self.samples)
        rr[1:][np.diff(np.searchsorted(self.breaks, self.samples)) > 0] = np.nan
        return rr


def without_flutter(reference: Marks, test: Marks, window: int) -> tuple[Marks, Marks]:
    """Both without the beats in the reference's flutter segments, and broken there.

    A test beat within the window of a reference beat outside stays: it belongs to that beat.
    """
    kept = _select(reference, ~within(reference.samples, reference.flutter), reference.breaks)
    near = np.searchsorted(kept.samples, test.samples - window) < np.searchsorted(kept.samples, test.samples + window, "right")
    breaks = np.union1d(test.breaks, reference.flutter[:, 0])
    return kept, _select(test, near | ~within(test.samples, reference.flutter), breaks)


def within(samples: Samples, intervals: Samples) -> NDArray[np.bool_]:
    """Which samples lie in any of the (n, 2) intervals, both ends included."""
    inside = np.zeros(len(samples), np.bool_)
    for first, last in intervals:
        inside |= (samples >= first) & (samples <= last)
    return inside


def _select(marks: Marks, keep: NDArray[np.bool_], breaks: Samples) -> Marks:
    return Marks(marks.samples[keep], marks.classes[keep], marks.shutdowns, marks.flutter, breaks)


def _is_shutdown(symbol: str, subtype: int) -> bool:
    return symbol == "~" and subtype & SHUTDOWN_BITS == SHUTDOWN_BITS


def _noise_and_flutter(annotation: Annotation) -> list[tuple[int, str, int]]:
    columns = zip(annotation.samples.tolist(), annotation.symbols, annotation.subtypes.tolist(), strict=True)
    return [(sample, symbol, subtype) for sample, symbol, subtype in columns if symbol in {"[", "]", "~"}]


def _flutter(annotation: Annotation) -> Samples:
    """(k, 2) segments from "[" to "]", or to the last annotation where none follows."""
    found: list[tuple[int, int]] = []
    onset: int | None = None
    for sample, symbol, _ in _noise_and_flutter(annotation):
        if symbol == "[" and onset is None:
            onset = sample
        elif symbol == "]" and onset is not None:
            found.append((onset, sample))
            onset = None
    if onset is not None:
        found.append((onset, int(annotation.samples[-1])))
    return np.array(found, np.int64).reshape(-1, 2)


def _shutdowns(annotation: Annotation, beat: NDArray[np.bool_], window: int) -> Samples:
    """(m, 2) stretches from a shutdown mark to the noise mark after it (MIT-BIH, European ST-T).

    Where that is again a shutdown, or there is none, the mark stands alone as in the AHA database: for the stretch
    from a window after the beat before it to a window before the beat after it, or on to the last annotation.
    """
    found: list[tuple[int, int]] = []
    beats = annotation.samples[beat]
    noise = [(sample, _is_shutdown(symbol, subtype)) for sample, symbol, subtype in _noise_and_flutter(annotation) if symbol == "~"]
    for (sample, is_shutdown), following in zip(noise, [*noise[1:], None], strict=False):
        after = int(np.searchsorted(beats, sample, "right"))
        if not is_shutdown:
            continue
        if following is not None and not following[1]:
            found.append((sample, following[0]))
        elif after < len(beats):
            found.append((int(beats[after - 1]) + window if after else 0, int(beats[after]) - window))
        else:
            found.append((sample, int(annotation.samples[-1])))
    return _joined(found)


def _joined(intervals: list[tuple[int, int]]) -> Samples:
    """The intervals in order, those that overlap made one, empty ones left out."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pair for pair in intervals if pair[0] <= pair[1]):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return np.array(joined, np.int64).reshape(-1, 2)
