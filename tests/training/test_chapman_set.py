"""Chapman-Shaoxing as it is learned from: clinical features, the paper's split, the features of each configuration."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from ecgcore.errors import DataError
from ecgcore.training import chapman_published, chapman_set, neurokit_features, recipes
from ecgcore.training.chapman_metadata import DEMOGRAPHICS, METADATA, metadata
from ecgcore.training.neurokit_features import NEUROKIT, Extracted
from tests.training import chapman

RECIPE = recipes.load("seresnet18")


def table(folder, *rows):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_excel(folder / "Diagnostics.xlsx", index=False)
    return folder


def test_there_are_fourteen_clinical_features_three_of_them_demographic():
    assert len(METADATA) == 14
    assert METADATA[:3] == DEMOGRAPHICS == ("PatientAge", "Female", "Male")


def test_features_stand_in_the_order_asked_for_and_a_rate_of_zero_is_none(tmp_path):
    folder = table(tmp_path / "set", chapman.row("a", "SR", AtrialRate=0, TAxis=0), chapman.row("b", "SB", PatientAge=80, Gender="MALE"))
    found = metadata(folder, ["b", "a"])
    assert found.shape == (2, 14)
    assert found[0, :3].tolist() == [80, 0, 1]
    assert found[1, :3].tolist() == [50, 1, 0]
    assert [METADATA[k] for k in np.flatnonzero(np.isnan(found[1]))] == ["AtrialRate"]
    assert found[1, METADATA.index("RAxis")] == -30
    assert found[1, METADATA.index("TAxis")] == 0


def test_a_gender_or_number_that_is_none_is_missing(tmp_path):
    found = metadata(table(tmp_path / "set", chapman.row("a", "SR", Gender="?", QTInterval="n/a")), ["a"])
    assert {METADATA[k] for k in np.flatnonzero(np.isnan(found[0]))} == {"Female", "Male", "QTInterval"}


def test_what_a_table_lacks_is_named(tmp_path):
    folder = table(tmp_path / "set", {key: value for key, value in chapman.row("a", "SR").items() if key != "QRSCount"})
    with pytest.raises(DataError, match="no column QRSCount"):
        metadata(folder, ["a"])
    with pytest.raises(DataError, match="no row for b"):
        metadata(table(tmp_path / "set", chapman.row("a", "SR")), ["a", "b"])
    with pytest.raises(DataError, match=r"no Diagnostics\.xlsx"):
        metadata(tmp_path, ["a"])


def test_parts_of_a_split_share_no_record_and_rare_classes_are_learned_from_alone():
    targets = np.repeat([0, 1, 2, 7], [40, 20, 10, 3])
    parts = chapman_set.split(targets, RECIPE)
    assert sorted(np.concatenate([parts.trained, parts.held_out, parts.tested])) == list(range(targets.size))
    assert parts.unsplit == ("AT",)
    assert not (targets[parts.held_out] == 7).any()
    assert not (targets[parts.tested] == 7).any()
    again = chapman_set.split(targets, RECIPE)
    assert np.array_equal(parts.tested, again.tested)
    with pytest.raises(DataError, match="no class has 7 records"):
        chapman_set.split(np.arange(8), RECIPE)


@pytest.mark.data
def test_the_split_of_the_whole_set_has_the_papers_counts(data_set):
    rhythms = pd.read_excel(data_set("chapman-samples") / "Diagnostics.xlsx")["Rhythm"]
    targets = np.array([RECIPE.classes.index(rhythm) for rhythm in rhythms if rhythm in RECIPE.classes])
    assert targets.size == chapman_set.WHOLE
    parts = chapman_set.split(targets, RECIPE)
    trained, held_out, tested = ([Counter(targets[places].tolist())[k] for k in range(8)] for places in (parts.trained, parts.held_out, parts.tested))
    assert trained == [2722, 1278, 1246, 1098, 411, 311, 279, 85]
    assert held_out == [583, 274, 267, 235, 88, 67, 60, 18]
    assert tested == [n for _, n in chapman_published.CLASSES.values()] == [584, 274, 267, 235, 88, 67, 60, 18]
    assert parts.unsplit == ()


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Fifteen records, one of a rarer rhythm; NeuroKit2 finds the first feature in none."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    chapman.write(tmp_path / "data" / "chapman-samples", {"SB": 7, "SR": 7, "AF": 1})
    values = np.arange(15 * 28, dtype=float).reshape(15, 28)
    monkeypatch.setattr(chapman_set, "extracted", lambda names, leads, *rest: Extracted(np.where(np.arange(28) == 0, np.nan, values), ("",) * 15))


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("seresnet18_signal", ()),
        ("seresnet18", METADATA),
        ("seresnet18_neurokit", (*METADATA, *NEUROKIT)),
        ("seresnet18_neurokit_filtered", (*METADATA, *NEUROKIT[1:])),
        ("seresnet18_demographics", DEMOGRAPHICS),
        ("seresnet18_demographics_neurokit", (*DEMOGRAPHICS, *NEUROKIT[1:])),
        ("universal_chapman", ()),
    ],
)
def test_each_configuration_has_its_features(records, name, features):
    found = chapman_set.load(recipes.load(name))
    assert found.columns == features
    assert found.features.shape == (15, len(features))
    assert found.signals.shape == (15, 12, 5000)
    assert found.signals.dtype == np.float32
    assert not found.whole
    assert Counter(found.targets.tolist()) == {0: 7, 1: 7, 5: 1}
    assert found.split.unsplit == ("AF",)
    assert 0.5 < np.abs(found.signals[0]).max() < 5  # mV


def test_records_of_another_length_are_refused(records):
    short = RECIPE.model_copy(update={"input": RECIPE.input.model_copy(update={"samples": 4000})})
    with pytest.raises(DataError, match="5000 samples at 500 Hz; the recipe asks for 4000"):
        chapman_set.load(short)


def test_the_whole_set_is_read_where_it_is(records, tmp_path):
    chapman.write(tmp_path / "data" / "chapman", {"SB": 8})
    found = chapman_set.load(recipes.load("seresnet18_signal"))
    assert (found.data_set, len(found.names)) == ("chapman", 8)


def test_the_greatest_share_without_a_value_is_that_of_the_records_learned_from():
    values = np.zeros((40, 28))
    values[:2, 3], values[:3, 5] = np.nan, np.nan
    found = Extracted(values, ("",) * 40)
    kept = found.kept(np.arange(40))
    assert NEUROKIT[3] in kept
    assert NEUROKIT[5] not in kept
    assert NEUROKIT[5] in found.kept(np.arange(5, 40))
    assert neurokit_features.GREATEST_FALLBACK == 0.05
