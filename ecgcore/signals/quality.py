"""Signal quality by lead and 10-s window: missing, flat, clipped or noise, with what was measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW_S: Final = 10.0
MISSING_SHARE: Final = 0.05  # of a window's samples
FLAT_RANGE_MV: Final = 0.05
FLAT_RUN_S: Final = 3.0  # a run of one value this long is flat, whatever the rest of the window does
BLOCK_WINDOWS: Final = 60  # windows read at a time
RAIL_SHARE: Final = 0.01  # of a window's samples at one extreme of the record
RAIL_RUN: Final = 4  # samples in a row, so that a single peak at the extreme is no clipping
# From here on the detector errs on two beats or more in 10 s, by muscle noise added to DS1; 0.7 % of clean windows reach it.
NOISE_BACKGROUND: Final = 0.16


@dataclass(frozen=True)
class Mark:
    """One window that is not good: its number, what is wrong, and what was measured."""

    window: int
    kind: str
    reason: str


def broken(read: Callable[[int, int], NDArray[np.float32]], n_samples: int, fs_hz: float) -> tuple[Mark, ...]:
    """Windows of one lead that are missing, flat or clipped. read(start, stop) gives (n,) in mV, NaN where missing."""
    width = max(1, round(WINDOW_S * fs_hz))
    block = width * BLOCK_WINDOWS
    starts = range(0, n_samples, block)
    extremes = [_range(read(start, min(start + block, n_samples))) for start in starts]
    rails = min(low for low, _ in extremes), max(high for _, high in extremes)
    marks = []
    for number, start in enumerate(starts):
        mv = read(start, min(start + block, n_samples))
        for offset in range(0, mv.size, width):
            if said := judge(mv[offset : offset + width], fs_hz, rails):
                marks.append(Mark(number * BLOCK_WINDOWS + offset // width, *said))
    return tuple(marks)


def judge(mv: NDArray[np.float32], fs_hz: float, rails_mv: tuple[float, float]) -> tuple[str, str] | None:
    """Kind and reason of what is wrong in one window (n,) in mV, NaN where missing; None when nothing is.

    `rails_mv` are the least and the greatest value of the lead in the whole record. Noise is judged by `noisy`.
    """
    known = mv[np.isfinite(mv)]
    missing = 1 - known.size / mv.size
    if missing > MISSING_SHARE:
        return "missing", f"{missing:.0%} of the samples are missing"
    spread = float(np.ptp(known))
    if spread < FLAT_RANGE_MV:
        return "flat", f"range {spread:.3f} mV, below {FLAT_RANGE_MV:g} mV"
    for rail in rails_mv:
        at_rail = known == np.float32(rail)
        share = float(at_rail.mean())
        if share > RAIL_SHARE and _longest_run(at_rail) >= RAIL_RUN:
            return "clipped", f"{share:.0%} of the samples at {rail:.2f} mV, the limit of the recording"
    still_s = _longest_run(np.diff(known) == 0) / fs_hz
    if still_s >= FLAT_RUN_S:
        return "flat", f"one value for {still_s:.1f} s"
    return None


def noisy(background: NDArray[np.float32], fs_hz: float) -> tuple[Mark, ...]:
    """Windows in which the slope envelope between the beats is too near that of the beats themselves.

    `background` (n,) at fs_hz, as `detection.Clarity.background_at` gives it.
    """
    width = round(WINDOW_S * fs_hz)
    marks = []
    for window, start in enumerate(range(0, background.size, width)):
        level = float(background[start : start + width].mean())
        if level > NOISE_BACKGROUND:
            marks.append(Mark(window, "noise", f"activity between the beats at {level:.1%} of the beats' slope, above {NOISE_BACKGROUND:.0%}"))
    return tuple(marks)


def _range(mv: NDArray[np.float32]) -> tuple[float, float]:
    """Least and greatest value; an empty range where all is missing."""
    known = mv[np.isfinite(mv)]
    return (float(known.min()), float(known.max())) if known.size else (np.inf, -np.inf)


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
