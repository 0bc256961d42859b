"""Sets of single beats for window classifiers, and their folds: by chance within each class, or by patient."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.cards import InputSpec
from ecgcore.leads import lead_ii
from ecgcore.signals.beat_windows import WINDOWINGS
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample
from ecgcore.training.recipes import WindowInput

UNPACED: Final = tuple(sorted((*data.DS1, *data.DS2)))
ALL: Final = tuple(sorted((*UNPACED, *data.PACED)))
COUNTS: Final = {  # reference beats of whole parts of mitdb
    **{frozenset(names): counts for names, counts in data.COUNTS.items()},
    frozenset(UNPACED): {"N": 90_125, "S": 2_781, "V": 7_009, "F": 803, "Q": 15},
    frozenset(ALL): {"N": 90_631, "S": 2_781, "V": 7_236, "F": 803, "Q": 8_043},
}


@dataclass(frozen=True, eq=False)
class BeatSet:
    """Beats cut out one by one.

    classes   names of the classes kept, such as ("N", "S", "V")
    records   record ids, in the order they were read
    windows   (n_beats, samples) float32, as the windowing of the input scales them
    targets   (n_beats,) places in `classes`
    patients  (n_beats,) places in `records`
    """

    classes: tuple[str, ...]
    records: tuple[str, ...]
    windows: NDArray[np.float32]
    targets: NDArray[np.int64]
    patients: NDArray[np.int64]

    @property
    def counts(self) -> dict[str, int]:
        """Beats by class."""
        return dict(zip(self.classes, np.bincount(self.targets, minlength=len(self.classes)).tolist(), strict=True))

    def of(self, records: Sequence[str]) -> NDArray[np.int64]:
        """Places of the beats of these records, in ascending order."""
        return np.flatnonzero(np.isin(self.patients, [self.records.index(name) for name in records]))


def beat_set(sets: Mapping[str, Sequence[str]], classes: Sequence[str], spec: WindowInput) -> BeatSet:
    """The reference beats of these classes in records given by data set, one lead each.

    Raises DataError where whole parts of mitdb (DS1, DS2, all without the paced, all) do not hold the beats they should.
    """
    return of_records((one for folder, records in sets.items() for one in _checked(folder, records)), classes, spec)


def of_records(named: Iterable[tuple[str, data.LabelledBeats]], classes: Sequence[str], spec: WindowInput | InputSpec) -> BeatSet:
    """The beats of these classes in some records, which come with their ids, one lead each."""
    names: list[str] = []
    windows, targets, patients = [], [], []
    for name, labelled in named:
        kept = known(labelled, classes)
        windows.append(_windows(labelled, spec)[kept])
        targets.append(np.array([classes.index(label) for label in labelled.labels if label in classes], np.int64))
        patients.append(np.full(int(kept.sum()), len(names)))
        names.append(name)
    return BeatSet(tuple(classes), tuple(names), np.concatenate(windows), np.concatenate(targets), np.concatenate(patients))


def known(labelled: data.LabelledBeats, classes: Sequence[str]) -> NDArray[np.bool_]:
    """Which beats (n_beats,) of a record are of these classes."""
    return np.array([label in classes for label in labelled.labels], bool)


def check_counts(folder: str, records: Sequence[str], counts: Mapping[str, int]) -> None:
    """Raise DataError where these are records of mitdb whose beats are known and others than `counts`."""
    expected = COUNTS.get(frozenset(records)) if folder == "mitdb" else None
    if expected is not None and expected != counts:
        raise DataError(f"these {len(records)} records of {folder} should hold the beats {expected}, they hold {dict(counts)}")


def stratified_folds(targets: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each item (n,), by chance within each class: class shares are those of the whole to within one item."""
    rng = np.random.default_rng(seed)
    folds, dealt = np.empty(targets.size, np.int64), 0
    for k in np.unique(targets):
        places = rng.permutation(np.flatnonzero(targets == k))
        folds[places] = (np.arange(places.size) + dealt) % n_folds
        dealt += places.size
    return folds


def patient_folds(beats: BeatSet, records: Sequence[str], n_folds: int) -> tuple[tuple[str, ...], ...]:
    """Records dealt out to folds so that each has its part of the rare classes: by falling number of S, then V, to and fro."""
    counts = {name: np.bincount(beats.targets[beats.of([name])], minlength=len(beats.classes)) for name in records}
    ranked = sorted(records, key=lambda name: (*(-counts[name][1:3]).tolist(), name))
    turn = [*range(n_folds), *reversed(range(n_folds))]
    return tuple(tuple(name for place, name in enumerate(ranked) if turn[place % len(turn)] == fold) for fold in range(n_folds))


def _checked(folder: str, records: Sequence[str]) -> Iterator[tuple[str, data.LabelledBeats]]:
    counts = dict.fromkeys(AAMI_CLASSES, 0)
    for name in records:
        labelled = data.load_beats(data.locate(folder), name)
        for label in labelled.labels:
            counts[label] += 1
        yield name, labelled
    check_counts(folder, records, counts)


def _windows(labelled: data.LabelledBeats, spec: WindowInput | InputSpec) -> NDArray[np.float32]:
    record = labelled.record
    lead = filled(record.mv((lead_ii(record.leads),))[0])
    x = band_pass(resample(lead, record.fs_hz, spec.fs_hz), spec.band_hz, spec.fs_hz)
    at = np.round(labelled.samples * spec.fs_hz / record.fs_hz).astype(np.int64)
    return WINDOWINGS[spec.windowing](x, at, spec.fs_hz, spec.before_samples, spec.samples)
