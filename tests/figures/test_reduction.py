import numpy as np
import pytest

from ecgcore.figures.reduction import min_max


@pytest.mark.parametrize("n", [401, 999, 5000, 123_457])
def test_every_spike_is_kept(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        values = rng.normal(0, 0.1, n)
        at = rng.integers(n)
        values[at] = rng.choice([-5.0, 5.0])
        assert at in min_max(values, 100)


def test_minimum_and_maximum_of_every_run_are_kept_in_order():
    values = np.random.default_rng(0).normal(size=10_000)
    kept = min_max(values, 50)
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= 4 * 50
    for run in np.split(np.arange(10_000), 50):
        assert {values[run].argmin() + run[0], values[run].argmax() + run[0]} <= set(kept)


def test_few_values_stay_as_they_are():
    assert min_max(np.zeros(400), 100).tolist() == list(range(400))
    assert min_max(np.zeros(0), 100).tolist() == []


def test_a_gap_stays_a_gap():
    values = np.sin(np.arange(10_000) / 50)
    values[3000:3001] = np.nan
    values[5000:7000] = np.nan
    kept = min_max(values, 100)
    assert 3000 in kept
    assert np.isnan(values[kept]).any()
    assert not np.isnan(values[kept[(kept < 3000) | (kept > 7000)]]).any()
