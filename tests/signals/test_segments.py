"""What a model of segments is fed, and the places of its map."""

import numpy as np
import pytest

from ecgcore.signals import places, segments


def test_a_lead_is_fed_without_its_size():
    x = np.random.default_rng(1).normal(size=5000).astype(np.float32)
    assert np.allclose(segments.scaled(x), segments.scaled(3 * x), atol=1e-5)


def test_a_flat_lead_is_not_magnified():
    assert np.abs(segments.scaled(np.full(1000, 1e-3, np.float32))).max() < 0.05


@pytest.mark.parametrize("n", [0, 1, 100, 255, 256, 700])
def test_any_length_is_scaled(n):
    assert segments.scaled(np.ones(n, np.float32)).shape == (n,)


def test_without_beats_there_is_no_timing():
    fed = segments.channels(np.ones(300, np.float32), np.zeros(0, np.int64))
    assert fed.shape == (segments.CHANNELS, 300)
    assert not fed[1:].any()


def test_each_sample_has_the_timing_of_the_nearest_beat():
    at = np.array([100, 200, 260, 400, 500])
    fed = segments.channels(np.zeros(600, np.float32), at)
    assert np.flatnonzero(fed[1] == 1).tolist() == at.tolist()
    early = segments.TIMING.index("pre_to_local") + 2
    assert fed[early, 260] < -0.3
    assert (fed[early, 231:330] == fed[early, 260]).all()
    assert fed[early, 330] != fed[early, 260]


def test_a_summit_is_above_the_limit_and_apart_from_a_higher_one():
    strength = np.array([0.9, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.7], np.float32)
    assert places.summits(strength, 0.3, 0.05).tolist() == [0, 7, 14]
    assert places.summits(np.zeros(10, np.float32), 0.3, 0.05).size == 0


def test_a_place_is_set_on_a_beat_near_it_and_a_beat_has_one_place():
    moved, kept = places.on_beats(np.array([0.95, 1.1, 3.0]), np.array([0.5, 0.9, 0.6], np.float32), np.array([1.0, 2.0]))
    assert moved[kept].tolist() == [1.0, 3.0]
    assert kept.tolist() == [1, 2]


def test_places_without_beats_stay_where_they_are():
    moved, kept = places.on_beats(np.array([0.5]), np.array([0.5], np.float32), np.zeros(0))
    assert (moved.tolist(), kept.tolist()) == ([0.5], [0])


def test_a_beat_is_of_the_first_label_that_reaches_its_limit():
    strengths = np.zeros((2, 100), np.float32)
    strengths[0, 20], strengths[1, 20], strengths[1, 60] = 0.5, 0.9, 0.8
    found = places.highlighted(strengths, [0.3, 0.3], np.array([1.0, 3.0]), 0.05)
    assert [(one.label, one.at_s) for one in found] == [(0, 1.0), (1, 3.0)]
    assert [round(one.strength, 3) for one in found] == [0.5, 0.8]
