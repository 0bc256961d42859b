"""RR features: known intervals give known numbers."""

import numpy as np
import pytest

from ecgcore.signals.features import RR_FEATURES, late_beats, rr_features, rr_s

FS_HZ = 250.0


def column(features, name):
    return features[:, RR_FEATURES.index(name)]


def test_steady_rhythm_gives_zeros():
    features = rr_features(np.arange(0, 10_000, 200), FS_HZ)  # 0.8 s, the reference interval
    assert np.abs(features).max() < 1e-6


def test_a_premature_beat_stands_out():
    samples = np.arange(0, 10_000, 200)
    samples[20] -= 80
    features = rr_features(samples, FS_HZ)
    assert column(features, "pre_to_local")[20] == pytest.approx(np.log(120 / 200))
    assert column(features, "post_to_local")[20] == pytest.approx(np.log(280 / 200))
    assert column(features, "pre_to_post")[20] == pytest.approx(np.log(120 / 280))
    assert column(features, "previous_to_local")[21] == pytest.approx(np.log(120 / 200))


def test_time_and_rate_do_not_matter():
    samples = np.cumsum(np.random.default_rng(2).integers(150, 250, 100))
    assert np.allclose(rr_features(samples, FS_HZ), rr_features(samples * 2 + 1000, 2 * FS_HZ))


def test_a_gap_is_no_interval():
    samples = np.concatenate([np.arange(0, 4000, 200), np.arange(50_000, 54_000, 200)])
    assert column(rr_features(samples, FS_HZ), "pre_to_local")[20] == 0


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_beats(n):
    features = rr_features(np.arange(n) * 200, FS_HZ)
    assert features.shape == (n, len(RR_FEATURES))
    assert np.isfinite(features).all()
    assert rr_s(np.arange(n) * 200, FS_HZ).shape == (n,)


def test_the_late_interval_is_that_of_the_beats_that_are_not_premature_even_where_those_are_the_majority():
    rr = np.tile([250, 130, 130, 130], 30)
    samples = np.concatenate([[0], np.cumsum(rr)])
    features = rr_features(samples, FS_HZ)
    late = np.flatnonzero(np.append(0, rr) == 250)
    inner = late[(late > 30) & (late < 90)]
    assert np.allclose(column(features, "pre_to_late")[inner], 0)
    assert np.allclose(column(features, "pre_to_late")[inner + 1], np.log(130 / 250))
    assert np.allclose(column(features, "pre_to_median")[inner + 1], 0)
    assert set(late_beats(samples, FS_HZ)) == set(late)


def test_with_few_beats_all_are_late():
    assert late_beats(np.array([0, 200, 400]), FS_HZ).tolist() == [0, 1, 2]
