"""Readings and signatures as they are kept: from rows to nouns, and how a reading is found or made."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ecgcore.errors import StoreError
from ecgcore.store.review_tables import ReadingRow, SignOffRow
from ecgcore.store.tables import AnalysisRow, RecordRow

OPEN: Final = "open"
SESSION: Final = "session"
ADJUDICATION: Final = "adjudication"


@dataclass(frozen=True)
class SignOff:
    """A signature: the state after event `seq` is frozen as a version. `sha256` is that of its JSON, `review.sha256`."""

    reading_id: str
    version: int
    seq: int
    who: str
    at: datetime
    statement: str
    sha256: str


@dataclass(frozen=True)
class Reading:
    """One reader's copy of a record's beats and marks.

    reader              who alone changes it; "" for one shared by all who may edit
    kind                "open" (no session), "session", "adjudication"
    analysis_id         the analysis it stands on now, whose model and leads these are
    seq                 of its last event, 0 where there is none
    signed              the signature that freezes it now; None while it can be changed
    """

    id: str
    record_id: str
    session_id: str | None
    reader: str
    analysis_id: str
    kind: str
    model: str
    leads: tuple[str, ...]
    seq: int
    signed: SignOff | None
    created: datetime


def readings_of(session: Session, rows: Iterable[ReadingRow]) -> tuple[Reading, ...]:
    """Rows as readings, with the signatures that freeze them."""
    rows = tuple(rows)
    frozen = [row.id for row in rows if row.signed_version is not None]
    signed = {(row.reading_id, row.version): signoff_of(row) for row in session.scalars(select(SignOffRow).where(SignOffRow.reading_id.in_(frozen)))} if frozen else {}
    return tuple(_reading(row, None if row.signed_version is None else signed[row.id, row.signed_version]) for row in rows)


def signoff_of(row: SignOffRow) -> SignOff:
    """A row as a signature."""
    return SignOff(row.reading_id, row.version, row.seq, row.who, row.at, row.statement, row.sha256)


def row_of(session: Session, reading_id: str) -> ReadingRow:
    """A reading's row. Raises StoreError."""
    return _there(session.get(ReadingRow, reading_id), reading_id)


def locked_row(session: Session, reading_id: str) -> ReadingRow:
    """A reading's row, which nobody else can lock until the transaction ends; on SQLite the whole database is. Raises StoreError."""
    return _there(session.scalar(select(ReadingRow).where(ReadingRow.id == reading_id).with_for_update()), reading_id)


def find_row(session: Session, record_id: str, session_id: str | None, reader: str) -> ReadingRow | None:
    """The row of the one reading there is of a record, session and reader."""
    in_session = ReadingRow.session_id.is_(None) if session_id is None else ReadingRow.session_id == session_id
    return session.scalar(select(ReadingRow).where(ReadingRow.record_id == record_id, ReadingRow.reader == reader, in_session))


def lock_record(session: Session, record_id: str) -> None:
    """Be the only one who makes readings of a record until the transaction ends. Raises StoreError for an unknown record."""
    if session.scalar(select(RecordRow.id).where(RecordRow.id == record_id).with_for_update()) is None:
        raise StoreError(f"no record {record_id!r} is stored; it may have been deleted")


def new_row(session: Session, record_id: str, analysis_id: str, session_id: str | None, reader: str, kind: str) -> ReadingRow:
    """A reading added, on the beats of an analysis. Raises StoreError for an analysis that is not of this record."""
    model, leads = basis(session, record_id, analysis_id)
    row = ReadingRow(
        id=uuid.uuid4().hex,
        record_id=record_id,
        session_id=session_id,
        reader=reader,
        kind=kind,
        first_analysis_id=analysis_id,
        analysis_id=analysis_id,
        model=model,
        leads=leads,
        seq=0,
        signed_version=None,
        created=datetime.now(UTC),
    )
    session.add(row)
    session.flush()
    return row


def basis(session: Session, record_id: str, analysis_id: str) -> tuple[str, str]:
    """Model as name@version and leads as JSON of an analysis. Raises StoreError for one that is not of this record."""
    found = session.execute(select(AnalysisRow.record_id, AnalysisRow.model, AnalysisRow.version, AnalysisRow.leads).where(AnalysisRow.id == analysis_id)).first()
    if found is None:
        raise StoreError(f"no analysis {analysis_id!r} is stored; it may have been deleted with its record")
    if found[0] != record_id:
        raise StoreError(f"the analysis {analysis_id!r} is of the record {found[0]!r}, not of {record_id!r}")
    return f"{found[1]}@{found[2]}", found[3]


def _there(row: ReadingRow | None, reading_id: str) -> ReadingRow:
    if row is None:
        raise StoreError(f"no reading {reading_id[:40]!r} is stored; it may have been deleted with its record")
    return row


def _reading(row: ReadingRow, signed: SignOff | None) -> Reading:
    return Reading(
        id=row.id,
        record_id=row.record_id,
        session_id=row.session_id,
        reader=row.reader,
        analysis_id=row.analysis_id,
        kind=row.kind,
        model=row.model,
        leads=tuple(json.loads(row.leads)),
        seq=row.seq,
        signed=signed,
        created=row.created,
    )
