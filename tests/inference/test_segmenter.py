"""The segmenter: what does not fit is not used, windows may be of several lengths, and both checks tell a map that matters from one that does not."""

import json
import shutil

import numpy as np
import pytest

from ecgcore.errors import ModelError
from ecgcore.inference import cards, map_checks, segmenter
from ecgcore.signals import segments
from ecgcore.signals.places import Highlight


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped segmenter that a test may spoil."""
    copy = shutil.copytree(cards.find("segmenter"), tmp_path / "segmenter" / "9")
    spoil(copy, version="9")
    return copy


def spoil(folder, **changes):
    card = json.loads((folder / cards.CARD).read_text())
    (folder / cards.CARD).write_text(json.dumps({**card, **changes}))


def test_the_shipped_model_has_a_full_card():
    card = cards.read_card(cards.find("segmenter"))
    assert card.task == segmenter.TASK
    assert set(card.thresholds) == {"V", "S"}
    assert card.figures
    assert all(figure.protocol and figure.split and figure.command for figure in card.figures)
    assert not set(card.training.trained["mitdb"]) & {"201", "202"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "beats"}, "segmenter@9 is a model for 'beats'"),
        ({"thresholds": {"V": 0.5}}, "limits for V; wanted is a limit for each"),
        ({"classes": ["V", "X"], "thresholds": {"V": 0.5, "X": 0.5}}, "has the classes V, X"),
        ({"control_sha256": None}, "has a card but no control.onnx"),
        ({"control_sha256": "0" * 64}, "they are not used"),
        ({"sha256": "0" * 64}, "they are not used"),
    ],
)
def test_what_does_not_fit_is_not_used(folder, changes, said):
    spoil(folder, **changes)
    with pytest.raises(ModelError, match=said):
        segmenter.load_folder(folder)


def test_another_input_is_not_used(folder):
    card = json.loads((folder / cards.CARD).read_text())
    spoil(folder, input={**card["input"], "fs_hz": 250.0})
    with pytest.raises(ModelError, match="wants segments at 250 Hz"):
        segmenter.load_folder(folder)


def test_a_model_without_its_control_is_not_used(folder):
    (folder / cards.CONTROL).unlink()
    with pytest.raises(ModelError, match=r"has a card but no control\.onnx"):
        segmenter.load_folder(folder)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_any_number_of_windows_is_answered_each_for_itself(batch):
    model = segmenter.load("segmenter")
    windows = np.random.default_rng(1).normal(size=(batch, segments.CHANNELS, 2 * model.card.input.samples)).astype(np.float32)
    strengths, probabilities = model.answer(windows)
    assert strengths.shape == (batch, 2, windows.shape[2] // model.step)
    assert probabilities.shape == (batch, 2)
    assert np.allclose(strengths[-1], model.answer(windows[-1:])[0][0], atol=1e-5)
    chance, _ = model.by_chance(windows)
    assert chance.shape[1] % 2 == 0
    assert chance.shape[2] == strengths.shape[2]


def bumps(windows):
    """A network that sees the height of the lead: strengths its mean square by step of 4, the probability its greatest."""
    height = np.abs(windows[:, 0]).reshape(len(windows), 1, -1, 4).max(axis=3)
    return height.astype(np.float32), height.max(axis=2).astype(np.float32)


@pytest.fixture
def lead():
    """Two bumps, of .8 and .9, at 6 and 8 s of 16."""
    fed = np.zeros((segments.CHANNELS, 2048), np.float32)
    fed[0, 768 - 5 : 768 + 5], fed[0, 1024 - 5 : 1024 + 5] = 0.8, 0.9
    return fed


def test_a_place_that_matters_passes_even_beside_another(lead):
    ours = segmenter.strengths(bumps, lead, 704)
    chance = np.random.default_rng(3).random((4, ours.shape[1]), np.float32)
    found = [Highlight(0, 6.0, 6.0, 0.8), Highlight(0, 8.0, 8.0, 0.9)]
    first, second = map_checks.check_places(bumps, lead, 704, (ours, chance), 4, found)
    assert (first.highlighted, second.highlighted) == (pytest.approx(0.8), pytest.approx(0.9))
    assert first.random == second.random == pytest.approx(0)
    assert abs(first.correlation) < 0.4
    assert first.failed == second.failed == ""
    whole = map_checks.check_map((ours, chance), 0, [first, second])
    assert whole.highlighted == pytest.approx(0.85)


def test_a_long_record_is_mapped_in_blocks_that_leave_no_seam(lead, monkeypatch):
    whole, told = segmenter.strengths(bumps, lead, 64), []
    monkeypatch.setattr(segmenter, "BLOCK", 3)
    in_blocks = segmenter.strengths(bumps, lead, 64, lambda share, what: told.append(share))
    assert np.array_equal(whole, in_blocks)
    assert told == [3 / 16, 6 / 16, 9 / 16, 12 / 16, 15 / 16, 1]


def test_a_place_that_does_not_matter_fails(lead):
    ours = segmenter.strengths(bumps, lead, 704)
    (checks,) = map_checks.check_places(bumps, lead, 704, (ours, ours), 4, [Highlight(0, 7.0, 7.0, 0.5)])
    assert checks.failing == ("deletion", "randomisation")


def test_no_places_have_no_checks(lead):
    assert map_checks.check_places(bumps, lead, 704, (np.zeros((1, 5), np.float32),) * 2, 4, []) == ()
    assert map_checks.check_map((np.zeros((1, 5), np.float32),) * 2, 0, []) is None


def test_a_flattened_part_is_a_straight_line_in_every_channel():
    window = np.random.default_rng(2).normal(size=(3, 40)).astype(np.float32)
    flat = map_checks.flattened(window, 10, 8)
    assert np.abs(np.diff(flat[:, 10:18], n=2)).max() < 1e-5
    assert np.array_equal(flat[:, :11], window[:, :11])
    assert np.allclose(flat[:, 17:], window[:, 17:], atol=1e-6)
    assert np.array_equal(map_checks.flattened(window, -20, 8), window)
    assert np.array_equal(map_checks.flattened(window, 40, 8), window)


def test_maps_that_are_the_same_everywhere_do_not_correlate():
    assert map_checks.correlation(np.ones(5, np.float32), np.arange(5, dtype=np.float32)) == 0.0
    assert map_checks.correlation(np.arange(5, dtype=np.float32), np.arange(5, dtype=np.float32)) == pytest.approx(1)
