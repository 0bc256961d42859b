"""Events to states: a reading is its first beats with all events applied, in order. What was folded is kept in memory.

An event is never changed, so a state that was once committed holds for good; only what came after it must be read.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Session

from ecgcore.errors import StoreError
from ecgcore.findings import Analysis
from ecgcore.review import Event, State, change_from_json, change_to_json
from ecgcore.store.review_tables import EventRow, ReadingRow
from ecgcore.store.store import Store
from ecgcore.store.tables import AnalysisRow, RecordRow

MOST_OPEN: Final = 12  # readings; one of 100,000 beats takes about 2 MB a state
NO_STEPS: Final = ("sign", "amend", "consensus")  # events that no reader takes back


@dataclass(frozen=True)
class Steps:
    """What one user can take back, and what he can do again: seq of his changes, the newest last."""

    done: tuple[int, ...] = ()
    undone: tuple[int, ...] = ()

    def after(self, event: Event) -> "Steps":
        """The steps after one more event of this user. A new change leaves nothing to be done again."""
        if event.kind in NO_STEPS:
            return self
        if event.kind == "undo":
            return Steps(self.done[:-1], (*self.undone, self.done[-1]))
        if event.kind == "redo":
            return Steps((*self.done, self.undone[-1]), self.undone[:-1])
        return Steps((*self.done, event.seq), ())


@dataclass(frozen=True)
class Opened:
    """A reading in memory: before its first event, now, as it was when last asked for, and each user's steps."""

    first: State
    now: State
    past: State
    steps: dict[str, Steps] = field(default_factory=dict)

    @classmethod
    def at_first(cls, first: State) -> "Opened":
        """A reading of which no event was applied yet."""
        return cls(first, first, first)

    def after(self, event: Event) -> "Opened":
        """The reading after one more event. Raises StoreError where it does not fit."""
        now = self.now.applied(event.change, event.seq, event.model)
        return replace(self, now=now, steps={**self.steps, event.who: self.steps_of(event.who).after(event)})

    def steps_of(self, who: str) -> Steps:
        """Steps of a user."""
        return self.steps.get(who, Steps())


class OpenReadings:
    """The readings last used in this process. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, Opened] = OrderedDict()

    def latest(self, session: Session, row: ReadingRow) -> Opened:
        """A reading up to its last event, or a later one that is known here already."""
        with self._lock:
            opened = self._opened.get(row.id)
        if opened is None:
            opened = Opened.at_first(_first(session, row))
        for event in events(session, row.id, opened.now.seq, row.seq):
            opened = opened.after(event)
        return opened

    def keep(self, reading_id: str, opened: Opened) -> None:
        """Remember a reading as it was committed; the one not used for longest is forgotten."""
        with self._lock:
            there = self._opened.get(reading_id)
            if there is not None and there.now.seq > opened.now.seq:
                opened = replace(there, past=opened.past)
            self._opened[reading_id] = opened
            self._opened.move_to_end(reading_id)
            while len(self._opened) > MOST_OPEN:
                self._opened.popitem(last=False)


_OF_STORE: WeakKeyDictionary[Store, OpenReadings] = WeakKeyDictionary()
_OF_STORE_LOCK: Final = threading.Lock()


def of_store(store: Store) -> OpenReadings:
    """The readings in memory of a store: one and the same for all who ask."""
    with _OF_STORE_LOCK:
        return _OF_STORE.setdefault(store, OpenReadings())


def at(session: Session, reading_id: str, opened: Opened, seq: int) -> State:
    """A reading after event `seq`, from the nearest state in memory, forwards or back. Raises StoreError for an event it does not have."""
    if not 0 <= seq <= opened.now.seq:
        raise StoreError(f"the reading has no event {seq}; it has 0 (before the first) to {opened.now.seq}")
    state = min((opened.now, opened.past, opened.first), key=lambda known: abs(known.seq - seq))
    if state.seq <= seq:
        for event in events(session, reading_id, state.seq, seq):
            state = state.applied(event.change, event.seq, event.model)
        return state
    back = list(events(session, reading_id, seq - 1, state.seq))
    models = [*([] if seq else [opened.first.model]), *(event.model for event in back)]
    undone = back[1:] if seq else back
    for event, model in zip(reversed(undone), reversed(models[:-1]), strict=True):
        state = state.applied(event.change.inverse(), event.seq - 1, model)
    return state


def events(session: Session, reading_id: str, after: int, until: int | None = None) -> Iterator[Event]:
    """Events after < seq ≤ until, in order."""
    chosen = select(EventRow).where(EventRow.reading_id == reading_id, EventRow.seq > after).order_by(EventRow.seq)
    for row in session.scalars(chosen if until is None else chosen.where(EventRow.seq <= until)):
        yield event_of(row)


def event_of(row: EventRow) -> Event:
    """A row as an event."""
    return Event(row.seq, row.kind, row.who, row.at, row.model, change_from_json(row.change), row.of, row.note, row.command)


def event_row(reading_id: str, event: Event, analysis_id: str) -> EventRow:
    """An event as a row."""
    return EventRow(
        reading_id=reading_id,
        seq=event.seq,
        kind=event.kind,
        who=event.who,
        at=event.at,
        model=event.model,
        analysis_id=analysis_id,
        of=event.of,
        command=event.command,
        note=event.note,
        change=change_to_json(event.change),
    )


def _first(session: Session, row: ReadingRow) -> State:
    """The beats of the analysis a reading began with."""
    chosen = select(AnalysisRow.body, RecordRow.fs_hz).join(RecordRow, RecordRow.id == AnalysisRow.record_id).where(AnalysisRow.id == row.first_analysis_id)
    body, fs_hz = session.execute(chosen).one()
    return State.first(Analysis.from_json(body).beats, fs_hz)
