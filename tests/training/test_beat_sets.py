"""Beats cut out one by one: what is kept, the folds by chance and by patient, and the counts of the real records."""

import numpy as np
import pytest

from ecgcore.errors import DataError
from ecgcore.training import recipes
from ecgcore.training.beat_sets import ALL, UNPACED, BeatSet, beat_set, check_counts, patient_folds, stratified_folds

CLASSES = ("N", "S", "V")


def test_beats_are_cut_from_the_lead_wanted_with_their_classes(tiny_flow):
    beats = beat_set(tiny_flow.data.everyone, CLASSES, tiny_flow.input)
    assert beats.records == ("101", "106", "114", "201", "100", "103")
    assert beats.windows.shape == (beats.targets.size, tiny_flow.input.samples)
    assert beats.windows.dtype == np.float32
    assert sum(beats.counts.values()) == beats.targets.size
    assert min(beats.counts.values()) > 0
    assert set(beats.patients[beats.of(["114", "103"])]) == {2, 5}


def test_classes_not_asked_for_are_left_out(tiny_flow):
    every = beat_set(tiny_flow.data.everyone, ("N", "S", "V", "F", "Q"), tiny_flow.input)
    some = beat_set(tiny_flow.data.everyone, ("N", "V"), tiny_flow.input)
    assert some.counts == {name: every.counts[name] for name in ("N", "V")}


def test_folds_by_chance_hold_each_class_in_equal_parts():
    targets = np.repeat([0, 1, 2], [901, 28, 70])
    folds = stratified_folds(targets, 10, 1)
    for k in range(3):
        counts = np.bincount(folds[targets == k], minlength=10)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1
    assert np.array_equal(folds, stratified_folds(targets, 10, 1))
    assert not np.array_equal(folds, stratified_folds(targets, 10, 2))


def test_folds_by_patient_hold_each_patient_once_and_share_the_rare_beats():
    counts = {"a": (50, 9, 0), "b": (50, 8, 1), "c": (50, 2, 0), "d": (50, 1, 0), "e": (50, 0, 4), "f": (50, 0, 3)}
    targets = np.concatenate([np.repeat([0, 1, 2], row) for row in counts.values()])
    patients = np.repeat(np.arange(6), [sum(row) for row in counts.values()])
    beats = BeatSet(CLASSES, tuple(counts), np.zeros((targets.size, 4), np.float32), targets, patients)
    folds = patient_folds(beats, list(counts), 2)
    assert sorted(name for fold in folds for name in fold) == list(counts)
    assert folds == (("a", "d", "e"), ("b", "c", "f"))


def test_counts_that_are_not_those_published_are_refused():
    with pytest.raises(DataError, match="should hold the beats"):
        check_counts("mitdb", UNPACED, {"N": 1})
    check_counts("mitdb", ("100", "101"), {"N": 1})
    check_counts("svdb", UNPACED, {"N": 1})


@pytest.mark.data
def test_the_sets_of_mitdb_hold_what_is_published(data_set):
    data_set("mitdb")
    spec = recipes.load("neural_flow").input
    three = beat_set({"mitdb": UNPACED}, CLASSES, spec)
    assert three.counts == {"N": 90_125, "S": 2_781, "V": 7_009}
    assert np.isfinite(three.windows).all()
    five = beat_set({"mitdb": ALL}, ("N", "S", "V", "F", "Q"), spec)
    assert five.counts == {"N": 90_631, "S": 2_781, "V": 7_236, "F": 803, "Q": 8_043}
    assert frozenset(recipes.load("neural_flow").data.everyone["mitdb"]) == frozenset(UNPACED)
