import numpy as np
import pytest

from ecgcore.figures import learning
from ecgcore.figures.learning import Curve
from ecgcore.figures.palette import DARK, LIGHT

LOSS = Curve("loss", ((0.5, 0.9), (1.0, 0.5), (1.5, 0.3)))
VALIDATION = Curve("validation loss", ((1.0, 0.7), (2.0, 0.6)))


def test_a_line_a_curve_with_its_name_at_its_end_and_losses_share_an_axis():
    drawn = learning.curves([LOSS, VALIDATION], LIGHT)
    assert [(trace.name, list(trace.x), list(trace.y)) for trace in drawn.data] == [("loss", [0.5, 1.0, 1.5], [0.9, 0.5, 0.3]), ("validation loss", [1.0, 2.0], [0.7, 0.6])]
    assert {note.text: note.y for note in drawn.layout.annotations} == {"loss  <b>0.3</b>": 0.3, "validation loss  <b>0.6</b>": 0.6}
    assert drawn.layout.yaxis.title.text == "loss"
    assert drawn.layout.xaxis.range[1] == pytest.approx(2.02)


def test_what_is_learned_by_has_the_colour_of_the_trace_and_all_else_the_one_accent():
    drawn = learning.curves([LOSS, VALIDATION, Curve("validation loss, S", ((1.0, 0.4),))], DARK)
    assert [trace.line.color for trace in drawn.data] == [DARK.trace, DARK.accent, DARK.accent]
    assert [trace.line.dash for trace in drawn.data] == ["solid", "solid", "dash"]


def test_names_of_curves_that_end_together_stand_apart():
    ends = [Curve(name, ((0.0, 1.0), (1.0, value))) for name, value in (("loss", 0.2), ("validation loss", 0.2001), ("other loss", 0.2002))]
    drawn = learning.curves(ends, LIGHT)
    heights = sorted(note.y for note in drawn.layout.annotations)
    assert np.diff(heights).min() >= 0.07
    low, high = drawn.layout.yaxis.range
    assert low < 0.2 < max(1.0, *heights) < high


def test_epochs_that_are_still_to_come_have_their_place():
    assert learning.curves([LOSS], LIGHT, epochs=12).layout.xaxis.range[1] == pytest.approx(12.12)
    assert learning.curves([LOSS], LIGHT, epochs=12).layout.xaxis.dtick == 1
    assert learning.curves([LOSS], LIGHT).layout.xaxis.dtick == 0.25
    assert learning.curves([LOSS], LIGHT, epochs=60).layout.xaxis.dtick == 5


def test_of_many_points_no_least_and_no_greatest_is_lost():
    values = np.sin(np.arange(20_000) / 300)
    values[12_345], values[777] = 9.0, -9.0
    trace = learning.curves([Curve("loss", tuple(zip(np.arange(20_000) / 100, values, strict=True)))], LIGHT).data[0]
    assert len(trace.x) <= 4 * learning.BUCKETS
    assert (max(trace.y), min(trace.y)) == (9.0, -9.0)
    assert trace.mode == "lines"


def test_one_point_is_drawn_and_no_point_is_no_error():
    drawn = learning.curves([Curve("loss", ((1.0, 0.5),)), Curve("validation loss", ())], LIGHT)
    assert drawn.data[0].mode == "lines+markers"
    low, high = drawn.layout.yaxis.range
    assert low < 0.5 < high
    assert learning.alt([Curve("loss", ((1.0, 0.5),))]) == "Over the epochs: loss 0.5 after epoch 1."
    assert learning.alt([Curve("loss", ())]) == "No value was told yet."


def test_in_words_a_loss_has_its_least_and_a_score_its_greatest():
    score = Curve("validation macro F1", ((1.0, 0.7), (2.0, 0.8), (3.0, 0.75)))
    assert learning.alt([VALIDATION, score]) == (
        "Over the epochs: validation loss from 0.7 to 0.6 after epoch 2, least 0.6 after epoch 2; validation macro F1 from 0.7 to 0.75 after epoch 3, greatest 0.8 after epoch 2."
    )
    assert learning.curves([score], LIGHT).layout.yaxis.title.text == "validation macro F1"


def test_losses_share_an_axis_only_where_neither_is_pressed_flat_by_the_other():
    high, low = Curve("loss", ((0.5, 0.75), (1.0, 0.73))), Curve("validation loss", ((1.0, 0.17),))
    within, score, empty = Curve("validation loss", ((1.0, 0.74),)), Curve("validation F1", ((1.0, 0.74),)), Curve("validation loss", ())
    assert learning.grouped([high, within, score]) == [[high, within], [score]]
    assert learning.grouped([high, low]) == [[high], [low]]
    assert learning.grouped([high, empty]) == [[high], [empty]]
