"""Training end to end on synthetic records: a model that loads and works, the same twice, resumed after a break."""

import numpy as np
import pytest
import torch

from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.errors import InputError
from ecgcore.inference import beats as inference
from ecgcore.inference import cards
from ecgcore.training import beats, beats_data, loop, recipes


def trained(recipe, run, resume=False):
    run.mkdir(exist_ok=True)
    return beats.train(recipe, run, "cpu", None, resume)


def test_a_recipe_gives_a_model_that_works(tiny, tmp_path):
    net, card = trained(tiny, tmp_path / "run")
    folder = tmp_path / "home" / "models" / "beats" / "7"
    card = beats.save(net, card.model_copy(update={"version": "7"}), folder)
    assert cards.read_card(folder) == card
    assert inference.load("beats@7").card.id == "beats@7"
    found = analyze(make_demo("demo-12-lead"), model="beats@7")
    assert found.beats.model == "beats@7"
    assert {"S F1, gross", "V F1, gross", "expected calibration error"} <= {figure.name for figure in card.figures}
    assert card.training.held_out == tiny.data.held_out


def test_the_same_seed_gives_the_same_weights(tiny, tmp_path):
    first, _ = trained(tiny, tmp_path / "one")
    second, _ = trained(tiny, tmp_path / "two")
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


def test_a_broken_run_resumed_ends_as_an_unbroken_one(tiny, tmp_path, monkeypatch):
    unbroken, _ = trained(tiny, tmp_path / "unbroken")
    begin = beats.BeatModule.on_train_epoch_start

    def break_in_the_second_epoch(module):
        begin(module)
        if module.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as broken:
        broken.setattr(beats.BeatModule, "on_train_epoch_start", break_in_the_second_epoch)
        with pytest.raises(RuntimeError, match="power cut"):
            trained(tiny, tmp_path / "broken")
    resumed, _ = trained(tiny, tmp_path / "broken", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(unbroken.state_dict().values(), resumed.state_dict().values(), strict=True))


def test_nothing_to_resume_and_no_gpu_are_said(tiny, tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        trained(tiny, tmp_path / "empty", resume=True)
    with pytest.raises(InputError, match="there are: auto, cpu, cuda"):
        loop.fit(None, None, tmp_path, tiny.optimisation, "tpu", None, False)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="sees no GPU"):
            loop.fit(None, None, tmp_path, tiny.optimisation, "cuda", None, False)


def test_stretches_are_altered_and_repeatable(tiny):
    records = beats_data.prepare_all(tiny.data.trained, tiny.input)
    stretches = beats_data.Stretches(records, tiny, beats_data.noise_leads(tiny.input))
    x, rr, targets = stretches[0]
    assert x.shape == (16, 2, tiny.input.samples)
    assert rr.shape == (16, 7)
    assert torch.equal(stretches[0][0], x)
    stretches.set_epoch(1)
    assert not torch.equal(stretches[0][0], x)
    assert set(targets.tolist()) <= {-1, 0, 1, 2, 3, 4}


def test_every_beat_is_in_one_stretch(tiny):
    records = beats_data.prepare_all(tiny.data.trained, tiny.input)
    stretches = beats_data.Stretches(records, tiny, beats_data.noise_leads(tiny.input))
    for index, record in enumerate(records):
        covered = np.concatenate([np.arange(first, last) for number, first, last in stretches.places if number == index])
        assert covered.tolist() == list(range(record.at.size))


def test_calibration_error_of_known_probabilities():
    sure, right, one = np.tile([0.8, 0.2], (10, 1)).astype(np.float32), np.array([0] * 8 + [1] * 2), np.zeros(10, np.int64)
    assert beats.expected_calibration_error(beats.Scored(sure, right, one)) == pytest.approx(0, abs=1e-6)
    assert beats.expected_calibration_error(beats.Scored(sure, 1 - right, one)) == pytest.approx(0.6, abs=1e-6)


def test_each_patient_counts_alike():
    patients = np.array([0] * 1000 + [1] * 10)
    true = np.ones(1010, bool)
    missed_few, missed_many = true.copy(), true.copy()
    missed_few[1000:], missed_many[:1000] = False, False
    assert beats.patient_f1(true, true, patients) == 1
    assert beats.patient_f1(missed_few, true, patients) == pytest.approx((1 + 10 / 20) / 2)
    assert beats.patient_f1(missed_many, true, patients) == pytest.approx((10 / 1010 + 1) / 2)


def test_the_best_threshold_is_found():
    probabilities = np.array([[1 - p, p, 0, 0, 0] for p in (0.1, 0.2, 0.6, 0.7)], np.float32)
    scored = beats.Scored(probabilities, np.array([0, 0, 1, 1]), np.zeros(4, np.int64))
    threshold, score = beats.best_threshold(scored, beats.S)
    assert 0.2 < threshold <= 0.6
    assert score == 1
    assert beats.best_threshold(scored, beats.S, np.zeros(4, bool))[1] == pytest.approx(10 / 12)


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
