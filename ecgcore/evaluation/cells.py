"""The beats behind each cell of a confusion matrix: what a model calls the reference beats of a test set, one lead each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.analysis import classify
from ecgcore.errors import FormatError, InputError
from ecgcore.evaluation.classification import Confusion, confusion
from ecgcore.inference import beats as beat_models
from ecgcore.leads import lead_ii
from ecgcore.progress import Progress, silent

PROTOCOL: Final = "reference beat positions, whole record, MLII or the first lead; e and j count as N; beats of a class that the model does not have are left out"
_ARRAYS: Final = ("record", "samples", "reference", "called", "probability")


@dataclass(frozen=True, eq=False)
class Cells:
    """Reference beats of some records with what a model calls them, by record and time.

    model        name@version; `sha256` of its weights
    records      record ids, with `rates_hz` of each
    left_out     beats of a class that the model does not have: not among the rest
    record       (n,) int64, places in `records`
    samples      (n,) int64, R peaks at the record's own rate
    reference    (n,) class of the reference
    called       (n,) class by the model
    probability  (n,) float32, of the class called
    """

    model: str
    sha256: str
    classes: tuple[str, ...]
    records: tuple[str, ...]
    rates_hz: tuple[float, ...]
    left_out: int
    record: NDArray[np.int64]
    samples: NDArray[np.int64]
    reference: NDArray[np.str_]
    called: NDArray[np.str_]
    probability: NDArray[np.float32]

    @cached_property
    def confusion(self) -> Confusion:
        """The matrix whose cells these are."""
        return confusion(self.reference.tolist(), self.called.tolist(), self.classes)

    def seconds(self, place: int) -> float:
        """When a beat is, in s."""
        return float(self.samples[place]) / self.rates_hz[int(self.record[place])]

    def behind(self, reference: str, called: str) -> NDArray[np.int64]:
        """Places (k,) of the beats of one cell, those of which the model is most certain first. Raises InputError for a class that is not there."""
        unknown = {reference, called} - set(self.classes)
        if unknown:
            raise InputError(f"class {', '.join(sorted(unknown))} is none of {', '.join(self.classes)}")
        there = np.flatnonzero((self.reference == reference) & (self.called == called))
        return there[np.argsort(-self.probability[there], kind="stable")]


def classify_set(model: str, folder: Path, records: Sequence[str], progress: Progress | None = None) -> Cells:
    """Classify the reference beats of records in a folder. Raises DataError for a set that is not what it should be, ModelError."""
    card, tell = beat_models.load(model).card, progress or silent
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in _ARRAYS}
    rates_hz: list[float] = []
    left_out = 0
    for place, labelled in enumerate(data.load_all(folder, records)):
        tell(place / len(records), f"classifying the beats of {labelled.record.name}")
        found = classify(labelled.record, labelled.samples, (lead_ii(labelled.record.leads),), model=card.id)
        reference, called = np.asarray(labelled.labels, "<U1"), np.asarray(found.labels, "<U1")
        kept = np.isin(reference, card.classes)
        rates_hz.append(labelled.record.fs_hz)
        left_out += int((~kept).sum())
        column = [card.classes.index(label) for label in found.labels]
        values: tuple[NDArray[Any], ...] = (
            np.full(kept.sum(), place, np.int64),
            found.samples[kept],
            reference[kept],
            called[kept],
            found.probabilities[np.arange(len(column)), column][kept],
        )
        for name, value in zip(_ARRAYS, values, strict=True):
            columns[name].append(value)
    tell(1.0, "done")
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Cells(card.id, card.sha256, card.classes, tuple(records), tuple(rates_hz), left_out, **arrays)


def differences(ours: Confusion, classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[tuple[str, str, int, int]]:
    """Reference, called, count here, count there, for each cell in which a matrix (rows reference) over `classes` is another than ours.

    Raises InputError where the classes are not the same.
    """
    if set(classes) != set(ours.classes):
        raise InputError(f"a matrix over {', '.join(classes)} does not compare with one over {', '.join(ours.classes)}")
    order = [ours.classes.index(name) for name in classes]
    here, there = ours.matrix[np.ix_(order, order)], np.asarray(matrix, np.int64)
    return [(classes[i], classes[j], int(here[i, j]), int(there[i, j])) for i, j in np.argwhere(here != there)]


def write(cells: Cells, path: Path) -> None:
    """Keep them in a file, so that the same model need not be asked again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = np.array([cells.model, cells.sha256, " ".join(cells.classes), " ".join(cells.records), str(cells.left_out)])
    draft = path.with_name(f".{path.name}")
    with draft.open("wb") as file:
        np.savez_compressed(file, said=said, rates_hz=np.array(cells.rates_hz), **{name: getattr(cells, name) for name in _ARRAYS})
    draft.replace(path)


def read(path: Path) -> Cells:
    """What `write` kept. Raises FormatError for another file, FileNotFoundError for none."""
    try:
        with np.load(path, allow_pickle=False) as there:
            model, sha256, classes, records, left_out = there["said"].tolist()
            return Cells(model, sha256, tuple(classes.split()), tuple(records.split()), tuple(there["rates_hz"].tolist()), int(left_out), **{name: there[name] for name in _ARRAYS})
    except FileNotFoundError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"{path.name} does not hold the beats behind a confusion matrix: {error}") from error
