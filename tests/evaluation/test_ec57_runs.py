"""Run-by-run comparison on cases worked out by hand, at 100 Hz so that the window is 15 samples."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.evaluation.ec57_runs import RunComparison, compare_runs, gross_runs
from ecgcore.evaluation.ratios import Ratio
from ecgcore.record import Annotation

Make = Callable[..., Annotation]
Cells = dict[tuple[int, int], int]
FS_HZ = 100.0


def beats(text: str, every: int = 100) -> Annotation:
    """A letter a beat, `every` samples apart, from sample `every`; "." is no beat there."""
    places = [(every * (k + 1), letter) for k, letter in enumerate(text) if letter != "."]
    return Annotation.of("hand", np.array([place for place, _ in places], np.int64), [letter for _, letter in places])


def cells(matrix: np.ndarray) -> Cells:
    """Cells that are not 0, by (reference length, test length); 6 is more than 5."""
    return {(int(r), int(c)): int(matrix[r, c]) for r, c in np.argwhere(matrix)}


def compare(reference: str, test: str, kind: str = "V") -> RunComparison:
    return compare_runs(beats(reference), beats(test), FS_HZ, kind=kind, start_s=0.0)


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("kind", ["V", "S"])
def test_runs_of_every_length(length: int, kind: str) -> None:
    text = "N" + kind * length + "N"
    result = compare(text, text, kind)
    cell = min(length, 6)
    assert cells(result.sensitivity_matrix) == cells(result.predictivity_matrix) == {(cell, cell): 1}
    one, none = Ratio(1, 1), Ratio(0, 0)
    assert result.couplet_sensitivity == result.couplet_positive_predictivity == (one if length == 2 else none)
    assert result.short_run_sensitivity == result.short_run_positive_predictivity == (one if 3 <= length <= 5 else none)
    assert result.long_run_sensitivity == result.long_run_positive_predictivity == (one if length > 5 else none)


@pytest.mark.parametrize(
    ("reference", "test", "sensitivity", "predictivity"),
    [
        ("NVVVN", "NNNNN", {(3, 0): 1}, {}),
        ("NNNNN", "NVVNN", {}, {(0, 2): 1}),
        ("NVVVVN", "NVNVVN", {(4, 2): 1}, {(1, 1): 1, (2, 2): 1}),
        ("NVVVVN", "NV.VVN", {(4, 3): 1}, {(4, 3): 1}),
        ("NVNVVN", "NVVVVN", {(1, 1): 1, (2, 2): 1}, {(2, 4): 1}),
        ("NVVNN", "NNVVN", {(2, 1): 1}, {(1, 2): 1}),
        ("NVVVVVVVVN", "NVVVNVVVVN", {(6, 4): 1}, {(3, 3): 1, (4, 4): 1}),
        ("", "", {}, {}),
    ],
    ids="missed false broken gap-in-labels merged shifted-by-one long-broken none".split(),
)
def test_runs_that_differ(reference: str, test: str, sensitivity: Cells, predictivity: Cells) -> None:
    result = compare(reference, test)
    assert cells(result.sensitivity_matrix) == sensitivity
    assert cells(result.predictivity_matrix) == predictivity


def test_success_is_at_least_the_lower_bound_of_the_class() -> None:
    result = compare("NVVVVVN", "NVVVNVN")
    assert cells(result.sensitivity_matrix) == {(5, 3): 1}
    assert result.short_run_sensitivity == Ratio(1, 1)
    assert compare("NVVVVVN", "NVVNVVN").short_run_sensitivity == Ratio(0, 1)
    assert compare("NVVVVVVN", "NVVVVVNN").long_run_sensitivity == Ratio(0, 1)
    assert compare("NVVVVVN", "NVVVVVVN").long_run_positive_predictivity == Ratio(0, 1)


def test_the_window_of_a_run(marks: Make) -> None:
    reference = marks("N@100 V@200 V@300 N@400")
    inside = compare_runs(reference, marks("N@100 V@185 V@315 N@400"), FS_HZ, start_s=0.0)
    outside = compare_runs(reference, marks("N@100 V@184 V@316 N@400"), FS_HZ, start_s=0.0)
    assert cells(inside.sensitivity_matrix) == {(2, 2): 1}
    assert cells(outside.sensitivity_matrix) == {(2, 0): 1}


def test_a_double_detection_counts_as_two(marks: Make) -> None:
    result = compare_runs(marks("N@100 V@200 N@300"), marks("N@100 V@195 V@205 N@300"), FS_HZ, start_s=0.0)
    assert cells(result.sensitivity_matrix) == {(1, 2): 1}
    assert cells(result.predictivity_matrix) == {(1, 2): 1}


def test_fusion_beats_belong_to_ventricular_runs() -> None:
    assert cells(compare("NVFVN", "NFVVN").sensitivity_matrix) == {(3, 3): 1}


def test_kinds_are_told_apart() -> None:
    assert cells(compare("NVSSN", "NVSSN", "V").sensitivity_matrix) == {(1, 1): 1}
    assert cells(compare("NVSSN", "NVSSN", "S").sensitivity_matrix) == {(2, 2): 1}
    assert cells(compare("NFFN", "NFFN", "S").sensitivity_matrix) == {}


def test_runs_end_at_flutter_and_what_is_called_inside_it_is_left_out(marks: Make) -> None:
    reference = marks("N@100 V@200 [@300 !@400 ]@500 V@600 V@700 N@800")
    test = marks("N@100 V@200 V@350 V@450 V@600 V@700 N@800")
    result = compare_runs(reference, test, FS_HZ, start_s=0.0)
    assert cells(result.sensitivity_matrix) == cells(result.predictivity_matrix) == {(1, 1): 1, (2, 2): 1}


def test_a_run_over_the_edge_counts_with_its_beats_inside() -> None:
    both = beats("NVVVVN")
    result = compare_runs(both, both, FS_HZ, start_s=3.0, stop_s=4.0)
    assert cells(result.sensitivity_matrix) == cells(result.predictivity_matrix) == {(2, 2): 1}


def test_the_first_five_minutes_are_left_out_by_default(marks: Make) -> None:
    both = marks("V@29900 V@30000 V@30100 N@30200")
    assert cells(compare_runs(both, both, FS_HZ).sensitivity_matrix) == {(2, 2): 1}


def test_gross_adds_up() -> None:
    parts = [compare("NVVN", "NVVN"), compare("NVVN", "NVNN"), compare("NN", "NN")]
    whole = gross_runs(parts)
    assert whole.couplet_sensitivity == Ratio(1, 2)
    assert whole.couplet_positive_predictivity == Ratio(1, 1)
    assert math.isnan(whole.long_run_sensitivity.value)


def test_two_kinds_do_not_add_up() -> None:
    with pytest.raises(InputError, match=r"not of \['S', 'V'\]"):
        gross_runs([compare("NVN", "NVN", "V"), compare("NVN", "NVN", "S")])
    with pytest.raises(InputError, match=r"not of \[\]"):
        gross_runs([])


def test_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind 'F' are not known; choose one of V, S"):
        compare("N", "N", "F")


@pytest.mark.parametrize("seed", range(5))
def test_swapped_annotators_swap_and_transpose_the_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, test = ("".join(rng.choice(list("NVVS."), 300)) for _ in range(2))
    there, back = compare(reference, test), compare(test, reference)
    np.testing.assert_array_equal(there.sensitivity_matrix, back.predictivity_matrix.T)
    np.testing.assert_array_equal(there.predictivity_matrix, back.sensitivity_matrix.T)
