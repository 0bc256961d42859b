"""Worker processes: who there is to do long work, on what, and when each was last seen alive."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ecgcore.errors import StoreError
from ecgcore.store import database
from ecgcore.store.job_tables import WorkerRow
from ecgcore.store.store import Store

ALIVE_S: Final = 20.0  # a worker says every two seconds that it is there; one unheard of for so long is taken for dead


@dataclass(frozen=True)
class Worker:
    """A worker process.

    device     "CPU", or the name of its GPU
    memory_mb  of the GPU, else of the machine
    stopped    when it ended in good order, or was found dead; None for neither
    """

    id: str
    host: str
    pid: int
    device: str
    memory_mb: int
    started: datetime
    seen: datetime
    stopped: datetime | None

    def alive(self, now: datetime) -> bool:
        """Whether it was heard of a moment ago."""
        return self.stopped is None and now - self.seen < timedelta(seconds=ALIVE_S)


class Workers:
    """The workers of a store. Raises StoreError where the database does."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine

    def register(self, host: str, pid: int, device: str, memory_mb: int) -> Worker:
        """A worker that begins now."""
        now = datetime.now(UTC)
        row = WorkerRow(id=uuid.uuid4().hex, host=host, pid=pid, device=device, memory_mb=memory_mb, started=now, seen=now, stopped=None)
        with database.write(self._engine) as session:
            session.add(row)
            session.flush()
            return worker_of(row)

    def beat(self, worker_id: str) -> None:
        """It is alive. One that was taken for dead is there again. Raises StoreError for an unknown one."""
        with database.write(self._engine) as session:
            row = _row(session, worker_id)
            row.seen, row.stopped = datetime.now(UTC), None

    def gone(self, worker_id: str) -> None:
        """It ended, or was found dead. Raises StoreError for an unknown one."""
        with database.write(self._engine) as session:
            row = _row(session, worker_id)
            row.stopped = row.stopped or datetime.now(UTC)

    def list(self) -> tuple[Worker, ...]:
        """All there ever were, the newest first."""
        with database.read(self._engine) as session:
            return tuple(worker_of(row) for row in session.scalars(select(WorkerRow).order_by(WorkerRow.started.desc(), WorkerRow.id)))

    def alive(self) -> tuple[Worker, ...]:
        """Those heard of a moment ago, the newest first."""
        now = datetime.now(UTC)
        return tuple(worker for worker in self.list() if worker.alive(now))


def worker_of(row: WorkerRow) -> Worker:
    """A row as a worker."""
    return Worker(row.id, row.host, row.pid, row.device, row.memory_mb, row.started, row.seen, row.stopped)


def _row(session: Session, worker_id: str) -> WorkerRow:
    row = session.get(WorkerRow, worker_id)
    if row is None:
        raise StoreError(f"no worker {worker_id[:40]!r} is known")
    return row
