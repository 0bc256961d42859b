"""Agreement of two readers of one record: beats and their classes by Cohen's kappa, rhythm and artefact by overlap.

What enters: every beat that either reader has. Beats of the two within ±150 ms of each other are one event (the match of
ANSI/AAMI EC57); a beat that only one has is an event that the other calls "no beat". As neither reader says where there is
no beat, the cell ("no beat", "no beat") is empty: kappa is that of the beats at least one reader sees, and a little lower
than it would be if the stretches both leave free could be counted.

Sources: Cohen, Educ Psychol Meas 1960;20:37; standard error of Fleiss, Cohen & Everitt, Psychol Bull 1969;72:323.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.evaluation.ec57_marks import WINDOW_S
from ecgcore.evaluation.ec57_matching import Events, match_beats
from ecgcore.evaluation.ratios import Ratio
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT
from ecgcore.record import Annotation
from ecgcore.review import Item

NO_BEAT: Final = "no beat"
THE_REST: Final = "the rest"
CATEGORIES: Final = (*AAMI_CLASSES, NO_BEAT)
BLOCK_S: Final = 60.0  # at least; and at most as many blocks as
N_BLOCKS: Final = 30
_NORMAL_95: Final = 1.959964
_NOTHING: Final = 1e-9  # what rounding leaves of a standard error of 0
_PLACE: Final = {code: AAMI_CLASSES.index(letter) for code, letter in AAMI_OF_MIT.items()}
_UNKNOWN: Final = AAMI_CLASSES.index("Q")
_ABSENT: Final = len(AAMI_CLASSES)

Samples = NDArray[np.int64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Labelled:
    """The beats of one reader: samples (n,) int64 ascending, and the MIT code of each. Raises InputError for another order or number."""

    samples: Samples
    codes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.samples.shape != (len(self.codes),):
            raise InputError(f"{len(self.codes)} codes do not fit samples of shape {self.samples.shape}")
        if (backward := np.flatnonzero(np.diff(self.samples) < 0)).size:
            where = int(backward[0])
            raise InputError(f"beats are not in time order: sample {self.samples[where + 1]} follows {self.samples[where]}")

    @classmethod
    def of(cls, annotation: Annotation) -> "Labelled":
        """The beats of an annotation file; marks that are no beats are left out."""
        beats = [i for i, symbol in enumerate(annotation.symbols) if symbol in AAMI_OF_MIT]
        return cls(np.asarray(annotation.samples, np.int64)[beats], tuple(annotation.symbols[i] for i in beats))


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of n events, with what it is made of.

    value           (observed − expected) / (1 − expected): 1 full agreement, 0 what chance alone would give; NaN where not defined
    observed        share of events both call the same
    expected        the share that chance alone would give with these two readers' habits
    standard_error  see `cohen`; low and high bound the 95 % interval; all NaN where nothing varies, as in full agreement
    not_defined     why there is no value; "" where there is one
    """

    value: float
    observed: float
    expected: float
    standard_error: float
    low: float
    high: float
    n: int
    not_defined: str = ""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An event to which the readers give different classes; `number` counts from 1 in time order, None where a reader has no beat."""

    number: int
    sample_a: int | None
    code_a: str | None
    sample_b: int | None
    code_b: str | None

    @property
    def sample(self) -> int:
        """Where it is: the earlier of the two beats."""
        return min(sample for sample in (self.sample_a, self.sample_b) if sample is not None)


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two readers agree on the beats of a record.

    n_a, n_b          beats of each
    n_matched         pairs within the window, whatever they are called
    classes           names of rows and columns: the AAMI classes and "no beat"
    table             (n_classes, n_classes) int64, rows reader a, columns reader b
    kappa             over all of `classes`
    kappa_by_class    one AAMI class against the rest, "no beat" among the rest
    disagreements     events of different class, in time order
    code_differences  pairs of one AAMI class but different MIT codes, such as N and L: no disagreement
    """

    n_a: int
    n_b: int
    n_matched: int
    classes: tuple[str, ...]
    table: Counts
    kappa: Kappa
    kappa_by_class: dict[str, Kappa]
    disagreements: tuple[Disagreement, ...]
    code_differences: int


@dataclass(frozen=True)
class Overlap:
    """How far the stretches of one name overlap, in samples; a reader's own stretches that overlap count once."""

    name: str
    n_a: int
    n_b: int
    n_both: int

    @property
    def share(self) -> float:
        """Samples both marked, of those at least one marked; NaN where neither marked any."""
        return Ratio(self.n_both, self.n_a + self.n_b - self.n_both).value


def compare(a: Labelled, b: Labelled, fs_hz: float, tolerance_s: float = WINDOW_S) -> Agreement:
    """Agreement of two readers whose beats are at fs_hz, matched one to one within `tolerance_s` (EC57: ±150 ms).

    Compared the other way round it is the same with a and b exchanged. Raises InputError for a rate or tolerance that is none.
    """
    if not (math.isfinite(fs_hz) and fs_hz > 0 and math.isfinite(tolerance_s) and tolerance_s >= 0):
        raise InputError(f"sampling rate {fs_hz} Hz must be above 0, and tolerance {tolerance_s} s 0 or more")
    events = _matched(a, b, math.floor(tolerance_s * fs_hz + 0.5))
    in_a, in_b = events.reference, events.test
    rows, columns = _classes(a, in_a), _classes(b, in_b)
    at = np.minimum(_at(a.samples, in_a), _at(b.samples, in_b))
    tables = _tables(rows, columns, _blocks(at, fs_hz))
    both = (in_a >= 0) & (in_b >= 0)
    same_class = both & (rows == columns)
    codes_a, codes_b = (np.array([*reader.codes, ""]) for reader in (a, b))
    return Agreement(
        n_a=len(a.codes),
        n_b=len(b.codes),
        n_matched=int(both.sum()),
        classes=CATEGORIES,
        table=tables.sum(axis=0),
        kappa=cohen(tables, CATEGORIES),
        kappa_by_class={name: cohen(_one_against_rest(tables, k), (name, THE_REST)) for k, name in enumerate(AAMI_CLASSES)},
        disagreements=_disagreements(a, b, events, np.flatnonzero(rows != columns), at),
        code_differences=int((same_class & (codes_a[in_a] != codes_b[in_b])).sum()),
    )


def cohen(tables: Counts, classes: tuple[str, ...]) -> Kappa:
    """Cohen's kappa of counts (n_blocks, k, k), a table for each stretch of time, and its 95 % interval.

    The large-sample standard error of Fleiss, Cohen & Everitt (1969) takes events as independent. Beats are not: what two
    readers see differently, a run of aberrant beats or a noisy minute, comes in rows. In trials with such rows its interval
    held the true kappa 20 to 30 times in 100 instead of 95. So the deviations of their formula are also added up by block
    before they are squared (the cluster-robust form of the same formula; with one event a block the two are equal) and judged
    by Student's t; the wider interval is taken. That held it 75 to 95 times in 100, least where rows are longer than a
    block or there are few blocks: narrow it is still, but of the right order. Needs no random numbers.

    Not defined without events, or where both readers call everything by one class: then chance alone agrees fully.
    """
    counts = tables.sum(axis=0)
    n = int(counts.sum())
    by_a, by_b = counts.sum(axis=1), counts.sum(axis=0)
    if n == 0:
        return _undefined(math.nan, n, "there are no beats")
    observed, expected = float(np.trace(counts)) / n, float(by_a @ by_b) / n**2
    if int(by_a @ by_b) == n**2:
        only = classes[int(np.argmax(by_a))]
        return _undefined(observed, n, f"{classes[0]} occurs in neither reading" if only == THE_REST else f"only {only} occurs in both readings")
    value = (observed - expected) / (1 - expected)
    change = (np.eye(len(counts)) - observed) / (1 - expected)
    change -= (1 - observed) / (1 - expected) ** 2 * (by_b[:, None] / n + by_a[None, :] / n - 2 * expected)
    independent = math.sqrt(float((counts * change**2).sum())) / n
    by_block, student = _error_by_block(tables, change)
    error, width = max((independent, independent * _NORMAL_95), (by_block, by_block * student), key=lambda pair: pair[1])
    if error < _NOTHING:
        return Kappa(value, observed, expected, math.nan, math.nan, math.nan, n)
    return Kappa(value, observed, expected, error, max(-1.0, value - width), min(1.0, value + width), n)


def agreement_of_spans(a: Iterable[Item], b: Iterable[Item]) -> dict[str, Overlap]:
    """Overlap of two readers' rhythm spans by rhythm ("AFIB", …) and of their artefact spans as "artefact", by name in order.

    A span counts its samples from start up to stop. Leads of artefact are not told apart; comments do not count.
    """
    ours, theirs = _spans(a), _spans(b)
    found = {}
    for name in sorted(ours.keys() | theirs.keys()):
        joined_a, joined_b = _joined(ours.get(name, [])), _joined(theirs.get(name, []))
        n_a, n_b = (sum(stop - start for start, stop in spans) for spans in (joined_a, joined_b))
        n_either = sum(stop - start for start, stop in _joined([*joined_a, *joined_b]))
        found[name] = Overlap(name, n_a, n_b, n_a + n_b - n_either)
    return found


def _matched(a: Labelled, b: Labelled, window: int) -> Events:
    """The EC57 match, in which two beats equally near are told apart by who is the reference.

    Neither reader is; so the one with the earlier beat where they first differ is taken as it, whichever way they are compared.
    """
    if a.samples.tolist() <= b.samples.tolist():
        return match_beats(a.samples, b.samples, window)
    turned = match_beats(b.samples, a.samples, window)
    return Events(turned.test, turned.reference, turned.next_test, turned.next_reference)


def _classes(reader: Labelled, places: Samples) -> Samples:
    """(n_events,) place of the class in `CATEGORIES`; codes that are no beat of MIT count as Q."""
    own = np.fromiter((_PLACE.get(code, _UNKNOWN) for code in reader.codes), np.int64, len(reader.codes))
    return np.append(own, _ABSENT)[places]  # place −1, no beat, is the last


def _at(samples: Samples, places: Samples) -> Samples:
    return np.append(samples, np.iinfo(np.int64).max)[places]


def _blocks(at: Samples, fs_hz: float) -> Samples:
    """(n_events,) number of the block each is in: of a minute, or a thirtieth of the time between first and last where that is more."""
    if not at.size:
        return at
    begin = int(at.min())
    length = max(BLOCK_S * fs_hz, (int(at.max()) + 1 - begin) / N_BLOCKS)
    return ((at - begin) / length).astype(np.int64)


def _tables(rows: Samples, columns: Samples, blocks: Samples) -> Counts:
    """(n_blocks, n_categories, n_categories) counts, of the blocks in which there are events."""
    k = len(CATEGORIES)
    used, block = np.unique(blocks, return_inverse=True)
    return np.bincount((block * k + rows) * k + columns, minlength=used.size * k * k).astype(np.int64).reshape(-1, k, k)


def _one_against_rest(tables: Counts, place: int) -> Counts:
    """(n_blocks, 2, 2) counts of one category and all others."""
    both = tables[:, place, place]
    only_a = tables[:, place, :].sum(axis=1) - both
    only_b = tables[:, :, place].sum(axis=1) - both
    neither = tables.sum(axis=(1, 2)) - both - only_a - only_b
    return np.stack([np.stack([both, only_a], axis=1), np.stack([only_b, neither], axis=1)], axis=1)


def _error_by_block(tables: Counts, change: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error with blocks, not events, as what is drawn, and the quantile that goes with it; zeros for a single block, which does not tell how blocks differ."""
    n_blocks = len(tables)
    if n_blocks < 2:
        return 0.0, 0.0
    from scipy.special import stdtrit

    deviations = (tables * change).sum(axis=(1, 2)) / tables.sum()
    return math.sqrt(n_blocks / (n_blocks - 1) * float((deviations**2).sum())), float(stdtrit(n_blocks - 1, 0.975))


def _undefined(observed: float, n: int, why: str) -> Kappa:
    return Kappa(math.nan, observed, math.nan if n == 0 else 1.0, math.nan, math.nan, math.nan, n, why)


def _disagreements(a: Labelled, b: Labelled, events: Events, which: Samples, at: Samples) -> tuple[Disagreement, ...]:
    which = which[np.argsort(at[which], kind="stable")]
    found = []
    for number, (i, j) in enumerate(zip(events.reference[which].tolist(), events.test[which].tolist(), strict=True), 1):
        one = (int(a.samples[i]), str(a.codes[i])) if i >= 0 else (None, None)
        other = (int(b.samples[j]), str(b.codes[j])) if j >= 0 else (None, None)
        found.append(Disagreement(number, *one, *other))
    return tuple(found)


def _spans(items: Iterable[Item]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for item in items:
        if item.kind in ("rhythm", "artefact"):
            found.setdefault(item.text if item.kind == "rhythm" else "artefact", []).append((item.start, item.stop))
    return found


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
