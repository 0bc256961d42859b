"""The beats behind a model's confusion matrix, counted on this machine and kept. Knows nothing of Streamlit."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data, settings
from ecgcore.errors import DataError, EcgError, FormatError
from ecgcore.evaluation import cells
from ecgcore.evaluation.cells import Cells
from ecgcore.evaluation.tables import Run, Table
from ecgcore.figures.clock import clock
from ecgcore.inference.cards import Card
from ecgcore.record import Record
from ecgcore.store import Store, StoredRecord
from pages.ui import intake, tables

SET: Final = "mitdb"
MOST_CELLS: Final = 4  # differing cells that are named
_ENDINGS: Final = (".hea", ".dat", ".atr")


@dataclass(frozen=True)
class Test:
    """What a model is tested on beat by beat: records of a data set, and the table that counts them, if there is one."""

    data_set: str
    records: tuple[str, ...]
    table: Table | None

    @property
    def title(self) -> str:
        """What stands above the matrix."""
        return self.table.title if self.table else f"{self.data_set} DS2, one lead"


def tests_of(card: Card, by_patient: Sequence[Table]) -> tuple[Test, ...]:
    """The tables by patient whose test records the model has not learned from; without any, DS2 of mitdb."""
    made = [
        Test(name, tuple(records), table)
        for table in by_patient
        if len(table.tested) == 1
        for name, records in table.tested.items()
        if not set(records) & set(card.training.trained.get(name, ()))
    ]
    if made or set(data.DS2) & set(card.training.trained.get(SET, ())):
        return tuple(made)
    return (Test(SET, data.DS2, None),)


def kept(card: Card, test: Test) -> Cells | None:
    """The beats as counted before by these weights; None where they were not, or what was kept is of no use."""
    path = _path(card, test)
    try:
        found = _read(path, path.stat().st_mtime_ns)
    except (FileNotFoundError, FormatError):
        return None
    return found if (found.sha256, found.records) == (card.sha256, test.records) else None


def count(card: Card, test: Test, progress: Callable[[float, str], None]) -> Cells:
    """Classify the reference beats of the test records and keep them. Raises DataError where they are not on this machine, ModelError."""
    made = cells.classify_set(card.id, data.locate(test.data_set), test.records, progress)
    cells.write(made, _path(card, test))
    return made


def why_absent(test: Test) -> str:
    """Why the beats cannot be shown on this machine, and what to do; empty where they can."""
    try:
        folder = data.locate(test.data_set)
    except DataError as error:
        return str(error)
    absent = [name for name in test.records if not (folder / f"{name}.hea").is_file()]
    if absent:
        return f"{len(absent)} of the {len(test.records)} test records, such as {absent[0]}, are not in {folder}; get them with: python -m ecgcore data get {test.data_set}"
    return ""


def beside_table(found: Cells, table: Table) -> str:
    """Whether what was counted here is a run of the table, in a sentence, and where it is not."""
    apart = {name: cells.differences(found.confusion, table.classes, run.confusion) for name, run in tables.runs_of(table).items()}
    same = [name for name, differing in apart.items() if not differing]
    if same:
        return f"Counted on this machine: the same in every cell as {same[0]} of the table ({found.confusion.n:,} beats)."
    nearest = min(apart, key=lambda name: sum(abs(here - there) for _, _, here, there in apart[name]))
    run, differing = tables.runs_of(table)[nearest], apart[nearest]
    named = "; ".join(f"{reference} called {called}: {here:,} here, {there:,} there" for reference, called, here, there in differing[:MOST_CELLS])
    more = f"; and {len(differing) - MOST_CELLS} more cells" if len(differing) > MOST_CELLS else ""
    return (
        f"Counted on this machine, and no run of the table: {found.confusion.n:,} beats here, {run.n:,} in {nearest}, which is the nearest. "
        f"{named}{more}. The lists below are of what was counted here."
    )


def first_run(table: Table) -> tuple[str, Run]:
    """The run whose matrix is shown until beats were counted here."""
    return next(iter(tables.runs_of(table).items()))


def matrix(test: Test, found: Cells | None) -> Mapping[tuple[str, str], int] | None:
    """Beats by (reference, called): as counted here, else as the table has them, else None."""
    if found is not None:
        counted, classes = found.confusion.matrix.tolist(), found.classes
    elif test.table is not None:
        counted, classes = first_run(test.table)[1].confusion, test.table.classes
    else:
        return None
    return {(reference, called): counted[i][j] for i, reference in enumerate(classes) for j, called in enumerate(classes)}


def neighbours(found: Cells, place: int) -> tuple[NDArray[np.int64], list[str], int]:
    """R peaks and letters of all beats of the record that a beat is of, and its place among them: "S", or "S→N" where the model calls it otherwise."""
    of_record = np.flatnonzero(found.record == found.record[place])
    letters = [one if one == other else f"{one}→{other}" for one, other in zip(found.reference[of_record].tolist(), found.called[of_record].tolist(), strict=True)]
    return found.samples[of_record], letters, int(np.searchsorted(of_record, place))


def record_of(test: Test, found: Cells, place: int) -> Record:
    """The recording that a beat is of. Raises DataError."""
    return _record(data.locate(test.data_set), found.records[int(found.record[place])])


def at(found: Cells, place: int) -> str:
    """When a beat is."""
    return clock(found.seconds(place), 2)


def into_store(store: Store, test: Test, name: str, owner: str) -> StoredRecord:
    """A record of the test set as a stored one, with its reference; added the first time. Raises EcgError."""
    folder = data.locate(test.data_set)
    files = {path.name: path.read_bytes() for path in (folder / f"{name}{ending}" for ending in _ENDINGS) if path.is_file()}
    outcome = intake.take_in_one(store, files, owner=owner)
    for stored in outcome.added + outcome.known:
        return stored
    raise EcgError(" ".join((*outcome.refused, *(waiting.reason for waiting in outcome.waiting))))


def _path(card: Card, test: Test) -> Path:
    named = hashlib.sha256(" ".join((test.data_set, *test.records)).encode()).hexdigest()
    return settings.home() / "evidence" / f"{card.sha256[:16]}-{named[:8]}.npz"


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int) -> Cells:
    return cells.read(path)


@lru_cache(maxsize=4)
def _record(folder: Path, name: str) -> Record:
    return data.load_beats(folder, name).record
