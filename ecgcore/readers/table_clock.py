"""The time column of a table → its rate, and where each row lies on that clock."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers.table import Clock

# Rounded times leave the rate uncertain; beyond this share it is not read from them.
MAX_UNCERTAINTY: Final = 0.01
_ROUND_STEPS: Final = (1000.0, 500.0, 250.0, 100.0, 50.0, 25.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.01, 0.001)
MAX_SPAN_SAMPLES: Final = 1e12
_PIECE: Final = 1 << 20
SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "µs", "μs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
}


def of_times(times: NDArray[np.float64], unit_s: float, stated_hz: float | None, first_line: int) -> Clock:
    """The clock of a column of times in units of `unit_s` seconds; a gap leaves missing samples.

    The rate is the roundest that the times, as they were rounded, allow; it is None for too few rows to tell.
    Raises FormatError for times that go back or lie on no regular clock; `first_line` is the line of the first row.
    """
    if np.isnan(times).any():
        raise FormatError(f"line {first_line + int(np.argmax(np.isnan(times)))}: the time is missing")
    steps = np.diff(times)
    if (steps < 0).any():
        row = int(np.argmax(steps < 0)) + 1
        raise FormatError(f"line {first_line + row}: the time goes back from {times[row - 1]:.12g} to {times[row]:.12g}")
    resolution = _resolution(times)
    fs_hz = stated_hz or _rate(times, steps, resolution, unit_s)
    if fs_hz is None:
        return Clock(None, None)
    if not float(times[-1] - times[0]) * unit_s * fs_hz < MAX_SPAN_SAMPLES:
        raise FormatError(f"times from {times[0]:.12g} to {times[-1]:.12g} span more than a recording can at {fs_hz:g} Hz")
    del steps  # of a day, as long as all samples of a lead
    positions = np.empty(len(times), np.int64)
    tolerance_s = max(resolution * unit_s * 1.01, 0.25 / fs_hz)
    for first in range(0, len(times), _PIECE):
        offsets_s = (times[first : first + _PIECE] - times[0]) * unit_s
        own = np.rint(offsets_s * fs_hz)
        off = np.abs(offsets_s - own / fs_hz) > tolerance_s
        positions[first : first + _PIECE] = own
        off[1:] |= np.diff(own) < 1
        if first and own[0] <= positions[first - 1]:
            off[0] = True
        if off.any():
            row = first + int(np.argmax(off))
            raise FormatError(f"line {first_line + row}: time {times[row]:.12g} is not on a regular clock of {fs_hz:g} Hz; times must be evenly spaced but for gaps")
    return Clock(fs_hz, None if int(positions[-1]) == len(times) - 1 else positions)


def of_counts(counts: NDArray[np.float64], first_line: int) -> Clock:
    """The clock of a column of sample numbers; they tell no rate. Raises FormatError where they do not go up."""
    steps = np.diff(counts)
    if np.isnan(counts).any() or (counts != np.rint(counts)).any() or (steps < 1).any():
        wrong = np.isnan(counts) | (counts != np.rint(counts))
        wrong[1:] |= ~(steps >= 1)
        raise FormatError(f"line {first_line + int(np.argmax(wrong))}: sample numbers must be whole and go up")
    if not counts[-1] - counts[0] < MAX_SPAN_SAMPLES:
        raise FormatError(f"sample numbers from {counts[0]:g} to {counts[-1]:g} span more than a recording can")
    positions = (counts - counts[0]).astype(np.int64)
    return Clock(None, None if int(positions[-1]) == len(counts) - 1 else positions)


def _resolution(times: NDArray[np.float64]) -> float:
    """The step to which the times are rounded, in their own unit: the coarsest power of ten that all are multiples of."""
    sample = times[:: max(len(times) // 4096, 1)] - times[0]
    for decimals in range(10):
        scaled = sample * 10.0**decimals
        if np.abs(scaled - np.rint(scaled)).max() <= 1e-4:
            return float(10.0**-decimals)
    return 1e-9


def _rate(times: NDArray[np.float64], steps: NDArray[np.float64], resolution: float, unit_s: float) -> float | None:
    """The roundest rate that the longest stretch without a gap allows."""
    if len(steps) == 0:
        return None
    usual = np.median(steps[:: max(len(steps) // _PIECE, 1)])
    breaks = np.flatnonzero(steps > 1.5 * usual + 2 * resolution)
    edges = np.concatenate([[-1], breaks, [len(steps)]])
    longest = int(np.argmax(np.diff(edges)))
    first, last = int(edges[longest]) + 1, int(edges[longest + 1])
    span = float(times[last] - times[first])
    if span <= resolution:
        return None
    low, high = (last - first) / ((span + resolution) * unit_s), (last - first) / ((span - resolution) * unit_s)
    if high / low - 1 > MAX_UNCERTAINTY:
        return None
    for step in _ROUND_STEPS:
        candidate = round((low + high) / 2 / step) * step
        if low <= candidate <= high and candidate > 0:
            return float(candidate)
    return (low + high) / 2
