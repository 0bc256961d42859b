"""The default beat model gone on with, and trained anew, on synthetic public patients and what a site's readers signed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecgcore import data, training
from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.errors import InputError, ModelError
from ecgcore.inference import cards
from ecgcore.site import SiteData, SiteRecord
from ecgcore.training import beats, recipes
from ecgcore.training.recipes.choices import CHOICES, why_not
from ecgcore.training.tuning import Retraining, retrain
from ecgcore.training.tuning import beats as tuning
from tests.training.signed import power_cut, signed
from tests.training.tiny import tiny_recipe


@pytest.fixture
def site():
    return SiteData(3, "0" * 64, (signed("101", 1, "trained"), signed("b", 2, "trained"), signed("c", 3, "held out")))


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A folder of beats@t, made by the tiny recipe."""
    place = tmp_path_factory.mktemp("parent")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LEADWISE_DATA", str(place / "data"))
        recipe = tiny_recipe(place / "data")
        net, card = beats.train(recipe, place / "run", "cpu", None, False)
        beats.save(net, card.model_copy(update={"version": "t"}), place / "beats" / "t")
    return place / "beats" / "t"


@pytest.fixture
def small(tiny, parent, tmp_path, monkeypatch):
    """The tiny recipe in place of the full one, and beats@t made by it."""
    monkeypatch.setattr(recipes, "load", lambda name: tiny)
    monkeypatch.setattr(tuning, "EPOCHS", 2)
    return Path(shutil.copytree(parent, tmp_path / "home" / "models" / "beats" / "t"))


def asked(tmp_path, site=None, run="run", **more):
    return Retraining("beats", tmp_path / run, site=site, device="cpu", **{"start": "beats@t", **more})


def weights(tiny, folder, how):
    """What fine-tuning comes to, not yet exported."""
    return tuning.tune(tiny, folder, how)[0].state_dict()


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_a_fine_tuned_model_is_another_and_works(small, site, tmp_path):
    card, folder = retrain(asked(tmp_path, site))
    assert card.parent == "beats@t"
    assert card.training.trained["site 3"] == ("patient 1", "patient 2")
    assert card.training.trained["svdb"] == ("811",)  # 800 is held out to compare on
    assert "4 corrected beats weigh 2 times another" in card.training.protocol
    assert "--from beats@t --site 3 --weight 2" in card.training.protocol
    assert not card.figures
    assert not card.reliability
    parent = cards.read_card(small)
    assert (card.thresholds, card.certain_from) == (parent.thresholds, parent.certain_from)
    assert card.limits[0].startswith("Fine-tuned from beats@t")
    before, after = (load_file(place / "model.safetensors") for place in (small, folder))
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert analyze(make_demo("demo-12-lead"), model=card.id).beats.model == card.id


def test_what_a_reader_corrected_moves_the_weights(small, tiny, site, tmp_path):
    assert not same(*(weights(tiny, small, asked(tmp_path, site, run=f"w{weight}", weight=weight)) for weight in (1.0, 50.0)))


def test_fine_tuning_broken_and_resumed_ends_as_an_unbroken_one(small, tiny, site, tmp_path, monkeypatch):
    unbroken = weights(tiny, small, asked(tmp_path, site, run="unbroken"))
    with power_cut(monkeypatch, beats.BeatModule):
        weights(tiny, small, asked(tmp_path, site, run="broken"))
    assert same(unbroken, weights(tiny, small, asked(tmp_path, site, run="broken", resume=True)))


def test_the_network_lies_between_what_was_known_and_what_was_learned(small, tiny, site, tmp_path, monkeypatch):
    known, half = load_file(small / "model.safetensors"), weights(tiny, small, asked(tmp_path, site, run="half"))
    monkeypatch.setattr(tuning, "KEPT", 1.0)
    learned = weights(tiny, small, asked(tmp_path, site, run="whole"))
    key = "head.1.weight"
    assert torch.allclose(half[key], (known[f"net.{key}"] + learned[key]) / 2, atol=1e-6)
    assert not torch.equal(half[key], learned[key])


@pytest.fixture
def followed(monkeypatch):
    """The modules that are trained."""
    seen = []
    fit = beats.fit
    monkeypatch.setattr(beats, "fit", lambda module, *rest: seen.append(module) or fit(module, *rest))
    return seen


def test_from_scratch_a_patient_is_in_one_fold(small, tiny, site, tmp_path, followed):
    again = signed("d", 4, "trained")
    twice = SiteData(3, site.sha256, (*site.records, SiteRecord(again.labelled, again.corrected, "patient b", "trained")))
    _, card = tuning.anew(tiny, asked(tmp_path, twice, start=None))
    assert card.parent is None
    for module in followed[:-1]:
        unseen, learned = ({record.name for record in records} for records in (module.unseen, module.stretches.records))
        assert not unseen & learned
        assert len({"site-1", "site-2"} & unseen) in (0, 2)
    assert "800" not in {record.name for record in followed[-1].stretches.records}
    assert all(figure.command == "python -m ecgcore train beats --site 3 --weight 2" for figure in card.figures)


def test_a_public_recording_that_this_site_read_is_not_learned_from_twice(small, tiny, site, tmp_path, followed):
    public = data.load_beats(data.locate("mitdb"), "101")
    own = SiteRecord(public, np.zeros(len(public.codes), bool), "p", "held out")
    _, card = tuning.tune(tiny, small, asked(tmp_path, SiteData(4, "0" * 64, (*site.records[1:2], own))))
    assert card.training.trained["mitdb"] == ("106", "114")
    assert "101" not in {record.name for record in followed[0].stretches.records}


def test_weights_that_are_not_those_of_the_card_are_refused(small, tmp_path):
    from safetensors.torch import save_file

    other = {key: value + 0.5 if value.is_floating_point() else value for key, value in load_file(small / "model.safetensors").items()}
    save_file(other, small / "model.safetensors")
    with pytest.raises(ModelError, match="does not answer as its model"):
        retrain(asked(tmp_path))
    save_file({"strange": torch.zeros(1)}, small / "model.safetensors")
    with pytest.raises(ModelError, match="not of this network"):
        retrain(asked(tmp_path))
    (small / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="nothing can go on from it"):
        retrain(asked(tmp_path))


@pytest.mark.parametrize(
    ("recipe", "start", "public", "site", "said"),
    [
        ("beats", "beats@2", None, True, ""),
        ("beats", None, (), True, ""),
        ("beats", None, (), False, "nothing to learn from"),
        ("beats", "hadln@1", None, False, "is no model of the recipe beats"),
        ("universal", "universal@1", None, False, "is trained from scratch"),
        ("universal", None, None, True, "cannot learn from signed readings"),
        ("hadln", None, None, True, "by fine-tuning only"),
        ("segmenter", None, ("mitdb",), False, "by its whole recipe"),
        ("beats", None, ("ludb",), False, "does not learn from ludb"),
        ("wonhee", "wonhee@1", ("ptbxl",), False, "choose one of them"),
        ("magic", None, None, False, "not offered"),
    ],
)
def test_why_not_says_what_cannot_be(recipe, start, public, site, said):
    why = why_not(recipe, start, public, site)
    assert said in why
    assert bool(why) == bool(said)


def test_every_choice_is_a_recipe():
    assert {one.recipe for one in CHOICES} <= set(recipes.names())
    with pytest.raises(InputError, match="nothing to learn from"):
        retrain(Retraining("beats", training.settings.runs() / "x", public=()))
