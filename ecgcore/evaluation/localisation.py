"""Where a map points, against annotated ectopic beats: sensitivity, positive predictivity and F1 by class."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.ec57_matching import match_beats

WINDOW_S: Final = 0.15
NEITHER: Final = {"V": ("F",)}  # a place on a beat of these classes counts neither way


@dataclass(frozen=True)
class Located:
    """Places that are on a beat of the class, that are on none, and beats of the class without a place."""

    right: int
    false: int
    missed: int

    def __add__(self, other: "Located") -> "Located":
        return Located(self.right + other.right, self.false + other.false, self.missed + other.missed)

    @property
    def sensitivity(self) -> float:
        """Share of the beats that have a place; NaN without beats."""
        return _share(self.right, self.right + self.missed)

    @property
    def ppv(self) -> float:
        """Share of the places that are on a beat; NaN without places."""
        return _share(self.right, self.right + self.false)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; NaN where there is neither a beat nor a place."""
        return _share(2 * self.right, 2 * self.right + self.false + self.missed)


def located(places_s: NDArray[np.float64], beats_s: NDArray[np.float64], labels: NDArray[np.str_], label: str) -> Located:
    """Places of one class (n,) in s, ascending, against all annotated beats (n_beats,) in s and their labels; each beat answers to one place at most."""
    places, beats = (np.round(1000 * times).astype(np.int64) for times in (places_s, beats_s))
    window = round(1000 * WINDOW_S)
    events = match_beats(beats[labels == label], places, window)
    right = int(np.count_nonzero((events.reference >= 0) & (events.test >= 0)))
    extra = places[events.test[(events.reference < 0)]]
    missed = int(np.count_nonzero(events.test < 0))
    others = beats[np.isin(labels, NEITHER.get(label, ()))]
    return Located(right, int(np.count_nonzero(_away(extra, others) > window)), missed)


def total(parts: Iterable[Located]) -> Located:
    """All together: gross counts."""
    return sum(parts, Located(0, 0, 0))


def _away(at: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far each of `at` (n,) is from the nearest of the others, ascending."""
    if not others.size:
        return np.full(at.size, np.iinfo(np.int64).max)
    right = np.searchsorted(others, at)
    return np.asarray(np.minimum(np.abs(at - others[np.maximum(right - 1, 0)]), np.abs(at - others[np.minimum(right, others.size - 1)])), np.int64)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
