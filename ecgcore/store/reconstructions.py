"""Accepted reconstructions: kept beside a record, never in it. One that is discarded stays, with who and when."""

import uuid
from datetime import UTC, datetime
from typing import Final, Literal, cast

import numpy as np
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from ecgcore import leads as lead_names
from ecgcore.errors import InputError, StoreError
from ecgcore.findings import Reconstruction
from ecgcore.reconstructed import Accepted, overlapping
from ecgcore.review.commands import MAX_NAME, check_text
from ecgcore.store import audit, database, readings
from ecgcore.store.store import Store
from ecgcore.store.tables import ReconstructionRow, RecordRow

_STORED: Final = np.dtype("<f4")


class Reconstructions:
    """The accepted reconstructions of a store. They belong to their records, whatever reading is open, and go only with them."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine

    def accept(self, record_id: str, made: Reconstruction, who: str) -> Accepted:
        """Keep a reconstruction beside its record.

        Raises InputError for one that does not fit the record, StoreError for an unknown record and where an accepted one of the lead lies already.
        """
        check_text(who, "user", MAX_NAME, needed=True)
        with database.write(self._engine) as session:
            readings.lock_record(session, record_id)
            _check(made, session.get_one(RecordRow, record_id))
            there = (_accepted(row) for row in session.scalars(_of(record_id).where(ReconstructionRow.lead == made.lead)))
            if lies := overlapping(there, made.lead, made.start_sample, made.stop_sample):
                other = lies[0].made
                span = f"{other.start_sample / other.fs_hz:.3f} to {other.stop_sample / other.fs_hz:.3f} s"
                raise StoreError(f"{made.lead} is reconstructed from {span} already, accepted by {lies[0].who}; discard that one first")
            row = _row(record_id, made, who)
            session.add(row)
            _note(session, row, who, "accepted")
            session.flush()
            return _accepted(row)

    def discard(self, accepted_id: str, who: str) -> Accepted:
        """Let one stand no more; it is kept, with who and when. One discarded already stays as it was. Raises StoreError for an unknown one."""
        check_text(who, "user", MAX_NAME, needed=True)
        with database.write(self._engine) as session:
            row = session.scalar(select(ReconstructionRow).where(ReconstructionRow.id == accepted_id).with_for_update())
            if row is None:
                raise StoreError(f"no reconstruction {accepted_id[:40]!r} is stored; it may have been deleted with its record")
            if row.discarded_at is None:
                row.discarded_by, row.discarded_at = who, datetime.now(UTC)
                _note(session, row, who, "discarded")
                session.flush()
            return _accepted(row)

    def of(self, record_id: str, *, discarded: bool = False) -> tuple[Accepted, ...]:
        """Those of a record that stand, in the order of time; with `discarded` all there ever were."""
        chosen = _of(record_id) if discarded else _of(record_id).where(ReconstructionRow.discarded_at.is_(None))
        with database.read(self._engine) as session:
            return tuple(_accepted(row) for row in session.scalars(chosen))

    def count(self, record_id: str) -> int:
        """How many of a record stand: what is lost when it is deleted."""
        chosen = select(func.count()).select_from(ReconstructionRow).where(ReconstructionRow.record_id == record_id, ReconstructionRow.discarded_at.is_(None))
        with database.read(self._engine) as session:
            return session.scalar(chosen) or 0

    def record_of(self, accepted_id: str) -> str:
        """The id of the record that one belongs to. Raises StoreError for an unknown one."""
        with database.read(self._engine) as session:
            found = session.scalar(select(ReconstructionRow.record_id).where(ReconstructionRow.id == accepted_id))
        if found is None:
            raise StoreError(f"no reconstruction {accepted_id[:40]!r} is stored; it may have been deleted with its record")
        return found


def _of(record_id: str) -> Select[ReconstructionRow]:
    order = (ReconstructionRow.start_sample, ReconstructionRow.lead, ReconstructionRow.at, ReconstructionRow.id)
    return select(ReconstructionRow).where(ReconstructionRow.record_id == record_id).order_by(*order)


def _note(session: Session, row: ReconstructionRow, who: str, what: str) -> None:
    span = f"{row.kind} in {row.lead}, {row.start_sample / row.fs_hz:.3f} to {row.stop_sample / row.fs_hz:.3f} s, by {row.model}"
    audit.note(session, who, f"reconstruction {what}", session.get_one(RecordRow, row.record_id).name, span)


def _check(made: Reconstruction, record: RecordRow) -> None:
    """Refuse what cannot be of this record."""
    check_text(made.model, "model", MAX_NAME, needed=True)
    lead_names.select((made.lead,), record.leads)
    if made.fs_hz != record.fs_hz:
        raise InputError(f"the reconstruction is at {made.fs_hz:g} Hz, the record at {record.fs_hz:g} Hz")
    last = record.n_samples if made.kind == "gap" else made.stop_sample
    if not (0 <= made.start_sample < made.stop_sample <= last and made.start_sample <= record.n_samples):
        raise InputError(f"a {made.kind} of samples {made.start_sample} to {made.stop_sample} does not lie at a record of {record.n_samples} samples")
    for what, mv in (("signal", made.signal_mv), ("low", made.low_mv), ("high", made.high_mv)):
        if mv.shape != (made.stop_sample - made.start_sample,) or not np.isfinite(mv).all():
            raise InputError(f"the {what} of the reconstruction must be {made.stop_sample - made.start_sample} finite values, not {mv.shape}")


def _row(record_id: str, made: Reconstruction, who: str) -> ReconstructionRow:
    return ReconstructionRow(
        id=uuid.uuid4().hex,
        record_id=record_id,
        lead=made.lead,
        kind=made.kind,
        model=made.model,
        start_sample=made.start_sample,
        stop_sample=made.stop_sample,
        fs_hz=made.fs_hz,
        samples=np.stack([made.signal_mv, made.low_mv, made.high_mv]).astype(_STORED).tobytes(),
        coverage=made.coverage,
        who=who,
        at=datetime.now(UTC),
    )


def _accepted(row: ReconstructionRow) -> Accepted:
    signal, low, high = np.frombuffer(row.samples, _STORED).astype(np.float32).reshape(3, -1)
    kind = cast("Literal['gap', 'forecast']", row.kind)
    made = Reconstruction(row.model, row.lead, kind, row.start_sample, row.stop_sample, row.fs_hz, signal, low, high, row.coverage)
    return Accepted(row.id, made, row.who, row.at, row.discarded_by, row.discarded_at)
