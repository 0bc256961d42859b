import pytest

from ecgcore.figures import calibration
from ecgcore.figures.palette import LIGHT

BINS = ((0.55, 0.5, 100), (0.95, 0.97, 900))
LIMITS = ((0.1, 0.004), (0.01, 0.02))


def test_a_point_a_bin_in_percent():
    points = calibration.reliability(BINS, LIGHT).data[1]
    assert list(points.x) == pytest.approx([55, 95])
    assert list(points.y) == pytest.approx([50, 97])
    assert points.marker.size[1] > points.marker.size[0]
    assert calibration.reliability_alt(BINS) == "Reliability of the most probable class: probability 55%, right 50.0% of 100 beats; probability 95%, right 97.0% of 900 beats."


def test_reliability_speaks_of_the_most_probable_class_for_thresholds_do_not_come_into_it():
    drawn = calibration.reliability(BINS, LIGHT)
    assert drawn.layout.xaxis.title.text == "probability of the most probable class, %"
    assert drawn.layout.yaxis.title.text == "most probable class right, %"


def test_what_flagging_leaves_wrong_rises_from_left_to_right():
    drawn = calibration.flagged(LIMITS, LIGHT).data[0]
    assert list(drawn.x) == [1.0, 10.0]
    assert list(drawn.y) == [2.0, 0.4]
    assert calibration.flagged_alt(LIMITS) == "Flagging: 1.0% flagged, 2.00% of the rest wrong; 10.0% flagged, 0.40% of the rest wrong."
