"""From coarse positions to the R peak in the record's own samples."""

import numpy as np
import pytest

from ecgcore.demo import synthesise
from ecgcore.signals.peaks import refine

TRUTH_S = np.arange(1.0, 300.0, 0.83)  # over the borders of several blocks


def signal(fs_hz, leads=("II",)):
    return synthesise([(float(at), "N") for at in TRUTH_S], 301, leads, fs_hz, noise_mv=0.005, seed=1).astype(np.float32)


def quiet(leads, beats):
    return np.full((leads, beats), 0.05, np.float32)


def refined(mv, fs_hz, coarse_s=TRUTH_S, backgrounds=None):
    return refine(lambda start, stop: mv[:, start:stop], mv.shape[1], fs_hz, coarse_s, quiet(len(mv), coarse_s.size) if backgrounds is None else backgrounds)


@pytest.mark.parametrize("fs_hz", [128.0, 250.0, 360.0, 1000.0])
@pytest.mark.parametrize("off_s", [-0.06, 0.0, 0.06])
def test_the_peak_is_found_from_either_side(fs_hz, off_s):
    found = refined(signal(fs_hz), fs_hz, TRUTH_S + off_s)
    assert np.abs(found / fs_hz - TRUTH_S).max() <= max(0.006, 1 / fs_hz)


def test_a_lead_upside_down_gives_the_same_peak():
    mv = signal(250.0)
    assert np.array_equal(refined(-mv, 250.0), refined(mv, 250.0))


def test_a_noisy_or_missing_lead_has_little_say():
    mv = signal(250.0, ("II", "V5"))
    mv[1] = np.random.default_rng(2).normal(size=mv.shape[1])
    mv[1, 10_000:20_000] = np.nan
    noisy = quiet(2, TRUTH_S.size)
    noisy[1] = 2.0
    assert np.abs(refined(mv, 250.0, backgrounds=noisy) / 250.0 - TRUTH_S).max() <= 0.012


def test_the_ends_of_a_record_and_no_beats():
    mv = signal(250.0)
    assert refined(mv, 250.0, np.array([0.0, 300.99])).tolist() == sorted(refined(mv, 250.0, np.array([0.0, 300.99])).tolist())
    assert refined(mv, 250.0, np.zeros(0)).size == 0


def test_two_positions_of_one_peak_give_one_beat():
    assert refined(signal(250.0), 250.0, np.array([0.98, 1.02])).size == 1
