"""The 2017 challenge: labels, windows of whole recordings, and the recipe end to end on synthetic ones."""

import numpy as np
import pytest

from ecgcore import writers
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import DataError
from ecgcore.evaluation.tables import read_tables
from ecgcore.inference import cards
from ecgcore.training import cinc2017, recipes

CLASSES = ("N", "A", "O", "~")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Forty recordings of 6 to 9 s, ten of a class."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(cinc2017, "COUNTS", dict.fromkeys(CLASSES, 10))
    folder = tmp_path / "data" / cinc2017.FOLDER
    for i in range(40):
        beats = [(0.5 + (0.5 + i % 4 / 5) * k, "N") for k in range(5)]
        writers.write(record_of(f"A{i:05d}", synthesise(beats, 6 + i % 4, ("I",), 300, seed=i), beats, ("I",), 300), folder / f"A{i:05d}.hea")
    (folder / "REFERENCE-v3.csv").write_text("".join(f"A{i:05d},{CLASSES[i % 4]}\n" for i in range(40)))
    full = recipes.load("hadln_cinc2017")
    return full.model_copy(
        update={
            "run": 2,
            "input": full.input.model_copy(update={"samples": 800}),
            "network": full.network.model_copy(update={"channels": (4, 4, 4, 4, 4), "hidden": 4}),
            "optimisation": full.optimisation.model_copy(update={"epochs": 2, "batch": 8}),
        }
    )


def test_a_recipe_gives_a_table_and_a_model(tiny, tmp_path):
    trained, card = cinc2017.train(tiny, tmp_path / "run", "cpu", None, False)
    folder = tmp_path / "models" / "hadln_cinc2017" / "1"
    card = cinc2017.save(trained, card, folder)
    assert cards.read_card(folder) == card
    (table,) = read_tables(folder)
    assert [(run.fold, run.n) for run in table.arms[0].runs] == [(0, 8), (1, 8)]
    assert table.published[0].figures["accuracy"] == 86.7
    assert "2 of 5 folds" in table.protocol


def test_recordings_are_cut_or_filled(tiny, tmp_path):
    beats = cinc2017.recording_set(tmp_path / "data" / cinc2017.FOLDER, CLASSES, tiny.input)
    assert beats.windows.shape == (40, 800)
    assert beats.counts == dict.fromkeys(CLASSES, 10)
    assert (beats.windows[0, 600:] == 0).all()
    assert (beats.windows[3, 790:] != 0).any()
    assert np.isfinite(beats.windows).all()


def test_other_labels_are_refused(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "data" / cinc2017.FOLDER
    monkeypatch.setattr(cinc2017, "COUNTS", dict.fromkeys(CLASSES, 9))
    with pytest.raises(DataError, match="should count"):
        cinc2017.references(folder)
    (folder / "REFERENCE-v3.csv").unlink()
    with pytest.raises(DataError, match="data get cinc2017"):
        cinc2017.references(folder)


@pytest.mark.data
def test_the_real_labels_have_the_published_counts(data_set):
    labels = cinc2017.references(data_set("cinc2017"))
    assert len(labels) == 8_528
    assert {name: list(labels.values()).count(name) for name in CLASSES} == {"N": 5_076, "A": 758, "O": 2_415, "~": 279}
