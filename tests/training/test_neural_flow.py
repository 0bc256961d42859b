"""The tables of the neural flow end to end on synthetic records: same twice, resumed after a break, nobody judged who was learned from."""

import numpy as np
import pytest
import torch

from ecgcore import training
from ecgcore.errors import InputError
from ecgcore.evaluation.tables import read_tables
from ecgcore.inference import beats as inference
from ecgcore.inference import cards
from ecgcore.training import attention_checks, neural_flow, recipes, window_runs
from ecgcore.training import window_classifiers as windows


def trained(recipe, run, resume=False):
    run.mkdir(exist_ok=True)
    return neural_flow.train(recipe, run, "cpu", None, resume)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_recipe_gives_tables_and_a_model_that_loads(tiny_flow, tmp_path):
    result, card = trained(tiny_flow, tmp_path / "run")
    folder = tmp_path / "home" / "models" / "neural_flow" / "7"
    card = neural_flow.save(result, card.model_copy(update={"version": "7"}), folder)
    assert cards.read_card(folder) == card
    assert card.task == "beat windows"
    assert set(card.thresholds) == {"S", "V"}
    assert {"attention deletion, highlighted", "attention deletion, random", "attention randomisation"} <= {figure.name for figure in card.figures}
    patients, chance = read_tables(folder)
    assert (patients.split, chance.split) == ("by patient", "random split")
    assert [len(arm.runs) for table in (patients, chance) for arm in table.arms] == [2, 2, 2, 2]
    assert sum(run.n for run in chance.arms[0].runs) == sum(run.n for run in chance.arms[1].runs) == sum(sum(map(sum, run.confusion)) for run in chance.arms[0].runs)
    assert chance.published[0].figures["S PPV"] == 71.58
    assert {row.n for row in chance.comparisons if row.figure == "N accuracy"} == {2}
    assert inference.load("neural_flow@7").card.id == "neural_flow@7"
    assert not list((tmp_path / "run" / "random split").glob("*/*/last.ckpt"))


def test_a_broken_run_resumed_ends_as_an_unbroken_one(tiny_flow, tmp_path, monkeypatch):
    unbroken, _ = trained(tiny_flow, tmp_path / "unbroken")
    begin = windows.WindowModule.on_train_epoch_start

    def break_later(module):
        begin(module)
        if (module.run, module.current_epoch) == breaking[-1]:
            raise RuntimeError("power cut")

    breaking = []
    for place, epoch in (("random split/no attention/fold1", 1), ("by patient/attention/seed2/fold1", 0)):
        breaking.append((tmp_path / "broken" / place, epoch))
        with monkeypatch.context() as broken:
            broken.setattr(windows.WindowModule, "on_train_epoch_start", break_later)
            with pytest.raises(RuntimeError, match="power cut"):
                trained(tiny_flow, tmp_path / "broken", resume=True)
    kept = tmp_path / "broken" / "random split" / "attention" / "fold0.json"
    before = kept.stat().st_mtime_ns
    resumed, _ = trained(tiny_flow, tmp_path / "broken", resume=True)
    assert kept.stat().st_mtime_ns == before
    assert same(unbroken.net, resumed.net)
    for name, table in unbroken.tables.items():
        assert resumed.tables[name].arms == table.arms
        assert resumed.tables[name].comparisons == table.comparisons


def test_nobody_is_judged_who_was_learned_from(tiny_flow, tmp_path, monkeypatch):
    seen = []
    learn = windows.learn
    monkeypatch.setattr(windows, "learn", lambda task, folder, *rest: seen.append((folder, task)) or learn(task, folder, *rest))
    trained(tiny_flow, tmp_path / "run")
    for folder, task in seen:
        assert not np.intersect1d(task.training, task.held).size
        names = {task.beats.records[k] for k in task.beats.patients[task.training]}
        if "by patient" in folder.parts:
            assert names <= {"101", "106", "114"}
            assert not names & {task.beats.records[k] for k in task.beats.patients[task.held]}
    by_fold = {folder.name: task for folder, task in seen if "random split" in folder.parts}
    tested = [np.setdiff1d(np.arange(task.beats.targets.size), np.concatenate([task.training, task.held])) for task in by_fold.values()]
    assert np.array_equal(np.sort(np.concatenate(tested)), np.arange(by_fold["fold0"].beats.targets.size))


def task_of(recipe, **changes):
    from ecgcore.training.beat_sets import beat_set

    beats = beat_set(recipe.data.everyone, recipe.classes, recipe.input)
    how = recipe.optimisation.model_copy(update=changes)
    places = np.arange(beats.targets.size)
    return windows.Task(beats, places[::2], places[1::2], lambda: neural_flow.network(recipe, True), torch.nn.CrossEntropyLoss(), how, 1)


def test_an_epoch_has_every_rare_beat_and_a_share_of_n(tiny_flow):
    task = task_of(tiny_flow, share_of_n=0.5, batch=4)
    batches = windows.Batches(task)
    first = torch.cat(batches.places)
    rare = task.training[task.beats.targets[task.training] > 0]
    common = int((task.beats.targets[task.training] == 0).sum())
    assert first.numel() == (rare.size + round(common / 2)) // 4 * 4
    assert np.isin(rare, first.numpy()).sum() >= rare.size - 3  # what no longer fills a batch is left out
    batches.set_epoch(1)
    assert not torch.equal(torch.cat(batches.places), first)
    x, y = batches[0]
    assert torch.equal(x, torch.from_numpy(task.beats.windows)[batches.places[0]])
    assert y.shape == (4,)


def test_the_best_epoch_is_kept_and_the_same_seed_gives_the_same(tiny_flow, tmp_path):
    task = task_of(tiny_flow)
    one, two = (windows.learn(task, tmp_path / name, "cpu") for name in "ab")
    assert same(one.net, two.net)
    scores = {epoch: windows.ranking(logits, task.beats.targets[task.held]) for epoch, logits in one.held.items()}
    assert one.epochs == max(scores, key=scores.__getitem__) + 1
    assert np.allclose(windows.logits_of(one.net, task.beats.windows[task.held]), one.held[one.epochs - 1], atol=1e-6)


def test_thresholds_reach_the_floors_where_they_can():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [400, 100, 100])
    logits = rng.normal(size=(600, 3)) + 2 * np.eye(3)[targets]
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    for floor in (0.7, 0.9):
        thresholds = window_runs.floored_thresholds(probabilities, targets, ("N", "S", "V"), {"S": floor, "V": 0.5})
        found = inference.decide(probabilities, ("N", "S", "V"), thresholds)
        assert (found[targets == 1] == 1).mean() >= floor
        assert (found[targets == 2] == 2).mean() >= 0.5
    assert window_runs.floored_thresholds(probabilities, targets, ("N", "S", "V"), {}) == {}


def test_deletion_flattens_what_is_highlighted():
    attention = np.array([[0, 0, 1, 0, 0], [0, 0, 0, 0, 1]], np.float32)
    assert attention_checks.highlighted(attention, 10, 2).tolist() == [4, 8]
    beats = np.arange(20, dtype=np.float32).reshape(2, 10) ** 2
    flat = attention_checks.flattened(beats, np.array([4, 7]), 3)
    assert flat[0, 4:7].tolist() == [16, 26, 36]
    assert np.array_equal(np.delete(flat[0], 5), np.delete(beats[0], 5))
    a = np.array([[1, 2, 3], [1, 2, 3], [1, 1, 1]], np.float32)
    assert attention_checks.correlations(a, np.array([[2, 4, 6], [3, 2, 1], [1, 2, 3]], np.float32)).tolist() == pytest.approx([1, -1, 0])


def test_an_attention_that_points_at_what_decides_falls_further_than_chance():
    class Pointer(torch.nn.Module):
        def forward(self, beats):
            inside = beats[:, 20:30].std(dim=1)
            return torch.stack([torch.sigmoid(-inside), torch.sigmoid(inside)], dim=1), torch.eye(10)[2].expand(len(beats), 10)

    beats = np.random.default_rng(0).normal(size=(50, 100)).astype(np.float32) * 3
    found = attention_checks.check(Pointer(), Pointer(), beats, 1)
    assert found.highlighted.mean() > found.random.mean() + 0.1
    figures = attention_checks.card_figures([found, found], "by patient", "make")
    assert [(figure.n, figure.spread) for figure in figures] == [(1, None)] * 3
    assert "mean over 100 ectopic beats" in figures[0].protocol
    assert figures[2].name == "attention randomisation"


def test_nothing_to_resume_is_said(tiny_flow):
    with pytest.raises(InputError, match="nothing to resume"):
        training.train("neural_flow", resume=True)


def test_the_shipped_recipe_learns_from_nobody_of_ds2():
    data = recipes.load("neural_flow").data
    assert not set(data.trained["mitdb"]) & set(data.tested["mitdb"])
    assert data.left_out["mitdb"] == ("201",)
