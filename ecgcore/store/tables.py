"""The tables: one row a record, one a file of a record, one an analysis. Migrations follow these classes.

Types are those that SQLite and PostgreSQL share. Annotations as events, sessions and users will point at `records.id`.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Float, ForeignKey, Index, LargeBinary, MetaData, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# Every constraint gets a name, so that a later migration can speak of it.
NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy passes it
        """Any zone becomes UTC; a time without a zone is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy passes it
        """The stored moment, with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Root of the tables."""

    metadata = MetaData(naming_convention=NAMING)


class RecordRow(Base):
    """A stored recording.

    sha256       of the upload, as in `record.Source`
    fingerprint  of the upload and the facts given with it: what makes two uploads the same record
    start        as the file states it, ISO 8601, with a zone only where the file gives one
    facts        what the user stated because the file does not
    """

    __tablename__ = "records"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    format: Mapped[str] = mapped_column(Text)
    leads: Mapped[list[str]] = mapped_column(JSON)
    fs_hz: Mapped[float] = mapped_column(Float(53))
    n_samples: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[str | None] = mapped_column(String(40))
    created: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    owner: Mapped[str] = mapped_column(String(254))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    files: Mapped[list["FileRow"]] = relationship(cascade="all, delete-orphan", passive_deletes=True, lazy="selectin", order_by="FileRow.name")


class FileRow(Base):
    """One uploaded file of a record; its bytes lie in the blob folder under `sha256`."""

    __tablename__ = "files"
    __table_args__ = (Index(None, "sha256"),)

    record_id: Mapped[str] = mapped_column(ForeignKey("records.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)


class AnalysisRow(Base):
    """The findings of one model, at one version, on one choice of leads of one record and one detector's beats.

    leads    JSON list, in order, as text so that it can be part of a key
    counts   beats by class, so that a list needs not read `body`
    body     the Analysis as JSON
    """

    __tablename__ = "analyses"
    __table_args__ = (UniqueConstraint("record_id", "leads", "model", "version", "detector"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("records.id", ondelete="CASCADE"))
    leads: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(128))
    detector: Mapped[str] = mapped_column(String(128))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    counts: Mapped[dict[str, int]] = mapped_column(JSON)
    body: Mapped[str] = mapped_column(Text, deferred=True)


class ReconstructionRow(Base):
    """A reconstruction that a reader accepted, beside its record. But for its discarding it is never changed; a trigger sees to that (migration 0003).

    samples  signal, low and high in mV, one after the other, float32 little-endian
    at       when it was accepted, by `who`
    """

    __tablename__ = "reconstructions"
    __table_args__ = (Index(None, "record_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    record_id: Mapped[str] = mapped_column(ForeignKey("records.id", ondelete="CASCADE"))
    lead: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(254))
    start_sample: Mapped[int] = mapped_column(BigInteger)
    stop_sample: Mapped[int] = mapped_column(BigInteger)
    fs_hz: Mapped[float] = mapped_column(Float(53))
    samples: Mapped[bytes] = mapped_column(LargeBinary)
    coverage: Mapped[float] = mapped_column(Float(53))
    who: Mapped[str] = mapped_column(String(254))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    discarded_by: Mapped[str | None] = mapped_column(String(254))
    discarded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
