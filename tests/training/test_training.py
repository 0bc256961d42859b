"""Training end to end on synthetic records: a model that loads and works, the same twice, resumed after a break."""

import numpy as np
import pytest
import torch

from ecgcore import settings, training
from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.errors import InputError
from ecgcore.inference import beats as inference
from ecgcore.inference import cards
from ecgcore.training import beats, beats_data, calibration, loop, recipes


def trained(recipe, run, resume=False):
    run.mkdir(exist_ok=True)
    return beats.train(recipe, run, "cpu", None, resume)


def test_a_recipe_gives_a_model_that_works(tiny, tmp_path):
    net, card = trained(tiny, tmp_path / "run")
    folder = tmp_path / "home" / "models" / "beats" / "7"
    card = beats.save(net, card.model_copy(update={"version": "7"}), folder)
    assert cards.read_card(folder) == card
    assert str(settings.ROOT).encode() not in (folder / cards.WEIGHTS).read_bytes()
    assert inference.load("beats@7").card.id == "beats@7"
    found = analyze(make_demo("demo-12-lead"), model="beats@7")
    assert found.beats.model == "beats@7"
    assert {"S F1, gross", "V F1, gross", "calibration error (ECE), gross"} <= {figure.name for figure in card.figures}
    assert card.training.held_out == tiny.data.trained
    assert card.training.protocol.startswith("2 folds by patient chose")
    assert 0 < card.certain_from <= 1
    assert card.uncertain[0][0] == 0
    assert sum(n for *_, n in card.reliability) == sum(record.targets.size for record in beats_data.prepare_all(tiny.data.trained, tiny.input))


def test_the_same_seed_gives_the_same_weights(tiny, tmp_path):
    first, _ = trained(tiny, tmp_path / "one")
    second, _ = trained(tiny, tmp_path / "two")
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


def test_a_broken_run_resumed_ends_as_an_unbroken_one(tiny, tmp_path, monkeypatch):
    unbroken, _ = trained(tiny, tmp_path / "unbroken")
    begin = beats.BeatModule.on_train_epoch_start

    def break_in_the_second_fold(module):
        begin(module)
        if module.run.name == "fold1" and module.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as broken:
        broken.setattr(beats.BeatModule, "on_train_epoch_start", break_in_the_second_fold)
        with pytest.raises(RuntimeError, match="power cut"):
            trained(tiny, tmp_path / "broken")
    resumed, _ = trained(tiny, tmp_path / "broken", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(unbroken.state_dict().values(), resumed.state_dict().values(), strict=True))


def test_no_network_has_seen_the_patients_it_is_judged_on(tiny, tmp_path, monkeypatch):
    seen = []
    fit = beats.fit
    monkeypatch.setattr(beats, "fit", lambda module, *rest: seen.append(module) or fit(module, *rest))
    trained(tiny, tmp_path / "run")
    *folds, final = seen
    everyone = {record.name for record in final.stretches.records}
    for module in folds:
        assert not {record.name for record in module.unseen} & {record.name for record in module.stretches.records}
    assert sorted(record.name for module in folds for record in module.unseen) == sorted(everyone)


def test_nothing_to_resume_and_no_gpu_are_said(tiny, tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        training.train("beats", resume=True)
    with pytest.raises(InputError, match="there are: auto, cpu, cuda"):
        loop.accelerator("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="sees no GPU"):
            loop.accelerator("cuda")


def test_a_time_limit_ends_each_part_with_its_epoch(tiny, tmp_path):
    _, card = beats.train(tiny, tmp_path / "run", "cpu", 1e-6, False)
    assert "chose 1 epochs" in card.training.protocol


def test_the_best_epoch_is_one_that_all_folds_reached():
    right, wrong = (calibration.Unseen(np.float32(k) * np.eye(5, dtype=np.float32)[None, [0, 1, 2, 0]], np.array([0, 1, 2, 0])) for k in (9, -9))
    said = [{0: {"a": wrong}, 1: {"a": right}, 2: {"a": right}}, {0: {"b": wrong}, 1: {"b": right}}]
    epochs, chosen = beats.choose_epochs(said)
    assert epochs == 2
    assert set(chosen) == {"a", "b"}


def test_stretches_are_altered_and_repeatable(tiny):
    records = beats_data.prepare_all(tiny.data.trained, tiny.input)
    stretches = beats_data.Stretches(records, tiny, beats_data.noise_leads(tiny.input))
    x, rr, targets, weights = stretches[0]
    assert x.shape == (16, 2, tiny.input.samples)
    assert rr.shape == (16, 7)
    assert torch.equal(stretches[0][0], x)
    stretches.set_epoch(1)
    assert not torch.equal(stretches[0][0], x)
    assert set(targets.tolist()) <= {-1, 0, 1, 2, 3, 4}
    assert weights.tolist() == [float(target >= 0) for target in targets]


def test_every_beat_is_in_one_stretch(tiny):
    records = beats_data.prepare_all(tiny.data.trained, tiny.input)
    stretches = beats_data.Stretches(records, tiny, beats_data.noise_leads(tiny.input))
    for index, record in enumerate(records):
        covered = np.concatenate([np.arange(first, last) for number, first, last in stretches.places if number == index])
        assert covered.tolist() == list(range(record.at.size))


def test_calibration_error_of_known_probabilities():
    sure, right, one = np.tile([0.8, 0.2], (10, 1)).astype(np.float32), np.array([0] * 8 + [1] * 2), np.zeros(10, np.int64)
    assert calibration.expected_calibration_error(calibration.Scored(sure, right, one)) == pytest.approx(0, abs=1e-6)
    assert calibration.expected_calibration_error(calibration.Scored(sure, 1 - right, one)) == pytest.approx(0.6, abs=1e-6)


def test_a_flag_leaves_fewer_errors_among_the_others():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 4000).astype(np.float32)
    targets = (rng.random(4000) > confidence).astype(np.int64)
    scored = calibration.Scored(np.stack([confidence, 1 - confidence], axis=1), targets, np.zeros(4000, np.int64))
    flags = calibration.flagging(scored, np.zeros(4000, np.int64))
    assert flags.certain_from == pytest.approx(0.525, abs=0.01)
    shares, errors = zip(*flags.shares, strict=True)
    assert shares == pytest.approx(calibration.SHARES, abs=0.001)
    assert list(errors) == sorted(errors, reverse=True)


def test_each_patient_counts_alike():
    patients = np.array([0] * 1000 + [1] * 10)
    true = np.ones(1010, bool)
    missed_few, missed_many = true.copy(), true.copy()
    missed_few[1000:], missed_many[:1000] = False, False
    assert calibration.patient_f1(true, true, patients) == 1
    assert calibration.patient_f1(missed_few, true, patients) == pytest.approx((1 + 10 / 20) / 2)
    assert calibration.patient_f1(missed_many, true, patients) == pytest.approx((10 / 1010 + 1) / 2)


def test_the_best_threshold_is_found():
    probabilities = np.array([[1 - p, p, 0, 0, 0] for p in (0.1, 0.2, 0.6, 0.7)], np.float32)
    scored = calibration.Scored(probabilities, np.array([0, 0, 1, 1]), np.zeros(4, np.int64))
    threshold, score = calibration.best_threshold(scored, calibration.S)
    assert 0.2 < threshold <= 0.6
    assert score == 1
    assert calibration.best_threshold(scored, calibration.S, np.zeros(4, bool))[1] == pytest.approx(10 / 12)


def test_rare_classes_weigh_more_up_to_a_ceiling(tiny):
    weights = beats.class_weights(beats_data.prepare_all(tiny.data.trained, tiny.input))
    assert weights[0] < weights[2]
    assert weights.max() <= beats.GREATEST_WEIGHT


@pytest.mark.parametrize(("text", "said"), [("name = ", "not TOML"), ("name = 'x'", "version"), ("name = 'x'\nspeed = 3", "does not fit")])
def test_a_recipe_that_does_not_fit_is_refused(tmp_path, text, said):
    (tmp_path / "odd.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        recipes.load(str(tmp_path / "odd.toml"))


def test_an_unknown_recipe_names_those_there_are():
    with pytest.raises(InputError, match="there are: beats"):
        recipes.load("magic")
