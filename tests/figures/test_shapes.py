from dataclasses import replace

import numpy as np
import pytest

from ecgcore.demo import make_demo
from ecgcore.figures import shapes as figure_of
from ecgcore.figures.palette import DARK, LIGHT
from ecgcore.shapes import group
from ecgcore.signals.shapes import Cluster


def grouped(name="demo-ectopy", leads=None, n=None):
    record = make_demo(name)
    truth = record.annotation("atr")
    labels = ["S" if symbol == "A" else symbol for symbol in truth.symbols]
    return group(record, truth.samples[:n], labels[:n], leads)


def with_other(found):
    """The same with two of its beats like no other."""
    first = found.groups[0]
    moved = Cluster(first.members[:2], np.array([np.inf, 0.9], np.float32), 3 * first.mean_mv, 9 * first.spread_mv + 1)
    kept = replace(first, members=first.members[2:], misfit=first.misfit[2:])
    return replace(found, groups=(kept, *found.groups[1:], moved), has_other=True)


@pytest.fixture(scope="module")
def found():
    return grouped()


def traces(figure, what):
    return [trace for trace in figure.data if trace.name.startswith(what)]


def test_a_panel_a_group_with_count_and_composition(found):
    figure = figure_of.figure(found, LIGHT)
    headings = [a.text for a in figure.layout.annotations if "beats" in a.text]
    assert len(headings) == len(found.groups) == len(traces(figure, "mean")) == len(traces(figure, "spread"))
    number = next(number for number in range(len(found.groups)) if "V" in found.counts(number))
    assert headings[number] == f"<b>{number + 1}</b> · 16 beats<br>V 16"
    assert figure_of.title(found, number) == f"{number + 1} · 16 beats · V 16"


def test_all_leads_are_drawn_one_below_the_other(found):
    figure = figure_of.figure(found, LIGHT)
    mean = traces(figure, "mean")[0]
    zero = np.asarray(figure.layout.yaxis.tickvals)
    assert figure.layout.yaxis.ticktext == ("MLII", "V1")
    assert zero[0] > zero[1]
    drawn = np.asarray(mean.y, float).reshape(2, -1)[:, :-1]
    assert np.allclose(drawn - zero[:, None], found.groups[0].mean_mv, atol=1e-3)
    assert np.isnan(np.asarray(mean.y, float)[found.time_ms.size])  # the line does not run on from lead to lead
    low, high = figure.layout.yaxis.range
    assert low < drawn.min()
    assert drawn.max() < high
    assert len({panel.range for panel in figure.select_yaxes()}) == 1


def test_the_band_is_the_spread_in_the_colour_of_the_class(found):
    for colours, faint in ((LIGHT, "rgba(176,16,32,0.3)"), (DARK, "rgba(255,128,120,0.3)")):
        number = next(number for number in range(len(found.groups)) if "V" in found.counts(number))
        figure = figure_of.figure(found, colours)
        band, mean = traces(figure, "spread")[number], traces(figure, "mean")[number]
        width = found.time_ms.size
        upper, middle = np.asarray(band.y, float)[:width], np.asarray(mean.y, float)[:width]
        assert np.allclose(upper - middle, found.groups[number].spread_mv[0], atol=2e-3)
        assert band.fillcolor == faint
        assert mean.line.color == colours.trace


def test_the_chosen_panel_is_framed(found):
    frames = [len([s for s in figure_of.figure(found, LIGHT, chosen=chosen).layout.shapes if s.type == "rect"]) for chosen in (None, 0, len(found.groups) - 1)]
    assert frames == [0, 1, 1]


def test_beats_like_no_other_are_named_so_and_do_not_set_the_scale(found):
    odd = with_other(found)
    last = len(odd.groups) - 1
    assert figure_of.title(odd, last).startswith("like no other · 2 beats · N 2")
    assert figure_of.figure(odd, LIGHT).layout.yaxis.range == figure_of.figure(found, LIGHT).layout.yaxis.range


def test_the_scale_is_said_in_mv(found):
    figure = figure_of.figure(found, LIGHT)
    bar = next(s for s in figure.layout.shapes if s.type == "line")
    said = next(a.text for a in figure.layout.annotations if a.text.endswith(" mV"))
    assert said == f"{bar.y1 - bar.y0:g} mV"


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_panels_stand_in_columns(found, columns):
    figure = figure_of.figure(found, LIGHT, columns=columns)
    lefts = {round(axis.domain[0], 3) for axis in figure.select_xaxes()}
    assert len(lefts) == min(columns, len(found.groups))


def test_twelve_leads():
    twelve = grouped("demo-12-lead")
    figure = figure_of.figure(twelve, LIGHT)
    assert len(figure.layout.yaxis.ticktext) == 12
    assert figure.layout.height > 12 * figure_of.LEAD_PX


def test_a_lead_that_is_not_there_is_left_out(found):
    gone = found.groups[0].mean_mv.copy()
    gone[1] = np.nan
    figure = figure_of.figure(replace(found, groups=(replace(found.groups[0], mean_mv=gone, spread_mv=gone), *found.groups[1:])), LIGHT)
    assert len(traces(figure, "mean")[0].y) == found.time_ms.size + 1
    assert {lead for lead, _ in traces(figure, "mean")[0].customdata} == {"MLII"}


@pytest.mark.parametrize(("n", "said"), [(0, "Beats grouped by shape: there are no beats."), (1, "Mean beat and its spread by shape, in MLII, V1. like no other · 1 beat · N 1.")])
def test_few_beats(n, said):
    few = grouped(n=n)
    assert figure_of.alt(few) == said
    assert len(figure_of.figure(few, LIGHT).data) == 2 * n


def test_a_record_without_signal_is_drawn_empty():
    record = make_demo("demo-ectopy")
    flat = group(replace(record, adc=np.zeros_like(record.adc)), [1000, 2000], ["N", "N"])
    figure = figure_of.figure(flat, LIGHT)
    assert [len(trace.y) for trace in figure.data] == [0, 0]


def test_alt_text_has_all_groups(found):
    said = figure_of.alt(found)
    assert all(figure_of.title(found, number) in said for number in range(len(found.groups)))
