import pytest

from ecgcore.errors import InputError
from ecgcore.figures.clock import clock, seconds, ticks


@pytest.mark.parametrize(("time_s", "digits", "text"), [(0, 0, "0:00:00"), (3725.25, 2, "1:02:05.25"), (59.9996, 3, "0:01:00.000"), (86399.6, 0, "24:00:00")])
def test_clock(time_s, digits, text):
    assert clock(time_s, digits) == text


@pytest.mark.parametrize(("text", "time_s"), [("1:02:05", 3725.0), ("2:05.5", 125.5), (" 90 ", 90.0), ("26:00:00", 93600.0)])
def test_seconds(text, time_s):
    assert seconds(text) == time_s


@pytest.mark.parametrize("text", ["", "noon", "1:2:3:4", "-5", "1;30"])
def test_no_time(text):
    with pytest.raises(InputError, match="h:mm:ss"):
        seconds(text)


@pytest.mark.parametrize("duration_s", [0.5, 9.9, 61.0, 1800.0, 86400.0, 604800.0])
def test_ticks_are_few_and_within(duration_s):
    found = ticks(duration_s)
    assert found[0] == 0
    assert found[-1] <= duration_s
    assert len(found) <= 14
