import pytest

from ecgcore.errors import LeadError
from ecgcore.figures import median_beat
from ecgcore.figures.palette import DARK, LIGHT
from ecgcore.intervals import measure
from tests.waves import Shape, steady


def found(shape=None, **options):
    record = steady(shape or Shape())
    truth = record.annotation("atr")
    return measure(record, truth.samples, truth.symbols, **options)


def lines_ms(figure):
    return sorted(shape.x0 for shape in figure.layout.shapes if shape.type == "line" and shape.x0 == shape.x1)


def names(figure):
    return [note.text for note in figure.layout.annotations]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_all_leads_lie_on_each_other_with_the_marks_of_all(colours):
    measured = found()
    figure, marks = median_beat.figure(measured, colours), measured.marks
    assert [trace.name for trace in figure.data] == list(measured.leads)
    assert {trace.line.color for trace in figure.data} == {colours.trace}
    assert names(figure) == ["<b>P</b>", "<b>QRS</b>", "<b>T</b>"]
    assert lines_ms(figure) == sorted([marks.p_onset_ms, marks.p_offset_ms, marks.qrs_onset_ms, marks.qrs_offset_ms, marks.t_offset_ms])
    assert figure.layout.paper_bgcolor == colours.paper


def test_r_is_at_zero_and_nothing_is_smoothed():
    measured = found()
    trace = median_beat.figure(measured, LIGHT).data[1]
    assert trace.x[measured.beat_r] == 0
    assert trace.y.max() == pytest.approx(measured.beat_mv[1].max(), abs=1e-4)


def test_a_millimetre_is_as_long_both_ways():
    layout = median_beat.figure(found(), LIGHT).layout
    assert (layout.xaxis.minor.dtick, layout.yaxis.minor.dtick) == (40, 0.1)
    assert (layout.xaxis.dtick, layout.yaxis.dtick) == (200, 0.5)
    assert (layout.yaxis.scaleanchor, layout.yaxis.scaleratio) == ("x", pytest.approx(400))


def test_the_paper_is_high_enough_for_every_trace():
    measured = found(Shape(r_mv=4.0))
    low, high = median_beat.figure(measured, LIGHT).layout.yaxis.range
    assert low < measured.beat_mv.min()
    assert high > measured.beat_mv.max()


def test_one_lead_has_its_own_marks():
    measured = found()
    figure = median_beat.figure(measured, LIGHT, "II")
    assert [trace.name for trace in figure.data] == ["II"]
    assert measured.by_lead["II"].qrs_onset_ms in lines_ms(figure)
    with pytest.raises(LeadError, match="it has I, II"):
        median_beat.figure(measured, LIGHT, "V9")


def test_what_was_not_measured_is_not_drawn_and_is_said():
    measured = found(Shape(p=None))
    assert names(median_beat.figure(measured, LIGHT)) == ["<b>QRS</b>", "<b>T</b>"]
    assert "P, PR not measured: no P wave" in median_beat.caption(measured)
    assert "P from" not in median_beat.alt(measured)


def test_a_pacing_spike_is_named():
    measured = found(Shape(p=None, qrs=(-70.0, 90.0), spike_ms=-84.0, t=(220.0, 420.0)))
    figure = median_beat.figure(measured, LIGHT)
    assert "spike" in names(figure)
    assert measured.spikes_ms[0] in lines_ms(figure)


def test_caption_names_beats_leads_and_formula():
    text = median_beat.caption(found())
    assert text.startswith("Median of 12 of 13 beats, 12 leads. P ")
    assert "(Fridericia: QT / RR^(1/3)), RR 900 ms." in text
    assert "(Hodges: QT + 1.75 ms · (HR − 60))" in median_beat.caption(found(formula="Hodges", leads=("II",)))
    assert ", lead II." in median_beat.caption(found(leads=("II",)))


def test_alt_text_says_where_the_waves_lie():
    measured = found()
    text = median_beat.alt(measured)
    assert text.startswith("Median beat of I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6. From R: P from −")
    assert f"T from its peak {measured.marks.t_peak_ms:.0f} to {measured.marks.t_offset_ms:.0f} ms" in text
    assert text.endswith(median_beat.caption(measured))
    assert "Median beat of II. " in median_beat.alt(measured, "II")


def test_without_a_beat_the_sheet_says_why():
    measured = found(stop_s=1.0)
    figure = median_beat.figure(measured, LIGHT)
    assert len(figure.data) == 0
    assert names(figure) == ["No median beat: fewer than 3 normal beats"]
    assert median_beat.caption(measured).startswith("No median beat of 1 beats. ")
    assert median_beat.alt(measured) == median_beat.caption(measured)
