"""Windows of one beat by itself, as the papers cut them."""

import numpy as np
import pytest

from ecgcore.signals.beat_windows import KACHUEE_RR, WINDOWINGS, centred, kachuee

FS_HZ = 125.0


def signal(seconds=40, seed=1):
    return np.random.default_rng(seed).normal(size=round(seconds * FS_HZ)).astype(np.float32)


def regular(rr_samples, seconds=40):
    return np.arange(50, round(seconds * FS_HZ) - 200, rr_samples)


def test_a_kachuee_beat_begins_at_its_peak_and_ends_in_zeros():
    x, peaks = signal(), regular(100)
    beats = kachuee(x, peaks, FS_HZ, 0, 187)
    lasts = round(KACHUEE_RR * 100)
    assert beats.shape == (peaks.size, 187)
    assert (beats[:, lasts:] == 0).all()
    assert np.abs(beats[:, lasts - 1]).max() > 0
    part = x[:1250]
    assert beats[0, :lasts] == pytest.approx((x[peaks[0] : peaks[0] + lasts] - part.min()) / np.ptp(part), abs=1e-6)


def test_each_part_of_ten_seconds_is_scaled_by_itself():
    x = signal()
    x[1250:2500] *= 10
    beats, plain = kachuee(x, regular(100), FS_HZ, 0, 187), kachuee(signal(), regular(100), FS_HZ, 0, 187)
    inside = [i for i, at in enumerate(regular(100)) if at // 1250 == (at + 187) // 1250]
    assert beats[inside] == pytest.approx(plain[inside], abs=1e-5)


def test_a_slow_beat_is_cut_at_the_window():
    beats = kachuee(signal(), regular(180), FS_HZ, 0, 187)
    assert (np.abs(beats[:, -5:]).max(axis=1) > 0).all()


def test_the_median_interval_is_that_of_the_part():
    peaks = np.concatenate([np.arange(50, 1200, 100), np.arange(1260, 2400, 60)])
    ends = [int(np.flatnonzero(beat)[-1]) + 1 for beat in kachuee(signal(), peaks, FS_HZ, 0, 187)]
    assert ends == [120] * (peaks < 1250).sum() + [72] * (peaks >= 1250).sum()


@pytest.mark.parametrize("name", WINDOWINGS)
def test_scale_and_offset_of_the_lead_make_no_difference(name):
    x, peaks = signal(), regular(100)
    one, other = (WINDOWINGS[name](y, peaks, FS_HZ, 60 if name == "centred" else 0, 150) for y in (x, (4 * x + 3).astype(np.float32)))
    assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("name", WINDOWINGS)
def test_few_beats_and_flat_leads_are_windows_too(name):
    for peaks in (np.array([], np.int64), np.array([700]), np.array([3, 4990])):
        for x in (signal(), np.zeros(5000, np.float32)):
            beats = WINDOWINGS[name](x, peaks, FS_HZ, 0, 187)
            assert beats.shape == (peaks.size, 187)
            assert beats.dtype == np.float32
            assert np.isfinite(beats).all()


def test_a_centred_window_holds_its_peak():
    x = np.zeros(3000, np.float32)
    peaks = np.array([500, 1200, 2000])
    x[peaks] = 1
    beats = centred(x, peaks, FS_HZ, 80, 150)
    assert (beats.argmax(axis=1) == 80).all()
    assert np.median(beats, axis=1) == pytest.approx(0, abs=1e-6)
    assert beats.std(axis=1) == pytest.approx(1, rel=1e-3)
