import errno
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pytest

from ecgcore.errors import EcgError, FormatError, MissingFactError, StoreError
from ecgcore.record import Annotation
from ecgcore.settings import ROOT
from ecgcore.store import Facts, Store, blobs, cache

CSV = "".join(f"{i % 7 / 10}\n" for i in range(400)).encode()


def kept(home: Path) -> list[str]:
    """Names of the files in the store's blob and cache folders."""
    return sorted(path.name for part in ("blobs", "cache") for path in (home / part).rglob("*") if path.is_file())


def test_upload_is_kept_byte_for_byte_under_its_sha256(store, files, tmp_path):
    uploaded = files()
    stored = store.add(uploaded)
    assert store.files(stored.id) == uploaded
    for file in stored.files:
        assert blobs.sha256((tmp_path / "home" / "blobs" / file.sha256[:2] / file.sha256).read_bytes()) == file.sha256
    assert stored.sha256 == store.open(stored.id).source.sha256


def test_row_tells_what_the_record_is(store, files):
    stored = store.add(files())
    assert (stored.name, stored.leads, stored.fs_hz, stored.n_samples, stored.duration_s) == ("one", ("I", "II"), 250.0, 1000, 4.0)
    assert stored.start is not None
    assert stored.start.isoformat() == "2024-02-01T12:30:00"
    assert stored.created.utcoffset() == timedelta(0)
    assert [file.name for file in stored.files] == ["one.dat", "one.hea"]


def test_record_survives_a_restart(files, tmp_path, database_url):
    first = Store(tmp_path, database_url)
    added = first.add(files())
    first.close()
    again = Store(tmp_path, database_url)
    assert again.list() == (added,)
    assert again.open(added.id).n_samples == 1000
    again.close()


def test_nobody_else_may_look_into_the_store(store, tmp_path):
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_same_upload_is_recognised(store, files, tmp_path):
    first = store.add(files())
    before = kept(tmp_path / "home")
    assert store.add(dict(reversed(files().items()))) == first
    assert store.find(files()) == first
    assert kept(tmp_path / "home") == before


def test_list_has_the_newest_first(store, files):
    ids = [store.add(files(name, seed)).id for seed, name in enumerate("abc")]
    assert [stored.id for stored in store.list()] == ids[::-1]


def test_opening_maps_samples_and_decodes_nothing(store, files, monkeypatch):
    added = store.add(files())
    decoded = store.open(added.id)

    def refuse(*_, **__):
        raise AssertionError("decoded again")

    monkeypatch.setattr("ecgcore.readers.read", refuse)
    record = store.open(added.id)
    assert isinstance(record.adc, np.memmap)
    assert not record.adc.flags.writeable
    np.testing.assert_array_equal(record.adc, decoded.adc)


def test_cache_may_be_deleted_or_damaged(store, files, tmp_path):
    added = store.add(files())
    expected = np.array(store.open(added.id).adc)
    folder = tmp_path / "home" / "cache" / added.id
    cache.remove(folder)
    np.testing.assert_array_equal(store.open(added.id).adc, expected)
    (folder / "samples.npy").write_bytes((folder / "samples.npy").read_bytes()[:200])
    np.testing.assert_array_equal(store.open(added.id).adc, expected)
    (folder / "samples.npy").write_bytes(b"")
    np.testing.assert_array_equal(store.open(added.id).adc, expected)
    (folder / "record.json").write_text("{")
    np.testing.assert_array_equal(store.open(added.id).adc, expected)


def test_cache_gives_the_record_back_equal(store, files, tmp_path):
    record = store.open(store.add(files()).id)
    marks = Annotation.of("atr", np.array([5, 9]), ("N", "+"))
    marked = replace(record, annotations=(replace(marks, notes=("", "(AFIB"), channels=np.array([0, 1], np.int16)),), notes=("renamed a lead",), comments=("83 M",))
    cache.write(tmp_path / "again", marked, {"aa": (1, 2)})
    back = cache.read(tmp_path / "again", {"aa": (1, 2)})
    assert back is not None
    for name in ("name", "fs_hz", "leads", "source", "start", "patient", "comments", "notes"):
        assert getattr(back, name) == getattr(marked, name)
    for name in ("adc", "gain", "baseline"):
        np.testing.assert_array_equal(getattr(back, name), getattr(marked, name))
    assert back.annotations[0].symbols == ("N", "+")
    assert back.annotations[0].notes == ("", "(AFIB")
    assert back.annotations[0].channels.tolist() == [0, 1]
    assert cache.read(tmp_path / "again", {"aa": (1, 3)}) is None


def test_unknown_ids(store):
    for ask in (store.get, store.open, store.files, store.delete, store.analyses, store.analysis):
        with pytest.raises(StoreError, match="'nobody' is stored") as caught:
            ask("nobody")
        assert "\n" not in str(caught.value)


def test_missing_and_damaged_uploads(store, files, tmp_path):
    added = store.add(files())
    data = next(file for file in added.files if file.name == "one.dat")
    path = tmp_path / "home" / "blobs" / data.sha256[:2] / data.sha256
    good = path.read_bytes()
    path.write_bytes(good[:-2] + b"xx")
    with pytest.raises(StoreError, match="damaged"):
        store.open(added.id)
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        store.open(added.id)
    path.write_bytes(good)
    assert store.open(added.id).n_samples == 1000


@pytest.mark.parametrize("bad", [{"empty.dat": b""}, {"photo.jpg": b"\xff\xd8\xff\xe0JFIF not a recording"}, {}])
def test_nothing_is_kept_of_what_is_no_recording(store, tmp_path, bad):
    with pytest.raises(EcgError) as caught:
        store.add(bad)
    assert "\n" not in str(caught.value)
    assert store.list() == ()
    assert kept(tmp_path / "home") == []


def test_nothing_is_kept_of_a_recording_with_a_missing_part(store, files, tmp_path):
    with pytest.raises(FormatError, match=r"one\.dat"):
        store.add({"one.hea": files()["one.hea"]})
    assert (store.list(), kept(tmp_path / "home")) == ((), [])


@pytest.mark.parametrize("where", ["ecgcore.store.blobs.os.fsync", "ecgcore.store.cache._write_samples"])
def test_nothing_is_kept_when_the_disk_is_full(store, files, tmp_path, monkeypatch, where):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(where, full)
        with pytest.raises(StoreError, match="No space left on device"):
            store.add(files())
    assert (store.list(), kept(tmp_path / "home")) == ((), [])
    assert store.add(files()).name == "one"


DIES = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import wfdb_files
from ecgcore.store import Store, store
def die(*_, **__):
    os._exit(9)
home = Path({home!r})
opened = Store(home, {url!r})
if {moment!r} == "staged":
    opened._blobs.keep = die
elif {moment!r} == "kept":
    keep = opened._blobs.keep
    opened._blobs.keep = lambda digest, path: (keep(digest, path), die())
else:
    store.cache.write = die
opened.add(wfdb_files())
"""


@pytest.mark.parametrize("moment", ["staged", "kept", "committed"])
def test_nothing_half_written_outlives_a_process_that_dies(tmp_path, database_url, monkeypatch, moment):
    code = textwrap.dedent(DIES.format(tests=str(Path(__file__).parent), home=str(tmp_path), url=database_url, moment=moment))
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 9  # noqa: S603  # our own interpreter
    monkeypatch.setattr(blobs, "STALE_S", -1.0)
    after = Store(tmp_path, database_url)
    if moment == "committed":  # whole but for the cache, which is rebuilt
        assert [after.open(stored.id).n_samples for stored in after.list()] == [1000]
    else:
        assert (after.list(), kept(tmp_path)) == ((), [])
    after.close()


def test_nobody_sweeps_away_a_file_before_its_row_is_committed(store, files, tmp_path, database_url, monkeypatch):
    keep = store._blobs.keep
    sweeper = threading.Thread(target=lambda: Store(tmp_path / "home", database_url).close())

    def meanwhile(digest: str, path: Path) -> None:
        keep(digest, path)
        sweeper.start()
        sweeper.join(timeout=0.5)  # it must wait: what it finds belongs to no row yet

    with monkeypatch.context() as patched:
        patched.setattr(store._blobs, "keep", meanwhile)
        added = store.add({"one.csv": CSV}, Facts(250.0, "mV", ("I",)))
    sweeper.join()
    assert store.files(added.id) == {"one.csv": CSV}


def test_delete_removes_files_that_no_other_record_uses(store, files, tmp_path):
    one = store.add(files())
    other = store.add({**files(), "one.hea": files()["one.hea"] + b"# seen twice\n"})
    shared = {file.sha256 for file in one.files} & {file.sha256 for file in other.files}
    assert len(shared) == 1
    store.delete(one.id)
    assert store.open(other.id).n_samples == 1000
    assert shared < set(kept(tmp_path / "home"))
    store.delete(other.id)
    assert (store.list(), kept(tmp_path / "home")) == ((), [])


def test_analyses_are_kept_and_found_again(store, files, found):
    added = store.add(files())
    analysis = found(store.open(added.id))
    saved = store.save_analysis(added.id, analysis)
    assert store.analysis(saved.id) == analysis
    assert saved.counts == {"N": 1, "S": 0, "V": 1, "F": 0, "Q": 0}
    assert saved.created.tzinfo is UTC
    assert store.find_analysis(added.id, ("I",), "beats@1", "d@1") == saved
    assert store.find_analysis(added.id, ("I",), "beats@2", "d@1") is None
    assert store.find_analysis(added.id, ("II",), "beats@1", "d@1") is None
    assert store.save_analysis(added.id, analysis) == saved
    newer = store.save_analysis(added.id, found(store.open(added.id), "beats@2"))
    assert store.analyses(added.id) == (newer, saved)
    assert store.list()[0].latest == newer
    store.delete(added.id)
    with pytest.raises(StoreError):
        store.analysis(saved.id)
    with pytest.raises(StoreError):
        store.save_analysis(added.id, analysis)


def test_stated_facts_are_kept_and_used_again(store, tmp_path):
    upload = {"plain.csv": "\n".join(f"{i % 7 / 10},{i % 5 / 10}" for i in range(400)).encode()}
    with pytest.raises(MissingFactError):
        store.add(upload)
    assert kept(tmp_path / "home") == []
    facts = Facts(fs_hz=200.0, units="mV", leads=("II", "V1"))
    added = store.add(upload, facts)
    assert added.facts == facts
    assert added.leads == ("II", "V1")
    cache.remove(tmp_path / "home" / "cache" / added.id)
    assert store.open(added.id).fs_hz == 200.0
    other = store.add(upload, replace(facts, fs_hz=250.0))
    assert other.id != added.id
