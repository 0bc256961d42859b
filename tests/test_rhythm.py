"""Rhythm of a stretch and along a record, on synthetic recordings and a model that answers by rule: any rate, any leads, and a clear word where nothing can be told."""

from dataclasses import replace

import numpy as np
import pytest

import ecgcore
from ecgcore.demo import NO_P, record_of, synthesise
from ecgcore.errors import InputError, LeadError, ModelError
from ecgcore.findings import Analysis
from ecgcore.record import missing_code
from ecgcore.rhythm import rhythm_along, rhythm_of
from ecgcore.rhythm_findings import RHYTHMS, LeadChecks, RhythmTrend
from tests.rhythm_models import write_model

LEADS = ("I", "II", "V1", "V5")


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    monkeypatch.setattr("ecgcore.settings.SHIPPED_WEIGHTS", write_model(tmp_path / "weights").parents[1])


def recording(seconds=20.0, fs_hz=250.0, irregular=False, leads=LEADS):
    rng, at, beats = np.random.default_rng(2), 0.5, []
    while at < seconds - 0.4:
        beats.append((at, NO_P if irregular else "N"))
        at += rng.uniform(0.45, 1.15) if irregular else 0.8
    return record_of("r", synthesise(beats, seconds, leads, fs_hz, noise_mv=0.005, wander_mv=0.05, seed=3), beats, leads, fs_hz)


def without(record, lead, start_s=0.0, stop_s=None):
    adc = record.adc.copy()
    adc[record.leads.index(lead), round(start_s * record.fs_hz) : None if stop_s is None else round(stop_s * record.fs_hz)] = missing_code(adc.dtype)
    return replace(record, adc=adc)


@pytest.mark.parametrize("fs_hz", [50.0, 128.0, 257.0159, 360.0, 500.0])
@pytest.mark.parametrize("leads", [None, ("II",), ("III", "aVR"), ("V5", "II", "I")])
def test_regular_and_irregular_rhythms_are_told_apart_at_any_rate_on_any_leads(fs_hz, leads):
    assert rhythm_of(recording(fs_hz=fs_hz), leads).label == "SR"
    assert rhythm_of(recording(fs_hz=fs_hz, irregular=True), leads).label == "AFIB"


def test_a_rhythm_says_its_model_its_leads_and_its_stretch():
    told = rhythm_of(recording(), ("V1", "II"), start_s=5.0, stop_s=15.0)
    assert (told.model, told.leads, told.start_s, told.stop_s) == ("universal@1", ("V1", "II"), 5.0, 15.0)
    assert tuple(told.probabilities) == RHYTHMS
    assert sum(told.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert told.lead_weights == pytest.approx({"V1": 1 / 3, "II": 2 / 3}, abs=1e-3)
    assert told.checks is None


@pytest.mark.parametrize(
    ("start_s", "stop_s", "word"), [(0.0, 4.0, "5 to 60 s"), (0.0, 61.0, "5 to 60 s"), (-1.0, 9.0, "no stretch"), (60.0, 75.0, "no stretch"), (9.0, 9.0, "no stretch")]
)
def test_a_stretch_that_has_no_one_rhythm_is_refused(start_s, stop_s, word):
    with pytest.raises(InputError, match=word):
        rhythm_of(recording(seconds=70.0), start_s=start_s, stop_s=stop_s)


def test_what_cannot_be_asked_is_refused_in_a_line():
    record = recording()
    with pytest.raises(LeadError, match="V6"):
        rhythm_of(record, ("V6",))
    with pytest.raises(InputError, match="no lead was named"):
        rhythm_of(record, ())
    with pytest.raises(InputError, match="40 samples a second"):
        rhythm_of(replace(record, fs_hz=40.0))
    with pytest.raises(ModelError, match="no model 'other'"):
        rhythm_of(record, model="other")
    with pytest.raises(InputError, match="lasts 4 s"):
        rhythm_along(recording(seconds=4.0))


def test_a_lead_that_is_missing_has_no_say():
    told = rhythm_of(without(recording(), "V5"))
    assert told.lead_weights["V5"] == 0
    assert told.sure


def test_nothing_is_called_where_no_lead_is_there_or_too_few_beats_are():
    record = recording()
    for lead in record.leads:
        record = without(record, lead)
    assert rhythm_of(record).doubt == "every lead chosen is flat or missing here"
    still = record_of("s", synthesise([(5.0, "N")], 10.0, LEADS, 250.0, noise_mv=0.0, wander_mv=0.1, seed=1), [(5.0, "N")], LEADS, 250.0)
    assert "beats were found here" in rhythm_of(still).doubt


def test_a_rhythm_below_the_cards_threshold_or_never_established_is_not_called(tmp_path, monkeypatch):
    monkeypatch.setattr("ecgcore.settings.SHIPPED_WEIGHTS", write_model(tmp_path / "strict", certain_from=0.9999).parents[1])
    assert "below the 100%" in rhythm_of(recording(irregular=True)).doubt
    monkeypatch.setattr("ecgcore.settings.SHIPPED_WEIGHTS", write_model(tmp_path / "rare", unestablished=("AFIB",)).parents[1])
    told = rhythm_of(recording(irregular=True))
    assert told.label == "AFIB"
    assert told.doubt == "atrial fibrillation is most probable, but was measured on too few patients to be called"


def test_weights_come_with_both_checks_from_three_leads_on():
    told = rhythm_of(recording(irregular=True), checks=True)
    assert told.checks is not None
    assert told.checks.heaviest == "II"
    assert told.checks.highlighted > told.checks.random  # the model's own rule: the heaviest lead makes it surer
    assert told.checks.correlation < 0
    assert not told.checks.failed
    assert rhythm_of(recording(), ("I", "II"), checks=True).checks is None


def test_checks_that_fail_say_why():
    said = LeadChecks("II", 0.01, 0.02, 0.7)
    assert said.failing == ("dropping", "randomisation")
    assert "without II the probability falls by 0.010" in said.failed
    assert "correlation 0.70" in said.failed


def test_the_order_of_leads_does_not_matter():
    record = recording(irregular=True)
    assert rhythm_of(record, ("I", "II", "V1")).probabilities == pytest.approx(rhythm_of(record, ("V1", "I", "II")).probabilities, abs=1e-3)


def long_one():
    """A minute of sinus rhythm, one of atrial fibrillation, and 16 s more of sinus rhythm."""
    rng, at, beats = np.random.default_rng(4), 0.5, []
    while at < 135.6:
        fibrillating = 60 <= at < 120
        beats.append((at, NO_P if fibrillating else "N"))
        at += rng.uniform(0.45, 1.15) if fibrillating else 0.8
    return record_of("long", synthesise(beats, 136.0, LEADS, 250.0, noise_mv=0.005, wander_mv=0.05, seed=5), beats, LEADS, 250.0)


def test_rhythm_along_a_record_finds_the_spans():
    told = []
    trend = rhythm_along(long_one(), progress=lambda share, what: told.append(share))
    assert trend.starts_s.tolist() == [10.0 * k for k in range(14)]
    assert trend.lengths_s.sum() == pytest.approx(136.0)
    assert [(span.label, span.start_s, span.stop_s) for span in trend.spans()] == [("SR", 0.0, 60.0), ("AFIB", 60.0, 120.0), ("SR", 120.0, 136.0)]
    assert trend.judged == 1
    assert trend.share("AFIB") == pytest.approx(60 / 136)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_window_of_the_trend_says_what_the_stretch_says():
    record = long_one()
    trend = rhythm_along(record)
    for window in (0, 6, 8):
        told = rhythm_of(record, start_s=10.0 * window, stop_s=10.0 * window + 10)
        assert told.probabilities == pytest.approx(dict(zip(trend.classes, trend.probabilities[window].tolist(), strict=True)), abs=0.05)
        assert told.label == trend.labels[window]


def test_a_rest_too_short_is_left_out():
    assert rhythm_along(recording(seconds=24.0)).starts_s.tolist() == [0.0, 10.0]
    assert rhythm_along(recording(seconds=7.0)).starts_s.tolist() == [0.0]


def test_windows_that_are_not_sure_end_a_span_and_count_in_no_share():
    labels = np.eye(8, dtype=np.float32)[[2, 2, 2, 1, 1]]
    trend = RhythmTrend("m", ("II",), RHYTHMS, 10.0, 45.0, np.arange(5) * 10.0, labels, ("", "noise", "", "", ""))
    assert [(span.label, span.start_s, span.stop_s) for span in trend.spans()] == [("AFIB", 0.0, 10.0), ("AFIB", 20.0, 30.0), ("SR", 30.0, 45.0)]
    assert trend.judged == pytest.approx(35 / 45)
    assert trend.share("AFIB") == pytest.approx(20 / 35)
    nothing = replace(trend, doubts=("noise",) * 5)
    assert np.isnan(nothing.share("AFIB"))
    assert nothing.spans() == ()


def test_an_analysis_of_up_to_a_minute_tells_the_rhythm_and_is_read_back_equal(monkeypatch):
    monkeypatch.undo()  # the models that are shipped
    short = ecgcore.analyze(recording(seconds=10.0))
    assert short.rhythm is not None
    assert short.rhythm.leads == short.leads
    assert Analysis.from_json(short.to_json()) == short
    assert ecgcore.analyze(recording(seconds=70.0)).rhythm is None


def test_without_a_rhythm_model_the_beats_are_found_all_the_same(monkeypatch):
    monkeypatch.undo()
    found = ecgcore.analyze(recording(seconds=10.0), rhythm_model="absent")
    assert found.rhythm is None
    assert len(found.beats) > 0
    assert any(note.startswith("No rhythm was told: no model 'absent'") for note in found.notes)
    assert ecgcore.analyze(recording(seconds=10.0), rhythm_model=None).rhythm is None
