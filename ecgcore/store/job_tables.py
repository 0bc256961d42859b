"""The tables of long work and of what it makes: jobs with their log and curves, workers, data set versions, promotions, the audit log.

A row of `datasets`, `promotions` or `audit` is never changed and never goes; in the database a trigger sees to that (migration 0004).
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ecgcore.store.tables import Base, UtcDateTime

# SQLite counts up by itself only what it calls INTEGER.
Counted = BigInteger().with_variant(Integer, "sqlite")


class JobRow(Base):
    """One piece of long work.

    spec      what is to be done, JSON of `jobs.specs`
    status    one of `store.jobs.STATUSES`
    progress  share done, 0 to 1, and `doing` what is being done
    attempts  how often it was begun; more than once where a worker died
    cancel    somebody wants it ended
    result    what came of it, JSON; `error` why nothing did
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "status"), Index(None, "created"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    spec: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(String(254))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    started: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished: Mapped[datetime | None] = mapped_column(UtcDateTime)
    worker_id: Mapped[str | None] = mapped_column(String(32))
    progress: Mapped[float] = mapped_column(Float(53))
    doing: Mapped[str] = mapped_column(Text)
    left_s: Mapped[float | None] = mapped_column(Float(53))
    attempts: Mapped[int] = mapped_column(Integer)
    cancel: Mapped[bool] = mapped_column(Boolean)
    result: Mapped[str | None] = mapped_column(Text, deferred=True)
    error: Mapped[str | None] = mapped_column(Text)


class JobLineRow(Base):
    """One line of a job's log."""

    __tablename__ = "job_lines"

    seq: Mapped[int] = mapped_column(Counted, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    text: Mapped[str] = mapped_column(Text)


class JobPointRow(Base):
    """One point of a job's curves: a value such as "loss" after so many epochs of a part of the training."""

    __tablename__ = "job_points"

    seq: Mapped[int] = mapped_column(Counted, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    part: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    epoch: Mapped[float] = mapped_column(Float(53))
    value: Mapped[float] = mapped_column(Float(53))


class WorkerRow(Base):
    """A worker process and the moment it was last seen alive.

    device     "cpu", or the name of its GPU
    memory_mb  of the GPU, else of the machine
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(BigInteger)
    device: Mapped[str] = mapped_column(Text)
    memory_mb: Mapped[int] = mapped_column(BigInteger)
    started: Mapped[datetime] = mapped_column(UtcDateTime)
    seen: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DatasetRow(Base):
    """A version of this site's data set: `manifest` (JSON of `store.datasets.Manifest`) names every record, and `sha256` is of it."""

    __tablename__ = "datasets"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    created_by: Mapped[str] = mapped_column(String(254))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    manifest: Mapped[str] = mapped_column(Text)


class PromotionRow(Base):
    """A version of a model put in use in place of another.

    kind        "promote" or "roll back"
    sha256      of the weights put in use
    job_id      the comparison it rests on; None for a roll-back
    overridden  the refusal that was overridden by `who`, empty where there was none
    """

    __tablename__ = "promotions"

    seq: Mapped[int] = mapped_column(Counted, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(254))
    kind: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(64), index=True)
    was: Mapped[str] = mapped_column(String(128))
    now: Mapped[str] = mapped_column(String(128))
    sha256: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    job_id: Mapped[str | None] = mapped_column(String(32))
    overridden: Mapped[str] = mapped_column(Text)


class AuditRow(Base):
    """One thing that somebody did to what all users share: `what` was done to `subject`, and `detail` in words."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(Counted, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    who: Mapped[str] = mapped_column(String(254))
    what: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
