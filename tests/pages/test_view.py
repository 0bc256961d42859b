import numpy as np
import pytest

from ecgcore.findings import Beats
from pages.ui.intake import lead_names
from pages.ui.view import View, clicked_s

BEATS = Beats(np.array([100, 300, 500, 700]), tuple("NVSV"), tuple("NVSV"), np.zeros((4, 5), np.float32), "m@1", ("I",), "d")


def test_windows_follow_one_another_and_stop_at_the_ends():
    here = View().turned(1, 35.0, 10.0)
    assert here.start_s == 10.0
    assert here.turned(5, 35.0, 10.0).start_s == 25.0
    assert here.turned(-5, 35.0, 10.0).start_s == 0.0
    assert View(90.0).within(35.0, 10.0).start_s == 25.0


def test_beats_of_a_class_one_after_the_other():
    size = (10.0, 2.0)
    first = View().stepped(BEATS, 100.0, "V", True, *size)
    second = first.stepped(BEATS, 100.0, "V", True, *size)
    assert (first.focus_s, second.focus_s) == (3.0, 7.0)
    assert (first.start_s, second.start_s) == (2.0, 6.0)
    assert second.stepped(BEATS, 100.0, "V", True, *size) is None
    assert second.stepped(BEATS, 100.0, "S V F", False, *size).focus_s == 5.0
    assert View().stepped(BEATS, 100.0, "Q", True, *size) is None


@pytest.mark.parametrize(("event", "time_s"), [(None, None), ({}, None), ({"selection": {"points": []}}, None), ({"selection": {"points": [{"x": 12.5}, {"x": 3}]}}, 12.5)])
def test_a_click_on_the_trend(event, time_s):
    assert clicked_s(event) == time_s


@pytest.mark.parametrize(("text", "names"), [("I, II,V1", ("I", "II", "V1")), ("I II", ("I", "II")), ("Lead I; Lead II", ("Lead I", "Lead II")), (" , ", ())])
def test_lead_names_as_typed(text, names):
    assert lead_names(text) == names
