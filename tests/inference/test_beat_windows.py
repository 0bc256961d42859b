"""Models for windows of one beat: their own rate and classes, the lead they learned from, attention that adds up."""

import json

import numpy as np
import pytest

from ecgcore import settings
from ecgcore.analysis import analyze, classify
from ecgcore.attention import attend
from ecgcore.demo import make_demo
from ecgcore.errors import InputError, ModelError
from ecgcore.findings import Analysis, AttentionChecks
from ecgcore.inference import beat_windows, beats, cards
from ecgcore.signals import filters
from ecgcore.signals.resampling import resample
from tests.window_models import STEPS, write_model

NAMES = ["neural_flow", "hadln"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    for name in NAMES:
        write_model(root, name)
    return root


@pytest.fixture(autouse=True)
def installed(weights, monkeypatch):
    """The tiny models stand where shipped ones do."""
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", weights)


@pytest.fixture(scope="module")
def ectopy():
    return make_demo("demo-ectopy")


@pytest.fixture(params=NAMES)
def scene(request, ectopy):
    """Classifier, lead (n,) at its rate, and the beats of the demo record."""
    classifier = beats.load(request.param)
    spec = classifier.card.input
    lead = filters.band_pass(resample(ectopy.mv(("MLII",))[0], ectopy.fs_hz, spec.fs_hz), spec.band_hz, spec.fs_hz)
    return classifier, lead, ectopy.annotation("atr").samples, ectopy.fs_hz


def test_chunks_make_no_difference(scene, monkeypatch):
    classifier, lead, samples, fs_hz = scene
    ones = np.ones((1, samples.size), np.float32)
    whole = classifier.probabilities([lead], ones, samples, fs_hz)
    monkeypatch.setattr(beat_windows, "CHUNK", 7)
    assert np.allclose(classifier.probabilities([lead], ones, samples, fs_hz), whole, atol=1e-6)
    assert np.allclose(whole.sum(axis=1), 1, atol=1e-5)


def test_leads_are_weighed(scene):
    classifier, lead, samples, fs_hz = scene
    first = np.stack([np.ones(samples.size), np.zeros(samples.size)]).astype(np.float32)
    alone = classifier.probabilities([lead], first[:1], samples, fs_hz)
    assert np.allclose(classifier.probabilities([lead, lead[::-1].copy()], first, samples, fs_hz), alone, atol=1e-6)
    both = classifier.probabilities([lead, lead[::-1].copy()], np.ones_like(first), samples, fs_hz)
    assert not np.allclose(both, alone, atol=1e-3)


def test_attention_is_a_share_of_each_step(scene):
    classifier, lead, samples, fs_hz = scene
    weights = classifier.attention(lead, samples, fs_hz)
    assert weights.shape == (samples.size, STEPS)
    assert (weights >= 0).all()
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_no_beats(scene):
    classifier, lead, samples, fs_hz = scene
    assert classifier.probabilities([lead], np.ones((1, 0), np.float32), samples[:0], fs_hz).shape == (0, len(classifier.card.classes))
    assert len(classifier.windows(lead, samples[:0], fs_hz)) == 0


@pytest.mark.parametrize(("leads", "taken"), [(("V1", "MLII"), ("MLII",)), (("I", "II", "III"), ("II",)), (("V1", "V5"), ("V1", "V5"))])
def test_the_lead_learned_from_is_taken_where_it_is_there(leads, taken):
    assert beats.load("hadln").takes(leads) == taken
    assert beats.load("neural_flow").takes(leads) == taken


@pytest.mark.parametrize("name", NAMES)
def test_an_analysis_carries_the_models_own_classes(ectopy, name):
    analysis = analyze(ectopy, model=name)
    assert analysis.leads == ("MLII", "V1")
    assert analysis.beats.leads == ("MLII",)
    assert analysis.beats.model == f"{name}@1"
    assert analysis.beats.classes == beats.load(name).card.classes
    assert tuple(analysis.beats.counts) == analysis.beats.classes
    assert sum(analysis.beats.counts.values()) == len(analysis.beats) > 30
    assert len(set(analysis.beats.labels)) > 1
    assert Analysis.from_json(analysis.to_json()) == analysis


def test_what_a_model_cannot_know_is_said(ectopy):
    three, five = analyze(ectopy, model="neural_flow").notes, analyze(ectopy, model="hadln").notes
    assert "knows the classes N, S, V only: a beat that is F or Q is called one of these" in " ".join(three)
    assert not any("classes" in note for note in five)
    (said,) = (note for note in analyze(ectopy, ["V1"], model="hadln").notes if "learned from" in note)
    assert said == "hadln@1 learned from lead MLII or II, and none of V1 is that: its classes are not to be relied on."


def test_given_beats_are_classified_where_they_are(ectopy):
    samples = ectopy.annotation("atr").samples
    found = classify(ectopy, samples, ["MLII", "V1"], model="neural_flow")
    assert np.array_equal(found.samples, samples)
    alone = classify(ectopy, samples, ["MLII"], model="neural_flow")
    assert np.allclose(found.probabilities, alone.probabilities, atol=1e-5)


def test_attention_over_a_beat_is_that_of_the_whole_record(scene, ectopy):
    classifier, lead, samples, fs_hz = scene
    whole = classifier.attention(lead, samples, fs_hz)
    for index in (0, len(samples) // 2, len(samples) - 1):
        found = attend(ectopy, samples, index, model=classifier.card.name)
        assert np.allclose(found.weights, whole[index], atol=0.02)
        assert found.sample == samples[index]
        assert found.lead == "MLII"
        before_s = classifier.card.input.before_samples / classifier.card.input.fs_hz
        assert found.start_s == pytest.approx(samples[index] / fs_hz - before_s, abs=1 / classifier.card.input.fs_hz)
        assert found.stop_s - found.start_s == pytest.approx(classifier.card.input.samples / classifier.card.input.fs_hz)
        assert found.checks == AttentionChecks(0.4, 0.1, 0.05)


def test_zeros_after_a_short_window_are_no_signal(ectopy):
    samples = ectopy.annotation("atr").samples
    short = attend(ectopy, samples, 5, model="hadln")
    assert short.start_s < short.seen_stop_s < short.stop_s
    assert short.unseen == pytest.approx(0, abs=0.02)  # this model looks at height: zeros have none
    whole = attend(ectopy, samples, 5, model="neural_flow")
    assert whole.seen_stop_s == pytest.approx(whole.stop_s, abs=0.01)


def test_there_is_attention_only_where_a_model_has_it(ectopy, weights, monkeypatch):
    samples = ectopy.annotation("atr").samples
    with pytest.raises(InputError, match="no beat 9999"):
        attend(ectopy, samples, 9999, model="hadln")
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", settings.ROOT / "weights")
    with pytest.raises(ModelError, match="no attention over a beat"):
        attend(ectopy, samples, 0, model="beats")


@pytest.mark.parametrize(("highlighted", "chance", "refuted"), [(0.4, 0.1, False), (0.1, 0.1, True), (0.05, 0.1, True), (None, 0.1, False)])
def test_a_map_no_better_than_chance_is_refuted(highlighted, chance, refuted):
    assert AttentionChecks(highlighted, chance, None).refuted is refuted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ("S", "V")}, "wanted are N and others"),
        ({"classes": ("N", "A")}, "wanted are N and others"),
        ({"thresholds": {"V": 0.5}}, "one for each class but N"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"task": "rhythm"}, "'rhythm'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path, change, said):
    folder = write_model(tmp_path, "neural_flow", **change)
    with pytest.raises(ModelError, match=said):
        beats.load_folder(folder)


def test_the_windowing_must_be_known(tmp_path):
    folder = write_model(tmp_path, "neural_flow")
    card = json.loads((folder / cards.CARD).read_text())
    card["input"]["windowing"] = "dominant"
    (folder / cards.CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="windows cut 'dominant'"):
        beats.load_folder(folder)


def test_thresholds_of_three_classes_decide_in_order():
    classes, thresholds = ("N", "S", "V"), {"S": 0.3, "V": 0.4}
    rows = np.array([[0.9, 0.05, 0.05], [0.5, 0.4, 0.1], [0.2, 0.4, 0.4]], np.float32)
    assert [classes[i] for i in beats.decide(rows, classes, thresholds)] == ["N", "S", "V"]
    assert [classes[i] for i in beats.decide(rows, classes, {})] == ["N", "N", "S"]
