"""The beat classifier: chunks make no difference, leads are weighed, thresholds decide."""

import numpy as np
import pytest

from ecgcore.demo import make_demo
from ecgcore.inference import beats
from ecgcore.signals import filters
from ecgcore.signals.detection import FS_HZ
from ecgcore.signals.resampling import resample


@pytest.fixture(scope="module")
def scene():
    """Classifier, leads (2, n) at its rate and the beats of the demo record."""
    record = make_demo("demo-ectopy")
    classifier = beats.load("beats")
    leads = np.stack([filters.band_pass(lead, classifier.card.input.band_hz, FS_HZ) for lead in resample(record.mv(), record.fs_hz, FS_HZ)])
    return classifier, leads, record.annotation("atr").samples, record.fs_hz


def test_chunks_make_no_difference(scene, monkeypatch):
    classifier, leads, samples, fs_hz = scene
    ones = np.ones((2, samples.size), np.float32)
    whole = classifier.probabilities(leads, ones, samples, fs_hz)
    monkeypatch.setattr(beats, "CHUNK", 100)
    assert np.abs(classifier.probabilities(leads, ones, samples, fs_hz) - whole).max() < 0.05


def test_an_untrusted_lead_has_no_say(scene):
    classifier, leads, samples, fs_hz = scene
    first = np.stack([np.ones(samples.size), np.zeros(samples.size)]).astype(np.float32)
    both = classifier.probabilities(np.stack([leads[0], 100 * leads[1][::-1]]), first, samples, fs_hz)
    alone = classifier.probabilities(leads[:1], first[:1], samples, fs_hz)
    assert np.allclose(both, alone, atol=1e-6)


def test_no_trust_in_any_lead_counts_all_alike(scene):
    classifier, leads, samples, fs_hz = scene
    none = np.zeros((2, samples.size), np.float32)
    assert np.allclose(classifier.probabilities(leads, none, samples, fs_hz).sum(axis=1), 1, atol=1e-4)


def test_leads_are_averaged_by_weight_and_one_without_any_is_not_asked():
    asked = []

    def one_lead(lead):
        asked.append(int(lead[0]))
        return np.full((3, 2), lead[0], np.float32)

    leads = np.array([[1.0], [3.0], [9.0]], np.float32)
    weights = np.array([[1, 3, 0], [1, 1, 2], [0, 0, 0]], np.float32)
    assert beats.by_weight(leads, weights, 2, one_lead).tolist() == [[2, 2], [1.5, 1.5], [3, 3]]
    assert asked == [1, 3]


def test_no_beats(scene):
    classifier, leads, samples, fs_hz = scene
    assert classifier.probabilities(leads, np.ones((2, 0), np.float32), samples[:0], fs_hz).shape == (0, 5)


def test_thresholds_decide_in_order():
    classes, thresholds = ("N", "S", "V", "F", "Q"), {"S": 0.2, "V": 0.3, "F": 0.5, "Q": 0.5}
    rows = [[0.9, 0.1, 0, 0, 0], [0.7, 0.25, 0.05, 0, 0], [0.4, 0.3, 0.3, 0, 0], [0.3, 0.1, 0.1, 0.5, 0], [0.3, 0.1, 0.05, 0.05, 0.5]]
    found = beats.decide(np.array(rows, np.float32), classes, thresholds)
    assert [classes[i] for i in found] == ["N", "S", "V", "F", "Q"]
