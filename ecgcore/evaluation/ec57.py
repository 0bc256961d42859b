"""Beat-by-beat comparison of a test annotation with the reference, after ANSI/AAMI EC57.

Equal, cell for cell, to `bxb` of the WFDB Software Package on the golden files. Where neither the standard nor those
files decide, this is what is done:
- All beats of the record are paired, then those of the test period are counted: a pair by its reference beat. So a
  beat at the edge whose test mark falls just outside is neither missed nor extra.
- Test beats in a flutter segment of the reference are left out, save those within the window of a beat outside.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.ec57_marks import EC57_OF_MIT, START_S, WINDOW_S, Marks, Period, Samples, within, without_flutter
from ecgcore.evaluation.ec57_matching import Events, match_beats
from ecgcore.evaluation.ratios import Ratio, total
from ecgcore.record import Annotation

LABELS: Final = ("N", "S", "V", "F", "Q", "O", "X")  # O: no beat; X: no beat, in a shutdown
N, S, V, F, Q, O, X = range(len(LABELS))  # noqa: E741  the letters of the standard
_UNTOLD: Final = (N, F, Q)  # what a line-format table counts as n
_OTHER: Final = (F, Q)
_NONE: Final = (O, X)


@dataclass(frozen=True, eq=False)
class BeatComparison:
    """Counts of one record, or of several added up.

    matrix             (7, 7) int64, rows reference N S V F Q O X, columns test n s v f q o x; row O extra beats, row X
                       extra beats in a shutdown of the reference, column o missed, column x missed in a test shutdown
    rr_squared_ms2     sum of squared RR errors, ms²
    n_rr               RR intervals compared
    shutdown_s         time in the test period that the test annotation marks as shutdown
    """

    matrix: NDArray[np.int64]
    rr_squared_ms2: float
    n_rr: int
    shutdown_s: float

    def _sum(self, rows: Iterable[int], columns: Iterable[int]) -> int:
        return int(self.matrix[np.ix_(list(rows), list(columns))].sum())

    @property
    def printed_matrix(self) -> NDArray[np.int64]:
        """(6, 6) int64 as EC57 prints it, rows N V F Q O X, columns n v f q o x: S is part of N."""
        rows = np.vstack([self.matrix[N] + self.matrix[S], self.matrix[V:]])
        columns: NDArray[np.int64] = np.column_stack([rows[:, N] + rows[:, S], rows[:, V:]])
        return columns

    @property
    def line(self) -> dict[str, int]:
        """The 19 counts of the line format of EC57 table A.2 with SVEBs (`bxb -L`), by column heading.

        n takes in f and q, F takes in Q, O takes in X, o takes in x.
        """
        rows = {"N": (N,), "S": (S,), "V": (V,), "F": _OTHER, "O": _NONE}
        columns = {"n": _UNTOLD, "s": (S,), "v": (V,), "o": _NONE}
        headings = "Nn' Sn' Vn' Fn' On' Ns Ss Vs Fs' Os' Nv Sv Vv Fv' Ov' No' So' Vo' Fo'".split()
        return {heading: self._sum(rows[heading[0]], columns[heading[1]]) for heading in headings}

    @property
    def _qrs(self) -> tuple[int, int, int]:
        """Beats found, missed, and extra."""
        return self._sum(range(O), range(O)), self._sum(range(O), _NONE), self._sum(_NONE, range(O))

    @property
    def _veb(self) -> tuple[int, int, int]:
        """TP, FN, FP of V against the rest; an F or Q called v is no error."""
        return self._sum([V], [V]), self._sum([V], [N, S, F, Q, O, X]), self._sum([N, S, O, X], [V])

    @property
    def _sveb(self) -> tuple[int, int, int]:
        """TP, FN, FP of S against the rest; a Q called s is no error."""
        return self._sum([S], [S]), self._sum([S], [N, V, F, Q, O, X]), self._sum([N, V, F, O, X], [S])

    @property
    def qrs_sensitivity(self) -> Ratio:
        """Reference beats found."""
        found, missed, _ = self._qrs
        return Ratio.sensitivity(found, missed)

    @property
    def qrs_positive_predictivity(self) -> Ratio:
        """Test beats that are beats."""
        found, _, extra = self._qrs
        return Ratio.positive_predictivity(found, extra)

    @property
    def qrs_f1(self) -> Ratio:
        """F1 of beat detection."""
        return Ratio.f1(*self._qrs)

    @property
    def veb_sensitivity(self) -> Ratio:
        """Ventricular ectopic beats found as such."""
        hit, missed, _ = self._veb
        return Ratio.sensitivity(hit, missed)

    @property
    def veb_positive_predictivity(self) -> Ratio:
        """Beats called v that are V; F and Q called v count neither way."""
        hit, _, false = self._veb
        return Ratio.positive_predictivity(hit, false)

    @property
    def veb_f1(self) -> Ratio:
        """F1 of the ventricular ectopic beats."""
        return Ratio.f1(*self._veb)

    @property
    def veb_false_positive_rate(self) -> Ratio:
        """Test beats called v among those that are not V; F and Q called v count neither way."""
        return Ratio.false_positive_rate(self._veb[2], self._sum([N, S, F, Q, O, X], [N, S, F, Q]))

    @property
    def sveb_sensitivity(self) -> Ratio:
        """Supraventricular ectopic beats found as such."""
        hit, missed, _ = self._sveb
        return Ratio.sensitivity(hit, missed)

    @property
    def sveb_positive_predictivity(self) -> Ratio:
        """Beats called s that are S; Q called s counts neither way."""
        hit, _, false = self._sveb
        return Ratio.positive_predictivity(hit, false)

    @property
    def sveb_f1(self) -> Ratio:
        """F1 of the supraventricular ectopic beats."""
        return Ratio.f1(*self._sveb)

    @property
    def sveb_false_positive_rate(self) -> Ratio:
        """Test beats called s among those that are not S; Q called s counts neither way."""
        return Ratio.false_positive_rate(self._sveb[2], self._sum([N, V, F, Q, O, X], [N, V, F, Q]))

    @property
    def rr_error_ms(self) -> float:
        """Root mean square difference of the RR intervals, ms; NaN where none could be compared.

        Intervals are compared at each match, miss and extra beat: those that end at the two beats next in line. None
        spans a flutter segment or a shutdown.
        """
        return math.sqrt(self.rr_squared_ms2 / self.n_rr) if self.n_rr else math.nan

    @property
    def missed_in_shutdown(self) -> Ratio:
        """Reference beats missed because the test annotator had shut down."""
        return self._missed_in_shutdown(range(O))

    @property
    def n_missed_in_shutdown(self) -> Ratio:
        """The same of N and S, which EC57 prints together."""
        return self._missed_in_shutdown([N, S])

    @property
    def v_missed_in_shutdown(self) -> Ratio:
        """The same of V."""
        return self._missed_in_shutdown([V])

    @property
    def f_missed_in_shutdown(self) -> Ratio:
        """The same of F."""
        return self._missed_in_shutdown([F])

    def _missed_in_shutdown(self, rows: Iterable[int]) -> Ratio:
        rows = list(rows)
        return Ratio(self._sum(rows, [X]), self._sum(rows, range(len(LABELS))))


def compare_beats(
    reference: Annotation,
    test: Annotation,
    fs_hz: float,
    *,
    start_s: float = START_S,
    stop_s: float | None = None,
    window_s: float = WINDOW_S,
    classes: Mapping[str, str] = EC57_OF_MIT,
) -> BeatComparison:
    """Count matches, misses, extra beats and labels from `start_s` to `stop_s` (None: to the end), after ANSI/AAMI EC57.

    Both annotations are on one clock of `fs_hz` and ascend. `classes` maps MIT codes to AAMI letters; other codes are no
    beats. Raises InputError for an impossible period, marks out of order, or a letter that is no AAMI class.
    """
    period = Period.of(fs_hz, start_s, stop_s, window_s)
    ours, theirs = (Marks.of(annotation, period.window, classes) for annotation in (reference, test))
    ours, theirs = without_flutter(ours, theirs, period.window)
    events = _in_period(match_beats(ours.samples, theirs.samples, period.window), ours, theirs, period)
    errors_ms = _rr_errors(events, ours, theirs) * (1000.0 / fs_hz)
    return BeatComparison(
        matrix=_matrix(events, ours, theirs),
        rr_squared_ms2=float(errors_ms @ errors_ms),
        n_rr=len(errors_ms),
        shutdown_s=period.overlap(theirs.shutdowns) / fs_hz,
    )


def gross(comparisons: Iterable[BeatComparison]) -> BeatComparison:
    """All records as one, every beat of equal weight (EC57 "gross" statistics). For "average" ones see `average`."""
    parts = list(comparisons)
    return BeatComparison(
        matrix=total((part.matrix for part in parts), len(LABELS)),
        rr_squared_ms2=sum(part.rr_squared_ms2 for part in parts),
        n_rr=sum(part.n_rr for part in parts),
        shutdown_s=sum(part.shutdown_s for part in parts),
    )


def _in_period(events: Events, ours: Marks, theirs: Marks, period: Period) -> Events:
    """The events of the test period: a pair or a miss by its reference beat, an extra beat by its own place."""
    when = np.zeros(len(events.reference), np.int64)
    extra = events.reference < 0
    when[~extra] = ours.samples[events.reference[~extra]]
    when[extra] = theirs.samples[events.test[extra]]
    keep = period.holds(when)
    return Events(events.reference[keep], events.test[keep], events.next_reference[keep], events.next_test[keep])


def _matrix(events: Events, ours: Marks, theirs: Marks) -> NDArray[np.int64]:
    rows = _labels(events.reference, events.test, ours, theirs.samples)
    columns = _labels(events.test, events.reference, theirs, ours.samples)
    cells = np.bincount(rows * len(LABELS) + columns, minlength=len(LABELS) ** 2)
    return cells.astype(np.int64).reshape(len(LABELS), len(LABELS))


def _labels(own: Samples, other: Samples, marks: Marks, other_samples: Samples) -> Samples:
    """Place in LABELS of each event by one annotator: its class, or O or X by whether that one was shut down then."""
    labels = np.full(len(own), O, np.int64)
    has = own >= 0
    labels[has] = marks.classes[own[has]]
    labels[~has] += within(other_samples[other[~has]], marks.shutdowns)
    return labels


def _rr_errors(events: Events, ours: Marks, theirs: Marks) -> NDArray[np.float64]:
    """Test RR less reference RR in samples, at each event where both have one."""
    both = (events.next_reference < len(ours.samples)) & (events.next_test < len(theirs.samples))
    errors = theirs.rr()[events.next_test[both]] - ours.rr()[events.next_reference[both]]
    known: NDArray[np.float64] = errors[~np.isnan(errors)]
    return known
