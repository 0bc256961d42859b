"""Seconds into a recording as people read them, and back."""

import re
from typing import Final

from ecgcore.errors import InputError

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_TIME: Final = re.compile(r"^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)$")


def clock(seconds: float, digits: int = 0) -> str:
    """Hours, minutes and seconds into the recording.

    >>> clock(3725.25), clock(3725.25, 2)
    ('1:02:05', '1:02:05.25')
    """
    scale = 10**digits
    units = round(seconds * scale)
    whole, part = divmod(units, scale)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{part:0{digits}d}" if digits else text


def seconds(text: str) -> float:
    """The seconds that "h:mm:ss", "mm:ss" or "ss" says. Raises InputError.

    >>> seconds("1:02:05"), seconds("2:05.5"), seconds("90")
    (3725.0, 125.5, 90.0)
    """
    found = _TIME.match(text.strip())
    if not found:
        raise InputError(f"{text!r} is no time; write h:mm:ss, mm:ss or seconds")
    hours, minutes, rest = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest)


def ticks(duration_s: float, most: int = 12) -> list[float]:
    """Round times from 0 to the end, at most about `most` of them."""
    step = next((s for s in _STEPS_S if duration_s / s <= most), _STEPS_S[-1])
    return [float(t) for t in range(0, int(duration_s) + 1, step)]
