"""The segmenter gone on with, on synthetic public patients and what a site's readers signed."""

import numpy as np
import pytest

from ecgcore import data, writers
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import InputError
from ecgcore.inference import cards
from ecgcore.inference import segmenter as inference
from ecgcore.signals import segments
from ecgcore.training import ectopy_runs, recipes, segmenter, with_seed
from ecgcore.training.ectopy_data import Windows, prepare
from ecgcore.training.tuning import Retraining
from ecgcore.training.tuning import segmenter as tuning
from tests.training.signed import repeats_and_resumes, signed, site_of
from tests.training.tiny import rhythm, write_sets


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The recipe on synthetic patients, for a few epochs of a few batches; the shipped network is gone on from."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tuning, "EPOCHS", 2)
    write_sets(tmp_path / "data", {"mitdb": "101 100", "svdb": "800 811", "nstdb-noise": "bw ma"})
    mv = synthesise(rhythm(1, 30), 30, ("I",), 300, seed=1)
    writers.write(record_of("A01", mv, [], ("I",), 300), tmp_path / "data" / "cinc2017" / "A01.hea")
    (tmp_path / "data" / "cinc2017" / "REFERENCE-v3.csv").write_text("A01,A\n")
    full = recipes.load("segmenter")
    large = full.at_large
    public = large.data.model_copy(update={"trained": {"mitdb": ("101",), "svdb": ("800", "811")}, "tested": {"mitdb": ("100",)}})
    changed = {"data": public, "rhythms": {"A": 1}, "optimisation": large.optimisation.model_copy(update={"batch": 4})}
    found = full.model_copy(update={"at_large": large.model_copy(update=changed)})
    monkeypatch.setattr(recipes, "load", lambda name: found)
    return found


@pytest.fixture
def site():
    return site_of(signed("a", 1, "trained"), signed("b", 2, "trained", seconds=8), signed("c", 3, "held out"))


def asked(tmp_path, site=None, run="run", **more):
    return Retraining("segmenter", tmp_path / run, start="segmenter@1", site=site, device="cpu", **more)


def tuned(recipe, how):
    return tuning.tune(recipe, cards.find("segmenter@1"), how)


def test_a_fine_tuned_model_is_another_and_works(recipe, site, tmp_path):
    """It is written by what writes a fresh one (`segmenter.save`), which is tested with that."""
    after, card = tuned(recipe, asked(tmp_path, site))
    parent, before = cards.read_card(cards.find("segmenter@1")), inference.load("segmenter@1")
    assert card.parent == parent.id
    assert (card.input, card.classes, card.thresholds) == (parent.input, parent.classes, parent.thresholds)
    assert card.training.trained == {"mitdb": ("101",), "svdb": ("811",), "cinc2017": ("A01",), "site 3": ("patient 1", "patient 2")}
    assert card.training.left_out["svdb"] == data.SVDB_HELD_OUT
    assert "the windows that hold one are drawn so many times as often" in card.training.protocol
    assert "1 of this site's recordings are shorter than 11 s and taught nothing" in card.training.protocol
    assert not card.figures
    windows = np.random.default_rng(1).normal(size=(3, segments.CHANNELS, 704)).astype(np.float32)
    said, was = ectopy_runs.answering(after.net)(windows), before.answer(windows)
    assert [one.shape for one in said] == [one.shape for one in was]
    assert 0 < np.abs(said[0] - was[0]).max() < 0.5
    by_chance = ectopy_runs.answering(after.control)(windows)
    assert np.abs(by_chance[0] - before.by_chance(windows)[0]).max() < 1e-4
    assert tuning.save is segmenter.save


def test_the_same_seed_gives_the_same_and_a_resumed_run_ends_as_an_unbroken_one(recipe, site, tmp_path, monkeypatch):
    def net(run, seed=None, resume=False):
        return tuned(with_seed(recipe, seed) if seed else recipe, asked(tmp_path, site, run=run, resume=resume))[0].net

    repeats_and_resumes(monkeypatch, ectopy_runs.EctopyModule, net)


def test_nobody_is_learned_from_who_is_tested_or_held_out(recipe, site, tmp_path, monkeypatch):
    seen, fit = [], ectopy_runs.fit
    monkeypatch.setattr(ectopy_runs, "fit", lambda module, *rest: seen.append(module) or fit(module, *rest))
    _, card = tuned(recipe, asked(tmp_path, site, public=("mitdb", "svdb")))
    assert [one.name for one in seen[0].windows.patients] == ["101", "811", "a"]
    assert [one.name for one in seen[0].followed.patients] == ["800", "c"]
    assert "cinc2017" not in card.training.trained


def counts(patient, large, epochs=200):
    """How often the windows of a patient come in an epoch, on average: those with a corrected beat, and all others."""
    windows = Windows([patient], [], large.input, large.augmentation, 1, 1)
    size, found = large.input.segments * large.input.samples, [0, 0]
    for epoch in range(epochs):
        windows.set_epoch(epoch)
        for ((_, start, _),) in windows.places:
            found[not patient.weighs(start, start + size)] += 1
    return np.array(found) / epochs


def test_windows_with_a_corrected_beat_are_drawn_as_often_as_they_weigh(recipe, tmp_path):
    site = site_of(signed("a", 1, "trained", (30,), "N"))
    large = recipe.at_large
    light, heavy = (tuning.own_patients(asked(tmp_path, site, weight=weight), large.input, [])[0] for weight in (1.0, 7.0))
    assert (light.times, light.corrected.tolist()) == (1, heavy.corrected.tolist())
    assert counts(heavy, large)[0] == pytest.approx(7 * counts(light, large)[0], rel=0.1)
    assert counts(heavy, large)[1] == pytest.approx(counts(light, large)[1], rel=0.2)
    plain = prepare(site.records[0].labelled, large.input)
    assert counts(plain, large).sum() == pytest.approx(counts(light, large).sum(), rel=0.1)
    beside = tuning.own_patients(asked(tmp_path, site), large.input, [plain] * 30)[0]
    assert beside.times == 10


def test_too_little_to_learn_from_is_said(recipe, site, tmp_path):
    with pytest.raises(InputError, match="at least 11 s"):
        tuned(recipe, asked(tmp_path, site_of(site.records[1]), public=()))
    with pytest.raises(InputError, match="an epoch would have no window"):
        tuned(recipe, asked(tmp_path, site_of(signed("d", 4, "trained", (), seconds=12)), public=()))
