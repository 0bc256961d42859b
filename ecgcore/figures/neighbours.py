"""A beat with its neighbours on one lead: letters above, the beat in hand in the middle."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures.clock import clock
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.figures.reduction import min_max
from ecgcore.record import Record

if TYPE_CHECKING:
    import plotly.graph_objects as go

AROUND_S: Final = 2.0  # on either side of the beat
HEIGHT_PX: Final = 240
BUCKETS: Final = 1000
LEAST_MV: Final = 1.0  # the picture shows at least this range
STEP_S: Final = 0.2  # a large square of the paper …
STEP_MV: Final = 0.5  # … both ways


def figure(record: Record, lead: str, samples: NDArray[np.int64], letters: Sequence[str], chosen: int, colours: Palette) -> "go.Figure":
    """The lead in mV, as recorded, around one of the beats whose R peaks (n_beats,) and letters are given; the band marks it."""
    import plotly.graph_objects as go

    at_s = float(samples[chosen]) / record.fs_hz
    start, stop = _span(record, int(samples[chosen]))
    mv = np.asarray(record.mv((lead,), start, stop)[0])
    kept = min_max(mv, BUCKETS)
    drawn = go.Figure()
    drawn.add_scatter(
        x=np.round((start + kept) / record.fs_hz, 4), y=np.round(mv[kept], 4), mode="lines", line={"color": colours.trace, "width": 1.2},
        name=lead, hovertemplate=f"{lead} · %{{x:.2f}} s · %{{y:.2f}} mV<extra></extra>",
    )  # fmt: skip
    drawn.add_vrect(x0=at_s - STEP_S / 2, x1=at_s + STEP_S / 2, fillcolor=colours.accent, opacity=0.15, line_width=0, layer="below")
    low, high = _range(mv)
    for index in np.flatnonzero((samples >= start) & (samples < stop)).tolist():
        letter = letters[index]
        font = {"size": 15 if index == chosen else 12, "color": colours.beats.get(letter[:1], colours.text)}
        drawn.add_annotation(x=float(samples[index]) / record.fs_hz, y=high, yanchor="bottom", text=f"<b>{letter}</b>", showarrow=False, font=font)
    axis = {"fixedrange": True, "zeroline": False, "gridcolor": colours.grid_heavy, "tick0": 0}
    first, last = at_s - AROUND_S, at_s + AROUND_S
    seconds = np.arange(np.ceil(first), np.floor(last) + 1)
    drawn.update_layout(
        **common(HEIGHT_PX, {"l": 46, "r": 8, "t": 8, "b": 30}, colours),
        xaxis={
            **axis, "range": [first, last], "tickvals": seconds, "ticktext": [clock(float(s)) if s >= 0 else "" for s in seconds],
            "minor": {"dtick": STEP_S, "tick0": 0, "showgrid": True, "gridcolor": colours.grid},
        },
        yaxis={**axis, "range": [low, high + 0.18 * (high - low)], "dtick": STEP_MV if high - low < 5 else 1.0, "title": {"text": f"{lead}, mV", "standoff": 4}},
    )  # fmt: skip
    return drawn


def alt(record: Record, lead: str, samples: NDArray[np.int64], letters: Sequence[str], chosen: int) -> str:
    """What the picture shows, for those who do not see it."""
    start, stop = _span(record, int(samples[chosen]))
    near = np.flatnonzero((samples >= start) & (samples < stop)).tolist()
    return f"{lead} of {record.name} around the beat at {clock(samples[chosen] / record.fs_hz, 2)}: beats {' '.join(letters[index] for index in near)}."


def _span(record: Record, sample: int) -> tuple[int, int]:
    around = round(AROUND_S * record.fs_hz)
    return max(0, sample - around), min(record.n_samples, sample + around)


def _range(mv: NDArray[np.float32]) -> tuple[float, float]:
    known = mv[~np.isnan(mv)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    middle, half = (low + high) / 2, max(high - low, LEAST_MV) / 2
    return middle - 1.05 * half, middle + 1.05 * half
