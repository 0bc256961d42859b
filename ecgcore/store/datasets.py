"""Versions of this site's data set: the readings that were signed off, frozen by hash, so that a model can be trained on the same again."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ecgcore.data import LabelledBeats
from ecgcore.errors import InputError, StoreError
from ecgcore.fingerprints import signal_sha256
from ecgcore.known_patients import known_test_patient
from ecgcore.record import Record
from ecgcore.review import State, sha256
from ecgcore.review.commands import MAX_NAME, check_text
from ecgcore.site import TRAINED, SiteData, SiteRecord
from ecgcore.store import audit, database, readings
from ecgcore.store.blobs import sha256_of_files
from ecgcore.store.job_tables import DatasetRow
from ecgcore.store.manifest import Manifest, ManifestRecord, Refused, parts_of, patient_of, patients, reading_that_counts
from ecgcore.store.readings import Reading
from ecgcore.store.review_tables import ReadingRow, SignOffRow
from ecgcore.store.reviews import Reviews
from ecgcore.store.store import Store
from ecgcore.store.tables import RecordRow

__all__ = ["DatasetVersion", "Datasets", "Manifest", "ManifestRecord", "Refused"]


@dataclass(frozen=True)
class DatasetVersion:
    """A data set as it was frozen, for good. `sha256` is that of its manifest."""

    number: int
    created: datetime
    created_by: str
    sha256: str
    manifest: Manifest


class Datasets:
    """The data set versions of a store. What one object has found out of a signed reading it does not find out again: keep it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = store.engine
        self._reviews = Reviews(store)
        self._known: dict[tuple[str, int], ManifestRecord | str] = {}  # by reading and version, of which neither ever changes

    def preview(self) -> Manifest:
        """What a version frozen now would hold. A record that nobody has begun to read is not even refused."""
        newest: dict[str, tuple[datetime, ManifestRecord]] = {}
        refused = []
        for record_id, name, counts in self._read():
            found = self._entry(counts) if isinstance(counts, Reading) else counts
            if isinstance(found, str):
                refused += [Refused(record_id=record_id, name=name, why=found)] if found else []
                continue
            at = _signed(counts).at
            before = newest.get(found.signal_sha256)
            kept, other = ((at, found), before) if before is None or before[0] < at else (before, (at, found))
            newest[found.signal_sha256] = kept
            if other is not None:
                refused.append(Refused(record_id=other[1].record_id, name=other[1].name, why=f"the same signal as {kept[1].name}, whose reading was signed off later"))
        frozen = {entry.patient: entry.part for version in self.list() for entry in version.manifest.records}  # the oldest version last, which says
        parts = parts_of({entry.patient for _, entry in newest.values()}, frozen)
        shared_out = (entry.model_copy(update={"part": parts[entry.patient]}) for _, entry in newest.values())
        entries = sorted(shared_out, key=lambda entry: (entry.name, entry.record_id))
        return Manifest(records=tuple(entries), refused=tuple(sorted(refused, key=lambda one: (one.name, one.record_id))))

    def freeze(self, who: str) -> DatasetVersion:
        """The next version, of what `preview` gives; the version that holds just that, where there is one.

        Raises InputError where nothing is signed off, StoreError where a reading was amended meanwhile.
        """
        check_text(who, "user", MAX_NAME, needed=True)
        manifest = self.preview()
        if not manifest.records:
            first = f"; {manifest.refused[0].name}: {manifest.refused[0].why}" if manifest.refused else ""
            raise InputError(f"no reading is there to learn from: sign off readings on the Review page{first}")
        with database.write(self._engine) as session:
            database.lock_datasets(session)
            row = session.scalar(select(DatasetRow).where(DatasetRow.sha256 == manifest.sha256))
            if row is None:
                _check_standing(session, manifest)
                number = 1 + (session.scalar(select(func.max(DatasetRow.number))) or 0)
                row = DatasetRow(number=number, created_by=who, created=datetime.now(UTC), sha256=manifest.sha256, manifest=manifest.model_dump_json())
                session.add(row)
                audit.note(session, who, "freeze data set", f"site {number}", _told(manifest))
                session.flush()
            return _version(row)

    def list(self) -> tuple[DatasetVersion, ...]:
        """All versions, the newest first. Raises StoreError for one that was altered."""
        with database.read(self._engine) as session:
            return tuple(_version(row) for row in session.scalars(select(DatasetRow).order_by(DatasetRow.number.desc())))

    def get(self, number: int) -> DatasetVersion:
        """A version by its number. Raises StoreError for an unknown one, and for one that was altered."""
        with database.read(self._engine) as session:
            row = session.get(DatasetRow, number)
            if row is None:
                raise StoreError(f"no version {number} of this site's data set is there; freeze one on the Admin page")
            return _version(row)

    def load(self, number: int) -> SiteData:
        """The recordings of a version with their beats as they were signed, samples mapped from the disk.

        Every hash is checked, and every signal once more against the patients of test splits. Raises StoreError for a record or reading
        that is gone or is not what was frozen.
        """
        version = self.get(number)
        return SiteData(number, version.sha256, tuple(self._loaded(number, entry) for entry in version.manifest.records))

    def _read(self) -> tuple[tuple[str, str, Reading | str], ...]:
        """Id and name of each record that somebody reads, and its reading that counts or why there is none."""
        with database.read(self._engine) as session:
            names = {row.id: row.name for row in session.execute(select(RecordRow.id, RecordRow.name).where(RecordRow.id.in_(select(ReadingRow.record_id))))}
            once_signed = set(session.scalars(select(SignOffRow.reading_id)))
            by_record: dict[str, list[Reading]] = {record_id: [] for record_id in names}
            for reading in readings.readings_of(session, session.scalars(select(ReadingRow).where(ReadingRow.record_id.in_(select(RecordRow.id))))):
                if reading.record_id in by_record:
                    by_record[reading.record_id].append(reading)
        return tuple((record_id, names[record_id], reading_that_counts(members, once_signed)) for record_id, members in by_record.items())

    def _entry(self, reading: Reading) -> ManifestRecord | str:
        """A signed reading as a line of the manifest, or why it can be none."""
        key = (reading.id, _signed(reading).version)
        if key not in self._known:
            try:
                self._known[key] = self._made(reading)
            except (StoreError, InputError) as error:  # it may be mended: not kept
                return str(error)
        return self._known[key]

    def _made(self, reading: Reading) -> ManifestRecord | str:
        signed = _signed(reading)
        state = self._state(reading.id, signed.seq, signed.sha256)
        if not len(state):
            return "it has no beat"
        stored, record = self._store.get(reading.record_id), self._store.open(reading.record_id)
        if tested := known_test_patient(record):
            return _of_test_split(tested)
        signal = signal_sha256(record)
        patient = patient_of(record, signal)
        return ManifestRecord(
            record_id=stored.id,
            name=stored.name,
            sha256=stored.sha256,
            signal_sha256=signal,
            patient=patient,
            reading_id=reading.id,
            version=signed.version,
            annotation_sha256=signed.sha256,
            n_beats=len(state),
            counts=state.counts,
            corrected=state.changed,
            part=TRAINED,  # until it is known who else is there
        )

    def _state(self, reading_id: str, seq: int, signed_sha256: str) -> State:
        """A reading as it was signed. Raises StoreError where it is not that."""
        state = self._reviews.state(reading_id, seq)
        if sha256(state) != signed_sha256:
            raise StoreError("its beats are not those that were signed off; the database was altered")
        return state

    def _loaded(self, number: int, entry: ManifestRecord) -> SiteRecord:
        try:
            record = self._record(entry)
            with database.read(self._engine) as session:
                signed = session.get(SignOffRow, (entry.reading_id, entry.version))
            if signed is None:
                raise StoreError("its signed reading is gone")
            state = self._state(entry.reading_id, signed.seq, entry.annotation_sha256)
        except (StoreError, InputError) as error:
            raise StoreError(f"version {number} of the data set cannot be used: {entry.name}: {error}") from error
        labelled = LabelledBeats(record, state.samples, tuple(state.labels.tolist()), tuple(state.codes.tolist()))
        return SiteRecord(labelled, (state.authors != state.model).astype(bool), entry.patient, entry.part)

    def _record(self, entry: ManifestRecord) -> Record:
        """The recording of a line of the manifest. Raises StoreError where it is gone, altered, or of a test split."""
        if sha256_of_files(self._store.files(entry.record_id)) != entry.sha256:
            raise StoreError("its files are not those that were frozen")
        record = self._store.open(entry.record_id)
        if signal_sha256(record) != entry.signal_sha256:
            raise StoreError("its samples are not those that were frozen")
        if tested := known_test_patient(record):
            raise StoreError(_of_test_split(tested))
        return record


def _check_standing(session: Session, manifest: Manifest) -> None:
    """Refuse to freeze what is no longer signed. Nobody can amend a reading of it until the transaction ends."""
    chosen = select(ReadingRow).where(ReadingRow.id.in_([entry.reading_id for entry in manifest.records])).order_by(ReadingRow.id)
    standing = {row.id: row.signed_version for row in session.scalars(chosen.with_for_update())}
    for entry in manifest.records:
        if standing.get(entry.reading_id) != entry.version:
            raise StoreError(f"the reading of {entry.name} was amended or deleted meanwhile; freeze again")


def _version(row: DatasetRow) -> DatasetVersion:
    """A row as a version. Raises StoreError where the manifest is not what was frozen."""
    try:
        manifest = Manifest.model_validate_json(row.manifest)
    except ValidationError as error:
        raise StoreError(f"the manifest of data set version {row.number} cannot be read: {error.errors()[0]['msg']}") from error
    if manifest.sha256 != row.sha256:
        raise StoreError(f"the manifest of data set version {row.number} was altered: its sha256 is {manifest.sha256[:12]}…, frozen was {row.sha256[:12]}…")
    return DatasetVersion(row.number, row.created, row.created_by, row.sha256, manifest)


def _signed(reading: Reading | str) -> readings.SignOff:
    assert isinstance(reading, Reading)  # noqa: S101  # asked of signed readings only
    assert reading.signed is not None  # noqa: S101
    return reading.signed


def _of_test_split(recording: str) -> str:
    return f"its signal is that of {recording}, and models are tested on that patient: nothing may be learned from him"


def _told(manifest: Manifest) -> str:
    """A manifest in a few words, for the log."""
    trained, held_out = manifest.trained, manifest.held_out
    records = f"records to learn from {len(trained)}, of patients {patients(trained)}; held out {len(held_out)}, of patients {patients(held_out)}"
    return f"{records}; beats corrected {sum(entry.corrected for entry in manifest.records)}; sha256 {manifest.sha256[:12]}…"
