import math

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.evaluation.classification import Confusion, confusion, gross_confusion
from ecgcore.evaluation.ratios import Ratio, average

CLASSES = ("N", "S", "V")


@pytest.fixture
def result() -> Confusion:
    # N: 3 right, 1 called V; S: 1 right, 1 called N; V: 2 right
    return confusion(list("NNNNSSVV"), list("NNNVSNVV"), CLASSES)


def test_matrix_has_reference_rows(result: Confusion) -> None:
    assert result.matrix.tolist() == [[3, 0, 1], [1, 1, 0], [0, 0, 2]]
    assert result.n == 8


def test_figures_by_class(result: Confusion) -> None:
    assert [result.sensitivity(name) for name in CLASSES] == [Ratio(3, 4), Ratio(1, 2), Ratio(2, 2)]
    assert [result.positive_predictivity(name) for name in CLASSES] == [Ratio(3, 4), Ratio(1, 1), Ratio(2, 3)]
    assert [result.f1(name).value for name in CLASSES] == pytest.approx([3 / 4, 2 / 3, 4 / 5])
    assert [result.false_positive_rate(name) for name in CLASSES] == [Ratio(1, 4), Ratio(0, 6), Ratio(1, 6)]


def test_figures_over_classes(result: Confusion) -> None:
    assert result.accuracy == Ratio(6, 8)
    assert result.macro_f1 == pytest.approx((3 / 4 + 2 / 3 + 4 / 5) / 3)


def test_a_class_that_never_occurs_has_no_figure() -> None:
    result = confusion(["N", "N"], ["N", "S"], CLASSES)
    assert math.isnan(result.sensitivity("V").value)
    assert math.isnan(result.f1("V").value)
    assert result.f1("S").value == 0, "S was called, wrongly"
    assert result.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_nothing_to_classify() -> None:
    result = confusion([], [], CLASSES)
    assert result.n == 0
    assert math.isnan(result.accuracy.value)
    assert math.isnan(result.macro_f1)


def test_gross_weighs_items_and_average_weighs_records(result: Confusion) -> None:
    other = confusion(["S"] * 8, ["S"] * 8, CLASSES)
    assert gross_confusion([result, other]).sensitivity("S") == Ratio(9, 10)
    mean = average([result, other, confusion([], [], CLASSES)], lambda part: part.sensitivity("S"))
    assert (mean.value, mean.n_records) == (0.75, 2)
    assert average([result, other], lambda part: part.macro_f1).n_records == 2


def test_swapped_labels_transpose_the_matrix() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.choice(CLASSES, (2, 500)).tolist()
    there, back = confusion(one, two, CLASSES), confusion(two, one, CLASSES)
    np.testing.assert_array_equal(there.matrix, back.matrix.T)
    assert there.sensitivity("V") == back.positive_predictivity("V")
    assert there.macro_f1 == pytest.approx(back.macro_f1)


def test_agrees_with_the_definition_on_random_labels() -> None:
    rng = np.random.default_rng(4)
    reference, predicted = rng.choice(CLASSES, (2, 1000))
    result = confusion(reference.tolist(), predicted.tolist(), CLASSES)
    for name in CLASSES:
        recall = np.mean(predicted[reference == name] == name)
        precision = np.mean(reference[predicted == name] == name)
        assert result.f1(name).value == pytest.approx(2 * recall * precision / (recall + precision))
    assert result.accuracy.value == pytest.approx(np.mean(reference == predicted))


def test_bad_input_is_quoted(result: Confusion) -> None:
    with pytest.raises(InputError, match="2 reference labels but 1 predicted"):
        confusion(["N", "S"], ["N"], CLASSES)
    with pytest.raises(InputError, match="labels 'X' are none of N, S, V"):
        confusion(["N"], ["X"], CLASSES)
    with pytest.raises(InputError, match="class 'F' is none of N, S, V"):
        result.f1("F")
    with pytest.raises(InputError, match="each named once"):
        confusion([], [], ("N", "N"))
    with pytest.raises(InputError, match="does not fit 3 classes"):
        Confusion(CLASSES, np.zeros((2, 2), np.int64))
    with pytest.raises(InputError, match="same classes"):
        gross_confusion([result, confusion([], [], ("N",))])
    with pytest.raises(InputError, match="same classes"):
        gross_confusion([])
