"""The configurations on Chapman-Shaoxing end to end on synthetic records; how they learn, when they end, and what their cards say."""

import numpy as np
import onnxruntime
import pytest
import torch

from ecgcore import training
from ecgcore.errors import InputError
from ecgcore.evaluation.measures import read_measures
from ecgcore.evaluation.rhythms import OVERALL
from ecgcore.inference import cards
from ecgcore.models.universal import UniversalECGNet, parameters
from ecgcore.training import chapman_published, chapman_set, recipes, seresnet18, seresnet18_card, seresnet18_module
from tests.training import chapman

TINY = (16, 16, 16, 16)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Data and home; records of four rhythms, one of them flat, and NeuroKit2's features once made."""
    root = tmp_path_factory.mktemp("chapman")
    chapman.write(root / "data" / "chapman-samples", {"SB": 7, "SR": 8, "ST": 7, "AF": 2})
    return root


@pytest.fixture(autouse=True)
def home(places, monkeypatch):
    monkeypatch.setenv("LEADWISE_DATA", str(places / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(places / "home"))


def tiny(name, **optimisation):
    full = recipes.load(name)
    return full.model_copy(
        update={
            "network": full.network.model_copy(update={"widths": TINY}),
            "optimisation": full.optimisation.model_copy(update={"epochs": 2, "batch": 8, **optimisation}),
        }
    )


def tables_of(folder):
    return {table.title: table for table in read_measures(folder)}


def test_a_recipe_gives_a_model_with_tables_and_a_card(tmp_path, monkeypatch):
    recipe = tiny("seresnet18_neurokit_filtered")
    monkeypatch.setattr(recipes, "load", lambda name: recipe)
    card, folder = training.train("seresnet18_neurokit_filtered", device="cpu", out=tmp_path / "out")
    assert cards.read_card(folder) == card
    assert "Run on 24 of the 10,615 records" in card.limits[0]
    assert card.classes == ("SB", "SR", "AFIB", "ST", "SVT", "AF", "SA", "AT")
    assert len(card.training.trained["chapman-samples"]) == 17
    assert len(card.training.held_out["chapman-samples"]) == 3
    assert "AF, too few to share out" in card.training.protocol
    figures = {figure.name: figure for figure in card.figures}
    assert {figures[name].value for name in OVERALL} == {None}  # four patients establish nothing
    assert "not established" in figures["accuracy"].protocol
    assert figures["SB sensitivity"].value is None
    assert 0.05 < figures["fallback: RR mean"].value < 0.1  # the flat one, of 17
    assert 0.05 < figures["not stated: AtrialRate"].value < 0.3
    tables = tables_of(folder)
    assert set(tables) == {"Rhythms, by patient", "Each rhythm, by patient", "Parameters, part by part", "Features without a value", "Features that the network is fed"}
    fed = {row.name: row.runs[0][2] for row in tables["Features without a value"].rows}
    assert len(fed) == 14 + 28
    assert sum(fed.values()) == len(card.input.features) == 14
    assert {row.name: row.runs[0] for row in tables["Features that the network is fed"].rows} == {"clinical": (14, None), "NeuroKit2": (0, 13), "together": (14, 27)}
    assert "lack some feature of NeuroKit2; it gave up on 1." in tables["Features without a value"].said[0]
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    features = np.full((3, 14), np.nan, np.float32)
    (said,) = session.run(None, {"signals": np.zeros((3, 12, 5000), np.float32), "features": features})
    assert said.sum(axis=1) == pytest.approx([1] * 3, abs=1e-5)


def test_the_universal_recipe_is_asked_by_lead_subset(tmp_path, monkeypatch):
    recipe = tiny("universal_chapman", epochs=1)
    monkeypatch.setattr(recipes, "load", lambda name: recipe)
    card, folder = training.train("universal_chapman", device="cpu", out=tmp_path / "out")
    assert {f"macro F1, {subset}" for subset in ("12 leads", "6 limb leads", "I, II, V1", "II")} <= {figure.name for figure in card.figures}
    table = tables_of(folder)["Rhythms, by patient"]
    assert [row.name for row in table.rows if row.published] == [f"Kisialeu & Nedzved, {subset}" for subset in seresnet18_card.SUBSETS]
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    present = np.zeros((1, 12), np.float32)
    present[0, 1] = 1
    said, weights = session.run(None, {"signals": np.zeros((1, 12, 5000), np.float32), "present": present})
    assert said.shape == (1, 8)
    assert weights[0].tolist() == pytest.approx(present[0].tolist())


@pytest.mark.parametrize("name", ["seresnet18_signal", "seresnet18", "seresnet18_neurokit", "seresnet18_demographics", "seresnet18_demographics_neurokit"])
def test_every_other_configuration_learns_and_answers(name, tmp_path):
    trained, card = seresnet18.train(tiny(name, epochs=1), tmp_path / "run", "cpu", None, False)
    assert card.name == name
    counts = {row.name: row.runs[0][0] for row in trained.tables["parameters"].rows}
    assert counts["total"] == parameters(trained.net) == sum(count for part, count in counts.items() if part != "total")
    theirs = next(row for row in trained.tables["overall"].rows if row.published)
    assert theirs.runs[0][0] == chapman_published.FIGURES[recipes.load(name).configuration]["accuracy"]


@pytest.mark.parametrize("name", ["seresnet18", "universal_chapman"])
def test_a_resumed_run_ends_as_an_unbroken_one(name, tmp_path, monkeypatch):
    recipe = tiny(name)
    records = chapman_set.load(recipe)
    once = seresnet18_module.learn(recipe, records, tmp_path / "once", "cpu", None, False)
    plain = seresnet18_module.loop.fit
    with monkeypatch.context() as patch:
        patch.setattr(seresnet18_module.loop, "fit", lambda module, loader, run, epochs, *rest: plain(module, loader, run, 1, *rest))
        assert seresnet18_module.learn(recipe, records, tmp_path / "twice", "cpu", None, False).epochs == 1
    twice = seresnet18_module.learn(recipe, records, tmp_path / "twice", "cpu", None, True)
    assert (once.epochs, once.best_epoch) == (twice.epochs, twice.best_epoch)
    assert all(torch.equal(a, b) for a, b in zip(once.net.state_dict().values(), twice.net.state_dict().values(), strict=True))


def test_training_ends_when_nothing_gets_better_and_a_resumption_leaves_it_so(tmp_path, monkeypatch):
    recipe = tiny("seresnet18_signal", epochs=9, patience=1)
    records = chapman_set.load(recipe)
    scores = iter([0.5, 0.7, 0.7, 0.9])
    monkeypatch.setattr(seresnet18_module, "measured", lambda judged: {"macro F1": next(scores)})
    learned = seresnet18_module.learn(recipe, records, tmp_path / "run", "cpu", None, False)
    assert (learned.best_epoch, learned.epochs) == (2, 3)
    again = seresnet18_module.learn(recipe, records, tmp_path / "run", "cpu", None, True)
    assert (again.best_epoch, again.epochs) == (2, 3)
    assert next(scores) == 0.9


def test_tested_records_choose_nothing(tmp_path, monkeypatch):
    recipe = tiny("seresnet18_signal", epochs=1)
    records, asked = chapman_set.load(recipe), []
    plain = seresnet18_module.batch_of
    monkeypatch.setattr(seresnet18_module, "batch_of", lambda records, places: asked.append(places) or plain(records, places))
    spoiled = records.signals.copy()
    spoiled[records.split.tested] = np.nan
    learned = seresnet18_module.learn(recipe, chapman_set.ChapmanSet(**{**vars(records), "signals": spoiled}), tmp_path / "run", "cpu", None, False)
    assert not np.intersect1d(np.concatenate(asked), records.split.tested).size
    assert all(torch.isfinite(value).all() for value in learned.net.state_dict().values())


def test_signals_and_features_are_standardised_by_the_records_learned_from():
    recipe = tiny("seresnet18_neurokit")
    records = chapman_set.load(recipe)
    net = seresnet18_module.network(recipe, records)
    batch = seresnet18_module.batch_of(records, records.split.trained)
    signals, features = net.signals(batch.signals), net.features(batch.features)
    assert signals.mean(dim=(0, 2)).abs().max() < 1e-3
    assert torch.allclose(signals.std(dim=(0, 2)), torch.ones(12), atol=1e-3)
    age = features[:, records.columns.index("PatientAge")]
    assert float(age.mean()) == pytest.approx(0, abs=1e-5)
    assert float(age.std(correction=0)) == pytest.approx(1, abs=1e-5)
    unknown = torch.isnan(batch.features)
    assert unknown.any()
    assert (features[unknown] == 0).all()


def test_a_rare_class_weighs_more_and_one_without_records_nothing():
    weights = seresnet18_module.class_weights(np.array([0] * 8 + [1] * 2 + [3] * 2), 4)
    assert weights.tolist() == pytest.approx([12 / 3 / 8, 2.0, 0.0, 2.0])


def test_batches_are_even_shuffled_and_hold_each_record_once():
    records = chapman_set.load(tiny("seresnet18_signal"))
    batches = seresnet18_module.Batches(records, 6, 1)
    first = [places.tolist() for places in batches.places]
    assert sorted(place for places in first for place in places) == records.split.trained.tolist()
    assert {len(places) for places in first} <= {5, 6}
    batches.set_epoch(1)
    assert [places.tolist() for places in batches.places] != first
    batches.set_epoch(0)
    assert [places.tolist() for places in batches.places] == first


def test_only_the_leads_that_are_there_are_taken():
    signals = torch.arange(24.0).reshape(2, 4, 3)
    taken, ids = seresnet18_module.only(signals, torch.tensor([[True, False, False, True], [False, True, True, False]]))
    assert ids.tolist() == [[0, 3], [1, 2]]
    assert torch.equal(taken, torch.stack([signals[0, [0, 3]], signals[1, [1, 2]]]))


def test_the_seven_recipes_are_the_papers():
    loaded = [recipes.load(name) for name in recipes.CHAPMAN]
    assert [recipe.name for recipe in loaded] == list(recipes.CHAPMAN)
    assert [recipe.configuration for recipe in loaded] == list(chapman_published.FIGURES)
    for recipe in loaded:
        how, universal = recipe.optimisation, recipe.configuration == "universal"
        assert (how.learning_rate, how.weight_decay, how.restart_epochs, how.restart_factor, how.label_smoothing, how.clip) == (1e-3, 1e-4, 10, 2, 0.1, 1.0)
        assert (how.batch, recipe.network.recompute, recipe.augmentation.lead_dropout) == ((32, True, 0.5) if universal else (64, False, 0.0))
        assert how.patience == (15 if "NeuroKit2" in recipe.configuration else 10)
        assert recipe.network.widths == (64, 128, 256, 512)
        assert (recipe.augmentation.chance, recipe.augmentation.wander_hz, recipe.augmentation.mains_hz, recipe.augmentation.noise_db) == (0.5, (0.1, 1.0), 50.0, (20.0, 40.0))


def test_the_papers_parts_do_not_add_up_to_its_total_and_ours_do():
    stated = dict(chapman_published.PARAMETERS)
    total = stated.pop("total")
    assert total == parameters(UniversalECGNet(8)) == 9_179_977
    assert sum(stated.values()) > total


def test_a_configuration_that_there_is_not_is_refused(tmp_path):
    other = tmp_path / "other.toml"
    other.write_text((recipes.FOLDER / "seresnet18.toml").read_text().replace('"metadata"', '"everything"'))
    with pytest.raises(InputError, match="does not fit: configuration"):
        recipes.load(str(other))
