from dataclasses import replace

import numpy as np
import pytest

from ecgcore.figures import strip, window
from ecgcore.figures.palette import DARK, LIGHT
from ecgcore.figures.window import Band, Scale
from ecgcore.findings import QualityMark

BEATS = strip.Letters("beats@1", (strip.Letter(11.5, "N", "normal"), strip.Letter(12.5, "V", "ventricular")))


def drawing(record, start_s=10.0, scale=None, letters=(BEATS,), marks=(), leads=None):
    scale = scale or Scale()
    shown = window.read(record, leads or record.leads, start_s, scale, Band("unfiltered"))
    return strip.Strip(shown, scale, letters, marks)


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


@pytest.mark.parametrize("n_leads", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("speed", window.SPEEDS_MM_S)
def test_cells_are_square(made, n_leads, speed):
    drawn = drawing(made(n_leads), scale=Scale(speed))
    figure = strip.figure(drawn, LIGHT)
    layout = figure.layout
    across = (layout.width - layout.margin.l - layout.margin.r) / (layout.xaxis.range[1] - layout.xaxis.range[0])
    down = (layout.height - layout.margin.t - layout.margin.b) / (layout.yaxis.range[1] - layout.yaxis.range[0])
    assert across == pytest.approx(down, rel=0.005)
    assert (layout.yaxis.scaleanchor, layout.yaxis.scaleratio) == ("x", 1)  # and stay so at any width
    assert (layout.xaxis.minor.dtick, layout.yaxis.minor.dtick, layout.yaxis.dtick) == (1, 1, 5)
    assert np.diff(layout.xaxis.tickvals).tolist() == [5.0] * (len(layout.xaxis.tickvals) - 1)


@pytest.mark.parametrize("gain", window.GAINS_MM_MV)
def test_a_millivolt_and_a_second_have_their_length(made, gain):
    record = made(1)
    figure = strip.figure(drawing(record, 20.0, Scale(50.0, gain)), LIGHT)
    line = trace(figure, "I")
    x, y = np.asarray(line.x), np.asarray(line.y)
    np.testing.assert_allclose(x, np.arange(1250) / 250 * 50.0, atol=1e-3)
    mv = record.mv(("I",), 5000, 6250)[0]
    np.testing.assert_allclose(np.ptp(y), np.ptp(mv) * gain, atol=0.01)
    pulse = trace(figure, "I: 1 mV")
    assert np.ptp(pulse.y) == gain
    assert np.ptp([x for x, y in zip(pulse.x, pulse.y, strict=True) if y == max(pulse.y)]) == 5.0


def test_no_spike_is_lost_at_a_high_rate(made):
    record = made(1, 10.0, 20_000.0)
    adc = record.adc.copy()
    adc[0, 123_457] = 2000
    figure = strip.figure(drawing(replace(record, adc=adc), 0.0), LIGHT)
    line = trace(figure, "I")
    assert len(line.y) < 20_000
    assert np.ptp(line.y) == pytest.approx((2000 - adc.min()) / 200 * 10, abs=0.01)
    assert line.line.simplify is False


def test_gaps_are_gaps_and_said_to_be_missing(made):
    figure = strip.figure(drawing(made()), LIGHT)
    line = trace(figure, "II")
    assert np.isnan(np.asarray(line.y)).sum() == 500
    assert line.connectgaps is False
    assert [a.text for a in figure.layout.annotations].count("missing") == 1


def test_a_lead_that_is_all_missing_is_drawn_as_such(made):
    record = made(2, 14.0)
    figure = strip.figure(drawing(replace(record, adc=record.adc[:, 3000:3500]), 0.0, letters=()), DARK)
    assert "missing" in [a.text for a in figure.layout.annotations]


def test_beats_carry_their_letter_at_their_time(made):
    reference = strip.Letters("atr", (strip.Letter(12.5, "V", "code V"),))
    figure = strip.figure(drawing(made(), letters=(BEATS, reference)), LIGHT)
    model, other = trace(figure, "beats by beats@1"), trace(figure, "beats by atr")
    assert model.text == ("<b>N</b>", "<b>V</b>")
    assert model.x == (37.5, 62.5)
    assert model.customdata == ("normal", "ventricular")
    assert list(model.textfont.color) == [LIGHT.beats["N"], LIGHT.beats["V"]]
    assert other.y[0] < model.y[0]
    assert [shape.x0 for shape in figure.layout.shapes if shape.type == "line"] == [62.5]


def test_marks_say_what_is_wrong(made):
    marks = (QualityMark("I", 5.0, 15.0, "noise", "0.3 mV rms"), QualityMark("V9", 5.0, 15.0, "noise", "elsewhere"))
    figure = strip.figure(drawing(made(), marks=marks), LIGHT)
    bar = trace(figure, "I: noise")
    assert (bar.x[0], bar.x[-1]) == (0.0, 125.0)
    texts = [a.text for a in figure.layout.annotations]
    assert "noise: 0.3 mV rms" in texts
    assert not any("elsewhere" in text for text in texts)


def test_alt_text_tells_what_is_seen(made):
    text = strip.alt(drawing(made(), marks=(QualityMark("I", 5.0, 15.0, "noise", "loud"),)))
    assert text == "ECG, I, II, 0:00:10 to 0:00:20, 25 mm/s · 10 mm/mV, unfiltered. Beats by beats@1: N V. 1 quality marks."


def test_which_beats_are_in_a_window(made):
    shown = window.read(made(), ("I",), 10.0, Scale(), Band("unfiltered"))
    assert strip.beats_in(np.array([0, 2499, 2500, 4999, 5000]), shown) == slice(2, 4)


def test_day_and_night_differ_in_colour_alone(made):
    day, night = (strip.figure(drawing(made()), colours) for colours in (LIGHT, DARK))
    assert day.layout.plot_bgcolor != night.layout.plot_bgcolor
    assert len(day.data) == len(night.data)
    np.testing.assert_array_equal(trace(day, "I").y, trace(night, "I").y)


def test_no_tall_beat_is_cut_off(made):
    record = made(2)
    low = strip.figure(drawing(record), LIGHT).layout
    adc = record.adc.copy()
    adc[0, 3000], adc[1, 3600] = 200 * 4.8, -200 * 4.8
    tall = strip.figure(drawing(replace(record, adc=adc)), LIGHT)
    bottom, top = tall.layout.yaxis.range
    assert (bottom, top) == (-30.0, low.yaxis.range[1] + 30.0)
    assert np.nanmax(trace(tall, "I").y) < top - strip.LETTERS_MM
    assert np.nanmin(trace(tall, "II").y) > bottom
    assert not drawing(replace(record, adc=adc)).leaves_paper
    adc[0, 3000] = 200 * 60
    assert drawing(replace(record, adc=adc)).leaves_paper
    assert not drawing(replace(record, adc=adc), scale=Scale(25.0, 5.0), letters=()).height_mm > 200
