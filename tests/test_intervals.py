"""Intervals on the median beat: right on known waves, unmoved by rate and scale, "not measured" with a reason where they cannot be."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ecgcore import intervals
from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.errors import InputError, LeadError
from ecgcore.intervals import FORMULAS, measure
from ecgcore.readers import read
from ecgcore.record import missing_code
from tests.waves import Shape, recording, steady

USUAL = Shape()  # PR 146, QRS 90, QT 414 ms
EVERY_S = np.arange(0.7, 11.7, 0.9)


def measured(record, labels=None, **options):
    truth = record.annotation("atr")
    return measure(record, truth.samples, labels or truth.symbols, **options)


def changed(record, lead, values):
    """The record with the ADC values of one lead replaced, or made missing by None."""
    adc = record.adc.copy()
    adc[record.leads.index(lead)] = missing_code(adc.dtype) if values is None else values
    return replace(record, adc=adc)


def none_measured(found):
    return (found.p_ms, found.pr_ms, found.qrs_ms, found.qt_ms, *found.qtc_ms.values()) == (None,) * 8


def test_all_is_measured_on_a_steady_rhythm():
    found = measured(steady())
    assert found.pr_ms == pytest.approx(146, abs=12)
    assert found.qrs_ms == pytest.approx(90, abs=16)
    assert found.qt_ms == pytest.approx(414, abs=20)
    assert found.p_ms == pytest.approx(100, abs=14)
    assert (found.rr_ms, found.heart_rate_bpm) == (pytest.approx(900), pytest.approx(66.7, abs=0.1))
    assert found.not_measured == {}
    assert (found.n_beats, found.n_seen, len(found.leads), found.dominant) == (12, 13, 12, "N")
    assert found.beat_mv.shape[0] == 12
    assert np.abs(found.beat_mv[:, found.beat_r + round(found.marks.qrs_onset_ms / 2) - 5]).max() < 0.02
    assert set(found.by_lead) == set(found.leads)
    assert found.by_lead["II"].qrs_ms == pytest.approx(90, abs=20)


def test_qtc_by_every_formula():
    found = measured(steady(rr_s=0.64))
    qt, rr = found.qt_ms, 0.64
    assert found.qtc_ms == pytest.approx({"Fridericia": qt / 0.8618, "Bazett": qt / 0.8, "Framingham": qt + 154 * 0.36, "Hodges": qt + 1.75 * (60 / rr - 60)}, rel=1e-3)
    assert {one.of(400.0, 1.0) for one in FORMULAS.values()} == {400.0}
    assert all(one.formula and one.source for one in FORMULAS.values())


@pytest.mark.parametrize("fs_hz", [250.0, 257.0, 360.0, 1000.0])
def test_rate_of_the_record_does_not_matter(fs_hz):
    at_500, other = measured(steady(noise_mv=0.003)), measured(steady(fs_hz=fs_hz, noise_mv=0.003))
    assert other.beat_fs_hz == 500
    for name in ("p_ms", "pr_ms", "qrs_ms", "qt_ms"):
        assert getattr(other, name) == pytest.approx(getattr(at_500, name), abs=10), name


@pytest.mark.parametrize("factor", [-1.0, 0.5, 3.0])
def test_scale_and_polarity_do_not_matter(factor):
    record = steady()
    other = measured(replace(record, gain=record.gain * factor))
    assert (other.pr_ms, other.qrs_ms, other.qt_ms) == (measured(record).pr_ms, measured(record).qrs_ms, measured(record).qt_ms)


def test_offset_and_wander_do_not_matter():
    level, wandering = measured(steady(wander_mv=0.0)), measured(steady(wander_mv=0.8))
    assert wandering.qt_ms == pytest.approx(level.qt_ms, abs=8)
    record = steady()
    assert measured(replace(record, baseline=record.baseline + 700)).marks == measured(record).marks


@pytest.mark.parametrize("leads", [("II",), ("II", "V1"), ("aVF",), None])
def test_any_leads(leads):
    found = measured(steady(), leads=leads)
    assert found.qrs_ms == pytest.approx(90, abs=20)
    assert found.qt_ms == pytest.approx(414, abs=26)


def test_a_stretch_is_measured_by_itself():
    record = recording([(float(at), USUAL if at < 30 else Shape(qrs=(-80.0, 90.0), t=(220.0, 440.0))) for at in np.arange(0.7, 60, 0.9)], duration_s=60.0)
    first, second = measured(record, stop_s=29.0), measured(record, start_s=31.0)
    assert first.qrs_ms == pytest.approx(90, abs=16)
    assert second.qrs_ms == pytest.approx(170, abs=16)
    assert (first.start_s, first.stop_s) == (0.0, 29.0)
    assert first.n_seen + second.n_seen < len(record.annotation("atr"))


def test_ectopic_beats_and_their_neighbours_do_not_count():
    wide = Shape(p=None, qrs=(-90.0, 100.0), r_mv=-1.4, t=(200.0, 440.0), t_mv=0.8)
    beats = [(float(at) - (0.35 if i == 5 else 0.0), wide if i == 5 else USUAL) for i, at in enumerate(EVERY_S)]
    labels = ["V" if i == 5 else "N" for i in range(len(beats))]
    record = recording(beats)
    found, pure = measured(record, labels), measured(steady())
    assert found.n_beats == pure.n_beats - 3
    assert (found.qrs_ms, found.qt_ms) == (pytest.approx(pure.qrs_ms, abs=4), pytest.approx(pure.qt_ms, abs=6))
    assert found.rr_ms == pytest.approx(900)


def test_beats_of_another_shape_do_not_count_whatever_they_are_called():
    wide = Shape(p=None, qrs=(-90.0, 100.0), r_mv=-1.4, t=(200.0, 440.0), t_mv=0.8)
    found = measured(recording([(float(at), wide if i in (3, 8) else USUAL) for i, at in enumerate(EVERY_S)]))
    assert found.n_beats == 10
    assert found.qrs_ms == pytest.approx(90, abs=16)


def test_bigeminy_leaves_qtc_out():
    labels = ["V" if i % 2 else "N" for i in range(len(EVERY_S))]
    found = measured(steady(), labels)
    assert found.qrs_ms == pytest.approx(90, abs=16)
    assert found.rr_ms is None
    assert set(found.qtc_ms.values()) == {None}
    assert found.not_measured["qtc"] == "no two neighbouring beats of the dominant class"
    assert "All beats lie beside beats of another class." in found.notes


def test_no_p_wave():
    found = measured(steady(Shape(p=None)))
    assert (found.pr_ms, found.p_ms, found.marks.p_onset_ms) == (None, None, None)
    assert found.not_measured["pr"].startswith("no P wave")
    assert found.qrs_ms is not None
    assert found.qt_ms is not None


def test_atrial_fibrillation():
    rng = np.random.default_rng(7)
    times = np.cumsum(rng.uniform(0.5, 1.1, 24))
    record = recording([(float(at), Shape(p=None)) for at in times if at < 19.5], duration_s=20.0)
    time_s = np.arange(record.n_samples) / 500
    waves = 60 * np.sin(2 * np.pi * 6.3 * time_s + 2 * np.sin(2 * np.pi * 0.4 * time_s))
    found = measured(replace(record, adc=(record.adc + waves).astype(np.int16)))
    assert found.pr_ms is None
    assert "irregular rhythm" in found.not_measured["pr"]
    assert "atrial fibrillation" in found.not_measured["pr"]
    assert any("rough guide" in note for note in found.notes)
    assert found.qrs_ms == pytest.approx(90, abs=20)


def test_p_waves_that_come_apart_from_the_beats():
    p_only = Shape(r_mv=0.0, t=None, p=(0.0, 100.0))
    ventricular = [(float(at), Shape(p=None, qrs=(-70.0, 80.0))) for at in np.arange(0.9, 29, 1.4)]
    record = recording([*ventricular, *((float(at), p_only) for at in np.arange(0.2, 29, 0.77))], duration_s=30.0)
    found = measure(record, np.array([round(at * 500) for at, _ in ventricular]), "N" * len(ventricular))
    assert found.pr_ms is None
    assert found.not_measured["pr"].startswith("no P wave")


def test_waves_like_p_between_the_beats():
    doubled = [(float(at) + shift, Shape(r_mv=0.0, t=None) if shift else Shape(t=(120.0, 300.0))) for at in np.arange(0.9, 19, 1.3) for shift in (0.0, 0.65)]
    record = recording(doubled, duration_s=20.0)
    beats = [round(at * 500) for at in np.arange(0.9, 19, 1.3)]
    found = measure(record, np.array(beats), "N" * len(beats))
    assert found.pr_ms is None
    assert "waves like P between the beats too" in found.not_measured["pr"]


def test_p_on_t_is_not_told_from_flutter():
    found = measured(steady(Shape(t=(110.0, 270.0), p=(-180.0, -60.0)), rr_s=0.43))
    assert found.pr_ms is None
    assert "no rest between the T wave and the P wave" in found.not_measured["pr"]


@pytest.mark.parametrize(("t_mv", "reason"), [(0.01, "T wave below 0.05 mV"), (0.0, "T wave")])
def test_flat_t(t_mv, reason):
    found = measured(steady(Shape(t_mv=t_mv), noise_mv=0.005))
    assert (found.qt_ms, found.marks.t_offset_ms, set(found.qtc_ms.values())) == (None, None, {None})
    assert reason in found.not_measured["qt"]
    assert found.not_measured["qtc"] == found.not_measured["qt"]
    assert found.pr_ms is not None


def test_a_u_wave_is_no_t():
    assert measured(steady(Shape(u_mv=0.09), rr_s=1.1)).qt_ms == pytest.approx(414, abs=20)


@pytest.mark.parametrize(("shape", "qrs_ms"), [(Shape(qrs=(-60.0, 100.0), t=(220.0, 420.0)), 160), (Shape(qrs=(-30.0, 36.0)), 66)])
def test_wide_and_narrow_qrs(shape, qrs_ms):
    found = measured(steady(shape))
    assert found.qrs_ms == pytest.approx(qrs_ms, abs=16)
    assert any("QRS of" in note for note in found.notes) == (qrs_ms > 120)


def test_paced_beats():
    found = measured(steady(Shape(p=None, qrs=(-70.0, 90.0), spike_ms=-84.0, t=(220.0, 420.0))), ["/"] * 13)
    assert found.spikes_ms == pytest.approx((-84.0,), abs=3)
    assert found.pr_ms is None
    assert found.qrs_ms == pytest.approx(160, abs=24)
    assert found.dominant == "Q"
    assert any("Pacing spike" in note for note in found.notes)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_beats(n):
    record = recording([(at, USUAL) for at in (3.0, 5.0)[:n]])
    found = measured(record)
    assert none_measured(found)
    assert found.not_measured["qrs"] == "fewer than 3 normal beats"
    assert found.beat_mv is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_nothing_is_measured_on_noise_or_at_a_low_rate():
    record = steady()
    rng = np.random.default_rng(0)
    noise = measured(replace(record, adc=rng.normal(0, 300, record.adc.shape).astype(np.int16)))
    assert none_measured(noise)
    assert set(noise.not_measured) == {"p", "pr", "qrs", "qt", "qtc"}
    slow = measured(steady(fs_hz=80.0))
    assert none_measured(slow)
    assert "80 Hz is too low a rate" in slow.not_measured["qt"]


def test_bad_leads_are_left_out_and_told():
    record = changed(changed(steady(), "V1", 0), "V2", None)
    rng = np.random.default_rng(5)
    found = measured(changed(record, "V3", rng.normal(0, 400, record.n_samples).astype(np.int16)))
    assert {lead: reason.split(",")[0] for lead, reason in found.left_out.items()} == {"V1": "flat", "V2": "missing", "V3": "too noisy"}
    assert found.leads == tuple(lead for lead in record.leads if lead not in ("V1", "V2", "V3"))
    assert found.qrs_ms == pytest.approx(90, abs=16)
    none = measured(changed(record, "II", 0), leads=("II", "V1"))
    assert none_measured(none)
    assert none.not_measured["qrs"].startswith("no lead shows the beats: II flat")


def test_beats_with_missing_samples_do_not_count():
    record = steady()
    adc = record.adc.copy()
    adc[3, 2300:2600] = missing_code(adc.dtype)
    found = measured(replace(record, adc=adc))
    assert 8 <= found.n_beats <= 10
    assert found.qrs_ms == pytest.approx(90, abs=16)
    assert np.isfinite(found.beat_mv).all()
    adc[:, 1000:5500] = missing_code(adc.dtype)
    gone = measured(replace(record, adc=adc))
    assert none_measured(gone)


def test_a_long_record_takes_no_more_beats_than_needed():
    record = steady(duration_s=600.0, leads=("II", "V1"), fs_hz=250.0)
    found = measured(record)
    assert found.n_beats <= intervals.MAX_BEATS < found.n_seen
    assert found.qt_ms == pytest.approx(414, abs=24)


def test_as_dict_is_plain_and_whole():
    found = measured(steady())
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["qrs_ms"] == round(found.qrs_ms)
    assert plain["marks"]["qrs_onset_ms"] == found.marks.qrs_onset_ms
    assert plain["formula"] == "Fridericia"
    assert set(plain["qtc_ms"]) == set(FORMULAS)
    assert np.asarray(plain["beat_mv"]).shape == found.beat_mv.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_s": 5.0, "stop_s": 4.0}, "no stretch"),
        ({"stop_s": 40.0}, "no stretch of the record's 12 s"),
        ({"formula": "Simpson"}, "Fridericia, Bazett, Framingham, Hodges"),
        ({"labels": ["N"]}, "1 labels for 13 beats"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        measured(steady(), **options)
    record = steady()
    with pytest.raises(InputError, match="ascend"):
        measure(record, np.array([500, 400]), "NN")
    with pytest.raises(LeadError):
        measured(record, leads=("V9",))


def test_the_demo_record():
    record = make_demo("demo-12-lead")
    found = measured(record)
    assert found.not_measured == {}
    assert 70 < found.qrs_ms < 130
    assert 110 < found.pr_ms < 210


@pytest.mark.data
def test_paced_records_and_fibrillation_of_mitdb_have_no_pr(data_set):
    for name in ("107", "210", "217", "219"):
        record = read(data_set("mitdb") / name)
        beats = analyze(record).beats
        found = measure(record, beats.samples, beats.labels, stop_s=600.0)
        assert found.pr_ms is None, name
        assert found.qrs_ms is not None, name
