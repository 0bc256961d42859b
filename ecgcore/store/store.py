"""The store: recordings as they were uploaded, and what was found in them."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from ecgcore import settings
from ecgcore.errors import StoreError
from ecgcore.findings import Analysis
from ecgcore.readers.sources import Facts
from ecgcore.record import Record
from ecgcore.signals.pyramid import Pyramid
from ecgcore.store import audit, cache, database
from ecgcore.store.blobs import Blobs, sha256, sha256_of_files
from ecgcore.store.review_tables import EventRow, ReadingRow, SignOffRow
from ecgcore.store.tables import AnalysisRow, FileRow, RecordRow

LOCAL_USER: Final = "local"


@dataclass(frozen=True)
class StoredFile:
    """One uploaded file: its name, the sha256 of its content, its size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class StoredAnalysis:
    """A stored Analysis without its body: which model found how many beats of each class, on which leads, when."""

    id: str
    record_id: str
    leads: tuple[str, ...]
    model: str
    version: str
    detector: str
    created: datetime
    counts: dict[str, int]


@dataclass(frozen=True)
class StoredRecord:
    """A stored recording without its samples. `latest` is the newest analysis, if there is one."""

    id: str
    name: str
    sha256: str
    format: str
    leads: tuple[str, ...]
    fs_hz: float
    n_samples: int
    start: datetime | None
    created: datetime
    owner: str
    facts: Facts
    files: tuple[StoredFile, ...]
    latest: StoredAnalysis | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.fs_hz


class Store:
    """Recordings and analyses, in a folder and a database.

    home          folder of the uploads and the cache; `settings.home()` unless given
    database_url  SQLAlchemy URL; a SQLite file in `home` unless given

    Any number of threads and processes may use the same store. Raises StoreError when it cannot be opened.
    """

    def __init__(self, home: Path | None = None, database_url: str | None = None) -> None:
        if database_url is None:
            database_url = settings.database_url() if home is None else f"sqlite:///{home / 'leadwise.db'}"
        self._home = settings.home() if home is None else home
        with database.as_store_errors():
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)  # recordings are nobody else's business
            self._blobs = Blobs(self._home / "blobs")
            self._cache = self._home / "cache"
            self._cache.mkdir(exist_ok=True)
            self._engine = database.connect(database_url)
            database.migrate(self._engine)
            self._sweep()

    @property
    def engine(self) -> Engine:
        """The database, for what else is kept in it."""
        return self._engine

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add(self, files: Mapping[str, bytes], facts: Facts | None = None, owner: str = LOCAL_USER) -> StoredRecord:
        """Read a recording and keep it: its files as they are, by name, and a row. One that is there already is returned as it is.

        The audit log says that its owner added it.

        Raises InputError when the files are no recording, StoreError when they cannot be kept; nothing is kept then.
        """
        facts = facts or Facts()
        if there := self.find(files, facts):
            return there
        record = _read(files, facts)
        row = _record_row(record, files, facts, owner)
        with database.as_store_errors():
            self._keep(row, record, files)
        found = self.find(files, facts)
        if found is None:
            raise StoreError(f"{record.name} was deleted by someone else while it was added; upload it again")
        return found

    def _keep(self, row: RecordRow, record: Record, files: Mapping[str, bytes]) -> None:
        """Blobs, row and cache: all of them or none."""
        record_id = row.id
        with self._blobs.staged(files.values()) as staged:
            try:
                with self._writing() as session:  # whoever sweeps waits until this ends
                    session.add(row)
                    audit.note(session, row.owner, "record added", row.name, f"{row.format}, {_counted(len(files), 'file')}, sha256 {row.sha256[:12]}…")
                    session.flush()
                    for digest, path in staged.items():
                        self._blobs.keep(digest, path)
            except IntegrityError:  # another process added the same recording meanwhile
                return
            except (OSError, DBAPIError):
                self._remove_unused(set(staged))
                raise
            try:
                cache.write(self._cache / record_id, record, self._stamps(staged))
            except OSError:
                self.delete(record_id, row.owner)
                raise

    def find(self, files: Mapping[str, bytes], facts: Facts | None = None) -> StoredRecord | None:
        """The record that was made from these files and facts, if it is there."""
        with self._reading() as session:
            row = session.scalar(select(RecordRow).where(RecordRow.fingerprint == _fingerprint(files, facts or Facts())))
            return _stored(row) if row else None

    def get(self, record_id: str) -> StoredRecord:
        """A stored record by its id. Raises StoreError for an unknown one."""
        with self._reading() as session:
            return _stored(_row(session, record_id))

    def list(self) -> tuple[StoredRecord, ...]:
        """All stored records, the newest first, each with its newest analysis."""
        with self._reading() as session:
            latest = {row.record_id: _analysed(row) for row in session.scalars(select(AnalysisRow).order_by(AnalysisRow.created))}
            rows = session.scalars(select(RecordRow).order_by(RecordRow.created.desc(), RecordRow.id))
            return tuple(replace(_stored(row), latest=latest.get(row.id)) for row in rows)

    def open(self, record_id: str) -> Record:
        """A stored recording, its samples mapped from the disk; decoded anew from the upload where the cache is gone.

        Raises StoreError for an unknown id and for a missing or damaged upload.
        """
        stored = self.get(record_id)
        with database.as_store_errors():
            stamps = self._stamps(file.sha256 for file in stored.files)
            folder = self._cache / record_id
            if (record := cache.read(folder, stamps)) is not None:
                return record
            cache.remove(folder)
            record = _read(self.files(record_id), stored.facts)
            cache.write(folder, record, stamps)
            return cache.read(folder, stamps) or record

    def pyramid(self, record_id: str) -> Pyramid:
        """The min/max pyramid of a stored recording, mapped from the disk; made anew where the cache is gone. Raises StoreError as `open` does."""
        stored = self.get(record_id)
        with database.as_store_errors():
            stamps = self._stamps(file.sha256 for file in stored.files)
            folder = self._cache / record_id
            if (there := cache.read_pyramid(folder, stamps)) is not None:
                return there
            record = self.open(record_id)
            return cache.read_pyramid(folder, stamps) or cache.build_pyramid(record)

    def files(self, record_id: str) -> dict[str, bytes]:
        """The files of a record as they were uploaded, verified. Raises StoreError."""
        with database.as_store_errors():
            return {file.name: self._blobs.read(file.sha256) for file in self.get(record_id).files}

    def delete(self, record_id: str, who: str = LOCAL_USER) -> None:
        """Remove a record, its analyses, its cache, and those of its files that no other record uses. Raises StoreError.

        The audit log says who did, and what went with it.
        """
        with database.as_store_errors():
            with self._writing() as session:
                row = _row(session, record_id)
                digests = {file.sha256 for file in row.files}
                audit.note(session, who, "record deleted", row.name, f"sha256 {row.sha256[:12]}…; lost with it: {_lost(session, record_id)}")
                session.delete(row)
            cache.remove(self._cache / record_id)
            self._remove_unused(digests)

    def save_analysis(self, record_id: str, analysis: Analysis) -> StoredAnalysis:
        """Keep an analysis. One of the same record, leads, model, version and detector is kept as it was, and returned."""
        name, _, version = analysis.beats.model.partition("@")
        row = AnalysisRow(
            id=uuid.uuid4().hex,
            record_id=record_id,
            leads=json.dumps(analysis.leads),
            model=name,
            version=version,
            detector=analysis.beats.detector,
            created=datetime.now(UTC),
            counts=analysis.beats.counts,
            body=analysis.to_json(),
        )
        with database.as_store_errors():
            try:
                with self._writing() as session:
                    _row(session, record_id)
                    session.add(row)
                    session.flush()
                    return _analysed(row)
            except IntegrityError:
                there = self.find_analysis(record_id, analysis.leads, analysis.beats.model, analysis.beats.detector)
        if there is None:
            raise StoreError(f"the record {record_id!r} was deleted while it was analysed")
        return there

    def analyses(self, record_id: str) -> tuple[StoredAnalysis, ...]:
        """The analyses of a record, the newest first. Raises StoreError for an unknown record."""
        with self._reading() as session:
            _row(session, record_id)
            rows = session.scalars(select(AnalysisRow).where(AnalysisRow.record_id == record_id).order_by(AnalysisRow.created.desc()))
            return tuple(_analysed(row) for row in rows)

    def analysis(self, analysis_id: str) -> Analysis:
        """A stored analysis by its id. Raises StoreError for an unknown one."""
        with self._reading() as session:
            body = session.scalar(select(AnalysisRow.body).where(AnalysisRow.id == analysis_id))
        if body is None:
            raise StoreError(f"no analysis {analysis_id!r} is stored; it may have been deleted with its record")
        return Analysis.from_json(body)

    def find_analysis(self, record_id: str, leads: Sequence[str], model: str, detector: str) -> StoredAnalysis | None:
        """The analysis of these leads, in this order, by a model named as name@version on a detector's beats; None where there is none."""
        name, _, version = model.partition("@")
        wanted = (tuple(leads), name, version, detector)
        return next((a for a in self.analyses(record_id) if (a.leads, a.model, a.version, a.detector) == wanted), None)

    def _stamps(self, digests: Iterable[str]) -> cache.Stamps:
        return {digest: self._blobs.stamp(digest) for digest in digests}

    def _sweep(self) -> None:
        """Remove what a process that died left behind: half-written files, blobs and caches of no record."""
        self._blobs.sweep_staging()
        self._remove_unused(self._blobs.all())
        there = cache.folders(self._cache)  # before the rows: a row is always older than its cache
        with self._reading() as session:
            cache.sweep(there, set(session.scalars(select(RecordRow.id))))

    def _remove_unused(self, digests: set[str]) -> None:
        """Remove those blobs that no row names, while nobody can add one."""
        if not digests:
            return
        with self._writing() as session:
            used = set(session.scalars(select(FileRow.sha256)))
            for digest in digests - used:
                self._blobs.remove(digest)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with database.read(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with Session(database.writing(self._engine), expire_on_commit=False) as session, session.begin():
            database.lock_files(session)
            yield session


def _read(files: Mapping[str, bytes], facts: Facts) -> Record:
    from ecgcore import readers

    return readers.read(files, fs_hz=facts.fs_hz, units=facts.units, leads=facts.leads)


def _facts_to_dict(facts: Facts) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(facts).items() if value is not None}


def _facts_from_dict(data: dict[str, Any]) -> Facts:
    return Facts(data.get("fs_hz"), data.get("units"), tuple(data["leads"]) if "leads" in data else None)


def _fingerprint(files: Mapping[str, bytes], facts: Facts) -> str:
    """What makes two uploads the same record: their bytes, and what the user stated."""
    content = sha256_of_files(files)
    stated = _facts_to_dict(facts)
    return sha256(f"{content}\n{json.dumps(stated, sort_keys=True)}".encode()) if stated else content


def _record_row(record: Record, files: Mapping[str, bytes], facts: Facts, owner: str) -> RecordRow:
    return RecordRow(
        id=uuid.uuid4().hex,
        name=record.name,
        sha256=sha256_of_files(files),
        fingerprint=_fingerprint(files, facts),
        format=record.source.format,
        leads=list(record.leads),
        fs_hz=record.fs_hz,
        n_samples=record.n_samples,
        start=record.start.isoformat() if record.start else None,
        created=datetime.now(UTC),
        owner=owner,
        facts=_facts_to_dict(facts),
        files=[FileRow(name=name, sha256=sha256(data), size=len(data)) for name, data in sorted(files.items())],
    )


def _row(session: Session, record_id: str) -> RecordRow:
    row = session.get(RecordRow, record_id)
    if row is None:
        raise StoreError(f"no record {record_id!r} is stored; it may have been deleted")
    return row


def _lost(session: Session, record_id: str) -> str:
    """What readers made of a record, in words."""
    from ecgcore.store.folding import NO_STEPS  # which knows this module

    edits = select(func.count()).select_from(EventRow).join(ReadingRow, ReadingRow.id == EventRow.reading_id).where(ReadingRow.record_id == record_id)
    signed = select(func.count()).select_from(SignOffRow).join(ReadingRow, ReadingRow.id == SignOffRow.reading_id).where(ReadingRow.record_id == record_id)
    of_each = ((edits.where(EventRow.kind.not_in(NO_STEPS)), "edit"), (signed, "signature"))
    return " and ".join(_counted(session.scalar(chosen) or 0, what) for chosen, what in of_each)


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _stored(row: RecordRow) -> StoredRecord:
    return StoredRecord(
        id=row.id,
        name=row.name,
        sha256=row.sha256,
        format=row.format,
        leads=tuple(row.leads),
        fs_hz=row.fs_hz,
        n_samples=row.n_samples,
        start=datetime.fromisoformat(row.start) if row.start else None,
        created=row.created,
        owner=row.owner,
        facts=_facts_from_dict(row.facts),
        files=tuple(StoredFile(file.name, file.sha256, file.size) for file in row.files),
    )


def _analysed(row: AnalysisRow) -> StoredAnalysis:
    return StoredAnalysis(row.id, row.record_id, tuple(json.loads(row.leads)), row.model, row.version, row.detector, row.created, row.counts)
