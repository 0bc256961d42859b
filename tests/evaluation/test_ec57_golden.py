"""Every number that `bxb`, `rxr` and `bxb -L` printed for the golden records must come out the same."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from ecgcore.evaluation.ec57 import BeatComparison, compare_beats, gross
from ecgcore.evaluation.ec57_runs import RunComparison, compare_runs, gross_runs
from ecgcore.evaluation.ratios import Ratio, average
from ecgcore.record import Annotation

RECORDS = "100 105 119 200 203 207 232 233".split()
Annotations = dict[str, tuple[Annotation, Annotation]]
pytestmark = pytest.mark.data

PRINTED_RATIO = re.compile(r"^ *(?P<name>[A-Za-z][A-Za-z ]+): +(?P<percent>[\d.]+%|-) +\((?P<numerator>\d+)/(?P<denominator>\d+)\)$", re.M)
BEAT_RATIOS = {
    "QRS sensitivity": (BeatComparison.qrs_sensitivity, 2),
    "QRS positive predictivity": (BeatComparison.qrs_positive_predictivity, 2),
    "VEB sensitivity": (BeatComparison.veb_sensitivity, 2),
    "VEB positive predictivity": (BeatComparison.veb_positive_predictivity, 2),
    "VEB false positive rate": (BeatComparison.veb_false_positive_rate, 3),
    "Beats missed in shutdown": (BeatComparison.missed_in_shutdown, 2),
    "N missed in shutdown": (BeatComparison.n_missed_in_shutdown, 2),
    "V missed in shutdown": (BeatComparison.v_missed_in_shutdown, 2),
    "F missed in shutdown": (BeatComparison.f_missed_in_shutdown, 2),
}
RUN_RATIOS = {
    "Couplet sensitivity": (RunComparison.couplet_sensitivity, 0),
    "Couplet positive predictivity": (RunComparison.couplet_positive_predictivity, 0),
    "Short run sensitivity": (RunComparison.short_run_sensitivity, 0),
    "Short run positive predictivity": (RunComparison.short_run_positive_predictivity, 0),
    "Long run sensitivity": (RunComparison.long_run_sensitivity, 0),
    "Long run positive predictivity": (RunComparison.long_run_positive_predictivity, 0),
}


def percent(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def printed_rows(text: str) -> list[list[int]]:
    """The cells of all matrices, row by row, top to bottom; blank cells are left out."""
    return [[int(cell) for cell in line.split("|")[1].split()] for line in text.splitlines() if "|" in line]


def assert_ratios(result: object, text: str, expected: dict[str, tuple[property, int]]) -> None:
    found = {match["name"]: match for match in PRINTED_RATIO.finditer(text)}
    assert set(found) == set(expected)
    for name, (figure, decimals) in expected.items():
        ratio: Ratio = figure.__get__(result)
        printed = found[name]
        assert (ratio.numerator, ratio.denominator) == (int(printed["numerator"]), int(printed["denominator"])), name
        assert percent(ratio.percent, decimals) == printed["percent"].rstrip("%"), name


def beats(annotations: Annotations, record: str) -> BeatComparison:
    return compare_beats(*annotations[record], 360.0)


@pytest.mark.parametrize("record", RECORDS)
def test_bxb(record: str, golden: Path, annotations: Annotations) -> None:
    text = (golden / f"{record}.bxb.txt").read_text()
    result = beats(annotations, record)
    rows = printed_rows(text)
    assert [len(row) for row in rows] == [6, 6, 6, 6, 4, 4]
    assert [row[: len(printed)] for row, printed in zip(result.printed_matrix.tolist(), rows, strict=True)] == rows
    assert not result.matrix[5:, 5:].any(), "no beat in either annotation is no event"
    assert_ratios(result, text, BEAT_RATIOS)
    assert f"Total shutdown time: {result.shutdown_s:5.0f} seconds" in text


@pytest.mark.parametrize("record", RECORDS)
def test_bxb_line_format(record: str, golden: Path, annotations: Annotations) -> None:
    heading, *lines = (golden / "all.bxb-L.txt").read_text().splitlines()
    [printed] = [line.split()[1:] for line in lines if line.split()[0] == record]
    result = beats(annotations, record)
    counts = result.line
    assert heading.split()[1:20] == list(counts)
    assert printed[:19] == [str(count) for count in counts.values()]
    ratios = [
        result.qrs_sensitivity,
        result.qrs_positive_predictivity,
        result.veb_sensitivity,
        result.veb_positive_predictivity,
        result.sveb_sensitivity,
        result.sveb_positive_predictivity,
    ]
    assert printed[19:] == [*(percent(ratio.percent, 2) for ratio in ratios), f"{result.rr_error_ms:.2f}"]


@pytest.mark.parametrize("record", RECORDS)
def test_rxr(record: str, golden: Path, annotations: Annotations) -> None:
    text = (golden / f"{record}.rxr.txt").read_text()
    result = compare_runs(*annotations[record], 360.0)
    rows = printed_rows(text)
    assert [len(row) for row in rows] == [6, *[7] * 6] * 2, "row 0 leaves its first cell blank"
    ours = [*result.sensitivity_matrix.tolist(), *result.predictivity_matrix.tolist()]
    assert [row[-len(printed) :] for row, printed in zip(ours, rows, strict=True)] == rows
    assert (result.sensitivity_matrix[0, 0], result.predictivity_matrix[0, 0]) == (0, 0)
    assert_ratios(result, text, RUN_RATIOS)


def test_every_golden_record_is_compared(golden: Path) -> None:
    assert sorted(path.stem for path in golden.glob("*.tst")) == RECORDS


def test_gross_adds_the_records_up_and_average_weighs_them_alike(annotations: Annotations) -> None:
    parts = [beats(annotations, record) for record in RECORDS]
    whole = gross(parts)
    np.testing.assert_array_equal(whole.matrix, sum(part.matrix for part in parts))
    assert whole.veb_sensitivity == Ratio(sum(p.veb_sensitivity.numerator for p in parts), sum(p.veb_sensitivity.denominator for p in parts))
    mean = average(parts, lambda part: part.veb_sensitivity)
    assert mean.n_records == 7, "record 232 has no VEB"
    assert mean.value == pytest.approx((1 / 1 + 27 / 29 + 340 / 364 + 669 / 700 + 352 / 373 + 102 / 109 + 648 / 692) / 7)
    runs = gross_runs(compare_runs(*annotations[record], 360.0) for record in RECORDS)
    assert runs.couplet_sensitivity == Ratio(48 + 32 + 46, 54 + 34 + 51)


@pytest.mark.parametrize("record", RECORDS)
def test_a_reference_against_itself_is_perfect(record: str, annotations: Annotations) -> None:
    reference, _ = annotations[record]
    result = compare_beats(reference, reference, 360.0)
    assert result.matrix.sum() == np.trace(result.matrix) > 1400
    assert result.rr_error_ms == 0
    for kind in ("V", "S"):
        runs = compare_runs(reference, reference, 360.0, kind=kind)
        np.testing.assert_array_equal(runs.sensitivity_matrix, np.diag(np.diag(runs.sensitivity_matrix)))
        np.testing.assert_array_equal(runs.sensitivity_matrix, runs.predictivity_matrix)
