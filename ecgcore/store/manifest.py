"""What a version of this site's data set holds, and which reading of a record counts for it."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from ecgcore.findings import AAMI_CLASSES
from ecgcore.record import Record
from ecgcore.site import HELD_OUT, TRAINED, Part
from ecgcore.store.readings import ADJUDICATION, OPEN, SESSION, Reading

HELD_OUT_SHARE: Final = 0.2  # of the patients
FEW: Final = 5  # none of fewer patients is held out
_KEY: Final = 16  # hexadecimal digits that name a patient


class _Piece(BaseModel):
    """No field may be unknown, none is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ManifestRecord(_Piece):
    """One stored recording and the signed reading of it that counts.

    sha256             of the upload
    signal_sha256      of the samples whatever the format, see `fingerprints.signal_sha256`
    patient            whose it is, see `patient_of`
    version            of the signature
    annotation_sha256  what was signed, see `review.sha256`
    counts             beats by AAMI class
    corrected          how many of the beats a reader or a file said, not the model
    """

    record_id: str
    name: str
    sha256: str
    signal_sha256: str
    patient: str
    reading_id: str
    version: int
    annotation_sha256: str
    n_beats: int
    counts: dict[str, int]
    corrected: int
    part: Part


class Refused(_Piece):
    """A record that somebody has read and that is not in the data set, and why not."""

    record_id: str
    name: str
    why: str


class Manifest(_Piece):
    """The records of a data set, by name, and those refused when it was put together."""

    records: tuple[ManifestRecord, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the canonical JSON of the records: what is learned from. Who was refused, and when and by whom it was frozen, is no part of it."""
        plain = [record.model_dump(mode="json") for record in self.records]
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def trained(self) -> tuple[ManifestRecord, ...]:
        """The records that models learn from."""
        return tuple(record for record in self.records if record.part == TRAINED)

    @property
    def held_out(self) -> tuple[ManifestRecord, ...]:
        """The records that models are compared on. Where patients are few there may be none."""
        return tuple(record for record in self.records if record.part == HELD_OUT)


def patients(records: Iterable[ManifestRecord]) -> int:
    """How many patients some records are of."""
    return len({record.patient for record in records})


def beats(records: Iterable[ManifestRecord]) -> dict[str, int]:
    """Beats of some records by AAMI class, every class named."""
    records = tuple(records)
    return {name: sum(record.counts.get(name, 0) for record in records) for name in AAMI_CLASSES}


def patient_of(record: Record, signal_sha256: str) -> str:
    """The name under which a manifest knows a patient: a hash of the id that the file states, else of the signal.

    An id is not kept in the clear, yet who knows an id can tell its patient. All files that state one id, be it "anonymous", are of
    one patient; two recordings of one patient that state none are of two, so state ids where there are several of a patient.
    """
    stated = " ".join((record.patient.id or "").split()).casefold()
    return hashlib.sha256((f"patient {stated}" if stated else f"signal {signal_sha256}").encode()).hexdigest()[:_KEY]


def parts_of(patients: Collection[str], frozen: Mapping[str, Part]) -> dict[str, Part]:
    """The part of each patient. One who is in a frozen version stays in his part for good.

    Of the others about every fifth is held out, by a hash, so that it does not matter who else is there; but none of fewer than FEW patients is:
    there would be nothing to learn from, and one patient to compare on shows nothing.
    """
    few = len(patients) < FEW
    return {patient: frozen.get(patient) or (TRAINED if few else _by_hash(patient)) for patient in patients}


def _by_hash(patient: str) -> Part:
    number = int.from_bytes(hashlib.sha256(patient.encode()).digest())
    return HELD_OUT if number < HELD_OUT_SHARE * 2**256 else TRAINED


def reading_that_counts(readings: Sequence[Reading], once_signed: Set[str]) -> Reading | str:
    """The signed reading of a record whose labels are learned from, or why there is none; "" where nobody has begun to read it.

    once_signed  ids of the readings that have a signature, be it one that stands no more

    An adjudication comes before the reading of a session, that before the one shared by all; of several of a kind the one signed last.
    A reading opened again after it was signed does not count until it is signed again: its reader has said that it is not right.
    Where two readers have both signed and no adjudication is, the record has two truths. Taking one of them would hide that they differ, and
    a shared reading signed besides does not tell who of the two is right: none counts until the adjudication is signed. While one of
    two has not signed, their session says nothing yet, and a shared reading counts.
    """
    signed = sorted((reading for reading in readings if reading.signed), key=_signed_at)
    for reading in reversed(signed):
        if reading.kind == ADJUDICATION:
            return reading
    sessions = {reading.session_id: [other for other in readings if other.session_id == reading.session_id] for reading in readings if reading.session_id}
    for members in sessions.values():
        readers = [reading for reading in members if reading.kind == SESSION]
        if len(readers) > 1 and all(reading.signed for reading in readers):
            return _undecided(len(readers), members, once_signed)
    alone = {session_id for session_id, members in sessions.items() if len(members) == 1}
    for kind in (SESSION, OPEN):
        for reading in reversed(signed):
            if reading.kind == kind and (kind == OPEN or reading.session_id in alone):
                return reading
    return _why_none(readings, once_signed)


def _undecided(n_readers: int, members: Sequence[Reading], once_signed: Set[str]) -> str:
    """Why nothing of a session in which all readers have signed counts."""
    if n_readers > 2:
        return f"{n_readers} readers, and only two can be adjudicated"
    begun = next((reading for reading in members if reading.kind == ADJUDICATION), None)
    if begun is None:
        return "two readers, no adjudication"
    return "two readers, and their adjudication is " + ("opened again and not signed off since" if begun.id in once_signed else "not signed off")


def _why_none(readings: Sequence[Reading], once_signed: Set[str]) -> str:
    if any(reading.signed for reading in readings):
        return "not all readers of its session have signed off"
    if any(reading.id in once_signed for reading in readings):
        return "opened again and not signed off since"
    return "not signed off" if any(reading.seq for reading in readings) else ""


def _signed_at(reading: Reading) -> tuple[datetime, str]:
    assert reading.signed is not None  # noqa: S101  # only signed ones are sorted
    return reading.signed.at, reading.id
