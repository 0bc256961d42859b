"""What a rhythm model said: its probabilities, the weights of the leads, and its rhythm along a whole recording."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures.clock import clock, ticks
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.figures.reduction import min_max
from ecgcore.rhythm_findings import RHYTHM_NAMES, Rhythm, RhythmTrend

if TYPE_CHECKING:
    import plotly.graph_objects as go

NOT_SURE: Final = "not sure"
WINDOWS: Final = 1200  # of the windows of a long recording so many are drawn as points at most; its spans are drawn all
ROW_PX: Final = 21
SPAN_ROW_PX: Final = 24
COURSE_PX: Final = 78  # height of the probabilities along the record
_HATCH: Final = "/"


def probabilities(found: Rhythm, colours: Palette, certain_from: float | None = None) -> "go.Figure":
    """A bar a rhythm, the most probable first; dotted from where one is called. Bars of a stretch that is not sure are hatched."""
    order = sorted(found.probabilities, key=lambda label: -found.probabilities[label])
    values = [found.probabilities[label] for label in order]
    chosen = [colours.accent if found.sure and label == found.label else colours.muted for label in order]
    drawn = _bars([said(label) for label in order], values, chosen, [probability(value) for value in values], colours, hatched=not found.sure)
    if certain_from is not None:
        drawn.add_vline(x=certain_from, line={"color": colours.text, "width": 1, "dash": "dot"})
    drawn.update_layout(**_bars_layout(len(order), 1.0, 208, colours))
    return drawn


def probabilities_alt(found: Rhythm) -> str:
    """The bars in words."""
    listed = ", ".join(f"{RHYTHM_NAMES.get(label, label)} {probability(value)}" for label, value in sorted(found.probabilities.items(), key=lambda item: -item[1]))
    return f"Probability of each rhythm: {listed}."


def weights(found: Rhythm, colours: Palette, *, muted: bool = False) -> "go.Figure":
    """A bar a lead; dotted what each would weigh if all weighed the same. Muted and hatched where they are not to be believed."""
    values = [found.lead_weights[lead] for lead in found.leads]
    drawn = _bars(list(found.leads), values, [colours.muted if muted else colours.accent] * len(values), [percent(value) for value in values], colours, hatched=muted)
    drawn.add_vline(x=1 / len(values), line={"color": colours.text, "width": 1, "dash": "dot"})
    drawn.update_layout(**_bars_layout(len(values), max(values), 44, colours))
    return drawn


def weights_alt(found: Rhythm, *, muted: bool = False) -> str:
    """The weights in words."""
    listed = ", ".join(f"{lead} {percent(found.lead_weights[lead])}" for lead in found.leads)
    return f"Weight of each lead{', not to be believed' if muted else ''}: {listed}."


def trend(found: RhythmTrend, colours: Palette, certain_from: float | None = None, shown_s: tuple[float, float] | None = None) -> "go.Figure":
    """A row a rhythm that is called somewhere, and one of what is not sure, hatched; under them the greatest probability of each window, which can be clicked.

    shown_s  from when to when the stretch lasts that is shown elsewhere: marked by a band
    """
    import plotly.graph_objects as go

    rows = rows_of(found)
    drawn = go.Figure()
    for number, label in enumerate(rows):
        start_s, length_s = _stretches(found, label)
        colour = colours.accent if label else colours.muted
        drawn.add_bar(
            orientation="h", base=start_s, x=length_s, y=np.full(start_s.size, number), width=0.62, name=label or NOT_SURE, hoverinfo="skip", yaxis="y",
            marker={"color": colour if label else colours.paper, "line": {"width": 1, "color": colour}, **({} if label else _hatch(colours))},
        )  # fmt: skip
    _draw_windows(drawn, found, colours)
    if shown_s is not None:
        drawn.add_shape(
            type="rect",
            x0=shown_s[0],
            x1=shown_s[1],
            y0=0,
            y1=1,
            xref="x",
            yref="paper",
            fillcolor=colours.muted,
            opacity=0.28,
            layer="below",
            line={"width": 1, "color": colours.text},
        )
    if certain_from is not None:
        drawn.add_shape(
            type="line", x0=0, x1=found.duration_s, y0=certain_from, y1=certain_from, xref="x", yref="y2", line={"color": colours.text, "width": 1, "dash": "dot"}, layer="below"
        )
    drawn.update_layout(**_trend_layout(found, rows, colours))
    return drawn


def trend_alt(found: RhythmTrend) -> str:
    """What the trend shows, for those who do not see it."""
    if not found.judged:
        return f"Rhythm along the record, {clock(found.duration_s)}: no window is sure."
    shares = ", ".join(f"{RHYTHM_NAMES.get(label, label)} {percent(found.share(label))}" for label in rows_of(found) if label)
    return f"Rhythm along the record, {clock(found.duration_s)}, by {found.window_s:g}-s windows: {shares} of the time judged, which is {percent(found.judged)} of all."


def rows_of(found: RhythmTrend) -> list[str]:
    """The rhythms called somewhere, the one that lasts longest first, then "" where some windows are not sure."""
    called = sorted({label for label in found.labels if label}, key=lambda label: -found.share(label))
    return [*called, *([""] if "" in found.labels else [])]


def clicked_window(event: Any) -> int | None:
    """Which window was clicked, from Plotly's selection event; None where none was."""
    points = (event or {}).get("selection", {}).get("points", [])
    known = [point["customdata"] for point in points if point.get("customdata") is not None]
    return int(np.ravel(known[0])[0]) if known else None


def said(label: str) -> str:
    """A rhythm by its short and its full name, such as "AFIB atrial fibrillation"."""
    return f"<b>{label}</b> {RHYTHM_NAMES.get(label, '')}".rstrip()


def probability(value: float) -> str:
    """A probability to two places; none is certain, and none impossible."""
    return "<0.01" if value < 0.005 else ">0.99" if value >= 0.995 else f"{value:.2f}"


def percent(share: float) -> str:
    """A share of 1 as a whole percentage, or as one that is more than none and less than all."""
    if 0 < share < 0.005:
        return "<1 %"
    return "99+ %" if 0.995 <= share < 1 else f"{share:.0%}".replace("%", " %")


def _bars(names: list[str], values: list[float], fills: list[str], texts: list[str], colours: Palette, *, hatched: bool) -> "go.Figure":
    import plotly.graph_objects as go

    drawn = go.Figure()
    drawn.add_bar(
        orientation="h", x=values, y=names, text=texts, textposition="outside", cliponaxis=False, hoverinfo="skip", width=0.66, textfont={"color": colours.text},
        marker={"color": colours.paper if hatched else fills, "line": {"width": 1, "color": fills}, **(_hatch(colours) if hatched else {})},
    )  # fmt: skip
    return drawn


def _hatch(colours: Palette) -> dict[str, Any]:
    """Hatched: what is there, but is not to be relied on."""
    return {"pattern": {"shape": _HATCH, "fgcolor": colours.muted, "bgcolor": colours.paper, "size": 6, "solidity": 0.25}}


def _bars_layout(count: int, most: float, left_px: int, colours: Palette) -> dict[str, Any]:
    return {
        **common(ROW_PX * count + 8, {"l": left_px, "r": 40, "t": 4, "b": 4}, colours),
        "xaxis": {"range": [0, most], "visible": False, "fixedrange": True},
        "yaxis": {"autorange": "reversed", "fixedrange": True, "ticks": "", "ticksuffix": " ", "showgrid": False},
    }


def _stretches(found: RhythmTrend, label: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts and lengths in s of the stretches that are of one rhythm, or, for "", not sure."""
    of_it = np.array([called == label for called in found.labels])
    edges = np.flatnonzero(np.diff(of_it.astype(np.int8), prepend=0, append=0))
    start, stop = edges[::2], edges[1::2] - 1
    start_s = found.starts_s[start]
    return start_s, found.starts_s[stop] + found.lengths_s[stop] - start_s


def _draw_windows(drawn: "go.Figure", found: RhythmTrend, colours: Palette) -> None:
    """The greatest probability of each window: a dot where it is called, a cross where it is not sure."""
    greatest = found.probabilities.max(axis=1).astype(np.float64)
    kept = min_max(greatest, WINDOWS // 4)
    sure = np.array([bool(label) for label in found.labels])[kept]
    best = [found.classes[i] for i in found.probabilities.argmax(axis=1)[kept].tolist()]
    told = [
        f"{clock(found.starts_s[at])} · {label} {probability(greatest[at])}" if certain else f"{clock(found.starts_s[at])} · not sure: {found.doubts[at]}"
        for at, label, certain in zip(kept.tolist(), best, sure.tolist(), strict=True)
    ]
    drawn.add_scatter(
        x=found.starts_s[kept] + found.lengths_s[kept] / 2, y=np.round(greatest[kept], 3), yaxis="y2", mode="markers", name="windows",
        marker={"size": 5, "symbol": np.where(sure, "circle", "x-thin-open").tolist(), "color": np.where(sure, colours.trace, colours.muted).tolist(), "line": {"width": 1}},
        unselected={"marker": {"opacity": 1}}, selected={"marker": {"color": colours.accent, "size": 9}},
        customdata=kept.tolist(), text=told, hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _trend_layout(found: RhythmTrend, rows: list[str], colours: Palette) -> dict[str, Any]:
    at = ticks(found.duration_s)
    spans_px = SPAN_ROW_PX * len(rows)
    under = COURSE_PX / (COURSE_PX + spans_px)
    still: dict[str, Any] = {"fixedrange": True, "zeroline": False}
    return {
        **common(COURSE_PX + spans_px + 36, {"l": 208, "r": 8, "t": 6, "b": 24}, colours),
        "hovermode": "x",
        "hoverdistance": -1,
        "clickmode": "event+select",
        "barmode": "overlay",
        "xaxis": {**still, "range": [0, found.duration_s], "tickvals": at, "ticktext": [clock(t) for t in at], "gridcolor": colours.grid_heavy, "anchor": "y2"},
        "yaxis": {
            **still, "domain": [under + 0.03, 1], "range": [len(rows) - 0.5, -0.5], "showgrid": False, "ticks": "",
            "tickvals": list(range(len(rows))), "ticktext": [f"{said(label)} " if label else f"<i>{NOT_SURE}</i> " for label in rows],
        },
        "yaxis2": {
            **still, "domain": [0, under - 0.03], "range": [0, 1.06], "tickvals": [0.5, 1], "gridcolor": colours.grid,
            "title": {"text": "probability", "font": {"size": 11}, "standoff": 4},
        },
    }  # fmt: skip
