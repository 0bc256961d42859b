"""Where in the record the reader is, and where a command takes him. Knows nothing of Streamlit."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ecgcore.figures import window
from ecgcore.figures.clock import clock
from ecgcore.findings import Beats

ANY_ECTOPIC: Final = "S V F"


@dataclass(frozen=True)
class View:
    """The window begins at start_s; `focus_s` is the beat the reader asked for, if he did."""

    start_s: float = 0.0
    focus_s: float | None = None

    def turned(self, pages: int, duration_s: float, window_s: float) -> "View":
        """So many windows on, or back if negative."""
        return View(window.clamp(self.start_s + pages * window_s, duration_s, window_s))

    def at(self, moment_s: float, duration_s: float, window_s: float) -> "View":
        """With a moment in the middle of the window."""
        return View(window.around(moment_s, duration_s, window_s), moment_s)

    def within(self, duration_s: float, window_s: float) -> "View":
        """The same, moved where the record has signal to show."""
        return View(window.clamp(self.start_s, duration_s, window_s), self.focus_s)

    def stepped(self, beats: Beats, fs_hz: float, wanted: str, forward: bool, duration_s: float, window_s: float) -> "View | None":
        """At the next or previous beat whose class is among the letters wanted; None where there is none."""
        times_s = beats.samples[[label in wanted.split() for label in beats.labels]] / fs_hz
        here = self.focus_s if self.focus_s is not None else self.start_s
        beyond = times_s[times_s > here + 1e-6] if forward else times_s[times_s < here - 1e-6]
        if not beyond.size:
            return None
        return self.at(float(beyond[0] if forward else beyond[-1]), duration_s, window_s)

    def described(self, duration_s: float, window_s: float) -> str:
        """The window in words."""
        return f"{clock(self.start_s)}–{clock(min(self.start_s + window_s, duration_s))} of {clock(duration_s)}"


def clicked_s(event: Any) -> float | None:
    """The time on the trend that was clicked, from Streamlit's selection event."""
    points = (event or {}).get("selection", {}).get("points", [])
    return float(np.asarray(points[0]["x"], float)) if points else None
