"""Where a model sees ectopic beats: places on the record's clock, both checks beside each, no seams, and nothing where nothing was recorded."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import ecgcore
from ecgcore.demo import make_demo, record_of, synthesise
from ecgcore.ectopy import locate
from ecgcore.errors import InputError, LeadError, ModelError
from ecgcore.inference import cards, segmenter
from ecgcore.signals import segments

LEADS = ("II", "V1")
WIDE = (7, 15, 22, 30, 41)  # places of the wide ectopic beats
DURATION_S = 45


def rhythm(wide=WIDE, duration_s=DURATION_S):
    rr = 0.85
    return [(0.6 + rr * i - (0.3 if i in wide else 0), "V" if i in wide else "N") for i in range(int((duration_s - 1) / rr))]


def record(fs_hz=250.0, wide=WIDE, duration_s=DURATION_S):
    beats = rhythm(wide, duration_s)
    return record_of("wide", synthesise(beats, duration_s, LEADS, fs_hz, seed=5), beats, LEADS, fs_hz)


@pytest.fixture(scope="module")
def found():
    return locate(record(), ["II"])


def test_wide_beats_are_found_where_they_are(found):
    at_s = np.array([place.sample / 250 for place in found.places if place.label == "V"])
    true_s = np.array([at for at, code in rhythm() if code == "V"])
    assert np.abs(at_s[:, None] - true_s[None]).min(axis=0).max() < 0.15
    assert len(at_s) == len(true_s)


def test_every_place_has_its_strength_its_ends_and_its_checks(found):
    assert [place.sample for place in found.places] == sorted(place.sample for place in found.places)
    for place in found.places:
        assert place.start_sample < place.sample < place.stop_sample
        assert found.limits[place.label] <= place.strength <= 1
        if place.label == "V":
            assert place.checks.failed == ""
    assert found.checks["V"].highlighted > found.checks["V"].random + 0.1
    assert abs(found.checks["V"].correlation) < 0.5


def test_the_map_is_on_the_clock_of_the_record(found):
    assert found.strengths.shape == (2, pytest.approx(DURATION_S / found.step_s, abs=1))
    assert found.labels == ("V", "S")
    for place in found.places:
        at = int(place.sample / 250 / found.step_s)
        assert found.strengths[found.labels.index(place.label), max(0, at - 5) : at + 6].max() == pytest.approx(place.strength, abs=1e-4)


def test_it_says_what_made_it_and_from_which_lead(found):
    assert found.model == cards.read_card(cards.find("segmenter")).id
    assert found.leads == ("II",)
    assert locate(record(), None).leads == ("II",)
    assert locate(record(), ["V1", "II"]).leads == ("V1",)


@pytest.mark.parametrize("fs_hz", [100.0, 257.0, 1000.0])
def test_any_rate_from_50_hz_on_gives_the_same_places(found, fs_hz):
    other = locate(record(fs_hz), ["II"])
    ours, theirs = ([place.sample / rate for place in one.places if place.label == "V"] for one, rate in ((found, 250), (other, fs_hz)))
    assert theirs == pytest.approx(ours, abs=0.1)


def test_a_record_without_ectopic_beats_has_no_place():
    found = locate(record(wide=()), ["II"])
    assert found.places == ()
    assert found.checks == {"V": None, "S": None}


def test_of_a_flat_or_missing_stretch_nothing_is_said():
    whole = record()
    mv = whole.mv().astype(np.float64)
    mv[:, 20 * 250 : 24 * 250] = np.nan
    mv[:, 30 * 250 : 37 * 250] = 0.0
    broken = locate(record_of("broken", mv, rhythm(), LEADS, 250), ["II"])
    for start_s, stop_s in ((20, 24), (30.5, 36.5)):
        assert not broken.strengths[:, int(start_s / broken.step_s) : int(stop_s / broken.step_s)].any()
        assert not [place for place in broken.places if start_s * 250 <= place.sample <= stop_s * 250]
    assert [place for place in broken.places if place.sample < 18 * 250]


@pytest.mark.parametrize("n_samples", [1, 2, 50, 700])
def test_a_record_shorter_than_a_segment_is_mapped(n_samples):
    short = replace(record(), adc=record().adc[:, :n_samples], annotations=())
    found = locate(short, ["II"])
    assert found.strengths.shape[1] == pytest.approx(n_samples / 250 / found.step_s, abs=1.01)
    assert all(0 <= place.start_sample < place.stop_sample <= n_samples for place in found.places)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_lead_without_any_signal_has_an_empty_map(value):
    beats = rhythm()
    found = locate(record_of("none", np.full((2, 250 * DURATION_S), value), beats, LEADS, 250), ["II"])
    assert not found.strengths.any()
    assert found.places == ()


def test_too_low_a_rate_is_refused():
    with pytest.raises(InputError, match=r"wide has 40 samples a second; ectopic beats are located from 50 on"):
        locate(record(40.0), ["II"])


def test_an_unknown_lead_and_an_unknown_model_are_refused():
    with pytest.raises(LeadError, match="V9"):
        locate(record(), ["V9"])
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        locate(record(), ["II"], model="nowhere")
    with pytest.raises(ModelError, match="ectopic places are found by models for 'ectopic places'"):
        locate(record(), ["II"], model="beats")


def test_a_model_that_knows_certain_leads_takes_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path))
    folder = shutil.copytree(cards.find("segmenter"), tmp_path / "models" / "segmenter" / "9")
    card = json.loads((folder / cards.CARD).read_text())
    (folder / cards.CARD).write_text(json.dumps({**card, "version": "9", "input": {**card["input"], "leads": ["V1"]}}))
    assert locate(record(), ["II", "V1"], model="segmenter@9").leads == ("V1",)
    with pytest.raises(LeadError, match="segmenter@9 looks at V1; chosen are II"):
        locate(record(), ["II"], model="segmenter@9")


def test_progress_is_told(found):
    told = []
    again = locate(record(), ["II"], progress=lambda share, what: told.append((share, what)))
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1][0] == 1.0
    assert np.array_equal(again.strengths, found.strengths)
    assert again.places == found.places


def fed(seconds, seed=1):
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.integers(70, 140, int(seconds * 1.3)))
    lead = rng.normal(size=round(seconds * segments.FS_HZ)).astype(np.float32)
    return segments.channels(lead, at[at < lead.size])


@pytest.mark.parametrize("shift", [64, 704, 1024])  # multiples of what the network strides over
def test_no_seam_shows_wherever_the_windows_begin(shift):
    model, x = segmenter.load("segmenter"), fed(60)
    whole = segmenter.strengths(model.answer, x, model.card.input.samples)
    moved = segmenter.strengths(model.answer, x[:, shift:], model.card.input.samples)
    step, away = shift // model.step, 704 // model.step
    gap = np.abs(whole[:, step + away : -away] - moved[:, away : whole.shape[1] - step - away])
    assert gap.max() < 1e-4


def test_the_map_of_a_record_is_that_of_its_parts():
    long = make_demo("demo-ectopy")
    whole = locate(long, ["MLII"])
    first_s, length_s, ends_s = 61, 180, 30
    part = locate(replace(long, adc=long.adc[:, first_s * 250 : (first_s + length_s) * 250], annotations=()), ["MLII"])
    skip, begin = round(ends_s / whole.step_s), round(first_s / whole.step_s)
    gap = np.abs(whole.strengths[:, begin + skip : begin + part.strengths.shape[1] - skip] - part.strengths[:, skip:-skip])
    assert np.quantile(gap, 0.99) < 0.05
    ours, theirs = (
        [round(place.sample / 250 - first_s * own, 2) for place in one.places if ends_s < place.sample / 250 - first_s * own < length_s - ends_s]
        for one, own in ((whole, 1), (part, 0))
    )
    assert len(ours) > 3
    assert theirs == pytest.approx(ours, abs=0.05)


def test_it_is_a_public_name():
    assert ecgcore.locate is locate
