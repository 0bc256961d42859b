"""The few seconds of a record that are on screen: which, and in millivolts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.record import Record
from ecgcore.signals import filters

PAPER_MM: Final = 250.0
SPEEDS_MM_S: Final = (12.5, 25.0, 50.0)
GAINS_MM_MV: Final = (5.0, 10.0, 20.0)
# A filter needs what lies on either side, or the same beat would look different at the edge of the paper.
CONTEXT_S: Final = 10.0


@dataclass(frozen=True)
class Scale:
    """Paper speed and gain. The paper is 250 mm wide at any speed, as on a recorder."""

    speed_mm_s: float = 25.0
    gain_mm_mv: float = 10.0

    @property
    def window_s(self) -> float:
        """Seconds that fit on the paper."""
        return PAPER_MM / self.speed_mm_s

    def __str__(self) -> str:
        return f"{self.speed_mm_s:g} mm/s · {self.gain_mm_mv:g} mm/mV"


@dataclass(frozen=True)
class Band:
    """A named filter and, where chosen, a notch."""

    name: str = filters.DIAGNOSTIC
    notch_hz: float | None = None

    def printed(self, fs_hz: float) -> str:
        """What it does at this sampling rate."""
        return filters.effective(self.name, fs_hz, self.notch_hz)


@dataclass(frozen=True)
class Window:
    """Signal on screen: mv is (n_leads, n) float32 from start_s on, NaN where missing."""

    leads: tuple[str, ...]
    start_s: float
    fs_hz: float
    mv: NDArray[np.float32]
    filtered: str

    @property
    def stop_s(self) -> float:
        """Where the signal on screen ends."""
        return self.start_s + int(self.mv.shape[1]) / self.fs_hz


def read(record: Record, leads: Sequence[str], start_s: float, scale: Scale, band: Band) -> Window:
    """The window that begins at a second of the record; only it and the filter's context become floats. Raises LeadError."""
    first = min(round(start_s * record.fs_hz), record.n_samples - 1)
    last = min(first + round(scale.window_s * record.fs_hz), record.n_samples)
    margin = 0 if band == Band("unfiltered") else round(CONTEXT_S * record.fs_hz)
    low, high = max(0, first - margin), min(record.n_samples, last + margin)
    chosen = record.select(leads)
    mv = filters.apply(band.name, record.mv(chosen, low, high), record.fs_hz, band.notch_hz)
    return Window(chosen, first / record.fs_hz, record.fs_hz, mv[:, first - low : last - low], band.printed(record.fs_hz))


def clamp(start_s: float, duration_s: float, window_s: float) -> float:
    """The nearest whole second at which a window may begin, so that it shows some of the record."""
    latest = max(0, math.ceil(duration_s - window_s))
    return float(min(max(0, math.floor(start_s)), latest))


def around(moment_s: float, duration_s: float, window_s: float) -> float:
    """Where a window begins that has a moment in its middle."""
    return clamp(moment_s - window_s / 2, duration_s, window_s)
