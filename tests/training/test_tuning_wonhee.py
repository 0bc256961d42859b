"""WonHEE gone on with, on synthetic public patients and what a site's readers signed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecgcore import data
from ecgcore.errors import InputError, ModelError
from ecgcore.inference import cards
from ecgcore.inference import wonhee as inference
from ecgcore.signals import fills
from ecgcore.training import gaps, recipes, with_seed, wonhee, wonhee_data, wonhee_module
from ecgcore.training.tuning import Retraining
from ecgcore.training.tuning import wonhee as tuning
from tests.training.signed import repeats_and_resumes, signed, site_of

from .conftest import write_sets

SAMPLES = 640


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The recipe on synthetic patients, for a few epochs of a few batches; the shipped network is gone on from."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tuning, "EPOCHS", 2)
    monkeypatch.setattr(tuning, "STEPS", 3)
    write_sets(tmp_path / "data", {"mitdb": "101 106 100", "svdb": "800 801 803 802"})  # records of the same place in two sets are the same
    full = recipes.load("wonhee")
    small = {"shares": (2, 4, 3), "average": 0.5, "bfloat16": False}
    public = full.data.model_copy(update={"trained": {"mitdb": ("101", "106"), "svdb": ("800", "802")}, "left_out": {}, "tested": {"mitdb": ("100",)}})
    changed = {"data": public, "optimisation": full.optimisation.model_copy(update=small)}
    return full.model_copy(update=changed)


@pytest.fixture
def site():
    return site_of(signed("a", 1, "trained"), signed("b", 2, "trained", (4,), "/"), signed("c", 3, "held out"))


def asked(tmp_path, site=None, run="run", **more):
    return Retraining("wonhee", tmp_path / run, start="wonhee@1", site=site, device="cpu", **more)


def tuned(recipe, how):
    return tuning.tune(recipe, cards.find("wonhee@1"), how)


def test_a_fine_tuned_model_is_another_and_works(recipe, site, tmp_path):
    """It is written by what writes a fresh one (`wonhee.save`), which is tested with that."""
    after, card = tuned(recipe, asked(tmp_path, site))
    parent, before = cards.read_card(cards.find("wonhee@1")), inference.load("wonhee@1")
    assert card.parent == "wonhee@1"
    assert (card.input, card.classes, card.thresholds) == (parent.input, parent.classes, parent.thresholds)
    assert card.training.trained == {"mitdb": ("101", "106"), "svdb": ("802",), "site 3": ("patient 1", "patient 2")}
    assert "corrected beats weigh in the classes alone" in card.training.protocol
    assert not card.figures
    kept = load_file(cards.find("wonhee@1") / "model.safetensors")
    assert torch.equal(after.net.factors, kept["factors"])
    assert torch.equal(after.net.leaning, kept["leaning"])
    cut = wonhee_data.evenly(wonhee_data.leads_of({"mitdb": ["100"]}, recipe.input.band_hz), SAMPLES, 3)
    observed = gaps.blackout(len(cut.windows), SAMPLES, np.random.default_rng(1), fills.FS_HZ)
    done, was = wonhee.completed(after.net, cut.windows, observed), before.complete(np.where(observed, cut.windows, np.float32(np.nan)), observed)
    assert np.array_equal(done.signal_mv[observed], was.signal_mv[observed])
    assert 0 < np.abs(done.signal_mv - was.signal_mv).max() < 1
    assert tuning.save is wonhee.save


def test_the_same_seed_gives_the_same_and_a_resumed_run_ends_as_an_unbroken_one(recipe, site, tmp_path, monkeypatch):
    def net(run, seed=None, resume=False):
        return tuned(with_seed(recipe, seed) if seed else recipe, asked(tmp_path, site, run=run, resume=resume))[0].net

    repeats_and_resumes(monkeypatch, wonhee_module.WonheeModule, net)


@pytest.fixture
def drawn(monkeypatch):
    """What each training draws from: leads and shares."""
    seen = []

    class Noted(wonhee_data.Drawn):
        def __init__(self, leads, shares, *rest, **more):
            seen.append((list(leads), dict(shares)))
            super().__init__(leads, shares, *rest, **more)

    monkeypatch.setattr(tuning, "Drawn", Noted)
    monkeypatch.setattr(tuning, "fit", lambda net, *rest: {**{f"averaged.module.{key}": value for key, value in net.state_dict().items()}, "averaged.n_averaged": 1})
    return seen


def test_nobody_is_learned_from_who_is_tested_or_held_out_or_read_here(recipe, drawn, site, tmp_path):
    own = replace(site.records[2], labelled=data.load_beats(data.locate("mitdb"), "106"))
    own = replace(own, corrected=np.zeros(len(own.labelled.codes), bool))
    also = recipe.data.model_copy(update={"trained": {**recipe.data.trained, "mitdb": ("101", "106", "100")}})
    _, card = tuned(recipe.model_copy(update={"data": also}), asked(tmp_path, site_of(*site.records, own)))
    leads, shares = drawn[0]
    assert {lead.record for lead in leads} == {"101", "802", "site-0", "site-1"}
    assert card.training.trained["mitdb"] == ("101",)
    assert shares["site"] / sum(shares.values()) == pytest.approx(0.25)


def test_a_minute_of_this_site_is_not_drawn_too_often(recipe, drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "STEPS", 1000)
    tuned(recipe, asked(tmp_path, site_of(signed("a", 1, "trained"))))
    (_, shares), windows = drawn[0], 2 * 60 * 128 / SAMPLES
    assert shares["site"] / sum(shares.values()) == pytest.approx(20 * windows / (1000 * 7))


def test_corrected_beats_are_drawn_as_often_as_they_weigh(recipe, drawn, tmp_path):
    site = site_of(signed("a", 1, "trained", (10, 20), "V"))
    beats = tuning.to_classify([], tuning.own_leads(recipe, asked(tmp_path, site, weight=6.0)), recipe)
    v = wonhee_data.CLASSES.index("V")
    heavy = beats.chances[beats.targets == v].max()
    assert heavy == pytest.approx(6 * beats.chances[beats.targets == v].min())
    assert beats.chances.sum() == pytest.approx(1)
    assert np.isclose(beats.chances, heavy).sum() == 2 * 2  # two beats, two leads


def test_what_cannot_be_learned_from_is_said(recipe, site, tmp_path):
    with pytest.raises(ModelError, match="is not of this network"):
        tuned(recipe.model_copy(update={"network": recipe.network.model_copy(update={"size": 64})}), asked(tmp_path))
    with pytest.raises(InputError, match="choose mitdb or signed readings"):
        tuning.to_classify([], tuning.Own([], {}), recipe)
