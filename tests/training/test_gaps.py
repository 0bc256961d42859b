"""What is hidden: as many, as long and where the words say, and the same by the same seed."""

import numpy as np
import pytest

from ecgcore.training import gaps

FS_HZ = 128.0
SAMPLES = 640


def runs(observed):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~observed, [0]]).astype(int)))
    return list(zip(edges[::2], edges[1::2], strict=True))


def generator(seed=1):
    return np.random.default_rng(seed)


def test_random_points_are_as_many_as_the_papers():
    hidden = (~gaps.random_points(500, SAMPLES, generator())).sum(axis=1)
    assert hidden.min() >= 200
    assert hidden.max() <= 540
    assert hidden.max() - hidden.min() > 250


def test_bursts_are_three_each_of_50_to_500_ms():
    for row in gaps.bursts(200, SAMPLES, generator(), FS_HZ):
        lengths = np.array([(b - a) / FS_HZ for a, b in runs(row)])
        assert lengths.size == 3
        assert (lengths >= 0.045).all()
        assert (lengths <= 0.505).all()


def test_a_blackout_is_one_run_away_from_the_ends():
    for row in gaps.blackout(200, SAMPLES, generator(), FS_HZ):
        ((start, stop),) = runs(row)
        assert 1 <= (stop - start) / FS_HZ <= 2
        assert start >= 64
        assert stop <= SAMPLES - 64


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_a_forecast_hides_the_end(seconds):
    observed = gaps.forecast(3, SAMPLES, generator(), FS_HZ, (seconds, seconds))
    assert observed[:, : -round(seconds * FS_HZ)].all()
    assert not observed[:, -round(seconds * FS_HZ) :].any()


@pytest.mark.parametrize("draw", [gaps.imputed, gaps.foreseen])
def test_what_is_learned_from_always_hides_and_always_shows_something(draw):
    observed = draw(400, SAMPLES, generator(), FS_HZ)
    assert observed.shape == (400, SAMPLES)
    assert (~observed).any(axis=1).all()
    assert observed.any(axis=1).all()


@pytest.mark.parametrize("kind", gaps.tested(FS_HZ))
def test_the_same_seed_hides_the_same(kind):
    hide = gaps.tested(FS_HZ)[kind]
    assert np.array_equal(hide(20, SAMPLES, generator(7)), hide(20, SAMPLES, generator(7)))
    if not kind.startswith("forecast"):
        assert not np.array_equal(hide(20, SAMPLES, generator(7)), hide(20, SAMPLES, generator(8)))
