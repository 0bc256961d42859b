"""Resampling: the same signal at another rate, whole or in blocks."""

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.signals.resampling import filled, ratio, resample, resample_blocks


@pytest.mark.parametrize(("fs_from", "fs_to"), [(360.0, 128.0), (128.0, 360.0), (257.0, 128.0), (500.0, 128.0), (100.0, 128.0), (127.96, 128.0)])
def test_a_tone_stays_a_tone(fs_from, fs_to):
    n = int(30 * fs_from)
    tone = np.sin(2 * np.pi * 7 * np.arange(n) / fs_from).astype(np.float32)
    out = resample(tone, fs_from, fs_to)
    expected = np.sin(2 * np.pi * 7 * np.arange(out.size) / fs_to)
    assert np.abs(out - expected)[200:-200].max() < 0.02


@pytest.mark.parametrize("fs_from", [250.0, 257.0, 360.0])
def test_blocks_give_what_the_whole_gives(fs_from):
    signal = np.random.default_rng(1).normal(size=int(1300 * fs_from)).astype(np.float32)
    whole = resample(signal, fs_from, 128.0)
    blocks = resample_blocks(lambda start, stop: signal[start:stop], signal.size, fs_from, 128.0)
    assert blocks.shape == whole.shape
    assert np.abs(blocks - whole).max() < 1e-4


def test_missing_is_bridged():
    assert filled(np.array([1, np.nan, 3, np.nan], np.float32)).tolist() == [1, 2, 3, 3]
    assert filled(np.full(3, np.nan, np.float32)).tolist() == [0, 0, 0]


def test_ratio_of_rates():
    assert (ratio(360.0, 128.0).numerator, ratio(360.0, 128.0).denominator) == (16, 45)
    with pytest.raises(InputError, match="above 0"):
        ratio(0.0, 128.0)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(500, 128), (360, 128), (128, 500), (250, 500)])
def test_a_remembered_filter_gives_what_scipy_designs(from_hz, to_hz):
    from scipy.signal import resample_poly

    x = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    step = ratio(from_hz, to_hz)
    for _ in range(2):
        assert np.array_equal(resample(x, from_hz, to_hz), resample_poly(x, step.numerator, step.denominator, padtype="edge"))
