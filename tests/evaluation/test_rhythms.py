"""Figures of a rhythm classifier: counted by hand, and not given where too few patients were tested."""

import numpy as np
import pytest

from ecgcore.evaluation.rhythms import BY_CLASS, LEAST_PATIENTS, OVERALL, Judged, by_class, measured, overall

CLASSES = ("SR", "AFIB", "AT")


def judged(targets, called, sure=0.8):
    """Called so surely; of the other two classes the first is twice as likely."""
    probabilities = np.array([np.insert([(1 - sure) * 2 / 3, (1 - sure) / 3], k, sure) for k in called])
    return Judged(CLASSES, probabilities, np.array(targets))


def test_figures_are_those_counted_by_hand():
    one = judged([0] * 20 + [1] * 20, [0] * 15 + [1] * 5 + [1] * 20)
    said = overall(one)
    assert tuple(said) == OVERALL
    assert said["accuracy"] == pytest.approx(35 / 40)
    assert said["macro recall"] == pytest.approx((0.75 + 1) / 2)
    assert said["macro precision"] == pytest.approx((1 + 20 / 25) / 2)
    assert said["macro F1"] == pytest.approx((30 / 35 + 40 / 45) / 2, abs=1e-5)
    assert said["Cohen's kappa"] == pytest.approx((0.875 - 0.5) / 0.5)
    assert said["log loss"] == pytest.approx(-(35 * np.log(0.8) + 5 * np.log(0.4 / 3)) / 40, abs=1e-5)
    assert said["macro AUC"] == pytest.approx((15 * 20 + 5 * 20 * 0.5) / 400)  # AT, which nobody has, has no area
    assert said["top-2 accuracy"] == 1


def test_a_class_of_few_patients_is_not_established():
    few = LEAST_PATIENTS - 1
    one = judged([0] * 20 + [1] * few, [0] * 20 + [1] * few)
    found = by_class(one)
    assert found["SR"] == (20, dict.fromkeys(BY_CLASS, 1.0))
    assert found["AFIB"] == (few, dict.fromkeys(BY_CLASS))
    assert found["AT"] == (0, dict.fromkeys(BY_CLASS))
    assert overall(one)["accuracy"] == 1


def test_nothing_is_established_of_few_patients():
    one = judged([0, 1, 2], [0, 1, 2])
    assert overall(one) == dict.fromkeys(OVERALL)
    assert measured(one)["macro F1"] == 1


def test_what_is_not_defined_is_no_number():
    one = judged([0] * 30, [0] * 30)
    said = overall(one)
    assert said["Cohen's kappa"] is None
    assert said["macro AUC"] is None
    assert said["accuracy"] == 1


def test_specificity_counts_those_of_other_classes():
    found = by_class(judged([0] * 20 + [1] * 25, [1] * 5 + [0] * 15 + [1] * 25))
    assert found["AFIB"][1]["specificity"] == pytest.approx(15 / 20)
    assert found["SR"][1]["specificity"] == 1
    assert found["SR"][1]["sensitivity"] == pytest.approx(15 / 20)
    assert found["AFIB"][1]["PPV"] == pytest.approx(25 / 30, abs=1e-5)
