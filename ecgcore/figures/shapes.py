"""Beats grouped by shape: a small panel a group, with its mean beat and the spread around it in all leads."""

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.shapes import Shapes

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLUMNS: Final = 2  # beside the strip there is room for no more
LEAD_PX: Final = 58
TITLE_PX: Final = 44
MARGIN_PX: Final = {"l": 36, "r": 6, "t": 44, "b": 36}
NAMED: Final = 3  # classes in the title of a panel
BAND_OPACITY: Final = 0.3
LEAST_ROOM_MV: Final = 0.2
SCALES_MV: Final = (1.0, 0.5, 0.2, 0.1)  # the bar is the longest that takes no more than half a panel
MOST_ROOM: Final = 1.5  # of the tallest mean: a wide spread is cut off rather than pressing the means flat


def title(grouped: Shapes, number: int) -> str:
    """A group in one line: its number, how many beats it has, and what they are called.

    "2 · 801 beats · N 800, S 1"; "like no other · 52 beats · N 44, F 4" for the rest.
    """
    return " · ".join(_title(grouped, number))


def figure(grouped: Shapes, colours: Palette, chosen: int | None = None, columns: int = COLUMNS) -> "go.Figure":
    """A panel a group on one scale in mV, largest group first; the chosen one is framed. The band has the colour of the most frequent class."""
    from plotly.subplots import make_subplots

    n = len(grouped.groups)
    rows, columns = max(1, math.ceil(n / columns)), max(1, min(columns, n))
    height = TITLE_PX + LEAD_PX * len(grouped.leads)
    drawn: go.Figure = make_subplots(
        rows, columns, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=TITLE_PX / (rows * height),
        subplot_titles=[_heading(grouped, number) for number in range(n)],
    )  # fmt: skip
    zero_mv, limits_mv = _rows(grouped)
    for number in range(n):
        _draw(drawn, grouped, number, zero_mv, colours, row=number // columns + 1, col=number % columns + 1)
        if number == chosen:
            drawn.add_shape(
                type="rect", xref="x domain", yref="y domain", x0=0, x1=1, y0=0, y1=1, line={"color": colours.accent, "width": 2},
                row=number // columns + 1, col=number % columns + 1,
            )  # fmt: skip
    if n:
        _scale(drawn, grouped.time_ms, limits_mv, colours)
    else:
        drawn.add_annotation(text="No beats to group.", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    drawn.update_layout(**common(rows * height + MARGIN_PX["t"] + MARGIN_PX["b"] - TITLE_PX / 2, MARGIN_PX, colours))
    time_ms = grouped.time_ms
    drawn.update_xaxes(range=[time_ms[0], time_ms[-1]], tickvals=[-100, 0, 100, 200], gridcolor=colours.grid, zerolinecolor=colours.grid_heavy, fixedrange=True)
    drawn.update_xaxes(title={"text": "ms from the R peak", "font": {"size": 11}, "standoff": 2}, row=rows)
    drawn.update_yaxes(range=limits_mv, tickvals=zero_mv.tolist(), ticktext=list(grouped.leads), gridcolor=colours.grid_heavy, zeroline=False, fixedrange=True)
    drawn.update_annotations(font={"size": 11, "color": colours.text})
    return drawn


def alt(grouped: Shapes) -> str:
    """What the panels show, for those who do not see them."""
    if not grouped.groups:
        return "Beats grouped by shape: there are no beats."
    listed = "; ".join(title(grouped, number) for number in range(len(grouped.groups)))
    return f"Mean beat and its spread by shape, in {', '.join(grouped.leads)}. {listed}."


def _title(grouped: Shapes, number: int) -> tuple[str, str, str]:
    """Which group it is, how large, and of what."""
    beats = len(grouped.groups[number])
    name = "like no other" if grouped.is_other(number) else f"{number + 1}"
    return name, f"{beats:,} beat{'' if beats == 1 else 's'}", ", ".join(f"{letter} {count:,}" for letter, count in grouped.counts(number).items())


def _heading(grouped: Shapes, number: int) -> str:
    """The title in two short lines for the top of a panel."""
    name, beats, _ = _title(grouped, number)
    counts = list(grouped.counts(number).items())
    rest = " …" if len(counts) > NAMED else ""
    return f"<b>{name}</b> · {beats}<br>" + ", ".join(f"{letter} {count:,}" for letter, count in counts[:NAMED]) + rest


def _rows(grouped: Shapes) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Height in mV at which the zero of each lead is drawn, the first lead on top, and the limits of a panel."""
    shown = grouped.groups[:-1] if grouped.has_other and len(grouped.groups) > 1 else grouped.groups
    means = np.array([one.mean_mv for one in shown], np.float64).reshape(len(shown), len(grouped.leads), len(grouped.time_ms))
    spreads = np.array([one.spread_mv for one in shown], np.float64).reshape(means.shape)
    above, below = (_room(sign * means, spreads) for sign in (1, -1))
    zero = np.cumsum(-(np.append(0.0, below[:-1]) + above))
    return zero, (float(zero[-1] - below[-1]), 0.0)


def _room(means: NDArray[np.float64], spreads: NDArray[np.float64]) -> NDArray[np.float64]:
    """Room (n_leads,) in mV above the zero of each lead."""
    tallest = np.nan_to_num(means).max(axis=(0, 2), initial=LEAST_ROOM_MV)
    return np.asarray(np.minimum(np.nan_to_num(means + spreads).max(axis=(0, 2), initial=LEAST_ROOM_MV), MOST_ROOM * tallest))


def _draw(drawn: "go.Figure", grouped: Shapes, number: int, zero_mv: NDArray[np.float64], colours: Palette, row: int, col: int) -> None:
    """Band and mean of one group; all leads are one line each, broken between the leads."""
    one, time_ms = grouped.groups[number], grouped.time_ms
    counts = grouped.counts(number)
    colour = colours.beats.get(next(iter(counts), ""), colours.muted)
    mean = one.mean_mv + zero_mv[:, None]
    gap = np.full((len(grouped.leads), 1), np.nan)
    there = np.asarray(~np.isnan(one.mean_mv).all(axis=1), np.bool_)
    band = np.concatenate([mean + one.spread_mv, (mean - one.spread_mv)[:, ::-1], gap], axis=1)[there]
    round_ms = np.concatenate([time_ms, time_ms[::-1], [np.nan]])
    drawn.add_scatter(
        x=np.tile(round_ms, len(band)), y=np.round(band.ravel(), 3), mode="lines", line={"width": 0}, fill="toself",
        fillcolor=_faint(colour), hoverinfo="skip", name=f"spread {number + 1}", row=row, col=col,
    )  # fmt: skip
    leads = [lead for lead, shown in zip(grouped.leads, there, strict=True) if shown]
    drawn.add_scatter(
        x=np.tile(np.append(time_ms, np.nan), len(leads)), y=np.round(np.concatenate([mean, gap], axis=1)[there].ravel(), 3), mode="lines",
        line={"width": 1.4, "color": colours.trace}, name=f"mean {number + 1}", row=row, col=col,
        customdata=[(lead, value) for lead, values in zip(leads, one.mean_mv[there].tolist(), strict=True) for value in (*values, None)],
        hovertemplate="%{customdata[0]} · %{x:.0f} ms · %{customdata[1]:.2f} mV<extra></extra>",
    )  # fmt: skip


def _scale(drawn: "go.Figure", time_ms: NDArray[np.float64], limits_mv: tuple[float, float], colours: Palette) -> None:
    """A bar of known height in mV at the lower right of the first panel; all panels have its scale."""
    room = limits_mv[1] - limits_mv[0]
    height = next((mv for mv in SCALES_MV if mv <= room / 2), SCALES_MV[-1])
    at, low = time_ms[-1] - 0.02 * np.ptp(time_ms), limits_mv[0] + 0.02 * room
    drawn.add_shape(type="line", x0=at, x1=at, y0=low, y1=low + height, line={"color": colours.accent, "width": 2}, row=1, col=1)
    drawn.add_annotation(text=f"{height:g} mV", x=at, y=low, xanchor="right", yanchor="bottom", showarrow=False, row=1, col=1)


def _faint(colour: str) -> str:
    """A #rrggbb colour seen through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{BAND_OPACITY})"
