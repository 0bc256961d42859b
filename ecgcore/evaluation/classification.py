"""Classification of given items, such as beats at reference positions: confusion matrix and what follows from it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.evaluation.ratios import Ratio, total


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of one record, or of several added up.

    classes  names, in the order of rows and columns
    matrix   (n_classes, n_classes) int64, rows reference, columns predicted
    """

    classes: tuple[str, ...]
    matrix: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise InputError(f"classes {list(self.classes)} must be one or more, each named once")
        if self.matrix.shape != (len(self.classes), len(self.classes)):
            raise InputError(f"a matrix of {self.matrix.shape} does not fit {len(self.classes)} classes")

    @property
    def n(self) -> int:
        """Items counted."""
        return int(self.matrix.sum())

    @property
    def accuracy(self) -> Ratio:
        """Items classified as in the reference."""
        return Ratio(int(np.trace(self.matrix)), self.n)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur in reference or prediction, all of equal weight; NaN where none does."""
        values = [self.f1(name).value for name in self.classes]
        defined = [value for value in values if not math.isnan(value)]
        return sum(defined) / len(defined) if defined else math.nan

    def sensitivity(self, name: str) -> Ratio:
        """Items of a class found as such. Raises InputError for a class that is not there."""
        hit, missed, _ = self._counts(name)
        return Ratio.sensitivity(hit, missed)

    def positive_predictivity(self, name: str) -> Ratio:
        """Items called by a class that are of it. Raises InputError for a class that is not there."""
        hit, _, false = self._counts(name)
        return Ratio.positive_predictivity(hit, false)

    def f1(self, name: str) -> Ratio:
        """F1 of a class. Raises InputError for a class that is not there."""
        return Ratio.f1(*self._counts(name))

    def false_positive_rate(self, name: str) -> Ratio:
        """Items of other classes called by this one. Raises InputError for a class that is not there."""
        hit, missed, false = self._counts(name)
        return Ratio.false_positive_rate(false, self.n - hit - missed - false)

    def _counts(self, name: str) -> tuple[int, int, int]:
        """TP, FN, FP of a class against the rest."""
        if name not in self.classes:
            raise InputError(f"class {name!r} is none of {', '.join(self.classes)}")
        k = self.classes.index(name)
        hit = int(self.matrix[k, k])
        return hit, int(self.matrix[k].sum()) - hit, int(self.matrix[:, k].sum()) - hit


def confusion(reference_labels: Sequence[str], predicted_labels: Sequence[str], classes: Sequence[str]) -> Confusion:
    """Count predicted against reference labels, item by item. Raises InputError for unequal lengths or a label that is no class."""
    if len(reference_labels) != len(predicted_labels):
        raise InputError(f"{len(reference_labels)} reference labels but {len(predicted_labels)} predicted ones")
    place = {name: k for k, name in enumerate(classes)}
    unknown = sorted({*reference_labels, *predicted_labels} - set(place))
    if unknown:
        raise InputError(f"labels {', '.join(map(repr, unknown))} are none of {', '.join(classes)}")
    rows, columns = (np.array([place[label] for label in labels], np.int64) for labels in (reference_labels, predicted_labels))
    cells = np.bincount(rows * len(classes) + columns, minlength=len(classes) ** 2)
    return Confusion(tuple(classes), cells.astype(np.int64).reshape(len(classes), len(classes)))


def gross_confusion(confusions: Iterable[Confusion]) -> Confusion:
    """All records as one, every item of equal weight. For means over records see `average`. Raises InputError for none, or unequal classes."""
    parts = list(confusions)
    if len({part.classes for part in parts}) != 1:
        raise InputError(f"confusions of the same classes can be added up, not of {sorted({part.classes for part in parts})}")
    return Confusion(parts[0].classes, total((part.matrix for part in parts), len(parts[0].classes)))
