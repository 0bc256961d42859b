"""Several models on the same beats of a record: what each calls them, and where they do not agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecgcore.analysis import cautions_of, classify
from ecgcore.findings import Beats
from ecgcore.inference import beats as beat_models
from ecgcore.leads import ecg_leads
from ecgcore.progress import Progress, silent
from ecgcore.record import Record


@dataclass(frozen=True)
class Pair:
    """Two models beside each other.

    compared  beats that both call by a class that both have
    same      those of them that both call alike
    """

    one: str
    other: str
    compared: int
    same: int


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The same beats by several models, in the order asked; `cautions` are what must be known of them on these leads."""

    samples: NDArray[np.int64]
    by_model: tuple[Beats, ...]
    cautions: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """name@version of each."""
        return tuple(beats.model for beats in self.by_model)

    def pairs(self) -> tuple[Pair, ...]:
        """Every two models beside each other."""
        return tuple(
            Pair(one.model, other.model, int(both.sum()), int((both & (_labels(one) == _labels(other))).sum()))
            for one, other in combinations(self.by_model, 2)
            for both in (_comparable(one, other),)
        )

    def disagreements(self) -> NDArray[np.int64]:
        """Which beats (n,), ascending, two models call differently, by classes that both of them have."""
        apart = np.zeros(self.samples.size, np.bool_)
        for one, other in combinations(self.by_model, 2):
            apart |= _comparable(one, other) & (_labels(one) != _labels(other))
        return np.flatnonzero(apart)

    def not_comparable(self) -> int:
        """Beats that some model calls by a class that another one does not have, and that are no disagreement."""
        unlike = np.zeros(self.samples.size, np.bool_)
        for one, other in combinations(self.by_model, 2):
            unlike |= ~_comparable(one, other)
        unlike[self.disagreements()] = False
        return int(unlike.sum())


def compare(record: Record, samples: NDArray[np.int64], leads: Iterable[str] | None, models: Sequence[str], progress: Progress | None = None) -> SideBySide:
    """Classify the beats whose R peaks (n_beats,) are given at the record's own rate, ascending, by each model. Errors as `analysis.classify`."""
    chosen = record.select(ecg_leads(record.leads) if leads is None else leads)
    tell = progress or silent
    found: list[Beats] = []
    cautions: list[str] = []
    for done, model in enumerate(models):
        tell(done / len(models), f"classifying beats by {model}")
        cautions += cautions_of(beat_models.load(model), chosen)
        found.append(classify(record, samples, chosen, model=model))
    tell(1.0, "done")
    return SideBySide(samples, tuple(found), tuple(cautions))


def _labels(beats: Beats) -> NDArray[np.str_]:
    return np.asarray(beats.labels, "<U1")


def _comparable(one: Beats, other: Beats) -> NDArray[np.bool_]:
    """Whether what each calls a beat (n,) is a class of both."""
    common = sorted({*one.classes} & {*other.classes})
    return np.isin(_labels(one), common) & np.isin(_labels(other), common)
