"""What becomes of an upload: recordings taken in, refused, or waiting for a fact. Knows nothing of Streamlit."""

from collections.abc import Mapping
from dataclasses import dataclass

from ecgcore import readers
from ecgcore.errors import EcgError, MissingFactError
from ecgcore.progress import Progress
from ecgcore.store import LOCAL_USER, Facts, Store, StoredRecord

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Waiting:
    """A recording that leaves out facts which the user must state: `facts` names them, `reason` says it."""

    files: Files
    facts: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        """The files it consists of."""
        return ", ".join(self.files)


@dataclass(frozen=True)
class Intake:
    """Outcome of an upload: recordings that are new, those that were there before, those that wait, and what was refused."""

    added: tuple[StoredRecord, ...] = ()
    known: tuple[StoredRecord, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    refused: tuple[str, ...] = ()


def take_in(store: Store, files: Files, progress: Progress, owner: str = LOCAL_USER) -> Intake:
    """Take in an upload of several files or zips, recording by recording: one that is refused does not hold up the others."""
    try:
        recordings = readers.bundles(files)
    except EcgError as error:
        return Intake(refused=(str(error),))
    outcome = Intake()
    for done, recording in enumerate(recordings):
        progress(done / len(recordings), f"Reading {min(recording, key=len)} ({done + 1} of {len(recordings)})")
        outcome = _joined(outcome, take_in_one(store, recording, owner=owner))
    return outcome


def take_in_one(store: Store, files: Files, facts: Facts | None = None, owner: str = LOCAL_USER) -> Intake:
    """Take in the files of one recording, with what the user states about them."""
    try:
        if there := store.find(files, facts):
            return Intake(known=(there,))
        return Intake(added=(store.add(files, facts, owner),))
    except MissingFactError as error:
        return Intake(waiting=(Waiting(files, error.facts, str(error)),))
    except EcgError as error:
        named = any(name in str(error) for name in files)
        return Intake(refused=(str(error) if named else f"{', '.join(files)}: {error}",))


def lead_names(text: str) -> tuple[str, ...]:
    """Lead names as a user types them: parted by commas or semicolons, by blanks where there is neither."""
    parts = text.replace(";", ",").split(",") if set(text) & {",", ";"} else text.split()
    return tuple(part.strip() for part in parts if part.strip())


def _joined(one: Intake, other: Intake) -> Intake:
    return Intake(one.added + other.added, one.known + other.known, one.waiting + other.waiting, one.refused + other.refused)


def answered(outcome: Intake, number: int, answer: Intake) -> Intake:
    """The outcome after the user has answered for one of those that wait."""
    waiting = outcome.waiting[:number] + answer.waiting + outcome.waiting[number + 1 :]
    return Intake(outcome.added + answer.added, outcome.known + answer.known, waiting, answer.refused)
