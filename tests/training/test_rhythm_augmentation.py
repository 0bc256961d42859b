"""What is done to rhythm records before they are learned from: each kind alone, in its share and size."""

import pytest
import torch

from ecgcore.training import recipes
from ecgcore.training.rhythm_augmentation import altered

FULL = recipes.load("seresnet18").augmentation
NOTHING = FULL.model_copy(update={"wander_mv": 0.0, "mains_mv": 0.0, "noise_db": (300.0, 300.0), "scale": 0.0})
FS_HZ = 500


def signals(batch=400, n=1000):
    return torch.sin(torch.arange(n) / 9)[None, None].repeat(batch, 2, 1)


def changed(**how):
    chance = torch.Generator().manual_seed(5)
    before = signals()
    return altered(before, FS_HZ, NOTHING.model_copy(update=how), chance) - before


def test_nothing_is_done_by_nothing():
    assert changed().abs().max() < 1e-6


@pytest.mark.parametrize("how", [{"wander_mv": 0.2}, {"mains_mv": 0.05}, {"noise_db": (20.0, 40.0)}, {"scale": 0.2}])
def test_each_befalls_half_of_the_records(how):
    touched = changed(**how).abs().amax(dim=(1, 2)) > 1e-5
    assert float(touched.float().mean()) == pytest.approx(0.5, abs=0.08)
    assert changed(**how, chance=0.0).abs().max() < 1e-6
    assert (changed(**how, chance=1.0).abs().amax(dim=(1, 2)) > 1e-5).all()


@pytest.mark.parametrize(("how", "low_hz", "high_hz", "most_mv"), [({"wander_mv": 0.2}, 0.0, 2.0, 0.2), ({"mains_mv": 0.05}, 48.0, 52.0, 0.05)])
def test_wander_and_mains_are_of_their_frequency_and_size(how, low_hz, high_hz, most_mv):
    added = changed(**how, chance=1.0)
    assert float(added.abs().max()) <= most_mv + 1e-6
    power = torch.fft.rfft(added, dim=2).abs() ** 2
    at = torch.fft.rfftfreq(added.shape[2], 1 / FS_HZ)
    within = power[:, :, (at >= low_hz) & (at <= high_hz)].sum() / power.sum()
    assert float(within) > 0.95


def test_noise_is_20_to_40_db_below_the_lead():
    ratio = 20 * torch.log10(signals().std(dim=2) / changed(noise_db=(20.0, 40.0), chance=1.0).std(dim=2))
    assert 19 < float(ratio.min()) < 23
    assert 37 < float(ratio.max()) < 41


def test_sizes_are_a_fifth_more_or_less_alike_in_all_leads():
    before = signals()
    sizes = (before + changed(scale=0.2, chance=1.0)).amax(dim=2) / before.amax(dim=2)
    assert torch.allclose(sizes[:, 0], sizes[:, 1])
    assert 0.8 <= float(sizes.min()) < 0.83
    assert 1.17 < float(sizes.max()) <= 1.2001


def test_chance_is_the_generators():
    one, other, third = (altered(signals(4), FS_HZ, FULL, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
