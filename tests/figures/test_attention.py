import numpy as np
import pytest

from ecgcore.figures import attention
from ecgcore.figures.palette import DARK, LIGHT
from ecgcore.findings import AttentionChecks, AttentionMap

UNCHECKED = AttentionChecks(None, None, None)


def over(weights, start_s=9.7, step_s=0.1, seen_stop_s=20.0):
    return AttentionMap("hadln@1", "I", 2500, 10.0, start_s, step_s, np.asarray(weights, np.float32), seen_stop_s, UNCHECKED)


def test_attention_is_told_in_percent_per_100_ms_so_that_steps_compare(made):
    coarse = attention.figure(made(), over([0.1, 0.6, 0.2, 0.1]), LIGHT).data[1]
    fine = attention.figure(made(), over(np.repeat([0.1, 0.6, 0.2, 0.1], 2) / 2, step_s=0.05), LIGHT).data[1]
    assert coarse.y.tolist() == pytest.approx([10, 60, 20, 10, 10], abs=0.01)
    assert fine.y[::2].tolist() == pytest.approx([10, 60, 20, 10, 10], abs=0.01)
    assert coarse.x.tolist() == pytest.approx([-300, -200, -100, 0, 100])


def test_the_lead_is_drawn_as_recorded_over_the_window(made):
    record = made()
    trace = attention.figure(record, over([0.25] * 4), DARK).data[0]
    assert trace.x[0] == pytest.approx(-300, abs=4)
    assert trace.x[-1] == pytest.approx(100, abs=8)
    first = 2500 + round(trace.x[0] / 4)
    assert np.allclose(trace.y, record.mv(("I",), first, first + len(trace.y))[0], atol=1e-3)
    assert trace.line.color == DARK.trace


@pytest.mark.parametrize("start_s", [-0.3, 59.9])
def test_a_window_beyond_the_record_is_drawn_as_far_as_it_goes(made, start_s):
    found = AttentionMap("hadln@1", "I", 10, 0.04, start_s, 0.1, np.full(4, 0.25, np.float32), start_s + 0.4, UNCHECKED)
    assert attention.figure(made(), found, LIGHT).data[0].y.size > 0


def test_what_the_model_did_not_see_is_marked(made):
    assert not attention.figure(made(), over([0.25] * 4), LIGHT).layout.shapes
    marked = attention.figure(made(), over([0.25] * 4, seen_stop_s=10.0), LIGHT)
    assert marked.layout.shapes[0].x0 == pytest.approx(0)
    assert "zeros" in marked.layout.annotations[0].text


def test_attention_on_zeros_is_counted():
    assert over([0.25] * 4, seen_stop_s=9.95).unseen == pytest.approx(0.375)
    assert over([0.25] * 4).unseen == 0


def test_the_tenth_with_most_attention_is_told():
    share, start_ms, stop_ms = attention.highlight(over([0.05] * 10 + [0.3] + [0.02] * 10, step_s=0.02))
    assert stop_ms - start_ms == pytest.approx(42)
    assert start_ms <= -100 + 1e-6 <= stop_ms
    assert share > 0.3
    said = attention.alt(over([0.1, 0.6, 0.2, 0.1]))
    assert said.startswith("I around the beat at 0:00:10.00")
    assert "24% of it lies in the tenth of the window from −200 to −160 ms" in said


def test_a_missing_lead_is_drawn_as_a_gap(made):
    found = AttentionMap("hadln@1", "II", 3250, 13.0, 12.8, 0.1, np.full(4, 0.25, np.float32), 20.0, UNCHECKED)
    assert np.isnan(attention.figure(made(), found, LIGHT).data[0].y).all()
