"""Figures from a confusion, arms in mean and spread, paired comparisons, tables as files."""

import math

import pytest
from scipy.stats import ttest_rel

from ecgcore.errors import ModelError
from ecgcore.evaluation.tables import Arm, Run, Table, class_figures, compare, figures, read_tables, write_table

CLASSES = ("N", "S", "V")
MATRIX = ((90, 8, 2), (1, 9, 0), (3, 0, 17))


def arm(name, *matrices):
    return Arm(name=name, runs=tuple(Run(arm=name, fold=k, seed=1, n=130, epochs=2, confusion=m) for k, m in enumerate(matrices)))


def table(**changes):
    made = {
        "model": "toy@1", "title": "Toy", "split": "random split", "protocol": "none", "records": {"mitdb": ("100",)}, "trained": {}, "tested": {},
        "classes": CLASSES, "arms": (arm("a", MATRIX),), "published": (), "comparisons": (), "command": "make", "git_commit": "0", "device": "cpu", "minutes": 0.1,
    }  # fmt: skip
    return Table.model_validate({**made, **changes})


def test_figures_of_a_confusion_worked_by_hand():
    said = figures(MATRIX, CLASSES)
    assert said["N accuracy"] == pytest.approx(100 * (90 + 26) / 130)
    assert said["N sensitivity"] == pytest.approx(90)
    assert said["N specificity"] == pytest.approx(100 * 26 / 30)
    assert said["S PPV"] == pytest.approx(100 * 9 / 17)
    assert said["V F1"] == pytest.approx(100 * 34 / 39)
    assert said["accuracy"] == pytest.approx(100 * 116 / 130)
    assert said["macro F1"] == pytest.approx((said["N F1"] + said["S F1"] + said["V F1"]) / 3)
    assert said["weighted recall"] == pytest.approx(said["accuracy"])
    assert said["weighted precision"] == pytest.approx((100 * 100 * 90 / 94 + 10 * said["S PPV"] + 20 * said["V PPV"]) / 130)
    assert set(class_figures(CLASSES)) < set(said)


def test_a_class_never_called_has_no_ppv_and_none_in_the_weighted_precision():
    said = figures(((5, 0), (5, 0)), ("N", "S"))
    assert math.isnan(said["S PPV"])
    assert said["weighted precision"] == pytest.approx(25)


def test_weighted_figures_are_those_of_scikit_learn():
    from sklearn.metrics import precision_recall_fscore_support

    rows, columns = zip(*((i, j) for i, row in enumerate(MATRIX) for j, count in enumerate(row) for _ in range(count)), strict=True)
    expected = precision_recall_fscore_support(rows, columns, average="weighted")[:3]
    assert [figures(MATRIX, CLASSES)[f"weighted {name}"] for name in ("precision", "recall", "F1")] == pytest.approx([100 * value for value in expected])


def test_an_arm_is_summed_up_by_mean_and_spread():
    mean, spread = arm("a", MATRIX, ((95, 3, 2), (1, 9, 0), (3, 0, 17))).summary(CLASSES)["N sensitivity"]
    assert mean == pytest.approx(92.5)
    assert spread == pytest.approx(5 / math.sqrt(2))
    assert math.isnan(arm("a", MATRIX).summary(CLASSES)["N sensitivity"][1])


def test_a_paired_comparison_is_that_of_scipy_and_the_correction_asks_for_more():
    a = [((90 + k, 8 - k, 2), (1, 9, 0), (3, 0, 17)) for k in (0, 3, 5, 2)]
    b = [((88 + k, 10 - k, 2), (1, 9, 0), (3, 0, 17)) for k in (1, 2, 3, 4)]
    (plain,) = compare(arm("a", *a), arm("b", *b), CLASSES, ("N sensitivity",))
    assert plain.p == pytest.approx(ttest_rel([90, 93, 95, 92], [89, 90, 91, 92]).pvalue)
    assert plain.difference == pytest.approx(2)
    assert plain.n == 4
    (corrected,) = compare(arm("a", *a), arm("b", *b), CLASSES, ("N sensitivity",), 1 / 9)
    assert corrected.p > plain.p
    assert "Nadeau" in corrected.test


def test_equal_arms_have_no_p_and_unequal_runs_do_not_pair():
    (same,) = compare(arm("a", MATRIX, MATRIX), arm("b", MATRIX, MATRIX), CLASSES, ("accuracy",))
    assert same.p is None
    assert same.difference == 0
    with pytest.raises(ValueError, match="not of the same folds"):
        compare(arm("a", MATRIX), arm("b", MATRIX, MATRIX), CLASSES, ("accuracy",))


def test_a_table_comes_back_from_its_file_and_a_broken_one_is_refused(tmp_path):
    write_table(table(), tmp_path, "random")
    assert read_tables(tmp_path) == (table(),)
    (tmp_path / "table-odd.json").write_text("{}")
    with pytest.raises(ModelError, match=r"table-odd\.json"):
        read_tables(tmp_path)
