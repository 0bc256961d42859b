"""Delineation of a median beat: right on waves of known ends, unmoved by scale, offset and polarity, silent where there is no wave."""

import numpy as np
import pytest

from ecgcore.signals import delineation, median_beat
from ecgcore.signals.delineation import Marks, consistency, delineate, repeated, without_spikes
from tests.waves import Shape, beat

RR_S = 0.9
USUAL = Shape()
SHAPES = {
    "usual": USUAL,
    "wide QRS": Shape(qrs=(-80.0, 90.0), t=(200.0, 420.0)),
    "long PR": Shape(p=(-320.0, -210.0)),
    "short PR": Shape(p=(-150.0, -60.0)),
    "long QT": Shape(t=(260.0, 500.0)),
    "short QT": Shape(t=(110.0, 270.0)),
    "inverted T": Shape(t_mv=-0.3),
    "tall T": Shape(t_mv=1.2),
    "U wave": Shape(u_mv=0.08),
}


def found(shape=USUAL, n_leads=12, rr_s=RR_S, **options):
    mv, r = beat(shape, n_leads)
    return delineate(mv, r, rr_s, **options)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("n_leads", [1, 2, 12])
def test_waves_are_found_where_they_are(name, n_leads):
    shape, marks = SHAPES[name], found(SHAPES[name], n_leads).marks
    assert marks.p_onset_ms == pytest.approx(shape.p[0], abs=6)
    assert marks.p_offset_ms == pytest.approx(shape.p[1], abs=10)
    assert marks.p_peak_ms == pytest.approx(sum(shape.p) / 2, abs=12)
    assert marks.qrs_onset_ms == pytest.approx(shape.qrs[0], abs=8)
    assert marks.qrs_offset_ms == pytest.approx(shape.qrs[1], abs=8)
    assert marks.t_peak_ms == pytest.approx(sum(shape.t) / 2, abs=16)
    assert marks.t_offset_ms == pytest.approx(shape.t[1], abs=14)


def test_intervals_lie_between_the_marks():
    marks = Marks(p_onset_ms=-190.0, p_offset_ms=-90.0, qrs_onset_ms=-44.0, qrs_offset_ms=46.0, t_peak_ms=270.0, t_offset_ms=370.0)
    assert (marks.p_ms, marks.pr_ms, marks.qrs_ms, marks.qt_ms) == (100.0, 146.0, 90.0, 414.0)
    assert marks.without("p") == Marks(qrs_onset_ms=-44.0, qrs_offset_ms=46.0, t_peak_ms=270.0, t_offset_ms=370.0)
    assert marks.without("t").qt_ms is None


@pytest.mark.parametrize("factor", [0.2, 7.0, -1.0])
def test_scale_and_polarity_do_not_matter(factor):
    mv, r = beat(USUAL)
    assert delineate(mv * np.float32(factor), r, RR_S).marks == delineate(mv, r, RR_S).marks


def test_offset_of_a_lead_does_not_matter():
    mv, r = beat(USUAL)
    assert delineate(mv + np.linspace(-2, 2, 12)[:, None].astype(np.float32), r, RR_S).marks == delineate(mv, r, RR_S).marks


def test_order_and_repetition_of_leads_do_not_matter():
    mv, r = beat(USUAL)
    marks = delineate(mv, r, RR_S).marks
    assert delineate(mv[::-1].copy(), r, RR_S).marks == marks
    assert delineate(np.concatenate([mv, mv]), r, RR_S).marks.qrs_ms == pytest.approx(marks.qrs_ms, abs=2)


@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_the_marks_little(seed):
    mv, r = beat(USUAL)
    noisy = mv + 0.006 * np.random.default_rng(seed).normal(size=mv.shape).astype(np.float32)
    clean, other = delineate(mv, r, RR_S).marks, delineate(noisy, r, RR_S).marks
    assert other.qrs_ms == pytest.approx(clean.qrs_ms, abs=12)
    assert other.qt_ms == pytest.approx(clean.qt_ms, abs=20)
    assert other.pr_ms == pytest.approx(clean.pr_ms, abs=16)


@pytest.mark.parametrize("shift", [-14, -6, 6, 14])
def test_the_qrs_holds_the_r_it_was_given(shift):
    mv, r = beat(USUAL)
    marks = delineate(mv, r + shift, RR_S).marks
    assert marks.qrs_onset_ms <= 0 <= marks.qrs_offset_ms
    assert marks.qrs_onset_ms + 2 * shift == pytest.approx(USUAL.qrs[0], abs=8)


def test_without_waves_nothing_speaks_for_them():
    bare = found(Shape(p=None, t=None))
    assert bare.p_mv < 0.025
    assert bare.t_mv < 0.05
    assert bare.marks.qrs_ms == pytest.approx(90, abs=14)
    assert found(with_p=False).marks.p_onset_ms is None


@pytest.mark.parametrize("mv", [np.zeros((2, 675)), np.random.default_rng(1).normal(size=(3, 675))], ids=["flat", "noise"])
def test_a_beat_without_qrs_has_no_contrast(mv):
    assert delineate(mv.astype(np.float32), 225, RR_S).contrast < 4


@pytest.mark.parametrize("at_ms", [-60.0, -200.0])
def test_a_pacing_spike_is_bridged_and_told(at_ms):
    shape = Shape(p=None, spike_ms=at_ms)
    result = found(shape)
    assert result.spikes_ms == pytest.approx((at_ms,), abs=2)
    assert result.marks.qrs_offset_ms == pytest.approx(46, abs=8)
    assert at_ms <= result.marks.qrs_onset_ms
    assert result.marks.qrs_onset_ms == pytest.approx(-44, abs=18)


def test_an_r_peak_is_no_pacing_spike():
    for shape in (USUAL, Shape(qrs=(-25.0, 25.0))):
        mv, r = beat(shape)
        bridged, spikes = without_spikes(mv.astype(np.float64), r)
        assert spikes.size == 0
        np.testing.assert_array_equal(bridged, mv)


def test_consistency_tells_a_constant_wave_from_a_passing_one():
    rng = np.random.default_rng(2)
    mv, r = beat(USUAL)
    constant = mv + 0.02 * rng.normal(size=(9, *mv.shape))
    time_s = np.arange(mv.shape[1]) / delineation.FS_HZ
    bare, _ = beat(Shape(p=None))
    fibrillating = bare + 0.1 * np.sin(2 * np.pi * rng.uniform(5, 8, (9, 1, 1)) * time_s + rng.uniform(0, 2 * np.pi, (9, 12, 1))) + 0.02 * rng.normal(size=(9, *mv.shape))
    assert consistency(constant.astype(np.float32), r - 105, r - 25) > 0.9
    assert consistency(fibrillating.astype(np.float32), r - 105, r - 25) < 0.5
    assert np.isnan(consistency(constant[:2].astype(np.float32), r - 105, r - 25))


def test_a_wave_like_p_between_the_beats_is_seen():
    mv, r = beat(USUAL)
    marks = delineate(mv, r, 1.1).marks
    assert repeated(mv, r, marks, 1.1) < 0.5
    later = mv.copy()
    p = mv[:, r - 100 : r - 40]
    later[:, r + 205 : r + 265] += p
    assert repeated(later, r, marks, 1.1) > 0.9
    assert repeated(later, r, marks.without("p"), 1.1) == 0.0


def test_the_median_beat_leaves_out_what_is_not_alike():
    mv, r = beat(USUAL)
    other, _ = beat(Shape(qrs=(-90.0, 100.0), r_mv=-1.0, t_mv=-0.6))
    rng = np.random.default_rng(4)
    shifts = [-4, 0, 3, 6, -7, 1, 0, 2]
    windows = np.stack([np.roll(one, shift, axis=1) for one, shift in zip([mv] * 6 + [other] * 2, shifts, strict=True)]) + 0.01 * rng.normal(size=(8, *mv.shape))
    result = median_beat.combine(windows.astype(np.float32), r)
    assert len(result.beats) == 6
    assert result.mv.shape == (12, mv.shape[1] - 20)
    best = min(np.abs(result.mv - np.roll(mv, shift, axis=1)[:, 10:-10])[:, 20:-20].max() for shift in range(-7, 7))
    assert best < 0.05
    assert (result.noise_mv < 0.02).all()
