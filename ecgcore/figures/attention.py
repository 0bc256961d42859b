"""One beat of a lead, and under it how a model's attention lay over its window."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures.clock import clock
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.findings import AttentionMap
from ecgcore.record import Record

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX: Final = 220
UNDER: Final = 0.3  # of the height is the attention's
LEAST_RANGE_MV: Final = 0.5
TENTH: Final = 0.1  # of the window, whose share of the attention is told
PER_MS: Final = 100.0  # attention is told per so many ms, so that models with steps of different length can be compared


def figure(record: Record, found: AttentionMap, colours: Palette) -> "go.Figure":
    """The lead in mV over the window, as recorded; under it the attention in % per 100 ms; dotted what it would be if spread evenly."""
    import plotly.graph_objects as go

    drawn = go.Figure()
    times_ms, mv = _trace(record, found)
    drawn.add_scatter(
        x=times_ms, y=np.round(mv, 4), mode="lines", line={"color": colours.trace, "width": 1.4},
        name=found.lead, hovertemplate=f"{found.lead} · %{{x:.0f}} ms · %{{y:.2f}} mV<extra></extra>",
    )  # fmt: skip
    edges_ms, density = _density(found)
    drawn.add_scatter(
        x=edges_ms, y=np.round(np.append(density, density[-1:]), 3), yaxis="y2", mode="lines", fill="tozeroy",
        line={"color": colours.accent, "width": 1.2, "shape": "hv"}, name="attention", hovertemplate="from %{x:.0f} ms · %{y:.1f} % per 100 ms<extra></extra>",
    )  # fmt: skip
    even = 100 * PER_MS / float(edges_ms[-1] - edges_ms[0])
    drawn.add_scatter(x=edges_ms[[0, -1]], y=[even, even], yaxis="y2", mode="lines", line={"color": colours.muted, "width": 1, "dash": "dot"}, hoverinfo="skip", name="even")
    unseen_ms = (found.seen_stop_s - found.peak_s) * 1000
    if unseen_ms < edges_ms[-1] - 1:
        drawn.add_vrect(
            x0=unseen_ms, x1=float(edges_ms[-1]), fillcolor=colours.muted, opacity=0.18, line_width=0, layer="below",
            annotation={"text": "zeros to the model", "font": {"size": 11, "color": colours.muted}}, annotation_position="top right",
        )  # fmt: skip
    drawn.update_layout(**_layout(edges_ms, mv, float(max(density.max(), even)), colours))
    return drawn


def alt(found: AttentionMap) -> str:
    """What the figure shows, for those who do not see it."""
    share, start_ms, stop_ms = highlight(found)
    at = clock(found.peak_s, 2)
    where = f"{start_ms:.0f} to {stop_ms:.0f} ms from the R peak".replace("-", "−")
    return f"{found.lead} around the beat at {at}, and the attention of {found.model} under it: {share:.0%} of it lies in the tenth of the window from {where}."


def highlight(found: AttentionMap) -> tuple[float, float, float]:
    """The tenth of the window in one piece that has the most attention: its share of it, 0 to 1, its start and its end in ms from the R peak."""
    edges_ms, _ = _density(found)
    until = np.concatenate([[0.0], np.cumsum(found.weights)])
    width_ms = TENTH * float(edges_ms[-1] - edges_ms[0])
    starts = np.unique(np.concatenate([edges_ms[edges_ms <= edges_ms[-1] - width_ms + 1e-6], np.maximum(edges_ms[0], edges_ms - width_ms)]))
    shares = np.interp(starts + width_ms, edges_ms, until) - np.interp(starts, edges_ms, until)
    best = int(shares.argmax())
    return float(shares[best]), float(starts[best]), float(starts[best] + width_ms)


def _trace(record: Record, found: AttentionMap) -> tuple[NDArray[np.floating[Any]], NDArray[np.float32]]:
    """Times (n,) in ms from the R peak and the lead (n,) in mV, of as much of the window as the record has."""
    start = int(np.clip(np.floor(found.start_s * record.fs_hz), 0, record.n_samples))
    stop = int(np.clip(np.ceil(found.stop_s * record.fs_hz) + 1, start, record.n_samples))
    return (np.arange(start, stop) - found.sample) / record.fs_hz * 1000, np.asarray(record.mv((found.lead,), start, stop)[0])


def _density(found: AttentionMap) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Edges (n_steps + 1,) of the steps in ms from the R peak, and the attention (n_steps,) in each, in % per 100 ms."""
    steps = np.arange(found.weights.size + 1)
    edges_ms = (found.start_s + found.step_s * steps - found.peak_s) * 1000
    return edges_ms, found.weights.astype(np.float64) * 100 * PER_MS / (found.step_s * 1000)


def _layout(edges_ms: NDArray[np.floating[Any]], mv: NDArray[np.float32], most: float, colours: Palette) -> dict[str, Any]:
    known = mv[~np.isnan(mv)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    room = max(high - low, LEAST_RANGE_MV) * 0.08
    middle = (low + high) / 2
    low, high = min(low, middle - LEAST_RANGE_MV / 2) - room, max(high, middle + LEAST_RANGE_MV / 2) + room
    axis: dict[str, Any] = {"fixedrange": True, "zeroline": False, "gridcolor": colours.grid_heavy, "title": {"font": {"size": 11}, "standoff": 4}}
    return {
        **common(HEIGHT_PX, {"l": 52, "r": 8, "t": 6, "b": 36}, colours),
        "xaxis": {**axis, "range": [float(edges_ms[0]), float(edges_ms[-1])], "dtick": 200, "tick0": 0, "anchor": "y2", "title": {**axis["title"], "text": "ms from the R peak"}},
        "yaxis": {**axis, "range": [low, high], "domain": [UNDER + 0.05, 1], "nticks": 5, "title": {**axis["title"], "text": "mV"}},
        "yaxis2": {**axis, "range": [0, most * 1.08], "domain": [0, UNDER], "nticks": 3, "title": {**axis["title"], "text": "% / 100 ms"}},
    }
