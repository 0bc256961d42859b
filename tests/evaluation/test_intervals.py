"""Evaluation of intervals: the reference taken from marks by hand, figures of errors, and floors on LUDB."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.evaluation import intervals
from ecgcore.evaluation.intervals import Errors, by_hand, of_lead, over_leads
from ecgcore.record import Annotation
from ecgcore.signals import delineation
from tests.waves import steady

MARKS = {"p": (-190, -140, -90), "N": (-44, 0, 46), "t": (170, 270, 370)}  # onset, peak, end in ms from R


def marked(record, spread_ms=0.0):
    """The record with every wave of every beat marked in every lead; leads differ by up to ± spread_ms."""
    beats = record.annotation("atr").samples
    shifts = np.linspace(-spread_ms, spread_ms, len(record.leads))
    annotations = []
    for lead, shift in zip(record.leads, shifts, strict=True):
        marks = [(beat + round((ms + shift) / 2), symbol) for beat in beats for kind, ends in MARKS.items() for ms, symbol in zip(ends, f"({kind})", strict=True)]
        inside = sorted((at, symbol) for at, symbol in marks if 0 <= at < record.n_samples)
        annotations.append(Annotation.of(lead.lower(), np.array([at for at, _ in inside]), [symbol for _, symbol in inside]))
    return replace(record, annotations=tuple(annotations))


def test_reference_of_marks_by_hand():
    record = marked(steady())
    marks = by_hand(record)
    assert marks.shape == (13, 12, 5)
    assert over_leads(marks) == {"p": 100, "pr": 146, "qrs": 90, "qt": 414}
    assert of_lead(marks, 1) == over_leads(marks)


def test_reference_over_leads_is_between_the_median_lead_and_the_last():
    values = over_leads(by_hand(marked(steady(), spread_ms=20.0)))
    assert 90 < values["qrs"] < 90 + 2 * 20
    assert values["qrs"] == pytest.approx(90 + 20, abs=4)  # a quarter of the leads lies 10 ms or more outside on either side
    extreme = over_leads(by_hand(marked(steady(), spread_ms=20.0)), share=0.0)
    assert extreme["qrs"] == pytest.approx(130, abs=4)


def test_a_wave_that_half_of_the_beats_lack_has_no_reference():
    marks = by_hand(marked(steady()))
    marks[:7, :, :2] = np.nan
    assert np.isnan(over_leads(marks)["pr"])
    assert over_leads(marks)["qrs"] == 90
    assert np.isnan(of_lead(marks, 1)["p"])


def test_marks_without_brackets_and_records_without_marks():
    record = marked(steady())
    bare = Annotation.of("ii", record.annotation("ii").samples, record.annotation("ii").symbols)
    kept = [i for i, symbol in enumerate(bare.symbols) if symbol != ")"]
    cut = Annotation.of("ii", bare.samples[kept], [bare.symbols[i] for i in kept])
    others = tuple(one for one in record.annotations if one.annotator != "ii")
    row = record.leads.index("II")
    found = by_hand(replace(record, annotations=(*others, cut)))
    assert np.isnan(found[:, row, [1, 3, 4]]).all()
    assert np.isfinite(found[:, row, 2]).all()
    with pytest.raises(InputError, match="no marks by hand for II"):
        by_hand(replace(record, annotations=others))


def test_figures_of_errors():
    error = np.array([2.0, -4.0, 5.0, np.nan, np.nan])
    errors = Errors(error, known=np.array([True, True, True, True, False]), measured=np.array([True, True, True, False, True]))
    assert errors.as_dict("qrs", tolerance=True) == {
        "n": 3,
        "share_not_measured": 0.25,
        "measured_without_reference": 1,
        "mean_error_ms": 1.0,
        "sd_ms": 4.6,
        "median_absolute_error_ms": 4.0,
        "within_tolerance": True,
    }
    assert "within_tolerance" not in errors.as_dict("qrs", tolerance=False)
    none = Errors(np.array([np.nan]), np.array([False]), np.array([False])).as_dict("pr", tolerance=True)
    assert (none["n"], none["mean_error_ms"], none["share_not_measured"], none["within_tolerance"]) == (0, None, None, None)


def test_records_are_chosen_by_number(tmp_path):
    for number in (1, 2, 3, 10):
        (tmp_path / f"{number}.hea").touch()
    (tmp_path / "readme.hea").touch()
    chosen = {wanted: [path.name for path in intervals.select(tmp_path, wanted)] for wanted in ("all", "odd", "even", "3,1")}
    assert chosen == {"all": ["1", "2", "3", "10"], "odd": ["1", "3"], "even": ["2", "10"], "3,1": ["3", "1"]}
    for wanted in ("ds2", "11", ""):
        with pytest.raises(InputError, match="all, odd, even"):
            intervals.select(tmp_path, wanted)


def test_an_unknown_rival_is_refused(tmp_path):
    with pytest.raises(InputError, match="neurokit2-dwt, neurokit2-cwt"):
        intervals.evaluate(tmp_path, (), against=("magic",))


@pytest.mark.data
def test_floor_on_ludb(data_set):
    """A fifth of the half that the settings were chosen on; `python -m ecgcore evaluate intervals --data .data/ludb --records odd` gives the table of the test half."""
    folder = data_set("ludb")
    result = intervals.evaluate(folder, intervals.select(folder, "even")[::5])
    table = result.as_dict()["methods"][delineation.NAME]["global"]
    assert len(result.records) == 20
    for name, (most_mean, most_sd) in intervals.TOLERANCES_MS.items():
        assert abs(table[name]["mean_error_ms"]) <= most_mean, name
        assert table[name]["sd_ms"] <= 1.25 * most_sd, name  # of 20 records a standard deviation is known to a sixth
        assert table[name]["median_absolute_error_ms"] <= 10, name
        assert table[name]["share_not_measured"] <= 0.1, name
        assert table[name]["measured_without_reference"] <= 1, name


@pytest.mark.data
def test_beside_neurokit2(data_set):
    folder = data_set("ludb")
    methods = intervals.evaluate(folder, intervals.select(folder, "2,4"), against=("neurokit2-dwt",)).as_dict()["methods"]
    assert set(methods) == {delineation.NAME, "neurokit2-dwt"}
    assert methods["neurokit2-dwt"]["II"]["p"]["n"] == 2
