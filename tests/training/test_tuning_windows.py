"""The neural flow and HADLN gone on with, on synthetic public patients and what a site's readers signed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecgcore import data
from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.errors import InputError, ModelError
from ecgcore.inference import cards
from ecgcore.training import recipes, with_seed
from ecgcore.training import window_classifiers as classifiers
from ecgcore.training.focal import FocalLoss
from ecgcore.training.tuning import Retraining, retrain
from ecgcore.training.tuning import windows as tuning
from tests.training.signed import repeats_and_resumes, signed, site_of

NETWORKS = ("neural_flow", "hadln")


@pytest.fixture
def recipe(request, tiny_flow, monkeypatch):
    """The recipe by its name on synthetic public patients, for a few epochs of a few batches: its networks are small, and the shipped one is gone on from."""
    monkeypatch.setattr(tuning, "EPOCHS", 2)
    full = recipes.load(request.param)
    how = "by_patient" if request.param == "hadln" else "optimisation"
    found = full.model_copy(update={"data": tiny_flow.data, how: getattr(full, how).model_copy(update={"batch": 32})})
    monkeypatch.setattr(recipes, "load", lambda name: found)
    return found


def on_each(test):
    return pytest.mark.parametrize("recipe", NETWORKS, indirect=True)(test)


def on_flow(test):
    return pytest.mark.parametrize("recipe", NETWORKS[:1], indirect=True)(test)


@pytest.fixture
def start(recipe):
    """The folder of the shipped model."""
    return cards.find(f"{recipe.name}@1")


@pytest.fixture
def site():
    return site_of(signed("a", 1, "trained"), signed("b", 2, "trained", (4,), "F"), signed("c", 3, "held out"))


def asked(recipe, tmp_path, site=None, run="run", **more):
    return Retraining(recipe.name, tmp_path / run, start=f"{recipe.name}@1", site=site, device="cpu", **more)


@on_flow
def test_a_fine_tuned_model_is_another_and_works(recipe, start, site, tmp_path):
    card, folder = retrain(asked(recipe, tmp_path, site))
    parent = cards.read_card(start)
    assert card.id == f"{recipe.name}@1.1"
    assert card.parent == parent.id
    assert (card.input, card.classes, card.thresholds) == (parent.input, parent.classes, parent.thresholds)
    assert card.training.trained == {"mitdb": ("101", "106", "114"), "site 3": ("patient 1", "patient 2")}
    assert not card.training.held_out
    assert not card.figures
    assert "2 of this site's signed recordings (data set version 3), whose 3 corrected beats weigh 2 times another" in card.training.protocol
    assert "1 of this site's beats were left out, being none of N, S, V" in card.training.protocol
    before, after = (load_file(place / "model.safetensors") for place in (start, folder))
    assert {key for key in before if torch.equal(before[key], after[key])} >= {"scale", "bias"}
    assert not torch.equal(*(next(value for key, value in one.items() if key.endswith("weight") and value.dim() > 1) for one in (before, after)))
    assert analyze(make_demo("demo-12-lead"), model=card.id).beats.model == card.id
    assert not list(folder.glob("table-*"))


@on_each
def test_the_same_seed_gives_the_same_and_a_resumed_run_ends_as_an_unbroken_one(recipe, start, site, tmp_path, monkeypatch):
    told = []

    def net(run, seed=None, resume=False):
        tuned, card = tuning.tune(with_seed(recipe, seed) if seed else recipe, start, asked(recipe, tmp_path, site, run=run, resume=resume))
        told.append((tuned, card))
        return tuned

    repeats_and_resumes(monkeypatch, classifiers.WindowModule, net)
    tuned, card = told[0]
    assert (len(card.classes), card.parent) == (len(recipe.classes), f"{recipe.name}@1")
    assert ("1 of this site's beats were left out" in card.training.protocol) == (recipe.name == "neural_flow")
    assert tuned(torch.randn(3, card.input.samples))[0].shape == (3, len(card.classes))


@on_flow
def test_nobody_is_learned_from_who_is_tested_or_held_out(recipe, start, site, tmp_path, monkeypatch):
    also = recipe.data.model_copy(update={"trained": {"mitdb": ("101", "106", "100"), "svdb": ("800",)}})
    tasks, learn = [], classifiers.learn
    monkeypatch.setattr(classifiers, "learn", lambda task, *rest: tasks.append(task) or learn(task, *rest))
    _, card = tuning.tune(recipe.model_copy(update={"data": also}), start, asked(recipe, tmp_path, site))
    (task,) = tasks
    assert {task.beats.records[k] for k in task.beats.patients[task.training]} == {"101", "106", "site-0", "site-1"}
    assert {task.beats.records[k] for k in task.beats.patients[task.held]} == {"site-2"}
    assert not task.chooses
    assert card.training.trained["mitdb"] == ("101", "106")
    assert "svdb" not in card.training.trained


@on_flow
def test_what_this_site_has_read_is_not_learned_from_as_public_too(recipe, start, site, tmp_path):
    public = data.load_beats(data.locate("mitdb"), "106")
    own = replace(site.records[2], labelled=public, corrected=np.zeros(len(public.codes), bool))
    _, card = tuning.tune(recipe, start, asked(recipe, tmp_path, site_of(*site.records[:2], own)))
    assert card.training.trained["mitdb"] == ("101", "114")


@on_flow
def test_corrected_beats_weigh_and_are_in_every_epoch(recipe, start, tmp_path):
    site = site_of(signed("a", 1, "trained", (3, 5), "N"))
    learned = tuning.learned_from([], asked(recipe, tmp_path, site, weight=7.0), cards.read_card(start))
    assert sorted(set(learned.weights.tolist())) == [1.0, 7.0]
    corrected = np.flatnonzero(learned.weights == 7.0)
    assert learned.beats.targets[corrected].tolist() == [0, 0]
    how = tuning.slower(recipe).model_copy(update={"batch": 1, "share_of_n": 0.1})
    task = classifiers.Task(learned.beats, learned.training, learned.held, lambda: torch.nn.Linear(1, 1), torch.nn.Identity(), how, 1, learned.weights)
    batches = classifiers.Batches(task)
    for epoch in range(3):
        batches.set_epoch(epoch)
        assert np.isin(corrected, torch.cat(batches.places).numpy()).all()
    assert [len(part) for part in batches[0]] == [1, 1, 1]
    none = tuning.learned_from([], asked(recipe, tmp_path, site, weight=0.0), cards.read_card(start))
    assert not np.isin(corrected, none.training).any()


def test_a_weight_counts_as_so_many_beats():
    loss, logits, targets = FocalLoss(torch.tensor([1.0, 3.0]), 2.0), torch.tensor([[0.4, -0.2], [0.1, 0.9]]), torch.tensor([0, 1])
    thrice = loss(logits[[0, 1, 1, 1]], targets[[0, 1, 1, 1]])
    assert loss(logits, targets, torch.tensor([1.0, 3.0])).item() == pytest.approx(thrice.item())
    assert loss(logits, targets, torch.ones(2)).item() == pytest.approx(loss(logits, targets).item())


@on_flow
def test_what_cannot_be_gone_on_from_is_refused(recipe, start, site, tmp_path):
    with pytest.raises(InputError, match="nothing to learn from"):
        tuning.tune(recipe, start, asked(recipe, tmp_path, site_of(), public=()))
    fused = replace(site.records[0].labelled, labels=("F",) * len(site.records[0].labelled.codes))
    strange = site_of(replace(site.records[0], labelled=fused))
    with pytest.raises(InputError, match="no beat of the records chosen is one of N, S, V"):
        tuning.tune(recipe, start, asked(recipe, tmp_path, strange, public=()))
    wider = recipe.model_copy(update={"network": recipe.network.model_copy(update={"hidden": 12})})
    with pytest.raises(ModelError, match="is not of this network"):
        tuning.tune(wider, start, asked(recipe, tmp_path))
