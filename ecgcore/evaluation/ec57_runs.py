"""Run-by-run comparison of a test annotation with the reference, after ANSI/AAMI EC57.

A run is one or more ectopic beats in a row. Equal, cell for cell, to `rxr` of the WFDB Software Package on the golden
files. A run that reaches over the edge of the test period counts with its beats inside; runs end at a flutter segment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.evaluation.ec57_marks import EC57_OF_MIT, START_S, WINDOW_S, Marks, Period, Samples, without_flutter
from ecgcore.evaluation.ratios import Ratio, total
from ecgcore.findings import AAMI_CLASSES
from ecgcore.record import Annotation

Kind = Literal["V", "S"]
# A fusion beat is ventricular in part: it neither ends a ventricular run nor is it penalised as one.
RUN_CLASSES: Final[Mapping[Kind, str]] = {"V": "VF", "S": "S"}
COUPLET: Final = range(2, 3)
SHORT_RUN: Final = range(3, 6)
LONG_RUN: Final = range(6, 7)
N_LENGTHS: Final = 7  # 0, 1, 2, 3, 4, 5, more than 5


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs by length in both annotations, of one record or of several added up.

    kind                 "V" ventricular, fusion beats among them; "S" supraventricular
    sensitivity_matrix   (7, 7) int64, every reference run: row its length, column the longest test run in its window
    predictivity_matrix  (7, 7) int64, every test run: column its length, row the longest reference run in its window

    Lengths are 0, 1, 2, 3, 4, 5 and, last, more than 5.
    """

    kind: Kind
    sensitivity_matrix: NDArray[np.int64]
    predictivity_matrix: NDArray[np.int64]

    @property
    def couplet_sensitivity(self) -> Ratio:
        """Reference couplets in which the test has 2 or more in a row."""
        return self._sensitivity(COUPLET)

    @property
    def couplet_positive_predictivity(self) -> Ratio:
        """Test couplets in which the reference has 2 or more in a row."""
        return self._positive_predictivity(COUPLET)

    @property
    def short_run_sensitivity(self) -> Ratio:
        """Reference runs of 3 to 5 in which the test has 3 or more in a row."""
        return self._sensitivity(SHORT_RUN)

    @property
    def short_run_positive_predictivity(self) -> Ratio:
        """Test runs of 3 to 5 in which the reference has 3 or more in a row."""
        return self._positive_predictivity(SHORT_RUN)

    @property
    def long_run_sensitivity(self) -> Ratio:
        """Reference runs of more than 5 in which the test has more than 5 in a row."""
        return self._sensitivity(LONG_RUN)

    @property
    def long_run_positive_predictivity(self) -> Ratio:
        """Test runs of more than 5 in which the reference has more than 5 in a row."""
        return self._positive_predictivity(LONG_RUN)

    def _sensitivity(self, lengths: range) -> Ratio:
        rows = self.sensitivity_matrix[lengths.start : lengths.stop]
        return Ratio(int(rows[:, lengths.start :].sum()), int(rows.sum()))

    def _positive_predictivity(self, lengths: range) -> Ratio:
        columns = self.predictivity_matrix[:, lengths.start : lengths.stop]
        return Ratio(int(columns[lengths.start :].sum()), int(columns.sum()))


def compare_runs(
    reference: Annotation,
    test: Annotation,
    fs_hz: float,
    *,
    kind: Kind = "V",
    start_s: float = START_S,
    stop_s: float | None = None,
    window_s: float = WINDOW_S,
    classes: Mapping[str, str] = EC57_OF_MIT,
) -> RunComparison:
    """Count the runs of one kind from `start_s` to `stop_s` (None: to the end), after ANSI/AAMI EC57.

    The window of a run reaches from `window_s` before its first beat to `window_s` after its last. Arguments and errors
    as in `compare_beats`; InputError for another kind than "V" and "S".
    """
    if kind not in RUN_CLASSES:
        raise InputError(f"runs of kind {kind!r} are not known; choose one of {', '.join(RUN_CLASSES)}")
    period = Period.of(fs_hz, start_s, stop_s, window_s)
    ours, theirs = (Marks.of(annotation, period.window, classes) for annotation in (reference, test))
    ours, theirs = without_flutter(ours, theirs, period.window)
    our_runs, their_runs = _run_numbers(ours, kind), _run_numbers(theirs, kind)
    return RunComparison(
        kind=kind,
        sensitivity_matrix=_tally(ours.samples, our_runs, theirs.samples, their_runs, period),
        predictivity_matrix=_tally(theirs.samples, their_runs, ours.samples, our_runs, period).T,
    )


def gross_runs(comparisons: Iterable[RunComparison]) -> RunComparison:
    """All records as one, every run of equal weight. Raises InputError for none, or for runs of two kinds."""
    parts = list(comparisons)
    kinds: list[Kind] = sorted({part.kind for part in parts})
    if len(kinds) != 1:
        raise InputError(f"runs of one kind can be added up, not of {kinds}")
    return RunComparison(
        kind=kinds[0],
        sensitivity_matrix=total((part.sensitivity_matrix for part in parts), N_LENGTHS),
        predictivity_matrix=total((part.predictivity_matrix for part in parts), N_LENGTHS),
    )


def _run_numbers(marks: Marks, kind: Kind) -> Samples:
    """(n,) int64: beats of one run share a number from 0; -1 for beats in none."""
    ectopic = np.isin(marks.classes, [AAMI_CLASSES.index(letter) for letter in RUN_CLASSES[kind]])
    follows = np.zeros(len(ectopic), np.bool_)
    follows[1:] = ectopic[:-1] & (np.diff(np.searchsorted(marks.breaks, marks.samples)) == 0)
    numbers = np.cumsum(ectopic & ~follows) - 1
    return np.where(ectopic, numbers, -1)


def _tally(own: Samples, own_runs: Samples, other: Samples, other_runs: Samples, period: Period) -> NDArray[np.int64]:
    """(7, 7): every run of the one, row its length, column the longest run of the other in its window."""
    inside = period.holds(own) & (own_runs >= 0)
    places = np.flatnonzero(inside)
    _, starts, lengths = np.unique(own_runs[places], return_index=True, return_counts=True)
    first, last = own[places[starts]], own[places[starts + lengths - 1]]
    opens = np.searchsorted(other, first - period.window)
    closes = np.searchsorted(other, last + period.window, "right")
    matrix = np.zeros((N_LENGTHS, N_LENGTHS), np.int64)
    numbers = other_runs.tolist()
    for length, begin, end in zip(lengths.tolist(), opens.tolist(), closes.tolist(), strict=True):
        matrix[min(length, N_LENGTHS - 1), min(_longest(numbers[begin:end]), N_LENGTHS - 1)] += 1
    return matrix


def _longest(numbers: list[int]) -> int:
    """Beats of the best represented run among run numbers, -1 being none."""
    longest = count = 0
    current = -1
    for number in numbers:
        count = count + 1 if number == current else 1
        current = number
        if number >= 0:
            longest = max(longest, count)
    return longest
