"""The leads as they are printed, shaded by how much each weighed in a rhythm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgcore.figures.clock import clock
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.figures.reduction import min_max
from ecgcore.figures.rhythm import percent
from ecgcore.leads import LEAD_II, STANDARD, ecg_leads
from ecgcore.record import Record
from ecgcore.signals import filters

if TYPE_CHECKING:
    import plotly.graph_objects as go

MM_PER_S: Final = 25.0
MM_PER_MV: Final = 10.0
SECONDS: Final = 10.0  # on the paper
WIDTH_MM: Final = SECONDS * MM_PER_S
PULSE_MM: Final = 9.0  # left of the signal: the 1 mV pulse
PX_PER_MM: Final = 3.75  # at the width that a page gives the paper
ONE_COLUMN: Final = 6  # leads, and no more, stand in one column
STRONGEST: Final = 0.38  # of the shading; the trace keeps a contrast of 7 on it
BUCKETS: Final = 1000  # of 10 s: a quarter of a millimetre each
_AROUND_S: Final = 2.0  # read besides, for the filter to settle
_ROWS_MM: Final = {1: 45.0, 2: 35.0, 3: 30.0}  # height of a row by how many there are; 25 mm where there are more


@dataclass(frozen=True)
class _Cell:
    """A lead on the paper: from where to where in mm, the middle of its row, and whether it is the rhythm strip, which has no shading."""

    lead: str
    left_mm: float
    right_mm: float
    middle_mm: float
    strip: bool = False


def figure(record: Record, leads: Sequence[str], start_s: float, weights: Mapping[str, float], colours: Palette, *, muted: bool = False) -> "go.Figure":
    """Ten seconds of a record's leads at 25 mm/s and 10 mm/mV, those that were looked at shaded by their weight, which stands beside the name.

    leads    those printed, of which the twelve standard ones are in 3 × 4 with a rhythm strip
    weights  by lead, 0 to 1; leads without one were not looked at
    muted    the weights are not to be believed: no shading, and they stand in brackets
    """
    import plotly.graph_objects as go

    row_mm, cells = _cells(leads)
    bottom = min(cell.middle_mm for cell in cells) - row_mm / 2
    strongest = max(*weights.values(), 2 / len(weights)) if weights else 1.0  # where all weigh the same all are shaded by half
    drawn = go.Figure()
    for cell in cells:
        _draw(drawn, record, cell, start_s, colours.trace if not weights or cell.lead in weights else colours.muted)
        named = f"<b>{cell.lead}</b>"
        if cell.lead in weights and not cell.strip:
            share = weights[cell.lead]
            named += f" ({percent(share)})" if muted else f" {percent(share)}"
            if not muted:
                drawn.add_shape(
                    type="rect", x0=cell.left_mm, x1=cell.right_mm, y0=cell.middle_mm - row_mm / 2, y1=cell.middle_mm + row_mm / 2,
                    fillcolor=colours.accent, opacity=STRONGEST * share / strongest, line={"width": 0}, layer="below",
                )  # fmt: skip
        drawn.add_annotation(
            x=cell.left_mm + 1, y=cell.middle_mm + row_mm / 2 - 0.5, text=named, showarrow=False, xanchor="left", yanchor="top", font={"size": 12, "color": colours.text}
        )
    _draw_pulses(drawn, sorted({cell.middle_mm for cell in cells}), colours)
    drawn.update_layout(**_layout(row_mm / 2, bottom, colours))
    drawn.add_annotation(
        x=WIDTH_MM - 1, y=bottom + 0.5, text=scale(record, start_s), showarrow=False, xanchor="right", yanchor="bottom",
        font={"size": 11, "color": colours.text}, bgcolor=colours.paper,
    )  # fmt: skip
    return drawn


def alt(record: Record, leads: Sequence[str], start_s: float, weights: Mapping[str, float], *, muted: bool = False) -> str:
    """What the print shows, for those who do not see it."""
    shaded = ", ".join(f"{lead} {percent(share)}" for lead, share in weights.items())
    how = "" if not shaded else f" Weights, not to be believed: {shaded}." if muted else f" Shaded by weight: {shaded}."
    return f"Tracing of {', '.join(leads)}, {scale(record, start_s)}.{how}"


def printed(record: Record, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """The leads that are printed: the twelve standard ones where the record has or gives them, else its own and those chosen besides."""
    return STANDARD if set(STANDARD) <= set(record.available_leads) else tuple(dict.fromkeys((*ecg_leads(record.leads), *chosen)))


def scale(record: Record, start_s: float) -> str:
    """Scale, filter and time, for print."""
    stop_s = min(start_s + SECONDS, record.duration_s)
    return f"{MM_PER_S:g} mm/s · {MM_PER_MV:g} mm/mV · {filters.effective(filters.DIAGNOSTIC, record.fs_hz)} · {clock(start_s, 1)} to {clock(stop_s, 1)}"


def _cells(leads: Sequence[str]) -> tuple[float, list[_Cell]]:
    """Height of a row in mm, and where each lead stands: filled down the columns, as leads are printed; columns in consecutive time."""
    rows = 3 if set(leads) == set(STANDARD) else len(leads) if len(leads) <= ONE_COLUMN else -(-len(leads) // 2)
    columns = -(-len(leads) // rows)
    row_mm, wide = _ROWS_MM.get(rows, 25.0) if columns == 1 else 25.0, WIDTH_MM / columns
    cells = [_Cell(lead, i // rows * wide, (i // rows + 1) * wide, -(i % rows) * row_mm) for i, lead in enumerate(leads)]
    if columns > 1 and (below := next((lead for lead in LEAD_II if lead in leads), None)):
        cells.append(_Cell(below, 0.0, WIDTH_MM, -rows * row_mm, strip=True))
    return row_mm, cells


def _draw(drawn: "go.Figure", record: Record, cell: _Cell, start_s: float, colour: str) -> None:
    """The signal of a cell about the middle of its row; missing samples are left out."""
    first_s, last_s = (start_s + edge_mm / MM_PER_S for edge_mm in (cell.left_mm, cell.right_mm))
    start, stop = (min(round(time_s * record.fs_hz), record.n_samples) for time_s in (first_s, last_s))
    before = max(0, start - round(_AROUND_S * record.fs_hz))
    after = min(record.n_samples, stop + round(_AROUND_S * record.fs_hz))
    if stop <= start:
        return
    mv = filters.apply(filters.DIAGNOSTIC, record.mv((cell.lead,), before, after), record.fs_hz)[0, start - before : stop - before].astype(np.float64)
    if np.isnan(mv).all():
        return
    kept = min_max(mv, round(BUCKETS * (cell.right_mm - cell.left_mm) / WIDTH_MM))
    x = cell.left_mm + kept / record.fs_hz * MM_PER_S
    y = cell.middle_mm + (mv[kept] - np.nanmedian(mv)) * MM_PER_MV
    drawn.add_scatter(x=np.round(x, 2), y=np.round(y, 2), mode="lines", line={"color": colour, "width": 1.1}, hoverinfo="skip", connectgaps=False, name=cell.lead)


def _draw_pulses(drawn: "go.Figure", middles_mm: Sequence[float], colours: Palette) -> None:
    for middle in middles_mm:
        x = np.array([-PULSE_MM + 1, -PULSE_MM + 2, -PULSE_MM + 2, -PULSE_MM + 7, -PULSE_MM + 7, -PULSE_MM + 8])
        y = middle + MM_PER_MV * np.array([0, 0, 1, 1, 0, 0])
        drawn.add_scatter(x=x, y=y, mode="lines", line={"color": colours.trace, "width": 1.1}, hoverinfo="skip", name="1 mV")


def _layout(top_mm: float, bottom_mm: float, colours: Palette) -> dict[str, Any]:
    square: dict[str, Any] = {
        "dtick": 5, "tick0": 0, "gridcolor": colours.grid_heavy, "gridwidth": 1, "minor": {"dtick": 1, "tick0": 0, "showgrid": True, "gridcolor": colours.grid, "gridwidth": 0.6},
        "showticklabels": False, "ticks": "", "zeroline": False, "fixedrange": True, "constrain": "domain",
    }  # fmt: skip
    return {
        **common(round((top_mm - bottom_mm) * PX_PER_MM) + 4, {"l": 2, "r": 2, "t": 2, "b": 2}, colours),
        "xaxis": {**square, "range": [-PULSE_MM, WIDTH_MM]},
        "yaxis": {**square, "range": [bottom_mm, top_mm], "scaleanchor": "x", "scaleratio": 1},
    }
