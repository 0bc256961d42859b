"""Bars, print and course of a rhythm: what is drawn, what is hatched, and what is said to those who do not see it."""

import numpy as np
import pytest

from ecgcore import demo
from ecgcore.figures import rhythm, rhythm_print
from ecgcore.figures.palette import DARK, LIGHT
from ecgcore.leads import STANDARD
from ecgcore.rhythm_findings import RHYTHMS, Rhythm, RhythmTrend

TWELVE = demo.make_demo("demo-12-lead")


def found(best: str = "AFIB", value: float = 0.9, doubt: str = "", leads=("I", "II", "V1"), weights=(0.2, 0.5, 0.3)) -> Rhythm:
    rest = (1 - value) / (len(RHYTHMS) - 1)
    return Rhythm({label: value if label == best else rest for label in RHYTHMS}, dict(zip(leads, weights, strict=True)), tuple(leads), "universal@1", 0.0, 10.0, doubt)


def trend(labels: str, duration_s: float | None = None) -> RhythmTrend:
    """A window a letter: S sinus rhythm, A atrial fibrillation, "." not sure."""
    best = ["AFIB" if letter in "A." else "SR" for letter in labels]
    rows = np.array([[0.9 if one == label else 0.1 / 7 for label in RHYTHMS] for one in best], np.float32)
    doubts = tuple("the most probable rhythm has 90%, below the 95%" if letter == "." else "" for letter in labels)
    return RhythmTrend("universal@1", ("II",), RHYTHMS, 10.0, duration_s or 10.0 * len(labels), 10.0 * np.arange(len(labels)), rows, doubts)


def test_all_rhythms_are_shown_by_full_name_the_most_probable_first():
    (bars,) = rhythm.probabilities(found(), LIGHT, 0.6).data
    assert bars.y[0] == "<b>AFIB</b> atrial fibrillation"
    assert len(bars.y) == 8
    assert bars.text[0] == "0.90"
    assert list(bars.x) == sorted(bars.x, reverse=True)
    assert bars.marker.color[0] == LIGHT.accent
    assert set(bars.marker.color[1:]) == {LIGHT.muted}
    (limit,) = rhythm.probabilities(found(), LIGHT, 0.6).layout.shapes
    assert (limit.x0, limit.x1) == (0.6, 0.6)
    assert rhythm.probabilities_alt(found()).startswith("Probability of each rhythm: atrial fibrillation 0.90, ")


def test_where_no_rhythm_is_called_the_bars_are_hatched_and_none_stands_out():
    (bars,) = rhythm.probabilities(found(doubt="too noisy"), DARK).data
    assert bars.marker.pattern.shape == "/"
    assert set(bars.marker.line.color) == {DARK.muted}


@pytest.mark.parametrize(("value", "text"), [(1.0, ">0.99"), (0.994, "0.99"), (0.0, "<0.01"), (0.005, "0.01")])
def test_no_probability_is_printed_as_certain_or_impossible(value, text):
    assert rhythm.probability(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "0 %"), (0.001, "<1 %"), (0.29, "29 %"), (0.999, "99+ %"), (1.0, "100 %")])
def test_a_share_that_is_something_is_not_printed_as_nothing(share, text):
    assert rhythm.percent(share) == text


def test_the_weights_stand_in_the_order_of_the_leads_beside_an_even_share():
    drawn = rhythm.weights(found(), LIGHT)
    assert (list(drawn.data[0].y), list(drawn.data[0].text)) == (["I", "II", "V1"], ["20 %", "50 %", "30 %"])
    assert drawn.layout.shapes[0].x0 == pytest.approx(1 / 3)
    assert drawn.data[0].marker.pattern.shape is None
    muted = rhythm.weights(found(), LIGHT, muted=True).data[0]
    assert muted.marker.pattern.shape == "/"
    assert rhythm.weights_alt(found(), muted=True) == "Weight of each lead, not to be believed: I 20 %, II 50 %, V1 30 %."


# The print


def texts(drawn) -> list[str]:
    return [note.text for note in drawn.layout.annotations]


def test_twelve_leads_are_printed_in_three_rows_of_four_and_a_rhythm_strip():
    weights = dict(zip(STANDARD, np.geomspace(1, 8, 12) / np.geomspace(1, 8, 12).sum(), strict=True))
    drawn = rhythm_print.figure(TWELVE, STANDARD, 0.0, weights, LIGHT)
    assert [trace.name for trace in drawn.data[:13]] == [*STANDARD, "II"]
    left = {trace.name: (min(trace.x), max(trace.x)) for trace in drawn.data[:12]}
    assert left["aVR"][0] == pytest.approx(62.5, abs=0.1)
    assert left["V6"] == (pytest.approx(187.5, abs=0.1), pytest.approx(250, abs=0.2))
    assert max(drawn.data[12].x) == pytest.approx(250, abs=0.2)
    assert texts(drawn)[:2] == ["<b>I</b> 2 %", "<b>II</b> 3 %"]
    assert texts(drawn)[-1] == "25 mm/s · 10 mm/mV · 0.05–150 Hz · 0:00:00.0 to 0:00:10.0"
    shading = [shape.opacity for shape in drawn.layout.shapes]
    assert len(shading) == 12
    assert shading == sorted(shading)
    assert max(shading) == pytest.approx(rhythm_print.STRONGEST)


def test_the_grid_is_square_and_each_mm_of_it_drawn():
    layout = rhythm_print.figure(TWELVE, STANDARD, 0.0, {}, LIGHT).layout
    assert (layout.yaxis.scaleanchor, layout.yaxis.scaleratio) == ("x", 1)
    for axis in (layout.xaxis, layout.yaxis):
        assert (axis.dtick, axis.minor.dtick) == (5, 1)
        assert (axis.gridcolor, axis.minor.gridcolor) == (LIGHT.grid_heavy, LIGHT.grid)


def test_one_mv_is_ten_mm_and_one_second_25():
    drawn = rhythm_print.figure(TWELVE, ("II",), 0.0, {}, LIGHT)
    mv = TWELVE.mv(("II",))[0]
    assert np.ptp(drawn.data[0].y) == pytest.approx(10 * np.ptp(mv), rel=0.1)
    assert np.ptp(drawn.data[-1].y) == 10
    assert drawn.data[0].x[np.argmax(drawn.data[0].y)] == pytest.approx(25 * mv.argmax() / TWELVE.fs_hz, abs=0.5)


def contrast(one: str, other: tuple[float, ...]) -> float:
    def luminance(rgb) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    low, high = sorted([luminance(channels(one)), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def channels(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_trace_and_letters_can_be_read_on_the_strongest_shading(palette):
    shaded = tuple(p + rhythm_print.STRONGEST * (a - p) for p, a in zip(channels(palette.paper), channels(palette.accent), strict=True))
    assert contrast(palette.trace, shaded) >= 7
    assert contrast(palette.text, shaded) >= 4.5


def test_weights_that_are_not_to_be_believed_shade_nothing_and_stand_in_brackets():
    drawn = rhythm_print.figure(TWELVE, STANDARD, 0.0, {"II": 0.7, "V1": 0.3}, LIGHT, muted=True)
    assert not drawn.layout.shapes
    assert {"<b>II</b> (70 %)", "<b>V1</b> (30 %)", "<b>I</b>"} <= set(texts(drawn))
    assert "Weights, not to be believed: II 70 %, V1 30 %." in rhythm_print.alt(TWELVE, STANDARD, 0.0, {"II": 0.7, "V1": 0.3}, muted=True)


def test_leads_that_were_not_looked_at_are_drawn_pale_and_bear_no_weight():
    drawn = rhythm_print.figure(TWELVE, STANDARD, 0.0, {"V1": 1.0}, LIGHT)
    assert {trace.line.color for trace in drawn.data[:12] if trace.name != "V1"} == {LIGHT.muted}
    assert len(drawn.layout.shapes) == 1
    assert "<b>V2</b>" in texts(drawn)


def test_even_weights_are_shaded_by_half(made):
    drawn = rhythm_print.figure(made(), ("I", "II"), 0.0, {"I": 0.5, "II": 0.5}, LIGHT)
    assert [shape.opacity for shape in drawn.layout.shapes] == pytest.approx([rhythm_print.STRONGEST / 2] * 2)


def test_missing_signal_stays_a_gap_and_the_end_of_a_record_the_end(made):
    record = made(3)
    lead_ii = rhythm_print.figure(record, ("I", "II", "V1"), 10.0, {}, LIGHT).data[1]
    assert np.isnan(lead_ii.y[(lead_ii.x > 51) & (lead_ii.x < 99)]).all()
    assert max(rhythm_print.figure(record, ("I",), 55.0, {}, LIGHT).data[0].x) == pytest.approx(125, abs=0.2)
    assert rhythm_print.scale(record, 55.0).endswith("0:00:55.0 to 0:01:00.0")


@pytest.mark.parametrize("n_leads", [1, 2, 3, 6, 7, 8])
def test_any_number_of_leads_is_printed(made, n_leads):
    record = made(n_leads)
    drawn = rhythm_print.figure(record, record.leads, 0.0, dict.fromkeys(record.leads, 1 / n_leads), DARK)
    assert len(drawn.layout.shapes) == n_leads
    low, high = drawn.layout.yaxis.range
    assert all(low <= note.y <= high for note in drawn.layout.annotations)


def test_the_twelve_are_printed_where_the_record_gives_them_else_its_own_and_those_chosen(made):
    assert rhythm_print.printed(TWELVE, ("V1",)) == STANDARD
    assert rhythm_print.printed(made(8)) == STANDARD
    assert rhythm_print.printed(made(3), ("I", "aVF")) == ("I", "II", "V1", "aVF")


# Along the record


def test_each_rhythm_has_a_row_of_its_spans_and_what_is_not_sure_a_hatched_one():
    drawn = rhythm.trend(trend("SSSAA.AASS"), LIGHT, 0.7)
    sinus, fibrillation, unsure, windows = drawn.data
    assert (sinus.base.tolist(), sinus.x.tolist()) == ([0, 80], [30, 20])
    assert (fibrillation.base.tolist(), fibrillation.x.tolist()) == ([30, 60], [20, 20])
    assert (unsure.base.tolist(), unsure.x.tolist(), unsure.marker.pattern.shape) == ([50], [10], "/")
    assert sinus.marker.pattern.shape is None
    assert drawn.layout.yaxis.ticktext == ("<b>SR</b> sinus rhythm ", "<b>AFIB</b> atrial fibrillation ", "<i>not sure</i> ")
    assert windows.marker.symbol[5] == "x-thin-open"
    assert windows.text[5] == "0:00:50 · not sure: the most probable rhythm has 90%, below the 95%"
    assert windows.text[3] == "0:00:30 · AFIB 0.90"
    assert rhythm.trend_alt(trend("SSSAA.AASS")) == (
        "Rhythm along the record, 0:01:40, by 10-s windows: sinus rhythm 56 %, atrial fibrillation 44 % of the time judged, which is 90 % of all."
    )


def test_a_last_window_that_is_shorter_ends_with_the_record():
    drawn = rhythm.trend(trend("SSA", 27.0), LIGHT)
    assert drawn.data[1].x.tolist() == [7]
    assert drawn.data[-1].x[-1] == pytest.approx(23.5)
    assert list(drawn.layout.xaxis.range) == [0, 27.0]


def test_the_stretch_that_is_shown_is_marked_by_a_band():
    (band,) = rhythm.trend(trend("SSA"), LIGHT, shown_s=(10.0, 20.0)).layout.shapes
    assert (band.type, band.x0, band.x1) == ("rect", 10, 20)


def test_a_record_nowhere_sure_has_one_row():
    assert [bars.name for bars in rhythm.trend(trend("...."), DARK).data] == ["not sure", "windows"]
    assert rhythm.trend_alt(trend("....")).endswith("no window is sure.")


def test_of_a_long_recording_all_spans_are_drawn_but_not_all_windows():
    drawn = rhythm.trend(trend("SA" * 4320), LIGHT)
    assert drawn.data[0].x.size == 4320
    assert drawn.data[-1].x.size <= rhythm.WINDOWS + 4


@pytest.mark.parametrize(
    ("event", "window"),
    [
        (None, None),
        ({}, None),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"x": 5, "customdata": 3}]}}, 3),
        ({"selection": {"points": [{"customdata": [7]}]}}, 7),
    ],
)
def test_a_click_tells_its_window(event, window):
    assert rhythm.clicked_window(event) == window
