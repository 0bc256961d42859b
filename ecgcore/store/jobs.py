"""Long work as it is kept: what is to be done, how far it is, its log and curves, and what came of it. The rows are the truth; a queue only carries ids."""

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from ecgcore.errors import InputError, StoreError
from ecgcore.jobs.specs import KINDS, Spec
from ecgcore.review.commands import MAX_NAME, MAX_TEXT, check_text
from ecgcore.store import audit, database
from ecgcore.store.job_tables import JobLineRow, JobPointRow, JobRow, WorkerRow
from ecgcore.store.store import Store
from ecgcore.store.workers import Worker, Workers, worker_of

__all__ = ["Job", "Jobs", "LogLine", "Point", "Worker", "Workers"]

QUEUED: Final = "queued"
RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
STATUSES: Final = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
ENDED: Final = (DONE, FAILED, CANCELLED)
MAX_ATTEMPTS: Final = 3  # work that brings its process down so often does so for a reason

# A training has the GPU, or all cores, to itself.
ALONE: Final = "train"
_GOES_ON: Final = {"train": "goes on from its last checkpoint", "recompute": "goes on with the records that are left"}


@dataclass(frozen=True)
class Job:
    """One piece of long work.

    spec        what is to be done, JSON of `jobs.specs`
    status      one of STATUSES
    worker_id   who runs it, or did when it ended
    progress    share done, 0 to 1, and `doing` what is being done
    left_s      seconds that are left; None where that is not known
    attempts    how often it was begun; more than once where a process was killed
    cancelling  somebody wants it ended
    result      what came of it, JSON; None where nothing has, and in lists
    error       why nothing came of it, in one line
    """

    id: str
    kind: str
    title: str
    spec: str
    status: str
    created_by: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    worker_id: str | None
    progress: float
    doing: str
    left_s: float | None
    attempts: int
    cancelling: bool
    result: str | None
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log; `seq` counts up over the lines of all jobs."""

    seq: int
    at: datetime
    text: str


@dataclass(frozen=True)
class Point:
    """A point of a job's curves: a value such as "loss" after so many epochs of a part; `seq` counts up over the points of all jobs."""

    seq: int
    part: str
    name: str
    epoch: float
    value: float


class Jobs:
    """The jobs of a store. Any number of threads and processes may use them at once. Raises StoreError for an unknown job, and where the database does."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine

    def submit(self, kind: str, title: str, spec: Spec, who: str) -> Job:
        """A new job, queued; `jobs.submit` tells the workers too. Raises InputError for a spec of another kind, or no title."""
        if KINDS.get(kind) is not type(spec):
            raise InputError(f"{type(spec).__name__} is not what a job of kind {kind!r} takes; there are: {', '.join(f'{name} ({of.__name__})' for name, of in KINDS.items())}")
        check_text(title, "title of the job", MAX_TEXT, needed=True)
        check_text(who, "user", MAX_NAME, needed=True)
        row = JobRow(
            id=uuid.uuid4().hex,
            kind=kind,
            title=title.strip(),
            spec=spec.model_dump_json(),
            status=QUEUED,
            created_by=who,
            created=datetime.now(UTC),
            progress=0.0,
            doing="",
            attempts=0,
            cancel=False,
            result=None,
        )
        with database.write(self._engine) as session:
            session.add(row)
            _audit(session, row, who, "submitted")
            session.flush()
            return _job(row)

    def get(self, job_id: str) -> Job:
        """A job by its id, with its result."""
        with database.read(self._engine) as session:
            return _job(_row(session, job_id))

    def list(self, limit: int = 50, kind: str | None = None) -> tuple[Job, ...]:
        """So many jobs, the newest first, without their results; of one kind where that is named."""
        chosen = select(JobRow).order_by(JobRow.created.desc(), JobRow.id).limit(limit)
        if kind is not None:
            chosen = chosen.where(JobRow.kind == kind)
        return self._select(chosen)

    def waiting(self) -> tuple[Job, ...]:
        """All that are queued, the oldest first."""
        return self._select(select(JobRow).where(JobRow.status == QUEUED).order_by(JobRow.created, JobRow.id))

    def held_by(self, worker_id: str) -> tuple[Job, ...]:
        """What a worker is running, by its own account."""
        return self._select(select(JobRow).where(JobRow.status == RUNNING, JobRow.worker_id == worker_id))

    def orphans(self) -> tuple[Job, ...]:
        """What is running by its own account, but its worker is not alive."""
        now = datetime.now(UTC)
        with database.read(self._engine) as session:
            rows = session.execute(select(JobRow, WorkerRow).outerjoin(WorkerRow, WorkerRow.id == JobRow.worker_id).where(JobRow.status == RUNNING))
            return tuple(_job(job, result=False) for job, worker in rows if worker is None or not worker_of(worker).alive(now))

    def claim(self, job_id: str, worker_id: str) -> Job | None:
        """The job, now running by this worker; None where it is not queued any more, or is a training while the worker's host has one running."""
        now = datetime.now(UTC)
        with database.write(self._engine) as session:
            worker = session.get(WorkerRow, worker_id)
            if worker is None:
                raise StoreError(f"no worker {worker_id[:40]!r} is known")
            there = select(WorkerRow.id).where(WorkerRow.host == worker.host)
            session.execute(there.order_by(WorkerRow.id).with_for_update())  # one claim a host at a time
            row = session.scalar(_locked(job_id).where(JobRow.status == QUEUED))
            if row is None:
                return None
            busy = select(JobRow.id).where(JobRow.status == RUNNING, JobRow.kind == ALONE, JobRow.worker_id.in_(there))
            if row.kind == ALONE and session.scalar(busy.limit(1)) is not None:
                return None
            row.status, row.worker_id, row.started = RUNNING, worker_id, row.started or now
            row.attempts += 1
            return _job(row)

    def tell(self, job_id: str, share: float, doing: str, left_s: float | None = None) -> None:
        """How far a running job is, and the seconds that are left where they are known; nothing once it has ended."""
        with database.write(self._engine) as session:
            row = session.scalar(_locked(job_id).where(JobRow.status == RUNNING))
            if row is not None:
                row.progress, row.doing, row.left_s = min(max(share, 0.0), 1.0), doing, left_s

    def log(self, job_id: str, *texts: str) -> None:
        """Lines for the log; a text may be several."""
        with database.write(self._engine) as session:
            _log(session, job_id, *texts)

    def lines(self, job_id: str, after: int = 0) -> tuple[LogLine, ...]:
        """The log from the line that follows `after` on."""
        chosen = select(JobLineRow).where(JobLineRow.job_id == job_id, JobLineRow.seq > after).order_by(JobLineRow.seq)
        with database.read(self._engine) as session:
            return tuple(LogLine(row.seq, row.at, row.text) for row in session.scalars(chosen))

    def point(self, job_id: str, part: str, name: str, epoch: float, value: float) -> None:
        """A point for the curves. Raises InputError for a value that is no number."""
        self.draw(job_id, ((part, name, epoch, value),))

    def draw(self, job_id: str, points: Iterable[tuple[str, str, float, float]]) -> None:
        """Points for the curves, each of a part: name, epoch, value. Raises InputError for a value that is no number."""
        now = datetime.now(UTC)
        rows = [JobPointRow(job_id=job_id, at=now, part=part, name=name, epoch=epoch, value=value) for part, name, epoch, value in points]
        if odd := next((row for row in rows if not (math.isfinite(row.value) and math.isfinite(row.epoch))), None):
            raise InputError(f"{odd.name} of {odd.value} after {odd.epoch} epochs cannot be drawn")
        with database.write(self._engine) as session:
            session.add_all(rows)

    def redraw(self, job_id: str, part: str, name: str, epoch: float) -> None:
        """Take back the points of a curve from an epoch on, as the training goes on from before it."""
        with database.write(self._engine) as session:
            session.execute(delete(JobPointRow).where(JobPointRow.job_id == job_id, JobPointRow.part == part, JobPointRow.name == name, JobPointRow.epoch >= epoch))

    def points(self, job_id: str, after: int = 0) -> tuple[Point, ...]:
        """The curves' points from the one that follows `after` on, as they came."""
        chosen = select(JobPointRow).where(JobPointRow.job_id == job_id, JobPointRow.seq > after).order_by(JobPointRow.seq)
        with database.read(self._engine) as session:
            return tuple(Point(row.seq, row.part, row.name, row.epoch, row.value) for row in session.scalars(chosen))

    def cancel(self, job_id: str, who: str) -> Job:
        """End a job: one that waits at once, one that runs as soon as its worker sees it. Raises StoreError for one that has ended."""
        check_text(who, "user", MAX_NAME, needed=True)
        with database.write(self._engine) as session:
            row = _row(session, job_id, locked=True)
            if row.status in ENDED:
                raise StoreError(f"the job {row.title!r} cannot be cancelled: it is {row.status} already")
            if not row.cancel:
                row.cancel = True
                _log(session, job_id, f"cancelled by {who}")
                _audit(session, row, who, "cancelled")
            if row.status == QUEUED:
                _end(row, CANCELLED)
            return _job(row)

    def cancelling(self, job_id: str) -> bool:
        """Whether somebody wants it ended."""
        return self.get(job_id).cancelling

    def finish(self, job_id: str, result: str) -> None:
        """It is done, and this (JSON) came of it. One that has ended otherwise stays as it is."""
        with database.write(self._engine) as session:
            row = _row(session, job_id, locked=True)
            if row.status not in ENDED:
                row.progress, row.result = 1.0, result
                _end(row, DONE)
                _audit(session, row, row.created_by, "done")

    def fail(self, job_id: str, error: str) -> None:
        """Nothing comes of it, for a reason of one line. One that has ended otherwise stays as it is."""
        with database.write(self._engine) as session:
            _fail(session, _row(session, job_id, locked=True), error)

    def cancelled(self, job_id: str) -> None:
        """It was ended because somebody wanted it so. One that has ended otherwise stays as it is."""
        with database.write(self._engine) as session:
            row = _row(session, job_id, locked=True)
            if row.status not in ENDED:
                _end(row, CANCELLED)

    def requeue(self, job_id: str, why: str, held_by: str | None = None, *, counts: bool = True) -> Job:
        """Have a running job begun again, on what it has; `why` is logged. One that was to be ended is, and one begun too often has failed.

        held_by  do so only if it is still this worker that runs it
        counts   whether this was an attempt; not where its worker was stopped in good order
        """
        with database.write(self._engine) as session:
            row = _row(session, job_id, locked=True)
            if row.status != RUNNING or (held_by is not None and row.worker_id != held_by):
                return _job(row)
            if row.cancel:
                _end(row, CANCELLED)
            elif counts and row.attempts >= MAX_ATTEMPTS:
                _log(session, job_id, why)
                _fail(session, row, f"given up after {row.attempts} attempts, the last because {why}; too little memory is the usual reason")
            else:
                _log(session, job_id, f"{why}; {_GOES_ON.get(row.kind, 'begins again')}")
                row.status, row.left_s, row.worker_id = QUEUED, None, None
                if not counts:
                    row.attempts -= 1
            return _job(row)

    def _select(self, chosen: Select[JobRow]) -> tuple[Job, ...]:
        with database.read(self._engine) as session:
            return tuple(_job(row, result=False) for row in session.scalars(chosen))


def _row(session: Session, job_id: str, *, locked: bool = False) -> JobRow:
    row = session.scalar(_locked(job_id)) if locked else session.get(JobRow, job_id)
    if row is None:
        raise StoreError(f"no job {job_id[:40]!r} is stored")
    return row


def _locked(job_id: str) -> Select[JobRow]:
    """A job's row, which nobody else can change until the transaction ends."""
    return select(JobRow).where(JobRow.id == job_id).with_for_update()


def _end(row: JobRow, status: str) -> None:
    row.status, row.finished, row.left_s = status, datetime.now(UTC), None


def _fail(session: Session, row: JobRow, error: str) -> None:
    if row.status not in ENDED:
        row.error = _clean(" ".join(error.split()))[:MAX_TEXT]
        _end(row, FAILED)
        _log(session, row.id, row.error)
        _audit(session, row, row.created_by, "failed")


def _log(session: Session, job_id: str, *texts: str) -> None:
    now = datetime.now(UTC)
    session.add_all(JobLineRow(job_id=job_id, at=now, text=_clean(line)[:MAX_TEXT]) for text in texts for line in text.splitlines() if line.strip())


def _clean(text: str) -> str:
    """Without what no database keeps; what a process leaves behind when it dies may hold anything."""
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _audit(session: Session, row: JobRow, who: str, what: str) -> None:
    audit.note(session, who, f"job {what}", row.id, f"{row.kind}: {row.title}" + (f"; {row.error}" if row.error else ""))


def _job(row: JobRow, *, result: bool = True) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        title=row.title,
        spec=row.spec,
        status=row.status,
        created_by=row.created_by,
        created=row.created,
        started=row.started,
        finished=row.finished,
        worker_id=row.worker_id,
        progress=row.progress,
        doing=row.doing,
        left_s=row.left_s,
        attempts=row.attempts,
        cancelling=row.cancel and row.status not in ENDED,
        result=row.result if result else None,
        error=row.error,
    )
