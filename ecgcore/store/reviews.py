"""Readings and their events: every change kept with who, when, what was and what is; nothing is ever overwritten."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ecgcore.errors import StoreError
from ecgcore.review import AcceptRhythm, Change, Command, Event, State, rebased, sha256
from ecgcore.review.adjudication import disagreements_from_json, undecided
from ecgcore.review.commands import MAX_NAME, MAX_TEXT, ReplaceBeats, check_text
from ecgcore.store import database, folding, readings
from ecgcore.store.folding import NO_STEPS, Opened
from ecgcore.store.readings import Reading, SignOff
from ecgcore.store.review_tables import EventRow, ReadingRow, SignOffRow
from ecgcore.store.store import Store
from ecgcore.store.tables import RecordRow

__all__ = ["Reading", "Reviews", "SignOff"]

MAX_COMMAND: Final = 64  # characters of the id a sender gives its edit


@dataclass(frozen=True)
class _Draft:
    """An event without what every event gets. `analysis_id` where the reading goes over to another analysis."""

    kind: str
    change: Change
    of: int | None = None
    note: str = ""
    analysis_id: str | None = None


_Plan = Callable[[Session, ReadingRow, Opened], _Draft]


class Reviews:
    """The readings of a store. Any number of threads and processes may edit one at once: all edits get in, one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = store.engine
        self._open = folding.of_store(store)

    def reading(self, record_id: str, analysis_id: str, *, session_id: str | None = None, reader: str = "") -> Reading:
        """The one reading there is of a record, session and reader, else a new one on the beats of that analysis.

        Those of a session are all made when it starts. Raises StoreError for an unknown record, analysis or session reader.
        """
        with database.read(self._engine) as session:
            row = readings.find_row(session, record_id, session_id, reader)
            if row is not None:
                return readings.readings_of(session, (row,))[0]
        if session_id is not None:
            raise StoreError(f"{reader or 'nobody'} does not read the record {record_id!r} in the session {session_id!r}")
        check_text(reader, "reader", MAX_NAME)
        with database.write(self._engine) as session:
            readings.lock_record(session, record_id)  # another process may have come first
            row = readings.find_row(session, record_id, None, reader) or readings.new_row(session, record_id, analysis_id, None, reader, readings.OPEN)
            return readings.readings_of(session, (row,))[0]

    def get(self, reading_id: str) -> Reading:
        """A reading by its id. Raises StoreError for an unknown one."""
        with database.read(self._engine) as session:
            return readings.readings_of(session, (readings.row_of(session, reading_id),))[0]

    def readings(self, record_id: str) -> tuple[Reading, ...]:
        """All readings of a record, those of sessions too, the oldest first."""
        with database.read(self._engine) as session:
            chosen = select(ReadingRow).where(ReadingRow.record_id == record_id).order_by(ReadingRow.created, ReadingRow.id)
            return readings.readings_of(session, session.scalars(chosen))

    def state(self, reading_id: str, seq: int | None = None) -> State:
        """A reading as it stands now, or as it stood after event `seq`; 0 is before the first. Raises StoreError."""
        with database.read(self._engine) as session:
            opened = self._open.latest(session, readings.row_of(session, reading_id))
            if seq is not None and seq != opened.now.seq:
                opened = replace(opened, past=folding.at(session, reading_id, opened, seq))
        self._open.keep(reading_id, opened)
        return opened.now if seq is None or seq == opened.now.seq else opened.past

    def events(self, reading_id: str, after: int = 0) -> tuple[Event, ...]:
        """The events of a reading whose seq is greater than `after`, in order. Raises StoreError for an unknown reading."""
        with database.read(self._engine) as session:
            readings.row_of(session, reading_id)
            return tuple(folding.events(session, reading_id, after))

    def basis(self, reading_id: str, seq: int | None = None) -> str:
        """The id of the analysis on which a reading stands now, or stood after event `seq`. Raises StoreError."""
        with database.read(self._engine) as session:
            row = readings.row_of(session, reading_id)
            if seq is None or seq == row.seq:
                return row.analysis_id
            event = session.get(EventRow, (reading_id, seq)) if seq else None
            if event is None and seq:
                raise StoreError(f"no event {seq} in this reading; it has {row.seq}")
            return event.analysis_id if event else row.first_analysis_id

    def edits_of(self, record_id: str) -> int:
        """Changes that readers made in all readings of a record: what is lost when it is deleted."""
        chosen = select(func.count()).select_from(EventRow).join(ReadingRow, ReadingRow.id == EventRow.reading_id)
        with database.read(self._engine) as session:
            return session.scalar(chosen.where(ReadingRow.record_id == record_id, EventRow.kind.not_in(NO_STEPS))) or 0

    def can(self, reading_id: str, who: str) -> tuple[bool, bool]:
        """Whether a user has something to take back, and something to do again; neither while the reading is signed off. Raises StoreError."""
        with database.read(self._engine) as session:
            row = readings.row_of(session, reading_id)
            opened = self._open.latest(session, row)
        self._open.keep(reading_id, opened)
        steps = opened.steps_of(who)
        return (False, False) if row.signed_version is not None else (bool(steps.done), bool(steps.undone))

    def edit(self, reading_id: str, who: str, command: Command, command_id: str) -> Event:
        """Do a command. One whose id is there already is not done again; its event is returned.

        Raises InputError for a command that can never be right, StoreError for one that the reading as it stands does not allow.
        """

        def plan(session: Session, row: ReadingRow, opened: Opened) -> _Draft:
            if row.kind == readings.ADJUDICATION and isinstance(command, ReplaceBeats):
                raise StoreError("an adjudication rests on what two readers signed; its beats are not replaced by those of a file")
            n_samples = session.execute(select(RecordRow.n_samples).where(RecordRow.id == row.record_id)).scalar_one()
            note = command.basis if isinstance(command, AcceptRhythm) else ""
            return _Draft(command.name, command.change(opened.now, n_samples, who), note=note)

        return self._append(reading_id, who, command_id, plan)

    def undo(self, reading_id: str, who: str, command_id: str) -> Event:
        """Take back the newest change by a user that is not taken back, as a new event. Raises StoreError where there is none.

        It is refused too where someone else has changed since what it made.
        """
        return self._append(reading_id, who, command_id, lambda session, row, opened: self._step(session, row, opened, who, "undo"))

    def redo(self, reading_id: str, who: str, command_id: str) -> Event:
        """Do again what the user took back last, unless he has made a new change since. Raises StoreError as `undo` does."""
        return self._append(reading_id, who, command_id, lambda session, row, opened: self._step(session, row, opened, who, "redo"))

    def rebase(self, reading_id: str, who: str, analysis_id: str, command_id: str) -> Event:
        """Go over to the beats of another analysis of the record; what readers did stays as they left it, see `review.rebased`. Raises StoreError."""
        found = self._store.analysis(analysis_id)

        def plan(session: Session, row: ReadingRow, opened: Opened) -> _Draft:
            if row.kind == readings.ADJUDICATION:
                raise StoreError("an adjudication rests on what two readers signed; it does not go over to another analysis")
            if row.analysis_id == analysis_id:
                raise StoreError(f"the reading stands on this analysis already, {row.model} on {', '.join(found.leads)}")
            change = rebased(opened.now, _deleted(session, row.id, opened), found.beats, found.record.fs_hz)
            return _Draft("rebase", change, note=f"found on {', '.join(found.leads)}", analysis_id=analysis_id)

        return self._append(reading_id, who, command_id, plan)

    def sign(self, reading_id: str, who: str, statement: str) -> SignOff:
        """Freeze the reading as its next version. Raises StoreError while it is frozen, and for an adjudication with open disagreements."""
        check_text(statement, "statement", MAX_TEXT)
        made: list[SignOff] = []

        def plan(session: Session, row: ReadingRow, opened: Opened) -> _Draft:
            _check_decided(row, opened.now)
            version = 1 + (session.scalar(select(func.max(SignOffRow.version)).where(SignOffRow.reading_id == row.id)) or 0)
            signed = replace(opened.now, seq=row.seq + 1)
            made.append(SignOff(row.id, version, signed.seq, who, datetime.now(UTC), statement, sha256(signed)))
            session.add(SignOffRow(**vars(made[0])))
            row.signed_version = version
            return _Draft("sign", Change(), note=statement)

        self._append(reading_id, who, uuid.uuid4().hex, plan)
        return made[0]

    def amend(self, reading_id: str, who: str, reason: str) -> Event:
        """Open a signed reading again; what was signed can still be read. Raises StoreError for one that is open, or that an adjudication rests on."""
        check_text(reason, "reason to amend", MAX_TEXT, needed=True)

        def plan(session: Session, row: ReadingRow, opened: Opened) -> _Draft:  # noqa: ARG001  # all plans are called alike
            if row.signed_version is None:
                raise StoreError("this reading is not signed off; it can be changed as it is")
            if row.session_id is not None and row.kind == readings.SESSION and readings.find_row(session, row.record_id, row.session_id, ""):
                raise StoreError(f"the adjudication rests on version {row.signed_version} of this reading; amend the adjudication instead")
            row.signed_version = None
            return _Draft("amend", Change(), note=reason.strip())

        return self._append(reading_id, who, uuid.uuid4().hex, plan, to_frozen=True)

    def signoffs(self, reading_id: str) -> tuple[SignOff, ...]:
        """All signatures of a reading, in order. Raises StoreError for an unknown reading."""
        with database.read(self._engine) as session:
            readings.row_of(session, reading_id)
            rows = session.scalars(select(SignOffRow).where(SignOffRow.reading_id == reading_id).order_by(SignOffRow.version))
            return tuple(readings.signoff_of(row) for row in rows)

    def _append(self, reading_id: str, who: str, command_id: str, plan: _Plan, *, to_frozen: bool = False) -> Event:
        """One more event: planned, applied and kept while nobody else can change the reading; all of it or nothing."""
        check_text(who, "user", MAX_NAME, needed=True)
        check_text(command_id, "id of the edit", MAX_COMMAND, needed=True)
        with database.write(self._engine) as session:
            row = readings.locked_row(session, reading_id)
            sent = session.scalar(select(EventRow).where(EventRow.reading_id == reading_id, EventRow.command == command_id))
            if sent is not None:
                return folding.event_of(sent)
            if not to_frozen:
                _check_open(session, row, who)
            opened = self._open.latest(session, row)
            draft = plan(session, row, opened)
            if draft.analysis_id not in (None, row.analysis_id):
                row.analysis_id = draft.analysis_id
                row.model, row.leads = readings.basis(session, row.record_id, draft.analysis_id)
            event = Event(row.seq + 1, draft.kind, who, datetime.now(UTC), row.model, draft.change, draft.of, draft.note, command_id)
            opened = opened.after(event)
            row.seq = event.seq
            session.add(folding.event_row(row.id, event, row.analysis_id))
        self._open.keep(reading_id, opened)  # not before it is committed
        return event

    def _step(self, session: Session, row: ReadingRow, opened: Opened, who: str, kind: str) -> _Draft:
        """The event that takes back a user's newest change, or does again the one taken back last."""
        steps = opened.steps_of(who)
        left, become = (steps.done, "undone") if kind == "undo" else (steps.undone, "done again")
        if not left:
            raise StoreError(f"nothing that {who} changed is left to {kind}" + ("" if kind == "undo" else "; a new change ends what can be done again"))
        target = session.get_one(EventRow, (row.id, left[-1]))
        before = session.get(EventRow, (row.id, target.seq - 1))
        was, made = before.analysis_id if before else row.first_analysis_id, target.analysis_id
        went = (made, was) if kind == "undo" else (was, made)
        if was != made and row.analysis_id != went[0]:
            raise StoreError(f"change {target.seq} cannot be {become}: the reading went over to another analysis since")
        change = folding.event_of(target).change
        change = change.inverse() if kind == "undo" else change
        try:
            opened.now.applied(change, row.seq + 1)
        except StoreError as error:
            raise StoreError(f"change {target.seq} cannot be {become}: {error}") from error
        return _Draft(kind, change, of=target.seq, analysis_id=went[1] if was != made else None)


def _check_open(session: Session, row: ReadingRow, who: str) -> None:
    """Refuse to change what is signed, and another's reading."""
    if row.signed_version is not None:
        signed = session.get_one(SignOffRow, (row.id, row.signed_version))
        name = session.execute(select(RecordRow.name).where(RecordRow.id == row.record_id)).scalar_one()
        raise StoreError(f"{name} is signed off as version {signed.version} by {signed.who}; amend it to go on")
    if row.kind == readings.SESSION and row.reader != who:
        raise StoreError(f"this is the reading of {row.reader}; {who} cannot change it")


def _check_decided(row: ReadingRow, state: State) -> None:
    if row.disagreements is None:
        return
    apart = disagreements_from_json(row.disagreements)
    left = undecided(row.id, apart, state.items)
    if left:
        raise StoreError(f"{len(left):,} of {len(apart):,} disagreements are not decided yet; the first is at {state.time(left[0].sample)}")


def _deleted(session: Session, reading_id: str, opened: Opened) -> NDArray[np.int64]:
    """Samples (n,) at which readers took a beat away that was not put back, since the last import."""
    standing = {seq for steps in opened.steps.values() for seq in steps.done}
    chosen = select(EventRow).where(EventRow.reading_id == reading_id, EventRow.kind.in_(("delete", "move", "import"))).order_by(EventRow.seq)
    gone: list[NDArray[np.int64]] = []
    for row in session.scalars(chosen):
        if row.seq not in standing:
            continue
        if row.kind == "import":
            gone.clear()
            continue
        change = folding.event_of(row).change
        gone.append(np.setdiff1d(change.beats_were.samples, change.beats_are.samples))
    return np.setdiff1d(np.concatenate(gone), opened.now.samples) if gone else np.empty(0, np.int64)
