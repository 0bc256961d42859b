"""The public sets: splits by patient, counts as published, and what is said when a set is not there."""

import pytest

from ecgcore import data
from ecgcore.errors import DataError, InputError


def test_the_splits_are_disjoint_and_whole():
    assert len(data.DS1) == len(data.DS2) == 22
    assert not set(data.DS1) & set(data.DS2)
    assert not (set(data.DS1) | set(data.DS2)) & set(data.PACED)


def test_a_missing_set_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="python -m ecgcore data get mitdb"):
        data.locate("mitdb")


def test_an_unknown_record_names_those_there_are(tmp_path):
    with pytest.raises(InputError, match="it has none"):
        data.select_records(tmp_path, "100")


@pytest.mark.data
@pytest.mark.parametrize("split", [data.DS1, data.DS2], ids=["DS1", "DS2"])
def test_counts_are_those_published(data_set, split):
    assert len(list(data.load_all(data_set("mitdb"), split))) == 22


@pytest.mark.data
def test_other_counts_are_noticed(data_set, monkeypatch):
    monkeypatch.setitem(data.COUNTS, ("100",), {"N": 1, "S": 0, "V": 0, "F": 0, "Q": 0})
    with pytest.raises(DataError, match=r"should hold the beats .*'N': 1,.* hold .*'N': 2239"):
        list(data.load_all(data_set("mitdb"), ["100"]))


def test_fetch_puts_a_set_into_the_cache_and_says_what_fails(tmp_path, monkeypatch):
    import wfdb

    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path))
    asked = []
    monkeypatch.setattr(wfdb, "dl_database", lambda name, folder: asked.append((name, folder)))
    assert data.fetch("ptbxl") == tmp_path / "ptbxl"
    assert asked == [("ptb-xl", str(tmp_path / "ptbxl"))]

    def offline(*_):
        raise ConnectionError("no route to physionet.org")

    monkeypatch.setattr(wfdb, "dl_database", offline)
    with pytest.raises(DataError, match="could not fetch mitdb from PhysioNet: no route"):
        data.fetch("mitdb")
