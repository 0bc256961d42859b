"""The tables of HADLN end to end on synthetic records, and the faults of a public version that are not to come back."""

from inspect import signature

import numpy as np
import pytest
import torch

from ecgcore.evaluation.tables import read_tables
from ecgcore.inference import beats as inference
from ecgcore.inference import cards
from ecgcore.models.hadln import Hadln
from ecgcore.training import hadln, recipes, window_runs
from ecgcore.training import window_classifiers as windows
from ecgcore.training.altered import Altered
from ecgcore.training.focal import FocalLoss

ARMS = {hadln.SHIPPED: 2, "HADLN, channel attention": 1, "fully connected": 1, "convolution and BLSTM": 1, hadln.RHYTHMIC: 1}


@pytest.fixture
def tiny(tiny_flow):
    """The recipe on the synthetic records of the neural flow's."""
    full = recipes.load("hadln")
    small = {"epochs": 2, "batch": 32, "seeds": 2}
    return full.model_copy(
        update={
            "data": tiny_flow.data,
            "arms": ARMS,
            "network": full.network.model_copy(update={"channels": (4, 4), "hidden": 4, "kernel": 5}),
            "optimisation": full.optimisation.model_copy(update=small),
            "by_patient": full.by_patient.model_copy(update={**small, "patient_folds": 2}),
        }
    )


def test_a_recipe_gives_tables_and_a_model_that_loads(tiny, tmp_path):
    trained, card = hadln.train(tiny, tmp_path / "run", "cpu", None, False)
    folder = tmp_path / "home" / "models" / "hadln" / "7"
    card = hadln.save(trained, card.model_copy(update={"version": "7"}), folder)
    assert cards.read_card(folder) == card
    assert inference.load("hadln@7").card.id == "hadln@7"
    assert set(card.thresholds) == {"S", "V", "F", "Q"}
    assert {"attention deletion, highlighted", "attention deletion, random", "attention randomisation"} <= {figure.name for figure in card.figures}
    patients, chance = read_tables(folder)
    assert {arm.name: len(arm.runs) for arm in chance.arms} == ARMS
    assert [arm.name for arm in patients.arms] == [hadln.SHIPPED]
    assert set(patients.tested["mitdb"]) == {"100", "103"}
    assert not set(patients.records["mitdb"]) & {"201"}
    assert {row.n for row in chance.comparisons if row.b == "fully connected"} == {1}
    probabilities, attention = trained.net(torch.rand(3, 187))
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(3), atol=1e-5)
    assert attention.shape[0] == 3


def test_tested_beats_choose_nothing(tiny, tmp_path, monkeypatch):
    seen, asked = [], []
    learn, answer = windows.learn, window_runs._tested
    monkeypatch.setattr(windows, "learn", lambda task, *rest: seen.append(task) or learn(task, *rest))
    monkeypatch.setattr(window_runs, "_tested", lambda *rest: asked.append((len(seen), rest[5])) or answer(*rest))
    recipe = tiny.model_copy(update={"arms": {hadln.SHIPPED: 1}})
    hadln.random_split(recipe, tmp_path / "chance", "cpu", None, False)
    hadln.split_by_patient(recipe, tmp_path / "patients", "cpu", None, False)
    assert len(asked) == 1 + recipe.by_patient.seeds
    begun = 0
    for learned, tested in asked:
        for task in seen[begun:learned]:
            assert not np.intersect1d(tested, np.concatenate([task.training, task.held])).size
        begun = learned


def test_the_contenders_give_logits_to_a_focal_loss(tiny):
    arms = hadln.contenders(tiny, tiny.input, np.random.default_rng(1).random((40, 187), np.float32))
    assert set(arms) == set(ARMS)
    for name, contender in arms.items():
        net = contender.make()
        loss = contender.loss(torch.ones(5))
        logits = windows.first(net(torch.rand(6, 195 if name == hadln.RHYTHMIC else 187)))
        assert isinstance(loss, FocalLoss)
        assert loss.gamma == 2
        assert not torch.allclose(logits.float().sum(dim=1), torch.ones(6), atol=1e-2)


def test_hadln_knows_nothing_of_the_rhythm():
    assert list(signature(Hadln.forward).parameters) == ["self", "beats"]


def test_windows_are_altered_in_training_alone():
    torch.manual_seed(5)
    net = Altered(torch.nn.Identity(), 187, 2, 0.1, False)
    rows = torch.rand(64, 195)
    out = net(rows)
    assert torch.equal(out[:, 187:], rows[:, 187:])
    sizes = (out[:, 50:60].mean(dim=1) / rows[:, 50:60].mean(dim=1)).std()
    assert 0.02 < float(sizes) < 0.6
    assert torch.equal(net.eval()(rows), rows)


def test_a_shift_repeats_the_ends():
    net = Altered(torch.nn.Identity(), 10, 3, 0.0, False)
    torch.manual_seed(1)
    out = net(torch.arange(10.0).repeat(50, 1))
    shifts = {int(row[5]) - 5 for row in out}
    assert shifts <= {-3, -2, -1, 0, 1, 2, 3}
    assert len(shifts) > 3
    assert all((row[1:] >= row[:-1]).all() and row.min() >= 0 and row.max() <= 9 for row in out)


def test_the_shipped_arm_is_compared_with_the_others(tiny, tmp_path):
    confusion = tuple(tuple(5 if i == k else 1 for i in range(5)) for k in range(5))
    runs = tuple(window_runs.Run(arm="x", fold=None, seed=seed, n=45, epochs=1, confusion=confusion) for seed in (1, 2))
    rows = hadln.comparisons([hadln.Arm(name="a", runs=runs), hadln.Arm(name="b", runs=runs[:1])], tiny.classes)
    assert [(row.a, row.b, row.figure, row.difference) for row in rows] == [("a", "b", name, 0.0) for name in hadln.COMPARED]
