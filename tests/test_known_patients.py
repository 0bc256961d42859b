"""Patients of the test splits are known again, and nobody else is taken for one of them."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore import data, demo, known_patients, readers, writers
from ecgcore.errors import DataError
from ecgcore.fingerprints import Fingerprints
from ecgcore.known_patients import SHIPPED, TEST_RECORDS, known_test_patient


def test_every_record_of_a_test_split_is_named():
    assert {name for database, name in TEST_RECORDS if database == "mitdb"} == {*data.DS2, "201"}
    assert tuple(name for database, name in TEST_RECORDS if database == "svdb") == data.SVDB_HELD_OUT
    shipped = Fingerprints.load(SHIPPED)
    assert shipped.names == tuple(map(" ".join, TEST_RECORDS))
    assert shipped.counts.min() >= 500  # half an hour of two leads, one in six seconds
    assert SHIPPED.stat().st_size < 200_000


def test_a_demo_is_nobody():
    assert known_test_patient(demo.make_demo("demo-12-lead")) == ""


def test_fingerprints_of_other_splits_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(known_patients, "SHIPPED", tmp_path / "known.npz")
    Fingerprints.of({"mitdb 100": demo.make_demo("demo-12-lead")}).save(known_patients.SHIPPED)
    with pytest.raises(DataError, match=r"known\.npz is of other recordings .* mitdb 103"):
        known_test_patient(demo.make_demo("demo-12-lead"))


@pytest.mark.data
def test_what_is_shipped_is_what_the_recordings_give(data_set):
    data_set("mitdb"), data_set("svdb")
    made, shipped = known_patients.build(), Fingerprints.load(SHIPPED)
    assert made.names == shipped.names
    np.testing.assert_array_equal(made.counts, shipped.counts)
    np.testing.assert_array_equal(made.hashes, shipped.hashes)


@pytest.mark.data
@pytest.mark.parametrize(("database", "name"), [("mitdb", "100"), ("mitdb", "201"), ("mitdb", "232"), ("svdb", "800"), ("svdb", "892")])
@pytest.mark.parametrize("extension", [".edf", ".csv"])
def test_thirty_seconds_of_one_lead_under_another_name(data_set, database, name, extension, tmp_path):
    record = readers.read(data_set(database) / name)
    for row in range(2):
        adc = record.adc[row : row + 1, 100_000 : 100_000 + round(30 * record.fs_hz)]
        piece = replace(record, name="mine", leads=("I",), adc=adc, gain=record.gain[row : row + 1], baseline=record.baseline[row : row + 1])
        writers.write(piece, tmp_path / f"mine{row}{extension}", ())
        assert known_test_patient(readers.read(tmp_path / f"mine{row}{extension}")) == f"{database} {name}"


@pytest.mark.data
def test_those_who_may_be_learned_from_are_not_taken_for_them(data_set):
    mitdb, svdb = data_set("mitdb"), data_set("svdb")
    paths = [mitdb / name for name in data.DS1 if name != "201"][::3] + [svdb / name for name in data.record_ids(svdb) if name not in data.SVDB_HELD_OUT][::5]
    shipped = Fingerprints.load(SHIPPED)
    assert len(paths) > 10
    assert [path for path in paths if shipped.hits(readers.read(path)).any()] == []
