"""The 187-sample set: its counts and its split, and the RR intervals beside it."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.findings import AAMI_CLASSES
from ecgcore.training import kachuee_set, recipes
from ecgcore.training.beat_sets import beat_set
from ecgcore.training.kachuee_set import COUNTS, RR_AROUND, TEST_COUNTS, five_classes, split


@pytest.fixture
def spec():
    return recipes.load("hadln").input


def test_the_last_beat_of_each_record_is_left_out(tiny_flow, spec):
    everyone = tiny_flow.data.everyone
    whole, rhythmic = beat_set(everyone, AAMI_CLASSES, spec), five_classes(everyone, spec)
    per_record = np.bincount(whole.patients) - np.bincount(rhythmic.beats.patients)
    assert per_record.tolist() == [1] * len(whole.records)
    first = whole.patients == 0
    assert np.array_equal(whole.windows[first][:-1], rhythmic.beats.windows[rhythmic.beats.patients == 0])
    assert rhythmic.rr_s.shape == (rhythmic.beats.targets.size, 2 * RR_AROUND)


def test_the_intervals_are_those_around_the_beat(tiny_flow, spec):
    rhythmic = five_classes({"mitdb": ("101",)}, spec)
    labelled = data.load_beats(data.locate("mitdb"), "101")
    rr = np.diff(labelled.samples) / labelled.record.fs_hz
    assert rhythmic.rr_s[10] == pytest.approx(rr[6:14], abs=1e-6)
    assert rhythmic.rr_s[0, :RR_AROUND] == pytest.approx(rr[0], abs=1e-6)


def test_a_fifth_of_each_class_is_for_testing(tiny_flow, spec):
    beats = five_classes(tiny_flow.data.everyone, spec).beats
    test = split(beats, 1)
    for k in np.unique(beats.targets):
        assert test[beats.targets == k].sum() == round((beats.targets == k).sum() / 5)
    assert not np.array_equal(test, split(beats, 2))
    assert np.array_equal(test, split(beats, 1))


def test_the_published_set_is_split_as_published(tiny_flow, spec):
    beats = five_classes(tiny_flow.data.everyone, spec).beats
    targets = np.repeat(np.arange(5), list(COUNTS.values()))
    test = split(replace(beats, targets=targets), 1)
    assert np.bincount(targets[test]).tolist() == list(TEST_COUNTS.values())
    assert (test.sum(), (~test).sum()) == (21_892, 87_554)


def test_other_counts_are_refused(tiny_flow, spec, monkeypatch):
    monkeypatch.setattr(kachuee_set, "ALL", ("101",))
    with pytest.raises(DataError, match="without the last beat of each record mitdb should hold"):
        five_classes({"mitdb": ("101",)}, spec)


@pytest.mark.data
def test_the_real_set_has_the_published_counts(data_set, spec):
    data_set("mitdb")
    beats = five_classes(recipes.load("hadln").data.everyone, spec).beats
    assert beats.counts == COUNTS
    assert beats.windows.shape == (109_446, 187)
    assert np.bincount(beats.targets[split(beats, 1)]).tolist() == list(TEST_COUNTS.values())
    assert np.isfinite(beats.windows).all()
    usual = beats.windows[(beats.windows != 0).any(axis=1)]
    assert -0.5 < np.quantile(usual, 0.001) < np.quantile(usual, 0.999) < 1.5  # 0 to 1 over each part but for what reaches into the next
