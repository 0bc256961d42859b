import numpy as np
import pytest

from ecgcore.figures import trend
from ecgcore.figures.palette import LIGHT
from ecgcore.findings import Analysis, Beats, Info, Quality, QualityMark


def analysis(record, times_s, labels, marks=(), leads=("I",)):
    samples = np.round(np.asarray(times_s) * record.fs_hz).astype(np.int64)
    beats = Beats(samples, tuple(labels), tuple(labels), np.zeros((len(labels), 5), np.float32), "beats@1", leads, "d")
    return Analysis(Info.of(record), leads, beats, None, Quality(10.0, {}, marks), {})


def test_rate_is_60_by_rr(made):
    times_s, bpm = trend.heart_rate(analysis(made(), [1.0, 2.0, 2.5], "NNV").beats, 250.0)
    assert times_s.tolist() == [2.0, 2.5]
    assert bpm.tolist() == [60.0, 120.0]


def test_no_rate_across_what_cannot_be_read(made):
    marks = tuple(QualityMark(lead, start, stop, kind, "") for lead, start, stop, kind in [("I", 3.0, 6.0, "missing"), ("II", 5.0, 9.0, "flat"), ("I", 7.0, 8.0, "noise")])
    blind_s = trend.blind(Quality(10.0, {}, marks), ("I", "II"))
    assert blind_s.tolist() == [[5.0, 6.0]]
    assert trend.blind(Quality(10.0, {}, marks), ("I",)).tolist() == [[3.0, 6.0]]
    _, bpm = trend.heart_rate(analysis(made(), [1.0, 2.0, 7.0, 8.0], "NNNN").beats, 250.0, blind_s)
    assert np.isnan(bpm).tolist() == [False, True, False]


@pytest.mark.parametrize("times_s", [[], [4.0]])
def test_without_beats_nothing_is_invented(made, times_s):
    found = analysis(made(), times_s, "N" * len(times_s))
    assert trend.alt(found) == "Heart rate over the whole record: not measured."
    assert trend.figure(found, LIGHT).data[0].y.size == 0


def test_fastest_and_slowest_beat_of_a_day_are_drawn(made):
    record = made(1, 3600.0, 100.0)
    rr = np.full(20_000, 0.15)
    rr[[777, 15_000]] = (0.05, 0.6)
    figure = trend.figure(analysis(record, np.cumsum(rr), "N" * 20_000), LIGHT)
    drawn = np.asarray(figure.data[0].y)
    assert len(drawn) <= 4 * trend.BUCKETS
    assert drawn.max() == pytest.approx(1200.0)
    assert drawn.min() == pytest.approx(100.0)
    assert figure.layout.yaxis.range[0] < 100
    assert figure.layout.yaxis.range[1] > 1200


def test_ectopic_beats_have_a_line_each(made):
    figure = trend.figure(analysis(made(), [1.0, 2.0, 3.0, 4.0], "NVSV"), LIGHT)
    assert {t.name: list(t.x) for t in figure.data[1:]} == {"S": [3.0], "V": [2.0, 4.0]}
    assert list(figure.layout.yaxis.ticktext[:2]) == ["<b>S</b>", "<b>V</b>"]
    assert figure.layout.hovermode == "x"


def test_alt_text_has_the_numbers(made):
    assert trend.alt(analysis(made(), [1.0, 2.0, 2.5], "NNV")) == "Heart rate over the whole record, 0:01:00: median 90, least 60, greatest 120 per minute."
