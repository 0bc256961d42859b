"""Levels, scales and fills from observed samples: definitions, a periodic signal, and blindness to what is hidden."""

import numpy as np
import pytest

from ecgcore.signals import fills

N, PERIOD = 640, 100


def beats(period=PERIOD, n=N, phase=40):
    """A window (1, n) with a beat of P, QRS and T each period."""
    at = np.arange(n)[:, None] - np.arange(phase - 2 * period, n + 2 * period, period)
    waves = (
        0.15 * np.exp(-0.5 * ((at + 20) / 3) ** 2) + 1.2 * np.exp(-0.5 * (at / 1.8) ** 2) - 0.3 * np.exp(-0.5 * ((at - 4) / 1.8) ** 2) + 0.3 * np.exp(-0.5 * ((at - 32) / 6) ** 2)
    )
    return waves.sum(axis=1)[None].astype(np.float32)


def hide(*spans, n=N):
    observed = np.ones((1, n), bool)
    for start, stop in spans:
        observed[0, start:stop] = False
    return observed


def test_scaled_takes_off_the_level_and_divides_by_the_observed_spread():
    x, observed = beats() + 3, hide((200, 300))
    scaled = fills.scaled(x, observed)
    assert np.allclose(scaled.mv(scaled.values)[observed], x[observed], atol=1e-4)
    assert np.sqrt((scaled.values[observed] ** 2).mean()) == pytest.approx(1, abs=1e-3)
    assert (scaled.values[~observed] == 0).all()
    assert np.ptp(scaled.level_mv) < 0.2
    again = fills.scaled(5 * x - 2, observed)
    assert np.allclose(again.values, scaled.values, atol=2e-3)


@pytest.mark.parametrize("value", [1e3, np.nan, np.inf])
def test_what_is_hidden_may_be_anything(value):
    x, observed = beats(), hide((130, 170), (500, N))
    other = np.where(observed, x, np.float32(value))
    a, b = fills.scaled(x, observed), fills.scaled(other, observed)
    for one, two in ((a.values, b.values), (a.level_mv, b.level_mv), (a.scale_mv, b.scale_mv), (fills.candidates(a.values, observed), fills.candidates(b.values, observed))):
        assert np.array_equal(one, two)
        assert np.isfinite(one).all()
    assert np.array_equal(fills.candidates(other, observed), fills.candidates(x, observed))


def test_the_straight_line_is_numpys():
    x, observed = beats(), hide((0, 5), (130, 170), (600, N))
    at = np.arange(N)
    expected = np.interp(at, at[observed[0]], x[0, observed[0]])
    assert np.allclose(fills.straight_line(x, observed)[0], expected, atol=1e-5)


@pytest.mark.parametrize("period", [60, 100, 128])
def test_the_period_of_a_periodic_signal_is_found(period):
    x, observed = beats(period), hide((250, 330))
    assert abs(int(fills.period(fills.straight_line(x, observed), fills.bridged(observed))[0]) - period) <= 1


def test_short_runs_are_bridged_and_longer_ones_not():
    near = fills.bridged(hide((100, 105), (200, 230)))
    assert near[0, 100:105].all()
    assert not near[0, 200:230].any()


@pytest.mark.parametrize("spans", [((210, 330),), ((430, N),), ((90, 130), (300, 380))])
def test_copies_and_the_mean_beat_restore_a_periodic_signal(spans):
    x, observed = beats(), hide(*spans)
    line, near = fills.straight_line(x, observed), fills.bridged(observed)
    lag = fills.period(line, near)
    before, _ = fills.periodic_copies(line, near, lag)
    hidden = ~observed & ~np.isnan(before)
    assert np.abs(before - x)[hidden].max() < 0.02
    beat = fills.mean_beat(line, near, lag)
    assert ((beat - x)[~observed] ** 2).mean() < 0.03 * x.var()


def test_r_peaks_are_the_r_peaks():
    x, observed = beats(), hide((210, 330))
    (found,) = fills.r_peaks(fills.straight_line(x, observed), fills.bridged(observed))
    assert {int(p) for p in found if p < 600} == {40, 140, 340, 440, 540}
    (turned,) = fills.r_peaks(-fills.straight_line(x, observed), fills.bridged(observed))
    assert set(turned) == set(found)


def test_beats_are_expected_evenly_within_a_gap_and_on_by_the_usual_interval():
    known = hide((210, 330), (560, N))[0]
    peaks = np.array([40, 140, 340, 440, 540])
    assert fills.usual_rr(peaks, known, 77) == 100
    assert fills.expected_beats(peaks, 100, known).tolist() == [-60, 40, 140, 240, 340, 440, 540, 640]
    assert fills.usual_rr(np.array([140, 340]), known, 77) == 77


def test_nothing_observed_is_no_error():
    x, observed = beats(), np.zeros((1, N), bool)
    assert np.isfinite(fills.candidates(fills.scaled(x, observed).values, observed)).all()
