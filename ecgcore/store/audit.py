"""The audit log: what was done to what all users share, and what readers did to their readings, in one list that can be searched.

The first stands in a table of its own, of which nothing ever goes; the second are the readings' events, which go with their record. That a
record was deleted, and what went with it, stands in the first.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Row, Select, Subquery, func, literal, or_, select, union, union_all
from sqlalchemy.orm import Session

from ecgcore.store import database
from ecgcore.store.job_tables import AuditRow
from ecgcore.store.review_tables import EventRow, ReadingRow, SignOffRow
from ecgcore.store.tables import RecordRow

if TYPE_CHECKING:  # which itself notes what it does
    from ecgcore.store.store import Store

HEADER: Final = ("time (UTC)", "who", "what", "subject", "detail")
AT_ONCE: Final = 500  # rows of a table that are in memory together
_RUN: Final = "=+-@＝＋－＠"  # a spreadsheet takes a cell that begins so for a formula, and runs it


@dataclass(frozen=True)
class Entry:
    """One thing that was done, in UTC: `what` was done to `subject`, and `detail` in words."""

    at: datetime
    who: str
    what: str
    subject: str
    detail: str


def note(session: Session, who: str, what: str, subject: str, detail: str = "") -> None:
    """One more row, in the transaction of what it tells of: both are kept or none. `what` in 32 characters at most."""
    session.add(AuditRow(at=datetime.now(UTC), who=who, what=what, subject=subject, detail=detail))


class Audit:
    """The log of a store.

    Every search is by the same filters, left out where empty: `who` and `what` are the whole words, since ≤ time < until, and `text` in any case
    somewhere in who, what, subject or detail; of what a reader did it is looked for in the note he left, not in the words that count beats.
    """

    def __init__(self, store: "Store") -> None:
        self._engine = store.engine

    def note(self, who: str, what: str, subject: str, detail: str = "") -> None:
        """One more row by itself, for what changes nothing in the database. Raises StoreError."""
        with database.write(self._engine) as session:
            note(session, who, what, subject, detail)

    def search(
        self, text: str = "", who: str = "", what: str = "", since: datetime | None = None, until: datetime | None = None, limit: int = 200, offset: int = 0
    ) -> tuple[Entry, ...]:
        """So many entries that match, the newest first, after leaving out `offset` of them. Raises StoreError."""
        chosen = _newest_first(_all(text, who, what, since, until)).limit(limit).offset(offset)
        with database.read(self._engine) as session:
            return _entries(session, session.execute(chosen).all())

    def count(self, text: str = "", who: str = "", what: str = "", since: datetime | None = None, until: datetime | None = None) -> int:
        """How many entries match. Raises StoreError."""
        with database.read(self._engine) as session:
            return session.scalar(select(func.count()).select_from(_all(text, who, what, since, until))) or 0

    def csv_lines(self, text: str = "", who: str = "", what: str = "", since: datetime | None = None, until: datetime | None = None) -> Iterator[str]:
        """A table of all entries that match, line by line, the newest first, never all in memory. Raises StoreError."""
        yield _line(HEADER)
        with database.read(self._engine) as session:
            found = session.execute(_newest_first(_all(text, who, what, since, until)).execution_options(yield_per=AT_ONCE))
            for some in found.partitions():
                for entry in _entries(session, some):
                    yield _line((entry.at.isoformat(timespec="milliseconds"), entry.who, entry.what, entry.subject, entry.detail))

    def csv(self, text: str = "", who: str = "", what: str = "", since: datetime | None = None, until: datetime | None = None) -> str:
        """The whole table of `csv_lines`."""
        return "".join(self.csv_lines(text, who, what, since, until))

    def whats(self) -> tuple[str, ...]:
        """All that was ever done, each once, in order. Raises StoreError."""
        return self._each(AuditRow.what, EventRow.kind)

    def users(self) -> tuple[str, ...]:
        """All who ever did something, each once, in order. Raises StoreError."""
        return self._each(AuditRow.who, EventRow.who)

    def _each(self, noted: Any, done: Any) -> tuple[str, ...]:
        with database.read(self._engine) as session:
            return tuple(sorted(session.scalars(union(select(noted), select(done)))))


def _all(text: str, who: str, what: str, since: datetime | None, until: datetime | None) -> Subquery:
    """Both sources as one table of at, who, what, subject, detail, reading_id ("" for none), seq. What readers did is without its words yet."""
    noted = select(AuditRow.at, AuditRow.who, AuditRow.what, AuditRow.subject, AuditRow.detail, literal("").label("reading_id"), AuditRow.seq)
    done = (
        select(EventRow.at, EventRow.who, EventRow.kind, RecordRow.name, EventRow.note, EventRow.reading_id, EventRow.seq)
        .join(ReadingRow, ReadingRow.id == EventRow.reading_id)
        .join(RecordRow, RecordRow.id == ReadingRow.record_id)
    )
    parts = []
    for part in (noted, done):
        at, by, deed, subject, detail, *_ = part.selected_columns
        wanted: list[ColumnElement[bool]] = []
        wanted += [or_(*(column.icontains(text, autoescape=True) for column in (by, deed, subject, detail)))] if text else []
        wanted += [by == who] if who else []
        wanted += [deed == what] if what else []
        wanted += [at >= since] if since else []
        wanted += [at < until] if until else []
        parts.append(part.where(*wanted))
    return union_all(*parts).subquery()


def _newest_first(every: Subquery) -> Select[Any]:
    return select(every).order_by(every.c.at.desc(), every.c.reading_id, every.c.seq.desc())


def _entries(session: Session, rows: Sequence[Row[Any]]) -> tuple[Entry, ...]:
    """Rows of `_all` as entries; what readers did gets its words, for which the change itself is read."""
    said = _said(session, ((row.reading_id, row.seq) for row in rows if row.reading_id))
    return tuple(Entry(row.at, row.who, row.what, row.subject, said.get((row.reading_id, row.seq), row.detail)) for row in rows)


def _said(session: Session, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """What was done by some events, in words; a signature says of which version it is."""
    from ecgcore.store.folding import event_of  # which knows the store

    by_reading = defaultdict(list)
    for reading_id, seq in keys:
        by_reading[reading_id].append(seq)
    said: dict[tuple[str, int], str] = {}
    for reading_id, seqs in by_reading.items():
        for row in session.scalars(select(EventRow).where(EventRow.reading_id == reading_id, EventRow.seq.in_(seqs))):
            said[reading_id, row.seq] = event_of(row).said
        for signed in session.scalars(select(SignOffRow).where(SignOffRow.reading_id == reading_id, SignOffRow.seq.in_(seqs))):
            said[reading_id, signed.seq] = f"version {signed.version}, sha256 {signed.sha256[:12]}…: {said[reading_id, signed.seq]}"
    return said


def _line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([_harmless(cell) for cell in cells])
    return written.getvalue()


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet runs: what it would take for a formula gets an apostrophe before it."""
    return f"'{cell}" if cell.lstrip()[:1] in tuple(_RUN) or cell[:1] in ("\t", "\r", "\n") else cell
