"""Measures of a reconstruction, the fills that are no network, and the widening of the band."""

import numpy as np
import pytest

from ecgcore.evaluation import reconstruction
from tests.signals.test_fills import N, beats, hide

ALL = np.ones((1, N), bool)


def marked(*at):
    out = np.zeros((1, N), bool)
    out[0, list(at)] = True
    return out


def test_measures_count_hidden_samples_alone():
    true, observed = beats(), hide((0, 4))
    filled = true.copy()
    filled[0, :4] += [1, -1, 3, 0]
    filled[0, 100] = 99
    found = reconstruction.nearness(filled, true, observed, marked(140))
    assert found.mse_mv2 == pytest.approx(11 / 4, rel=1e-4)
    assert found.mae_mv == pytest.approx(5 / 4, rel=1e-4)


def test_the_correlation_is_pearsons():
    true, observed = beats(), hide((200, 400))
    filled = (true + np.random.default_rng(1).normal(size=true.shape)).astype(np.float32)
    expected = np.corrcoef(filled[0, 200:400], true[0, 200:400])[0, 1]
    assert reconstruction.nearness(filled, true, observed, marked(240)).pcc == pytest.approx(expected, abs=1e-5)


def test_a_perfect_fill_finds_every_peak_and_a_flat_one_none():
    true, observed, peaks = beats(), hide((200, 400)), marked(40, 140, 240, 340, 440, 540)
    assert reconstruction.nearness(true, true, observed, peaks).r_f1 == 100
    flat = reconstruction.nearness(np.where(observed, true, np.float32(0)), true, observed, peaks)
    assert flat.r_f1 == 0
    assert flat.pcc == 0


def test_a_peak_counts_once_and_only_within_150_ms():
    found = [np.array([100, 110, 300])]
    assert reconstruction.peak_f1(found, marked(105, 320), ~marked()) == pytest.approx(200 * 1 / 5)
    assert reconstruction.peak_f1([np.array([100, 319])], marked(119, 300), ~marked()) == pytest.approx(100)
    assert reconstruction.peak_f1([np.array([100])], marked(120), ~marked()) == 0
    assert np.isnan(reconstruction.peak_f1([np.array([5])], marked(5), marked()))


@pytest.mark.parametrize("name", reconstruction.METHODS)
def test_every_fill_keeps_what_is_observed_and_reads_nothing_else(name):
    true, observed = beats() + 1, hide((130, 170), (500, N))
    method = reconstruction.METHODS[name]
    filled = method(true, observed)
    assert np.allclose(filled[observed], true[observed], atol=1e-4)
    assert np.array_equal(filled, method(np.where(observed, true, np.float32(np.nan)), observed))
    assert np.isfinite(filled).all()


def test_beats_come_back_by_the_mean_beat_and_by_the_periodic_copy_but_not_by_a_line():
    true, observed = beats(), hide((210, 330))
    errors = {name: reconstruction.nearness(filled, true, observed, marked(240)).mse_mv2 for name, filled in reconstruction.baselines(true, observed).items()}
    assert max(errors["mean beat"], errors["periodic copy"]) < 0.1 * min(errors["linear"], errors["last value"], errors["cubic spline"])


def test_a_spline_follows_a_parabola_and_the_last_value_stays():
    x = (np.linspace(-1, 1, N)[None] ** 2).astype(np.float32)
    observed = hide((300, 340))
    assert np.abs(reconstruction.cubic_spline(x, observed) - x).max() < 1e-3
    assert (reconstruction.last_value(x, observed)[0, 300:340] == x[0, 299]).all()


def test_the_widened_band_holds_its_share():
    rng = np.random.default_rng(3)
    true = rng.normal(size=(200, N)).astype(np.float32)
    signal, observed = np.zeros_like(true), rng.random(true.shape) > 0.3
    low, high = signal - 0.4, signal + 0.8
    factor = reconstruction.conformal(signal, low, high, true, observed)
    assert reconstruction.coverage(factor * low, factor * high, true, observed) == pytest.approx(0.9, abs=0.002)
    fresh = rng.normal(size=true.shape).astype(np.float32)
    assert reconstruction.coverage(factor * low, factor * high, fresh, observed) == pytest.approx(0.9, abs=0.01)
