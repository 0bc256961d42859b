"""A share as the two counts behind it, and its mean over records."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ratio:
    """`numerator` of `denominator` events; where there was none, the value is NaN and never invented."""

    numerator: int
    denominator: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN where the denominator is 0."""
        return self.numerator / self.denominator if self.denominator else math.nan

    @property
    def percent(self) -> float:
        """The share in percent; NaN where the denominator is 0."""
        return 100.0 * self.value

    @classmethod
    def sensitivity(cls, true_positives: int, false_negatives: int) -> "Ratio":
        """TP / (TP + FN)."""
        return cls(true_positives, true_positives + false_negatives)

    @classmethod
    def positive_predictivity(cls, true_positives: int, false_positives: int) -> "Ratio":
        """TP / (TP + FP)."""
        return cls(true_positives, true_positives + false_positives)

    @classmethod
    def false_positive_rate(cls, false_positives: int, true_negatives: int) -> "Ratio":
        """FP / (FP + TN)."""
        return cls(false_positives, false_positives + true_negatives)

    @classmethod
    def f1(cls, true_positives: int, false_negatives: int, false_positives: int) -> "Ratio":
        """2 TP / (2 TP + FN + FP), the harmonic mean of sensitivity and positive predictivity."""
        return cls(2 * true_positives, 2 * true_positives + false_negatives + false_positives)


@dataclass(frozen=True)
class Average:
    """Mean of a figure over the records that have it; NaN where `n_records` is 0."""

    value: float
    n_records: int


def average(results: Iterable[Item], figure: Callable[[Item], Ratio | float]) -> Average:
    """Mean of one figure over results, a record each, every record of equal weight (ANSI/AAMI EC57, "average" statistics).

    Records in which the figure is not defined are left out. For the "gross" statistics, in which every beat has
    equal weight, add the counts up first: `gross`, `gross_runs`, `gross_confusion`.
    """
    values = [_value(figure(result)) for result in results]
    defined = [value for value in values if not math.isnan(value)]
    return Average(sum(defined) / len(defined) if defined else math.nan, len(defined))


def _value(figure: Ratio | float) -> float:
    return figure.value if isinstance(figure, Ratio) else float(figure)


def total(matrices: Iterable[NDArray[np.int64]], size: int) -> NDArray[np.int64]:
    """Sum of (size, size) count matrices; zeros for none."""
    return sum(matrices, np.zeros((size, size), np.int64))
