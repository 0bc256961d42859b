"""Data set versions: what was signed off, frozen by hash, and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import text, update

from ecgcore import demo, readers, writers
from ecgcore.errors import InputError, StoreError
from ecgcore.fingerprints import Fingerprints
from ecgcore.record import Patient, Record
from ecgcore.review import Add, Delete, Relabel, ReplaceBeats, sha256
from ecgcore.store import Store, database
from ecgcore.store import manifest as manifests
from ecgcore.store.audit import Audit
from ecgcore.store.datasets import Datasets
from ecgcore.store.job_tables import DatasetRow
from ecgcore.store.manifest import Manifest
from ecgcore.store.tables import AnalysisRow

ANNA, BEN, CARL = "anna@x", "ben@x", "carl@x"


@pytest.fixture
def datasets(store) -> Datasets:
    return Datasets(store)


@pytest.fixture
def read(store, reviews, found):
    """Uploads files, reads them as told, signs, and gives the ids of record and reading."""

    def work(files, *commands, signed=True) -> tuple[str, str]:
        record_id = store.add(files).id
        analysis = store.save_analysis(record_id, found(store.open(record_id), samples=(100, 350, 600), codes="NVN"))
        reading = reviews.reading(record_id, analysis.id)
        for command in commands:
            reviews.edit(reading.id, ANNA, command, repr(command)[:60])
        if signed:
            reviews.sign(reading.id, ANNA, "read")
        return record_id, reading.id

    return work


def uploaded(record: Record, folder, name: str = "other.edf") -> dict[str, bytes]:
    """A record as the files of another format."""
    return {path.name: path.read_bytes() for path in writers.write(record, folder / name, ())}


def test_a_signed_reading_is_a_line_of_the_manifest(datasets, store, reviews, read, files):
    record_id, reading_id = read(files(), Relabel((350,), "F"), Add(700, "A"))
    manifest = datasets.preview()
    (line,) = manifest.records
    signed = reviews.get(reading_id).signed
    assert (line.record_id, line.name, line.reading_id, line.version) == (record_id, "one", reading_id, 1)
    assert (line.sha256, line.annotation_sha256) == (store.get(record_id).sha256, signed.sha256)
    assert (line.n_beats, line.corrected, line.counts) == (4, 2, {"N": 2, "S": 1, "V": 0, "F": 1, "Q": 0})
    assert line.part == "trained"
    assert manifest.refused == ()
    assert datasets.list() == ()


def test_a_version_gives_back_what_was_signed(datasets, store, reviews, read, files):
    record_id, reading_id = read(files(), Relabel((350,), "/"), Add(700, "A"))
    version = datasets.freeze(CARL)
    reviews.amend(reading_id, ANNA, "one more")
    reviews.edit(reading_id, ANNA, Delete((100,)), "x")
    site = datasets.load(version.number)
    (one,) = site.records
    assert (site.number, site.sha256, site.name) == (1, version.sha256, "site 1")
    assert one.labelled.samples.tolist() == [100, 350, 600, 700]
    assert (one.labelled.codes, one.labelled.labels) == (("N", "/", "N", "A"), ("N", "Q", "N", "S"))
    assert one.corrected.tolist() == [False, True, False, True]
    assert (one.patient, one.part) == (version.manifest.records[0].patient, version.manifest.records[0].part)
    np.testing.assert_array_equal(one.labelled.record.adc, store.open(record_id).adc)


def test_beats_of_a_file_are_no_model_s(datasets, read, files):
    read(files(), ReplaceBeats.of([90, 340], "NA", "file:atr"))
    assert datasets.preview().records[0].corrected == 2


def test_versions_count_up_and_the_same_content_is_the_same_version(datasets, store, reviews, read, files):
    read(files("one"))
    first = datasets.freeze(CARL)
    read(files("two", 1), signed=False)
    assert datasets.freeze(ANNA) == first  # who is not signed changes nothing
    _, reading_id = read(files("three", 2))
    second = Datasets(store).freeze(ANNA)
    assert [(version.number, version.created_by, len(version.manifest.records)) for version in datasets.list()] == [(2, ANNA, 2), (1, CARL, 1)]
    assert (datasets.get(1), datasets.get(2)) == (first, second)
    reviews.amend(reading_id, ANNA, "again")
    assert datasets.freeze(CARL) == first
    reviews.sign(reading_id, ANNA, "")
    assert datasets.freeze(CARL).number == 3
    noted = Audit(store).search(what="freeze data set")
    assert [(entry.who, entry.subject) for entry in noted] == [(CARL, "site 3"), (ANNA, "site 2"), (CARL, "site 1")]
    assert noted[-1].detail.endswith(f"beats corrected 0; sha256 {first.sha256[:12]}…")


def test_who_was_learned_from_is_never_held_out_later(datasets, read, files, monkeypatch):
    monkeypatch.setattr(manifests, "HELD_OUT_SHARE", 1.0)
    read(files("r0", 0))
    (first,) = datasets.freeze(CARL).manifest.records
    for seed in range(1, 5):
        read(files(f"r{seed}", seed))
    later = datasets.preview()
    assert [line.part for line in later.records if line.patient == first.patient] == [first.part] == ["trained"]
    assert [line.part for line in later.records if line.patient != first.patient] == ["held out"] * 4


def test_nothing_signed_is_nothing_to_freeze(datasets, read, files):
    with pytest.raises(InputError, match=r"sign off readings on the Review page$"):
        datasets.freeze(CARL)
    read(files(), Add(5, "N"), signed=False)
    with pytest.raises(InputError, match="on the Review page; one: not signed off"):
        datasets.freeze(CARL)
    with pytest.raises(InputError, match="the user is empty"):
        datasets.freeze(" ")
    with pytest.raises(StoreError, match="no version 1 of this site's data set"):
        datasets.get(1)


def test_who_is_refused_and_why(datasets, reviews, read, files):
    read(files("unread", 1), signed=False)
    read(files("begun", 2), Add(5, "N"), signed=False)
    read(files("empty", 3), Delete((100, 350, 600)))
    _, reading_id = read(files("amended", 4))
    reviews.amend(reading_id, ANNA, "look again")
    manifest = datasets.preview()
    assert manifest.records == ()
    assert [(one.name, one.why) for one in manifest.refused] == [
        ("amended", "opened again and not signed off since"),
        ("begun", "not signed off"),
        ("empty", "it has no beat"),
    ]


def test_a_session_of_two_counts_when_it_is_adjudicated(datasets, sessions, reviews, read, files, store):
    record_id, shared = read(files(), Relabel((350,), "F"))
    session = sessions.start("two", [record_id], [ANNA, BEN], CARL, analyses={record_id: store.analyses(record_id)[0].id})
    pair = sessions.readings(session.id)
    reviews.sign(pair[0].id, ANNA, "")
    assert [line.reading_id for line in datasets.preview().records] == [shared]
    reviews.sign(pair[1].id, BEN, "")
    manifest = datasets.preview()
    assert (manifest.records, [one.why for one in manifest.refused]) == ((), ["two readers, no adjudication"])
    judged = sessions.adjudication(session.id, record_id, CARL)
    assert [one.why for one in datasets.preview().refused] == ["two readers, and their adjudication is not signed off"]
    reviews.sign(judged.id, CARL, "")
    assert [line.reading_id for line in datasets.preview().records] == [judged.id]
    assert datasets.load(datasets.freeze(CARL).number).records[0].labelled.codes == ("N", "V", "N")


def test_one_signal_stored_twice_counts_once(datasets, store, read, files, tmp_path):
    first, _ = read(files())
    second, _ = read(uploaded(store.open(first), tmp_path))
    assert first != second
    manifest = datasets.preview()
    assert [line.record_id for line in manifest.records] == [second]
    assert [(one.record_id, one.why) for one in manifest.refused] == [(first, "the same signal as other, whose reading was signed off later")]
    alone = Datasets(store)
    store.delete(second)
    assert [line.patient for line in alone.preview().records] == [line.patient for line in manifest.records]


def test_recordings_of_one_patient_are_in_one_part(datasets, store, read, files, tmp_path):
    for seed in range(3):
        record = readers.read(files(f"r{seed}", seed))
        stated = "Mr 4711" if seed < 2 else None
        read(uploaded(replace(record, patient=Patient(id=stated)), tmp_path, f"r{seed}.edf"))
    patients = [line.patient for line in datasets.preview().records]
    assert patients[0] == patients[1] != patients[2]
    assert "4711" not in datasets.freeze(CARL).manifest.model_dump_json()


def test_a_part_stays_whoever_else_comes(datasets, read, files):
    parts = {}
    for seed in range(6):
        read(files(f"r{seed}", seed))
        now = {line.record_id: line.part for line in datasets.preview().records}
        assert parts.items() <= now.items()
        parts = now
    assert len(parts) == 6


def test_a_patient_of_a_test_split_is_neither_frozen_nor_loaded(datasets, store, read, files, tmp_path, monkeypatch):
    beats = [(at_s, "N") for at_s in np.arange(0.5, 59, 0.8)]
    tested = demo.record_of("tested", demo.synthesise(beats, 60, ("I", "II"), 128, noise_mv=0.03), beats, ("I", "II"), 128.0)
    known = Fingerprints.of({"mitdb 100": tested})
    mine = replace(tested, name="mine", adc=tested.adc[1:, 1500:6000].copy(), gain=tested.gain[1:], baseline=tested.baseline[1:], leads=("V1",))
    read(files())
    read(uploaded(mine, tmp_path))
    unaware = datasets.freeze(CARL)
    assert len(unaware.manifest.records) == 2
    monkeypatch.setattr("ecgcore.store.datasets.known_test_patient", known.whose)
    aware = Datasets(store)
    manifest = aware.preview()
    assert [line.name for line in manifest.records] == ["one"]
    assert [one.name for one in manifest.refused] == ["other"]
    assert manifest.refused[0].why.startswith("its signal is that of mitdb 100, and models are tested on that patient")
    with pytest.raises(StoreError, match="version 1 of the data set cannot be used: other: its signal is that of mitdb 100"):
        aware.load(1)
    assert len(aware.load(aware.freeze(CARL).number).records) == 1


@pytest.mark.data
def test_a_minute_of_a_test_record_under_another_name(datasets, read, data_set, tmp_path):
    for name in ("100", "101"):
        record = readers.read(data_set("mitdb") / name)
        read(uploaded(replace(record, adc=record.adc[:, 50_000:71_600].copy()), tmp_path, f"site{name}.edf"))
    manifest = datasets.preview()
    assert [line.name for line in manifest.records] == ["site101"]
    assert [one.why.partition(",")[0] for one in manifest.refused] == ["its signal is that of mitdb 100"]


def test_what_is_gone_is_said(datasets, store, read, files):
    record_id, _ = read(files())
    datasets.freeze(CARL)
    store.delete(record_id)
    with pytest.raises(StoreError, match="version 1 of the data set cannot be used: one: no record"):
        datasets.load(1)
    assert datasets.get(1).manifest.records[0].name == "one"
    assert datasets.preview() == Manifest()


def test_an_altered_upload_is_noticed(datasets, store, read, files, tmp_path):
    record_id, _ = read(files())
    datasets.freeze(CARL)
    samples = tmp_path / "home" / "cache" / record_id / "samples.npy"
    altered = np.load(samples)
    altered[0, 500] += 40
    np.save(samples, altered)
    with pytest.raises(StoreError, match="one: its samples are not those that were frozen"):
        datasets.load(1)
    data = next(file for file in store.get(record_id).files if file.name == "one.dat")
    blob = tmp_path / "home" / "blobs" / data.sha256[:2] / data.sha256
    blob.write_bytes(blob.read_bytes()[:-2] + b"xx")
    with pytest.raises(StoreError, match=r"cannot be used: one: .*damaged"):
        datasets.load(1)
    refused = Datasets(store).preview().refused
    assert (len(refused), "damaged" in refused[0].why) == (1, True)


def test_altered_beats_are_noticed(datasets, store, read, files, found, tmp_path, database_url):
    record_id, _ = read(files())
    datasets.freeze(CARL)
    other = found(store.open(record_id), samples=(100, 351, 600), codes="NVN")
    with database.write(store.engine) as session:
        session.execute(update(AnalysisRow).where(AnalysisRow.record_id == record_id).values(body=other.to_json()))
    again = Store(tmp_path / "home", database_url)  # which has folded nothing yet
    try:
        with pytest.raises(StoreError, match="one: its beats are not those that were signed off"):
            Datasets(again).load(1)
        assert [one.why.partition(";")[0] for one in Datasets(again).preview().refused] == ["its beats are not those that were signed off"]
    finally:
        again.close()


def test_a_version_is_never_changed_and_an_altered_manifest_is_noticed(datasets, store, read, files):
    read(files())
    version = datasets.freeze(CARL)
    for statement in ("UPDATE datasets SET created_by = 'ben@x'", "DELETE FROM datasets"):
        with pytest.raises(StoreError, match="datasets are never changed"), database.write(store.engine) as session:
            session.execute(text(statement))
    fewer = version.manifest.records[0].model_copy(update={"n_beats": 2})
    for number, manifest in ((2, Manifest(records=(fewer,)).model_dump_json()), (3, "{")):
        with database.write(store.engine) as session:
            session.add(DatasetRow(number=number, created_by=CARL, created=datetime.now(UTC), sha256=f"{number}" * 64, manifest=manifest))
    with pytest.raises(StoreError, match="the manifest of data set version 2 was altered"):
        datasets.get(2)
    with pytest.raises(StoreError, match="the manifest of data set version 3 cannot be read"):
        datasets.list()


def test_an_amendment_that_comes_between_is_noticed(datasets, reviews, read, files, monkeypatch):
    _, reading_id = read(files())
    before = datasets.preview()

    def late() -> Manifest:
        reviews.amend(reading_id, ANNA, "wait")
        return before

    monkeypatch.setattr(datasets, "preview", late)
    with pytest.raises(StoreError, match="the reading of one was amended or deleted meanwhile"):
        datasets.freeze(CARL)
    assert datasets.list() == ()


@pytest.mark.parametrize("same", [True, False], ids=["the same content", "other content"])
def test_many_freeze_at_once(store, datasets, read, files, monkeypatch, same):
    for seed in range(4):
        read(files(f"r{seed}", seed))
    lines = datasets.preview().records
    together = threading.Barrier(4, timeout=30)

    def freeze(n: int) -> int:
        mine = Datasets(store)

        def preview() -> Manifest:
            together.wait()
            return Manifest(records=lines if same else lines[: n + 1])

        mine.preview = preview
        return mine.freeze(ANNA).number

    with ThreadPoolExecutor(4) as pool:
        numbers = sorted(pool.map(freeze, range(4)))
    assert numbers == ([1] * 4 if same else [1, 2, 3, 4])
    assert len(datasets.list()) == Audit(store).count(what="freeze data set") == len(set(numbers))


def test_what_was_found_out_is_not_found_out_again(datasets, store, reviews, read, files, monkeypatch):
    _, reading_id = read(files())
    first = datasets.preview()
    asked = []
    monkeypatch.setattr("ecgcore.store.datasets.signal_sha256", lambda record: asked.append(record) or "0" * 64)
    assert datasets.preview() == first
    assert asked == []
    reviews.amend(reading_id, ANNA, "again")
    reviews.sign(reading_id, ANNA, "")
    assert datasets.preview().records[0].annotation_sha256 == sha256(reviews.state(reading_id))
    assert len(asked) == 1
