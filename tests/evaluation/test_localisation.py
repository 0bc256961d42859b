"""Places against annotated beats."""

import numpy as np
import pytest

from ecgcore.evaluation.localisation import Located, located, total

BEATS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
LABELS = np.array(list("NVVFS"))


def test_a_place_within_150_ms_is_right():
    assert located(np.array([1.86, 3.14]), BEATS, LABELS, "V") == Located(2, 0, 0)
    assert located(np.array([1.84, 3.16]), BEATS, LABELS, "V") == Located(0, 2, 2)


def test_a_beat_answers_to_one_place():
    assert located(np.array([1.95, 2.05]), BEATS, LABELS, "V") == Located(1, 1, 1)


def test_a_place_of_v_on_a_fusion_beat_counts_neither_way():
    assert located(np.array([2.0, 3.0, 4.0]), BEATS, LABELS, "V") == Located(2, 0, 0)
    assert located(np.array([4.0]), BEATS, LABELS, "S") == Located(0, 1, 1)


def test_figures():
    one = total([Located(6, 2, 0), Located(2, 0, 2)])
    assert one == Located(8, 2, 2)
    assert (one.sensitivity, one.ppv, one.f1) == (pytest.approx(0.8), pytest.approx(0.8), pytest.approx(0.8))


def test_nothing_to_find_and_nothing_found_is_not_defined():
    none = located(np.zeros(0), BEATS, LABELS, "Q")
    assert none == Located(0, 0, 0)
    assert np.isnan([none.sensitivity, none.ppv, none.f1]).all()
