"""A few seconds of ECG on millimetre paper, with the beats named above it.

Both axes are in millimetres of paper and share one scale, so that a cell is square at any size on screen.
Rows from the top: the letters of the model, the letters of the reference if there is one, then a row a lead.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures.clock import clock
from ecgcore.figures.palette import FONT, Palette
from ecgcore.figures.reduction import min_max
from ecgcore.figures.window import PAPER_MM, Scale, Window
from ecgcore.findings import QualityMark

if TYPE_CHECKING:
    import plotly.graph_objects as go

PX_PER_MM: Final = 5.1
MARGIN_PX: Final = {"l": 4, "r": 4, "t": 4, "b": 22}
PULSE_MM: Final = 15.0  # room to the left of the signal for the 1 mV pulse
LETTERS_MM: Final = 5.0
ROOM_MM: Final = 40.0  # added above and below at most, so that no tall beat is cut off
BUCKETS: Final = 2500  # of a row: two a pixel on a wide screen
_ROW_MM: Final = ((1, 50.0), (2, 40.0), (3, 35.0), (6, 30.0), (8, 25.0), (99, 20.0))


@dataclass(frozen=True)
class Letter:
    """A beat on the strip: when, its class, and what a pointer that rests on it is told."""

    time_s: float
    label: str
    hover: str


@dataclass(frozen=True)
class Letters:
    """A line of letters and who wrote them."""

    author: str
    beats: tuple[Letter, ...]


@dataclass(frozen=True)
class Strip:
    """All that is drawn: the signal, the letters above it (the model's first), and what cannot be trusted."""

    window: Window
    scale: Scale
    letters: tuple[Letters, ...] = ()
    marks: tuple[QualityMark, ...] = field(default=())

    @property
    def row_mm(self) -> float:
        """Height of a lead's row."""
        return next(height for most, height in _ROW_MM if len(self.window.leads) <= most)

    @cached_property
    def offsets_mv(self) -> tuple[float, ...]:
        """What is drawn in the middle of each row: the median of what it shows, 0 where all is missing."""
        return tuple(float(np.median(known)) if (known := row[~np.isnan(row)]).size else 0.0 for row in self.window.mv)

    @cached_property
    def overshoot_mm(self) -> tuple[float, float]:
        """How far the traces reach below the lowest row and above the highest, in mm."""
        lowest, highest = 0.0, 0.0
        for row, mv in enumerate(self.window.mv):
            if not np.isnan(mv).all():
                middle = self.middle_mm(row)
                lowest = min(lowest, middle + (float(np.nanmin(mv)) - self.offsets_mv[row]) * self.scale.gain_mm_mv)
                highest = max(highest, middle + (float(np.nanmax(mv)) - self.offsets_mv[row]) * self.scale.gain_mm_mv - self.rows_mm)
        return -lowest, highest

    @property
    def leaves_paper(self) -> bool:
        """Whether a trace reaches further than the paper was made higher for it."""
        return max(self.overshoot_mm) > ROOM_MM

    @property
    def rows_mm(self) -> float:
        """Height of all rows of leads."""
        return self.row_mm * len(self.window.leads)

    @property
    def range_mm(self) -> tuple[float, float]:
        """Lower and upper edge of the paper: the rows, room for tall beats in steps of 5 mm, the letters."""
        below, above = (5.0 * math.ceil(min(reach, ROOM_MM) / 5.0) for reach in self.overshoot_mm)
        return -below, self.rows_mm + above + LETTERS_MM * len(self.letters)

    @property
    def height_mm(self) -> float:
        """Height of the paper."""
        low, high = self.range_mm
        return high - low

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height at which a millimetre is the same both ways."""
        width = (PULSE_MM + PAPER_MM) * PX_PER_MM + MARGIN_PX["l"] + MARGIN_PX["r"]
        return round(width), round(self.height_mm * PX_PER_MM + MARGIN_PX["t"] + MARGIN_PX["b"])

    def x_mm(self, time_s: float) -> float:
        """Place on the paper of a moment of the record."""
        return (time_s - self.window.start_s) * self.scale.speed_mm_s

    def middle_mm(self, row: int) -> float:
        """Height of a lead's middle above the foot of the lowest row."""
        return self.rows_mm - self.row_mm * (row + 0.5)


def figure(strip: Strip, colours: Palette) -> "go.Figure":
    """The strip as a Plotly figure of `strip.size_px`."""
    import plotly.graph_objects as go

    drawn = go.Figure()
    for row, lead in enumerate(strip.window.leads):
        _draw_lead(drawn, strip, row, lead, colours)
    for line, letters in enumerate(strip.letters):
        _draw_letters(drawn, strip, line, letters, colours)
    for mark in strip.marks:
        _draw_mark(drawn, strip, mark, colours)
    width, height = strip.size_px
    drawn.update_layout(
        width=width,
        height=height,
        margin=MARGIN_PX,
        paper_bgcolor=colours.paper,
        plot_bgcolor=colours.paper,
        font={"color": colours.text, "size": 12, "family": FONT},
        hoverlabel={"bgcolor": colours.paper, "bordercolor": colours.muted, "font": {"color": colours.text}},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        xaxis=_x_axis(strip, colours),
        yaxis=_y_axis(strip, colours),
    )
    return drawn


def alt(strip: Strip) -> str:
    """What the figure shows, for those who do not see it."""
    window = strip.window
    text = f"ECG, {', '.join(window.leads)}, {clock(window.start_s)} to {clock(window.stop_s)}, {strip.scale}, {window.filtered}."
    for letters in strip.letters:
        said = " ".join(beat.label for beat in letters.beats) or "none"
        text += f" Beats by {letters.author}: {said}."
    if strip.marks:
        text += f" {len(strip.marks)} quality marks."
    return text


def missing_runs(mv: NDArray[np.float32]) -> list[tuple[int, int]]:
    """First and past-the-last index of each run of NaN in (n,)."""
    edges = np.flatnonzero(np.diff(np.isnan(mv).astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _draw_lead(drawn: "go.Figure", strip: Strip, row: int, lead: str, colours: Palette) -> None:
    """Trace, calibration pulse, name and gaps of one lead. The row's middle is the median of what it shows."""
    window, scale = strip.window, strip.scale
    mv, middle = window.mv[row], strip.middle_mm(row)
    kept = min_max(mv, BUCKETS)
    x = np.round(kept / window.fs_hz * scale.speed_mm_s, 3)
    y = np.round(middle + (mv[kept] - strip.offsets_mv[row]) * scale.gain_mm_mv, 3)
    line = {"color": colours.trace, "width": 1.15, "simplify": False}
    drawn.add_scatter(x=x, y=y.astype(np.float32), mode="lines", line=line, hoverinfo="skip", connectgaps=False, name=lead)
    left = -PULSE_MM + 5.0
    foot, top = middle, middle + scale.gain_mm_mv
    pulse_x = [left - 2, left, left, left + 5, left + 5, left + 7]
    drawn.add_scatter(x=pulse_x, y=[foot, foot, top, top, foot, foot], mode="lines", line=line, hoverinfo="skip", name=f"{lead}: 1 mV")
    drawn.add_annotation(x=1, y=middle + strip.row_mm / 2 - 1, text=f"<b>{lead}</b>", font={"size": 14}, bgcolor=colours.paper, borderpad=1, **_PLACE)
    for start, stop in missing_runs(mv):
        _draw_gap(drawn, strip, row, (start / window.fs_hz * scale.speed_mm_s, stop / window.fs_hz * scale.speed_mm_s), colours)


def _draw_gap(drawn: "go.Figure", strip: Strip, row: int, x_mm: tuple[float, float], colours: Palette) -> None:
    middle, half = strip.middle_mm(row), strip.row_mm / 2
    drawn.add_shape(type="rect", x0=x_mm[0], x1=x_mm[1], y0=middle - half, y1=middle + half, line_width=0, fillcolor=colours.muted, opacity=0.25, layer="below")
    if x_mm[1] - x_mm[0] >= 2.0:
        drawn.add_annotation(x=sum(x_mm) / 2, y=middle, text="missing", showarrow=False, font={"color": colours.text, "size": 12, "family": FONT}, bgcolor=colours.paper)


def _draw_letters(drawn: "go.Figure", strip: Strip, line: int, letters: Letters, colours: Palette) -> None:
    """One line of letters; those of the model that are not N also get a hairline down the paper."""
    low, high = strip.range_mm
    y = high - LETTERS_MM * (line + 0.5)
    drawn.add_annotation(x=-PULSE_MM + 1, y=y, text=letters.author, font={"size": 11, "color": colours.muted}, **{**_PLACE, "yanchor": "middle"})
    if letters.beats:
        halo = ", ".join([f"0 0 3px {colours.paper}"] * 4)  # a tall R wave may pass behind the letter
        drawn.add_scatter(
            x=[strip.x_mm(beat.time_s) for beat in letters.beats],
            y=[y] * len(letters.beats),
            mode="text",
            text=[f"<b>{beat.label}</b>" for beat in letters.beats],
            textfont={"size": 14, "color": [colours.beats.get(beat.label, colours.muted) for beat in letters.beats], "shadow": halo},
            customdata=[beat.hover for beat in letters.beats],
            hovertemplate="%{customdata}<extra></extra>",
            cliponaxis=False,
            name=f"beats by {letters.author}",
        )
    if line:
        return
    for beat in letters.beats:
        if beat.label != "N":
            x, colour = strip.x_mm(beat.time_s), colours.beats.get(beat.label, colours.muted)
            foot, top = low, high - LETTERS_MM * len(strip.letters)
            drawn.add_shape(type="line", x0=x, x1=x, y0=foot, y1=top, layer="below", opacity=0.6, line={"color": colour, "width": 1.5})


def _draw_mark(drawn: "go.Figure", strip: Strip, mark: QualityMark, colours: Palette) -> None:
    """A bar along the foot of the lead's row, with what is wrong written on it."""
    window = strip.window
    if mark.lead not in window.leads or mark.kind == "missing":  # what is missing is drawn where it is
        return
    row = window.leads.index(mark.lead)
    y = strip.middle_mm(row) - strip.row_mm / 2 + 1.0
    x0, x1 = strip.x_mm(max(mark.start_s, window.start_s)), strip.x_mm(min(mark.stop_s, window.stop_s))
    x = np.linspace(x0, x1, 24)
    told = f"{mark.lead} {clock(mark.start_s)}–{clock(mark.stop_s)}: {mark.kind}, {mark.reason}"
    drawn.add_scatter(
        x=x,
        y=np.full(24, y),
        mode="lines",
        line={"color": colours.warning, "width": 4},
        customdata=[told] * 24,
        hovertemplate="%{customdata}<extra></extra>",
        name=f"{mark.lead}: {mark.kind}",
    )
    text = f"{mark.kind}: {mark.reason}"
    drawn.add_annotation(x=x0 + 1, y=y + 0.8, text=text, font={"size": 11, "color": colours.warning}, bgcolor=colours.paper, **{**_PLACE, "yanchor": "bottom"})


_PLACE: Final[dict[str, Any]] = {"showarrow": False, "xanchor": "left", "yanchor": "top", "xref": "x", "yref": "y"}


def _x_axis(strip: Strip, colours: Palette) -> dict[str, Any]:
    """A heavy line every 5 mm, a fine one every 1 mm; a label every second."""
    every_s = 1 if strip.scale.speed_mm_s >= 25 else 2
    first = int(np.ceil(strip.window.start_s))
    labelled = [t for t in range(first, int(strip.window.start_s + strip.scale.window_s) + 1) if (t - first) % every_s == 0]
    names = {round(strip.x_mm(t), 6): clock(t) for t in labelled}
    heavy = [float(x) for x in np.arange(-PULSE_MM, PAPER_MM + 0.1, 5.0)]
    return {
        "range": [-PULSE_MM, PAPER_MM],
        "tickmode": "array",
        "tickvals": heavy,
        "ticktext": [names.get(x, "") for x in heavy],
        "tickfont": {"size": 11, "color": colours.muted},
        "ticklabelshift": 0,
        "fixedrange": True,
        "constrain": "domain",
        **_grid(colours),
    }


def _y_axis(strip: Strip, colours: Palette) -> dict[str, Any]:
    return {
        "range": list(strip.range_mm),
        "tick0": 0,
        "dtick": 5,
        "showticklabels": False,
        "fixedrange": True,
        "scaleanchor": "x",
        "scaleratio": 1,
        "constrain": "domain",
        "constraintoward": "top",
        **_grid(colours),
    }


def _grid(colours: Palette) -> dict[str, Any]:
    return {
        "showgrid": True,
        "gridcolor": colours.grid_heavy,
        "gridwidth": 1,
        "minor": {"showgrid": True, "dtick": 1, "tick0": 0, "gridcolor": colours.grid, "gridwidth": 0.6},
        "zeroline": False,
        "showline": False,
        "ticks": "",
    }


def beats_in(samples: Sequence[int] | NDArray[np.int64], window: Window) -> slice:
    """Which beats, in time order, lie in the window."""
    low, high = np.searchsorted(samples, [round(window.start_s * window.fs_hz), round(window.start_s * window.fs_hz) + window.mv.shape[1]])
    return slice(int(low), int(high))
