"""Review sessions: the same records read by several readers, blind to each other; and the adjudication of two."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session as DatabaseSession

from ecgcore.errors import InputError, StoreError
from ecgcore.review import Change, Decide, Event, State, adjudication
from ecgcore.review.commands import MAX_NAME, check_text
from ecgcore.store import audit, database, folding, readings
from ecgcore.store.readings import Reading
from ecgcore.store.review_tables import ReadingRow, SessionReaderRow, SessionRecordRow, SessionRow
from ecgcore.store.reviews import Reviews
from ecgcore.store.store import Store

if TYPE_CHECKING:  # loaded where it is needed: the store does without
    from ecgcore.evaluation.agreement import Disagreement

MAX_SESSION_NAME: Final = 200  # characters


@dataclass(frozen=True)
class Session:
    """A review session. Records, by id, and readers are in the order given; of two readers the first is reader a.

    blind  readers do not see each other's readings of a record until all of them have signed theirs
    """

    id: str
    name: str
    records: tuple[str, ...]
    readers: tuple[str, ...]
    blind: bool
    created_by: str
    created: datetime


class Sessions:
    """The review sessions of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = store.engine
        self._reviews = Reviews(store)

    def start(self, name: str, record_ids: Sequence[str], readers: Sequence[str], by: str, *, blind: bool = True, analyses: Mapping[str, str]) -> Session:
        """A new session, in which each reader gets his own reading of each record, on the beats of the analysis named for it.

        Raises InputError for a name or list that will not do, StoreError for an unknown record or an analysis of another.
        """
        _check(name, record_ids, readers, by, analyses)
        row = SessionRow(
            id=uuid.uuid4().hex,
            name=name.strip(),
            created_by=by,
            created=datetime.now(UTC),
            blind=blind,
            records=[SessionRecordRow(record_id=record_id, position=place) for place, record_id in enumerate(record_ids)],
            readers=[SessionReaderRow(reader=reader, position=place) for place, reader in enumerate(readers)],
        )
        with database.write(self._engine) as session:
            for record_id in sorted(record_ids):  # one order for all, so that nobody waits in a circle
                readings.lock_record(session, record_id)
            session.add(row)
            session.flush()
            for record_id in record_ids:
                for reader in readers:
                    readings.new_row(session, record_id, analyses[record_id], row.id, reader, readings.SESSION)
            said = f"{len(record_ids):,} records read by {', '.join(readers)}" if len(record_ids) > 1 else f"1 record read by {', '.join(readers)}"
            audit.note(session, by, "session begun", row.name, said + (", blind to each other" if blind and len(readers) > 1 else ""))
            return _session(row)

    def list(self, user: str | None = None) -> tuple[Session, ...]:
        """All sessions, the newest first; for a user those he reads in or has begun."""
        chosen = select(SessionRow).order_by(SessionRow.created.desc(), SessionRow.id)
        if user is not None:
            chosen = chosen.where(or_(SessionRow.created_by == user, SessionRow.readers.any(SessionReaderRow.reader == user)))
        with database.read(self._engine) as session:
            return tuple(_session(row) for row in session.scalars(chosen))

    def get(self, session_id: str) -> Session:
        """A session by its id. Raises StoreError for an unknown one."""
        with database.read(self._engine) as session:
            row = session.get(SessionRow, session_id)
            if row is None:
                raise StoreError(f"no session {session_id[:40]!r} is stored")
            return _session(row)

    def readings(self, session_id: str) -> tuple[Reading, ...]:
        """The readings of a session: by record in its order, each with its readers' in theirs and then its adjudication. Raises StoreError."""
        of = self.get(session_id)
        with database.read(self._engine) as session:
            found = readings.readings_of(session, session.scalars(select(ReadingRow).where(ReadingRow.session_id == session_id)))
        return tuple(sorted(found, key=lambda reading: (of.records.index(reading.record_id), (*of.readers, "").index(reading.reader))))

    def may_see(self, session: Session, reader: str, reading: Reading, *, adjudicates: bool = False) -> bool:
        """Whether someone may look at a reading of a session: in a blind one at another's only when all readers of the record have signed.

        Whoever adjudicates may at any time, unless he is a reader of the session himself.
        """
        if not session.blind or reading.reader in (reader, "") or (adjudicates and reader not in session.readers):
            return True
        return all(other.signed for other in self.readings(session.id) if other.record_id == reading.record_id and other.kind == readings.SESSION)

    def adjudication(self, session_id: str, record_id: str, who: str) -> Reading:
        """The adjudication of a record that both its readers have signed: the one there is, or one begun now with what they agree on.

        It rests on the versions signed now, for good. There is one for exactly two readers: what more than two disagree on is not defined here.
        Raises StoreError for another number of readers, and while one has not signed.
        """
        check_text(who, "user", MAX_NAME, needed=True)
        mine = [reading for reading in self.readings(session_id) if reading.record_id == record_id]
        there = next((reading for reading in mine if reading.kind == readings.ADJUDICATION), None)
        if there is not None:
            return there
        if len(mine) != 2:
            raise StoreError(f"an adjudication needs exactly two readers of the record, not {len(mine)}")
        a, b = mine
        found = self._store.analysis(a.analysis_id)
        first = State.first(found.beats, found.record.fs_hz)
        one, other = (self._reviews.state(reading.id, _signed_seq(reading)) for reading in (a, b))
        apart = adjudication.disagreements(one, other, found.record.fs_hz)
        agreed = adjudication.consensus(first, one, other, apart)
        with database.write(self._engine) as session:
            row = self._begun(session, (a, b), who, agreed, adjudication.disagreements_to_json(apart))
            return readings.readings_of(session, (row,))[0]

    def disagreements(self, reading_id: str) -> "tuple[Disagreement, ...]":
        """What the two readers disagreed on when their adjudication began. Raises StoreError for a reading that is none."""
        with database.read(self._engine) as session:
            row = readings.row_of(session, reading_id)
            if row.disagreements is None:
                raise StoreError(f"the reading {reading_id!r} is no adjudication")
            return adjudication.disagreements_from_json(row.disagreements)

    def open_disagreements(self, reading_id: str) -> "tuple[Disagreement, ...]":
        """Those on which there is no decision yet. Raises StoreError for a reading that is no adjudication."""
        return adjudication.undecided(reading_id, self.disagreements(reading_id), self._reviews.state(reading_id).items)

    def decide(self, reading_id: str, who: str, disagreement: "Disagreement", choice: str, command_id: str) -> Event:
        """Settle a disagreement by "a", "b", "neither" or an MIT code, see `review.Decide`. Raises InputError, StoreError."""
        if disagreement not in self.disagreements(reading_id):
            raise InputError(f"disagreement {disagreement.number} at sample {disagreement.sample} is none of this adjudication")
        return self._reviews.edit(reading_id, who, Decide(reading_id, disagreement, choice), command_id)

    def _begun(self, session: DatabaseSession, pair: tuple[Reading, Reading], who: str, agreed: Change, apart: str) -> ReadingRow:
        """The adjudication with its first event, unless another process came first, or one of the two was amended meanwhile."""
        a = pair[0]
        for reading in sorted(pair, key=lambda reading: reading.id):  # one order, as above
            row = readings.locked_row(session, reading.id)
            if reading.signed is None or row.signed_version != reading.signed.version:
                raise StoreError(f"the reading of {reading.reader} was amended meanwhile; adjudicate when it is signed again")
        there = readings.find_row(session, a.record_id, a.session_id, "")
        if there is not None:
            return there
        row = readings.new_row(session, a.record_id, a.analysis_id, a.session_id, "", readings.ADJUDICATION)
        row.disagreements = apart
        row.seq = 1
        note = " and ".join(f"{reading.reader} version {reading.signed.version}" for reading in pair if reading.signed)
        event = Event(1, "consensus", who, datetime.now(UTC), row.model, agreed, None, note, uuid.uuid4().hex)
        session.add(folding.event_row(row.id, event, row.analysis_id))
        session.flush()
        return row


def _check(name: str, record_ids: Sequence[str], readers: Sequence[str], by: str, analyses: Mapping[str, str]) -> None:
    check_text(name, "name of the session", MAX_SESSION_NAME, needed=True)
    for what, given in (("record", record_ids), ("reader", readers)):
        if not given or len(set(given)) != len(given):
            raise InputError(f"a session needs one {what} or more, each once, not {list(given)}")
    for user in (*readers, by):
        check_text(user, "user", MAX_NAME, needed=True)
    missing = [record_id for record_id in record_ids if record_id not in analyses]
    if missing:
        raise InputError(f"no analysis is named for the record {missing[0]!r}; a reading begins with the beats of one")


def _signed_seq(reading: Reading) -> int:
    if reading.signed is None:
        raise StoreError(f"{reading.reader} has not signed the record yet; it is adjudicated when both readers have")
    return reading.signed.seq


def _session(row: SessionRow) -> Session:
    records, readers = tuple(one.record_id for one in row.records), tuple(one.reader for one in row.readers)
    return Session(row.id, row.name, records, readers, row.blind, row.created_by, row.created)
