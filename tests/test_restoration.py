"""Filling and forecasting on synthetic records: any rate, any lead, nothing hidden read, and a clear word where it cannot be done."""

from dataclasses import replace

import numpy as np
import pytest

import ecgcore
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import InputError, LeadError, ModelError
from ecgcore.findings import QualityMark
from ecgcore.inference.wonhee import load
from ecgcore.record import missing_code
from ecgcore.restoration import fill, forecast, proposed_gaps

LEADS = ("I", "II", "V2")


def recording(fs_hz=250.0, seconds=20.0, wander_mv=0.05, noise_mv=0.005):
    beats = [(0.5 + 0.8 * k, "N") for k in range(int(seconds / 0.8))]
    return record_of("r", synthesise(beats, seconds, LEADS, fs_hz, noise_mv=noise_mv, wander_mv=wander_mv, seed=3), beats, LEADS, fs_hz)


def without(record, *spans_s, value=None):
    """The record with a code in all leads over these spans: missing, unless a value is given."""
    adc = record.adc.copy()
    for start_s, stop_s in spans_s:
        adc[:, round(start_s * record.fs_hz) : round(stop_s * record.fs_hz)] = missing_code(adc.dtype) if value is None else value
    return replace(record, adc=adc)


def span(record, start_s, stop_s):
    return round(start_s * record.fs_hz), round(stop_s * record.fs_hz)


@pytest.mark.parametrize("fs_hz", [50.0, 100.0, 128.0, 250.0, 257.0159, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize("lead", ["II", "V2", "aVL"])
def test_a_regular_rhythm_comes_back_at_any_rate_and_in_any_lead(fs_hz, lead):
    whole = recording(fs_hz)
    start, stop = span(whole, 9.0, 10.0)
    got = fill(without(whole, (9.0, 10.0)), lead, start, stop)
    assert (got.model.split("@")[0], got.lead, got.kind, got.start_sample, got.stop_sample, got.fs_hz) == ("wonhee", lead, "gap", start, stop, fs_hz)
    assert got.signal_mv.shape == got.low_mv.shape == got.high_mv.shape == (stop - start,)
    assert got.signal_mv.dtype == np.float32
    assert np.isfinite(got.signal_mv).all()
    assert (got.low_mv <= got.signal_mv).all()
    assert (got.signal_mv <= got.high_mv).all()
    assert np.corrcoef(got.signal_mv, whole.mv([lead], start, stop)[0])[0, 1] > 0.7


def test_what_is_in_the_gap_is_not_read_and_the_record_stays_as_it_is():
    whole = recording()
    start, stop = span(whole, 8.0, 9.5)
    kept = whole.adc.copy()
    noisy, missing, other = (fill(record, "II", start, stop) for record in (whole, without(whole, (8.0, 9.5)), without(whole, (8.0, 9.5), value=9999)))
    assert np.array_equal(noisy.signal_mv, missing.signal_mv)
    assert np.array_equal(other.high_mv, missing.high_mv)
    assert np.array_equal(whole.adc, kept)


@pytest.mark.parametrize(("start_s", "stop_s"), [(8.0, 10.0), (8.0, 8.08), (7.6, 9.1), (8.5, 8.9)])
def test_there_is_no_step_at_either_end(start_s, stop_s):
    record = recording(500.0)
    start, stop = span(record, start_s, stop_s)
    got = fill(record, "II", start, stop).signal_mv
    before, after = record.mv(["II"], start - 1, start)[0, 0], record.mv(["II"], stop, stop + 1)[0, 0]
    assert abs(got[0] - before) < 0.02
    assert abs(got[-1] - after) < 0.02


def test_a_fill_follows_offset_and_gain():
    record = recording()
    start, stop = span(record, 8.0, 9.5)
    plain = fill(record, "II", start, stop)
    moved = fill(replace(record, baseline=record.baseline - 2500), "II", start, stop)
    larger = fill(replace(record, gain=record.gain / 2), "II", start, stop)
    assert np.allclose(moved.signal_mv, plain.signal_mv + 2.5, atol=5e-3)
    assert np.allclose(larger.signal_mv, 2 * plain.signal_mv, atol=5e-3)


def test_a_gap_at_either_end_of_the_record_and_one_in_a_short_record_are_filled():
    record = recording(seconds=4.0)
    for first, last in ((0, 250), (record.n_samples - 250, record.n_samples), (300, 400)):
        got = fill(record, "II", first, last)
        assert got.signal_mv.shape == (last - first,)
        assert np.isfinite(got.high_mv).all()


def test_other_missing_samples_are_missing():
    record = recording()
    start, stop = span(record, 8.0, 9.0)
    a = fill(without(record, (9.6, 10.2)), "II", start, stop)
    b = fill(without(record, (9.6, 10.2), value=20_000), "II", start, stop)
    assert np.abs(a.signal_mv).max() < 3
    assert not np.array_equal(a.signal_mv, b.signal_mv)


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_a_forecast_knows_only_what_came_before(seconds):
    record = recording(360.0)
    at = 12 * 360
    got = forecast(record, "II", at, seconds)
    cut = replace(record, adc=record.adc[:, :at])
    assert np.array_equal(got.signal_mv, forecast(cut, "II", at, seconds).signal_mv)
    assert (got.kind, got.start_sample, got.stop_sample) == ("forecast", at, at + round(seconds * 360))
    assert np.corrcoef(got.signal_mv, record.mv(["II"], at, at + got.signal_mv.size)[0])[0, 1] > 0.5
    assert abs(got.signal_mv[0] - record.mv(["II"], at - 1, at)[0, 0]) < 0.02


@pytest.mark.parametrize(
    ("change", "start_s", "stop_s", "said"),
    [
        (lambda r: r, 5.0, 9.0, "a gap of 4 s is too long"),
        (lambda r: r, 5.0, 5.0, "is empty or not within"),
        (lambda r: r, 19.0, 21.0, "is empty or not within"),
        (lambda r: r, -1.0, 1.0, "is empty or not within"),
        (lambda r: without(r, (0, 20)), 5.0, 6.0, "only 0.0 s of lead II are observed"),
        (lambda r: without(r, (2, 5), (6, 9)), 5.0, 6.0, "are observed around the gap"),
        (lambda r: without(r, (0, 20), value=100), 5.0, 6.0, "lead II is flat around the gap"),
        (lambda r: replace(r, fs_hz=49.0), 5.0, 6.0, "a rate of 49 Hz is too low"),
    ],
)
def test_what_cannot_be_filled_is_said(change, start_s, stop_s, said):
    record = change(recording())
    with pytest.raises(InputError, match=said):
        fill(record, "II", *span(record, start_s, stop_s))


@pytest.mark.parametrize(
    ("at_s", "seconds", "said"),
    [
        (10.0, 3.0, "a forecast of 3 s is too long"),
        (10.0, 0.0, "is none"),
        (10.0, float("nan"), "is none"),
        (0.0, 1.0, "needs something before it"),
        (20.5, 1.0, "is not within"),
        (0.4, 1.0, "are observed"),
    ],
)
def test_what_cannot_be_foreseen_is_said(at_s, seconds, said):
    record = recording()
    with pytest.raises(InputError, match=said):
        forecast(record, "II", round(at_s * record.fs_hz), seconds)


def test_an_unknown_lead_and_a_model_of_another_kind_are_said():
    record = recording()
    with pytest.raises(LeadError, match="no lead 'V6'"):
        fill(record, "V6", 100, 200)
    with pytest.raises(ModelError, match="gaps are filled by models for 'reconstruction'"):
        fill(record, "II", 100, 200, model="beats")


def test_gaps_are_proposed_where_samples_are_missing_and_the_model_can_fill_them():
    record = without(recording(seconds=60), (8.0, 9.0), (20.0, 24.0), (40.0, 40.2), (40.3, 41.0))
    found = proposed_gaps(record, (), "II")
    assert [(gap.start_sample, gap.stop_sample) for gap in found] == [span(record, 8.0, 9.0), span(record, 40.0, 41.0)]
    assert "1.00 s are missing" in found[0].reason
    for gap in found:
        assert np.isfinite(fill(record, "II", gap.start_sample, gap.stop_sample).signal_mv).all()


def test_gaps_are_proposed_within_the_quality_marks_of_the_lead():
    record = recording(seconds=60)
    mv = record.mv()[1].copy()
    rng = np.random.default_rng(1)
    noisy, clipped, still = (slice(*span(record, *at)) for at in ((12, 13.5), (25, 25.6), (44, 46)))
    mv[noisy] += 0.4 * rng.normal(size=mv[noisy].size)
    mv[clipped] = 5.0
    mv[still] = mv[still][0]
    adc = record.adc.copy()
    adc[1] = np.round(mv * 1000)
    record = replace(record, adc=adc)
    marks = (QualityMark("II", 10, 20, "noise", "x"), QualityMark("II", 20, 30, "clipped", "x"), QualityMark("II", 40, 50, "flat", "x"), QualityMark("I", 50, 60, "noise", "x"))
    found = proposed_gaps(record, marks, "II")
    assert [gap.reason.split()[0] for gap in found] == ["noise", "clipped", "one"]
    for gap, (start_s, stop_s) in zip(found, ((12, 13.5), (25, 25.6), (44, 46)), strict=True):
        assert abs(gap.start_sample / record.fs_hz - start_s) < 0.1
        assert abs(gap.stop_sample / record.fs_hz - stop_s) < 0.1
    assert proposed_gaps(recording(), (), "I") == ()


def test_the_limits_are_the_cards():
    filler = load("wonhee")
    assert (filler.longest_gap_s, filler.longest_forecast_s, filler.least_observed_s) == tuple(
        filler.card.thresholds[name] for name in ("longest_gap_s", "longest_forecast_s", "least_observed_s")
    )
    assert filler.card.input.samples / filler.card.input.fs_hz >= filler.longest_gap_s + filler.least_observed_s


def test_the_verbs_are_public():
    assert ecgcore.fill is fill
    assert ecgcore.forecast is forecast
