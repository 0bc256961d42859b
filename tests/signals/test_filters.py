"""Filters: what passes passes unshifted, what is cut is cut, what is missing stays missing."""

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.signals import filters

FS_HZ = 500.0
T = np.arange(10_000) / FS_HZ


def tone(hz):
    return np.sin(2 * np.pi * hz * T, dtype=np.float32)[None]


def gain(name, hz, notch_hz=None):
    middle = slice(3000, 7000)
    return float(np.std(filters.apply(name, tone(hz), FS_HZ, notch_hz)[0, middle]) / np.std(tone(hz)[0, middle]))


@pytest.mark.parametrize(
    ("name", "hz", "least", "most"),
    [
        (filters.DIAGNOSTIC, 10, 0.99, 1.01),
        (filters.DIAGNOSTIC, 100, 0.85, 1.01),
        ("ambulatory 0.5–40 Hz", 10, 0.98, 1.01),
        ("ambulatory 0.5–40 Hz", 0.05, 0.0, 0.05),
        ("ambulatory 0.5–40 Hz", 120, 0.0, 0.05),
        ("low-pass 40 Hz", 0.1, 0.99, 1.01),
        ("unfiltered", 200, 1.0, 1.0),
    ],
)
def test_pass_and_stop(name, hz, least, most):
    assert least <= gain(name, hz) <= most


def test_notch_takes_out_the_mains_only():
    assert gain("unfiltered", 50, 50.0) < 0.05
    assert gain("unfiltered", 40, 50.0) > 0.95


@pytest.mark.parametrize("name", filters.FILTERS)
def test_a_peak_stays_where_it_is(name):
    spike = np.exp(-0.5 * ((T - 10) / 0.012) ** 2, dtype=np.float32)[None]
    assert abs(int(filters.apply(name, spike, FS_HZ, 50.0).argmax()) - 5000) <= 1


def test_missing_stays_missing_and_spoils_nothing():
    signal = tone(10)
    signal[0, 4000:4200] = np.nan
    out = filters.apply("ambulatory 0.5–40 Hz", signal, FS_HZ)
    assert np.array_equal(np.isnan(out), np.isnan(signal))
    assert np.nanmax(np.abs(out)) < 1.3


def test_all_missing_and_one_sample():
    assert np.isnan(filters.apply(filters.DIAGNOSTIC, np.full((2, 100), np.nan, np.float32), FS_HZ)).all()
    assert filters.apply(filters.DIAGNOSTIC, np.ones((1, 1), np.float32), FS_HZ).shape == (1, 1)


def test_a_cut_off_above_the_rate_is_left_out_and_said_so():
    assert filters.effective(filters.DIAGNOSTIC, 128.0) == "above 0.05 Hz"
    assert filters.effective(filters.DIAGNOSTIC, 500.0, 50.0) == "0.05–150 Hz, notch 50 Hz"
    assert filters.apply(filters.DIAGNOSTIC, tone(10), 128.0).shape == tone(10).shape


def test_unknown_filter_names_those_there_are():
    with pytest.raises(InputError, match=r"no filter 'smooth'.*diagnostic"):
        filters.apply("smooth", tone(10), FS_HZ)


@pytest.mark.parametrize("n", [2, 50, 1280])
@pytest.mark.parametrize(("cut_hz", "passes"), [((3.0, 22.0), "bandpass"), (35.0, "highpass")])
def test_zero_phase_is_what_scipy_gives(n, cut_hz, passes):
    from scipy.signal import butter, sosfiltfilt

    x = np.random.default_rng(n).normal(size=n).astype(np.float32)
    expected = sosfiltfilt(butter(2, cut_hz, passes, fs=128, output="sos"), x, padlen=min(n - 1, 128)).astype(np.float32)
    for _ in range(2):  # designed, and remembered
        assert np.array_equal(filters.zero_phase(x, filters.Butterworth(2, cut_hz, passes, 128), 128), expected)
