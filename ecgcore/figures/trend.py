"""The heart rate of a whole recording, and where its ectopic beats lie."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures.clock import clock, ticks
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.figures.reduction import min_max
from ecgcore.findings import Analysis, Beats, Quality

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX: Final = 190
BUCKETS: Final = 600
_ECTOPIC: Final = ("S", "V", "F", "Q")
_UNREADABLE: Final = ("missing", "flat")


def heart_rate(beats: Beats, fs_hz: float, blind_s: NDArray[np.float64] | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Time of each beat but the first in s, and 60 / RR before it in 1/min, both (n_beats - 1,).

    NaN where the interval crosses one of `blind_s` (n, 2), stretches without a readable lead: a beat may hide there.
    """
    times_s = beats.samples / fs_hz
    bpm = 60.0 / np.maximum(np.diff(times_s), 1e-3)
    for start, stop in blind_s if blind_s is not None else ():
        bpm[(times_s[:-1] < stop) & (times_s[1:] > start)] = np.nan
    return times_s[1:], bpm


def blind(quality: Quality, leads: tuple[str, ...]) -> NDArray[np.float64]:
    """Stretches (n, 2) in s in which every one of the leads is missing or flat."""
    steps = sorted((time_s, change) for mark in quality.marks if mark.lead in leads and mark.kind in _UNREADABLE for time_s, change in ((mark.start_s, 1), (mark.stop_s, -1)))
    found, depth, began = [], 0, 0.0
    for time_s, change in steps:
        if depth + change == len(leads) and change > 0:
            began = time_s
        elif depth == len(leads) and change < 0 and time_s > began:
            found.append((began, time_s))
        depth += change
    return np.asarray(found, np.float64).reshape(-1, 2)


def figure(analysis: Analysis, colours: Palette) -> "go.Figure":
    """Heart rate over the whole record, and a row of ectopic beats below it."""
    import plotly.graph_objects as go

    record, beats = analysis.record, analysis.beats
    duration_s = record.duration_s
    blind_s = blind(analysis.quality, analysis.leads)
    times_s, bpm = heart_rate(beats, record.fs_hz, blind_s)
    kept = min_max(bpm, BUCKETS)
    shown = kept[~np.isnan(bpm[kept])]
    floor, ceiling = _limits(bpm)
    drawn = go.Figure()
    drawn.add_scatter(
        x=times_s[shown],
        y=np.round(bpm[shown], 1),
        mode="markers",
        marker={"size": 3.5, "color": colours.trace},
        unselected={"marker": {"opacity": 1}},
        selected={"marker": {"color": colours.accent, "size": 7}},
        customdata=[clock(t) for t in times_s[shown]],
        hovertemplate="%{customdata} · %{y:.0f}/min<extra></extra>",
        name="heart rate",
    )
    lines = _draw_ectopics(drawn, beats, record.fs_hz, floor, ceiling, colours)
    for start, stop in blind_s:
        drawn.add_vrect(x0=start, x1=stop, fillcolor=colours.muted, opacity=0.25, line_width=0, layer="below")
    drawn.update_layout(**_layout(duration_s, floor, ceiling, lines, colours))
    return drawn


def alt(analysis: Analysis) -> str:
    """What the trend shows, for those who do not see it."""
    _, bpm = heart_rate(analysis.beats, analysis.record.fs_hz, blind(analysis.quality, analysis.leads))
    known = bpm[~np.isnan(bpm)]
    if not known.size:
        return "Heart rate over the whole record: not measured."
    return f"Heart rate over the whole record, {clock(analysis.record.duration_s)}: median {np.median(known):.0f}, least {known.min():.0f}, greatest {known.max():.0f} per minute."


def clicked_s(event: Any) -> float | None:
    """The time in s on the figure that was clicked, from Plotly's selection event; None where nothing was."""
    points = (event or {}).get("selection", {}).get("points", [])
    return float(np.asarray(points[0]["x"], float)) if points else None


def _limits(bpm: NDArray[np.float64]) -> tuple[float, float]:
    """A scale that leaves out no beat."""
    known = bpm[~np.isnan(bpm)]
    if not known.size:
        return 40.0, 120.0
    return float(min(40.0, np.floor(known.min() / 10) * 10)), float(max(120.0, np.ceil(known.max() / 10) * 10))


def _draw_ectopics(drawn: "go.Figure", beats: Beats, fs_hz: float, floor: float, ceiling: float, colours: Palette) -> dict[float, str]:
    """A line of ticks for each class that occurs; returns the height of each and its letter."""
    labels = np.asarray(beats.labels)
    present = [name for name in _ECTOPIC if (labels == name).any()]
    step = (ceiling - floor) * 0.11
    lines = {}
    for line, name in enumerate(present, start=1):
        times_s = beats.samples[labels == name] / fs_hz
        width_s = max(beats.samples[-1] / fs_hz / (4 * BUCKETS), 1e-3)
        times_s = times_s[np.unique((times_s / width_s).astype(np.int64), return_index=True)[1]]  # no more than the screen can tell apart
        y = floor - step * line
        lines[y] = name
        drawn.add_scatter(
            x=times_s,
            y=np.full(len(times_s), y),
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 9, "color": colours.beats[name], "line": {"width": 1}},
            unselected={"marker": {"opacity": 1}},
            customdata=[clock(t) for t in times_s],
            hovertemplate=f"{name} · %{{customdata}}<extra></extra>",
            name=name,
        )
    return lines


def _layout(duration_s: float, floor: float, ceiling: float, lines: dict[float, str], colours: Palette) -> dict[str, Any]:
    rates = [rate for rate in range(0, 1000, 40 if ceiling - floor <= 240 else 100) if floor <= rate <= ceiling]
    at = ticks(duration_s)
    return {
        **common(HEIGHT_PX, {"l": 40, "r": 8, "t": 6, "b": 24}, colours, font_size=12),
        "hovermode": "x",
        "hoverdistance": -1,
        "clickmode": "event+select",
        "xaxis": {"range": [0, duration_s], "tickvals": at, "ticktext": [clock(t) for t in at], "fixedrange": True, "gridcolor": colours.grid_heavy, "zeroline": False},
        "yaxis": {
            "range": [floor - (ceiling - floor) * (0.11 * len(lines) + 0.08), ceiling + (ceiling - floor) * 0.04],
            "tickvals": [*lines, *rates],
            "ticktext": [*(f"<b>{name}</b>" for name in lines.values()), *map(str, rates)],
            "fixedrange": True,
            "gridcolor": colours.grid,
            "zeroline": False,
        },
    }
