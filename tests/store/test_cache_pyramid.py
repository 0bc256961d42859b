"""The pyramid beside the samples: mapped, whole, and made anew where it is damaged."""

import json

import numpy as np
import pytest

from ecgcore.errors import StoreError
from ecgcore.store import cache


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def change(**values):
    def damage(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return damage


def put(array):
    return lambda path: np.save(path, array)


DAMAGE = [
    ("pyramid.npy", lambda path: path.unlink()),
    ("pyramid.npy", truncate),
    ("pyramid.npy", empty),
    ("pyramid.npy", put(np.zeros((2, 63, 2), np.int16))),
    ("pyramid.npy", put(np.zeros((6, 63, 2), np.int32))),
    ("pyramid.json", lambda path: path.unlink()),
    ("pyramid.json", truncate),
    ("pyramid.json", empty),
    ("pyramid.json", lambda path: path.write_text("[]")),
    ("pyramid.json", change(version=cache.VERSION - 1)),
    ("pyramid.json", change(blobs={})),
    ("pyramid.json", change(n_samples=17)),
    ("pyramid.json", change(step_mv=None)),
]


@pytest.fixture
def folder(tmp_path):
    return lambda record_id: tmp_path / "home" / "cache" / record_id


def test_pyramid_is_mapped_and_that_of_the_record(store, files):
    record_id = store.add(files(n_samples=40_000)).id
    there, built = store.pyramid(record_id), cache.build_pyramid(store.open(record_id))
    assert isinstance(there.values, np.memmap)
    assert not there.values.flags.writeable
    np.testing.assert_array_equal(there.values, built.values)
    for name in ("leads", "n_samples", "step_mv", "offset_mv", "top"):
        assert getattr(there, name) == getattr(built, name)
    assert there.leads == ("I", "II", "III", "aVR", "aVL", "aVF")


def test_opening_the_pyramid_reads_no_sample_and_no_beat(store, files, monkeypatch):
    record_id = store.add(files()).id

    def refuse(*_, **__):
        raise AssertionError("more was opened than the pyramid")

    monkeypatch.setattr("ecgcore.readers.read", refuse)
    monkeypatch.setattr(cache, "read", refuse)
    assert store.pyramid(record_id).n_samples == 1000


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
@pytest.mark.parametrize("opened_first", [True, False])
def test_a_damaged_pyramid_is_made_anew(store, files, folder, name, damage, opened_first):
    record_id = store.add(files()).id
    expected = np.array(store.pyramid(record_id).values)
    damage(folder(record_id) / name)
    if opened_first:
        assert store.open(record_id).n_samples == 1000
        assert cache.read_pyramid(folder(record_id), store._stamps(file.sha256 for file in store.get(record_id).files)) is not None
    np.testing.assert_array_equal(store.pyramid(record_id).values, expected)
    assert isinstance(store.pyramid(record_id).values, np.memmap)


def test_a_cache_of_the_version_before_is_made_anew(store, files, folder):
    record_id = store.add(files()).id
    for name in ("pyramid.npy", "pyramid.json"):
        (folder(record_id) / name).unlink()
    change(version=1)(folder(record_id) / "record.json")
    assert isinstance(store.open(record_id).adc, np.memmap)
    assert json.loads((folder(record_id) / "record.json").read_text())["version"] == cache.VERSION
    assert isinstance(store.pyramid(record_id).values, np.memmap)


def test_a_pyramid_stays_readable_while_its_cache_is_made_anew(store, files, folder):
    record_id = store.add(files()).id
    before = store.pyramid(record_id)
    expected = np.array(before.values)
    cache.remove(folder(record_id))
    np.testing.assert_array_equal(store.pyramid(record_id).values, before.values)
    np.testing.assert_array_equal(before.values, expected)


def test_a_cache_that_does_not_stay_still_gives_a_pyramid(store, files, monkeypatch):
    record_id = store.add(files()).id
    expected = np.array(store.pyramid(record_id).values)
    monkeypatch.setattr(cache, "read_pyramid", lambda *_: None)
    np.testing.assert_array_equal(store.pyramid(record_id).values, expected)


def test_unknown_and_deleted_records_have_no_pyramid(store, files):
    with pytest.raises(StoreError, match="'nobody' is stored"):
        store.pyramid("nobody")
    record_id = store.add(files()).id
    store.delete(record_id)
    with pytest.raises(StoreError, match="is stored; it may have been deleted"):
        store.pyramid(record_id)
