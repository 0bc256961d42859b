import numpy as np
import pytest

from ecgcore.errors import LeadError
from ecgcore.figures import window
from ecgcore.figures.window import Band, Scale
from ecgcore.record import Record


def test_paper_is_as_wide_at_any_speed():
    assert [Scale(speed).window_s for speed in window.SPEEDS_MM_S] == [20.0, 10.0, 5.0]
    assert str(Scale()) == "25 mm/s · 10 mm/mV"


def test_unfiltered_window_is_the_signal(made):
    record = made()
    shown = window.read(record, ("II", "I"), 11.0, Scale(), Band("unfiltered"))
    assert shown.leads == ("II", "I")
    assert (shown.start_s, shown.stop_s) == (11.0, 21.0)
    np.testing.assert_array_equal(shown.mv, record.mv(("II", "I"), 2750, 5250))


def test_derived_leads_may_be_shown_and_unknown_ones_not(made):
    assert window.read(made(), ("aVF",), 0.0, Scale(), Band("unfiltered")).leads == ("aVF",)
    with pytest.raises(LeadError):
        window.read(made(), ("V9",), 0.0, Scale(), Band())


def test_only_the_window_and_its_context_become_floats(made, monkeypatch):
    asked = []
    whole = Record.mv
    monkeypatch.setattr(Record, "mv", lambda self, leads, start, stop: asked.append((start, stop)) or whole(self, leads, start, stop))
    window.read(made(duration_s=3600), ("I",), 1800.0, Scale(), Band())
    window.read(made(duration_s=3600), ("I",), 1800.0, Scale(), Band("unfiltered"))
    assert asked == [(1790 * 250, 1820 * 250), (1800 * 250, 1810 * 250)]


def test_a_beat_looks_the_same_in_two_windows(made):
    record = made(duration_s=120)
    one = window.read(record, ("I",), 40.0, Scale(), Band("ambulatory 0.5–40 Hz"))
    other = window.read(record, ("I",), 45.0, Scale(), Band("ambulatory 0.5–40 Hz"))
    np.testing.assert_allclose(one.mv[:, 1250:], other.mv[:, :1250], atol=0.01)


def test_gaps_stay_gaps_through_a_filter(made):
    shown = window.read(made(), ("I", "II"), 10.0, Scale(), Band())
    assert np.flatnonzero(np.isnan(shown.mv[1])).tolist() == list(range(500, 1000))
    assert not np.isnan(shown.mv[0]).any()


def test_end_of_record_and_short_records(made):
    assert window.read(made(), ("I",), 55.0, Scale(), Band()).mv.shape == (1, 1250)
    assert window.read(made(1, 0.004), ("I",), 0.0, Scale(), Band()).mv.shape == (1, 1)
    assert window.read(made(1, 2.0), ("I",), 0.0, Scale(), Band()).stop_s == 2.0


def test_where_windows_begin():
    assert [window.clamp(t, 35.5, 10.0) for t in (-3, 7.9, 40)] == [0.0, 7.0, 26.0]
    assert window.clamp(5.0, 2.0, 10.0) == 0.0
    assert window.around(20.0, 60.0, 10.0) == 15.0
