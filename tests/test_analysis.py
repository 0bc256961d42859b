"""The whole flow: known beats are found and named, on any leads, with what made them; and it reads back equal."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore.analysis import analyze, classify
from ecgcore.demo import make_demo, record_of, synthesise
from ecgcore.errors import FormatError, LeadError, ModelError
from ecgcore.evaluation.ec57 import compare_beats
from ecgcore.findings import AAMI_CLASSES, Analysis
from ecgcore.record import Annotation


@pytest.fixture(scope="module")
def ectopy():
    return make_demo("demo-ectopy")


@pytest.fixture(scope="module")
def analysis(ectopy):
    return analyze(ectopy)


def test_beats_of_the_demo_record_are_found_and_named(ectopy, analysis):
    found = Annotation.of("lw", analysis.beats.samples, analysis.beats.codes)
    comparison = compare_beats(ectopy.annotation("atr"), found, ectopy.fs_hz, start_s=0)
    assert comparison.qrs_f1.percent == 100
    assert comparison.veb_f1.percent >= 95


def test_peaks_lie_on_the_r_peak(ectopy, analysis):
    truth = ectopy.annotation("atr")
    normal = truth.samples[[symbol == "N" for symbol in truth.symbols]]
    offset = np.abs(analysis.beats.samples[None] - normal[:, None]).min(axis=1)
    assert np.quantile(offset, 0.95) <= 0.012 * ectopy.fs_hz


def test_it_says_what_made_it(ectopy, analysis):
    assert analysis.leads == ("MLII", "V1")
    assert analysis.beats.model.startswith("beats@")
    assert analysis.beats.leads == analysis.leads
    assert analysis.beats.classes == AAMI_CLASSES
    assert sum(analysis.beats.counts.values()) == len(analysis.beats)
    assert sum(analysis.beats.burden.values()) == pytest.approx(1)
    assert np.allclose(analysis.beats.probabilities.sum(axis=1), 1, atol=1e-3)
    assert set(analysis.timing_s) - {"rhythm"} == {"detection", "quality", "classification"}
    assert np.all(np.diff(analysis.beats.samples) > 0)


def test_json_reads_back_equal(analysis):
    again = Analysis.from_json(analysis.to_json())
    assert again == analysis
    assert replace(again, leads=("V1",)) != analysis


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"record": {}}', "not json"])
def test_other_text_is_no_analysis(text):
    with pytest.raises(FormatError, match="not an Analysis"):
        Analysis.from_json(text)


def test_any_subset_of_leads(ectopy, analysis):
    one = analyze(ectopy, ["V1"])
    assert one.leads == ("V1",)
    assert abs(len(one.beats) - len(analysis.beats)) <= 2
    with pytest.raises(LeadError, match="it has MLII, V1"):
        analyze(ectopy, ["V6"])


def test_derived_leads_can_be_analysed():
    assert analyze(make_demo("demo-12-lead"), ["-aVR", "aVF"]).beats.counts["N"] >= 10


def test_an_unknown_model_names_those_there_are(ectopy):
    with pytest.raises(ModelError, match=r"no model 'magic'; there are: .*\bbeats@"):
        analyze(ectopy, model="magic")


def test_progress_rises_to_one(ectopy):
    told = []
    analyze(ectopy, progress=lambda share, what: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_given_beats_are_classified_where_they_are(ectopy):
    truth = ectopy.annotation("atr")
    beats = classify(ectopy, truth.samples)
    assert np.array_equal(beats.samples, truth.samples)
    assert beats.detector == "given"
    ventricular = [label for label, symbol in zip(beats.labels, truth.symbols, strict=True) if symbol == "V"]
    assert ventricular.count("V") >= 0.9 * len(ventricular)


def test_channels_that_are_no_ecg_are_left_out_unless_asked_for(ectopy):
    mixed = replace(ectopy, leads=("MLII", "Resp"))
    assert analyze(mixed).leads == ("MLII",)
    assert analyze(mixed, ["Resp"]).leads == ("Resp",)


def test_beats_in_noise_are_counted_with_a_caution():
    noise = np.random.default_rng(1).normal(size=(1, 15_000))
    notes = " ".join(analyze(record_of("noise", noise, [], ("EEG Fpz-Cz",), 250)).notes)
    assert "No channel is named as an ECG lead: EEG Fpz-Cz" in notes
    assert "no chosen lead is usable" in notes


def test_a_low_rate_is_cautioned():
    beats = [(0.6 + 0.8 * i, "N") for i in range(30)]
    low = record_of("low", synthesise(beats, 25, ("II",), 20), beats, ("II",), 20)
    assert "20 Hz is too low a rate" in " ".join(analyze(low).notes)


def test_irregular_rhythm_with_s_beats_is_cautioned():
    rng = np.random.default_rng(2)
    at = np.cumsum(rng.uniform(0.45, 1.1, 150))
    analysis = analyze(record_of("af", synthesise([(float(t), "N") for t in at], float(at[-1]) + 1, ("II",), 250), [], ("II",), 250))
    assert analysis.beats.counts["S"]
    assert "atrial fibrillation" in " ".join(analysis.notes)
    assert analyze(make_demo("demo-ectopy")).notes == ()


@pytest.mark.parametrize("seconds", [0.004, 0.5, 2.0, 3.0])
def test_short_recordings_are_analysed(seconds):
    n = max(1, round(seconds * 250))
    mv = synthesise([(1.0, "N"), (1.8, "N")], 4.0, ("II",), 250)[:, :n]
    analysis = analyze(record_of("short", mv, [], ("II",), 250))
    assert len(analysis.beats) <= 3
    assert Analysis.from_json(analysis.to_json()) == analysis


@pytest.mark.parametrize(("value", "kind"), [(0.0, "flat"), (np.nan, "missing")])
def test_a_record_without_signal_has_no_beats_and_says_why(value, kind):
    analysis = analyze(record_of("empty", np.full((2, 7500), value), [], ("II", "V1"), 250))
    assert len(analysis.beats) == 0
    assert analysis.quality.usable == {"II": 0.0, "V1": 0.0}
    assert {mark.kind for mark in analysis.quality.marks} == {kind}
    assert Analysis.from_json(analysis.to_json()) == analysis


@pytest.mark.data
def test_mitdb_119(data_set):
    from ecgcore.readers import read

    counts = analyze(read(data_set("mitdb") / "119")).beats.counts
    assert abs(counts["N"] - 1543) <= 5
    assert abs(counts["V"] - 444) <= 5
    assert counts["S"] + counts["F"] + counts["Q"] <= 5
