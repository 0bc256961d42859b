"""The tables of reviews: readings, their events and signatures, and the sessions readings belong to.

A row of `events` or `signoffs` is never changed and goes only with its reading; in the database a trigger sees to that
(migration 0002). Alembic's batch mode makes a table anew on SQLite: a migration that uses it on these two puts the triggers back.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ecgcore.store.tables import Base, UtcDateTime


class SessionRow(Base):
    """A review session: records to be read, and who reads them."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(254))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    blind: Mapped[bool] = mapped_column(Boolean)
    records: Mapped[list["SessionRecordRow"]] = relationship(lazy="selectin", order_by="SessionRecordRow.position")
    readers: Mapped[list["SessionReaderRow"]] = relationship(lazy="selectin", order_by="SessionReaderRow.position")


class SessionRecordRow(Base):
    """A record of a session, and its place there."""

    __tablename__ = "session_records"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("records.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)


class SessionReaderRow(Base):
    """A reader of a session, and his place there: of two, the first is reader a of an adjudication."""

    __tablename__ = "session_readers"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    reader: Mapped[str] = mapped_column(String(254), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)


class ReadingRow(Base):
    """One reader's copy of a record's beats and marks: where it began, and where it stands now.

    kind               "open", "session" or "adjudication"
    first_analysis_id  the analysis before the first event; model and leads are those of `analysis_id`, the one it stands on now
    seq                of the last event
    signed_version     of the signature that freezes it now
    disagreements      of an adjudication: where the two signed readings differ, JSON
    """

    __tablename__ = "readings"
    __table_args__ = (
        UniqueConstraint("record_id", "session_id", "reader"),
        # no two nulls are equal: the one shared reading of a record needs an index of its own
        Index("uq_readings_shared", "record_id", "reader", unique=True, sqlite_where=text("session_id IS NULL"), postgresql_where=text("session_id IS NULL")),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("records.id", ondelete="CASCADE"))
    session_id: Mapped[str | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    reader: Mapped[str] = mapped_column(String(254))
    kind: Mapped[str] = mapped_column(String(16))
    first_analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id"))
    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id"))
    model: Mapped[str] = mapped_column(String(254))
    leads: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    signed_version: Mapped[int | None] = mapped_column(Integer)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    disagreements: Mapped[str | None] = mapped_column(Text, deferred=True)


class EventRow(Base):
    """One event of a reading. `analysis_id` is the one the reading stands on after it; `change` what was and what is, JSON."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("reading_id", "command"),)

    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(String(254))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    model: Mapped[str] = mapped_column(String(254))
    analysis_id: Mapped[str] = mapped_column(String(32))
    of: Mapped[int | None] = mapped_column(BigInteger)
    command: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
    change: Mapped[str] = mapped_column(Text)


class SignOffRow(Base):
    """One signature: the state after event `seq`, whose JSON has this sha256, is frozen as a version."""

    __tablename__ = "signoffs"

    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    who: Mapped[str] = mapped_column(String(254))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    statement: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
