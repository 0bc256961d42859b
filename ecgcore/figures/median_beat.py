"""The median beat on millimetre paper, with what was measured on it: P, QRS and T from onset to end.

A millimetre is 40 ms and 0.1 mV (25 mm/s, 10 mm/mV), the same length both ways at any size on screen.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgcore.errors import LeadError
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.intervals import FORMULAS, Intervals
from ecgcore.signals.delineation import Marks

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX: Final = 360
MM_MS: Final = 40.0
MM_MV: Final = 0.1
ROOM_MV: Final = 0.35  # above the traces, for the names of the waves
LEAST_MV: Final = (-0.5, 1.0)  # the paper shows at least this
AROUND_MS: Final = (320.0, 640.0)  # and this, before and after R
NAMES: Final = {"p": "P", "pr": "PR", "qrs": "QRS", "qt": "QT", "qtc": "QTc", "rr": "RR"}


def figure(found: Intervals, colours: Palette, lead: str | None = None) -> "go.Figure":
    """All leads on each other with the marks that hold for all, or one lead with its own; an empty sheet that says why where there is no beat.

    Raises LeadError for a lead that was not measured.
    """
    import plotly.graph_objects as go

    drawn = go.Figure()
    if found.beat_mv is None:
        reason = found.not_measured.get("qrs", "nothing was measured")
        drawn.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=f"No median beat: {reason}", showarrow=False, font={"size": 14, "color": colours.text})
        drawn.update_layout(**_layout((-AROUND_MS[0], AROUND_MS[1]), LEAST_MV, colours))
        return drawn
    if lead is not None and lead not in found.leads:
        raise LeadError(f"no lead {lead!r} in this median beat; it has {', '.join(found.leads)}")
    shown = found.leads if lead is None else (lead,)
    marks = found.marks if lead is None else found.by_lead[lead]
    rows = [found.leads.index(name) for name in shown]
    times_ms = (np.arange(found.beat_mv.shape[1]) - found.beat_r) / found.beat_fs_hz * 1000
    span = (min(-AROUND_MS[0], (marks.p_onset_ms or 0.0) - 60), min(max(AROUND_MS[1], (marks.t_offset_ms or 0.0) + 120), float(times_ms[-1])))
    seen = found.beat_mv[rows][:, (times_ms >= span[0]) & (times_ms <= span[1])]
    low, high = min(LEAST_MV[0], float(seen.min()) - MM_MV), max(LEAST_MV[1], float(seen.max())) + ROOM_MV
    for row, name in zip(rows, shown, strict=True):
        line = {"color": colours.trace, "width": 1.3 if len(rows) == 1 else 0.9}
        drawn.add_scatter(
            x=times_ms, y=np.round(found.beat_mv[row], 4), mode="lines", line=line, opacity=1.0 if len(rows) == 1 else 0.75,
            name=name, hovertemplate=f"{name} · %{{x:.0f}} ms · %{{y:.2f}} mV<extra></extra>",
        )  # fmt: skip
    _draw_waves(drawn, marks, high, colours)
    for at_ms in found.spikes_ms:
        line = {"color": colours.warning, "width": 1, "dash": "dot"}
        drawn.add_vline(x=at_ms, line=line, annotation={"text": "spike", "font": {"color": colours.warning}}, annotation_position="bottom left")
    drawn.update_layout(**_layout(span, (low, high), colours))
    return drawn


def caption(found: Intervals) -> str:
    """The numbers, how many beats and leads they come from, the formula of QTc, and what was not measured and why."""
    formula = FORMULAS[found.formula]
    values = {"p": found.p_ms, "pr": found.pr_ms, "qrs": found.qrs_ms, "qt": found.qt_ms, "qtc": found.qtc_ms[formula.name]}
    measured = [f"{NAMES[name]} {value:.0f} ms" + (f" ({formula.name}: {formula.formula})" if name == "qtc" else "") for name, value in values.items() if value is not None]
    if found.rr_ms is not None:
        measured.append(f"RR {found.rr_ms:.0f} ms")
    reasons: dict[str, list[str]] = {}
    for name, reason in found.not_measured.items():
        reasons.setdefault(reason, []).append(NAMES[name])
    missing = [f"{', '.join(names)} not measured: {reason}." for reason, names in reasons.items()]
    left_out = [f"Lead {lead} left out: {reason}." for lead, reason in found.left_out.items()]
    leads = f"{len(found.leads)} leads" if len(found.leads) != 1 else f"lead {found.leads[0]}"
    made = f"Median of {found.n_beats} of {found.n_seen} beats, {leads}." if found.n_beats else f"No median beat of {found.n_seen} beats."
    return " ".join([made, *([", ".join(measured) + "."] if measured else []), *missing, *left_out, *found.notes])


def alt(found: Intervals, lead: str | None = None) -> str:
    """What the figure shows, for those who do not see it."""
    marks = found.marks if lead is None else found.by_lead.get(lead, Marks())
    waves = [f"{'T from its peak' if name == 'T' else name + ' from'} {start:.0f} to {stop:.0f} ms".replace("-", "−") for name, start, stop in _waves(marks)]
    shown = ", ".join(found.leads) if lead is None else lead
    numbers = caption(found) if lead is None else f"Over all leads: {caption(found)}"
    return f"Median beat of {shown}. From R: {', '.join(waves)}. {numbers}" if waves else numbers


def _waves(marks: Marks) -> list[tuple[str, float, float]]:
    """Name, onset and end of the waves that have both; of T, which has no onset, peak and end."""
    ends = (("P", marks.p_onset_ms, marks.p_offset_ms), ("QRS", marks.qrs_onset_ms, marks.qrs_offset_ms), ("T", marks.t_peak_ms, marks.t_offset_ms))
    return [(name, start, stop) for name, start, stop in ends if start is not None and stop is not None]


def _draw_waves(drawn: "go.Figure", marks: Marks, top_mv: float, colours: Palette) -> None:
    """Each wave shaded from onset to end, its ends as lines, its name above; T from its peak on, since its onset is not measured."""
    for name, start, stop in _waves(marks):
        drawn.add_vrect(x0=start, x1=stop, fillcolor=colours.accent, opacity=0.12, line_width=0, layer="below")
        for at_ms in (start, stop):
            if not (name == "T" and at_ms == start):
                drawn.add_vline(x=at_ms, line={"color": colours.accent, "width": 1})
        drawn.add_annotation(x=(start + stop) / 2, y=top_mv - MM_MV, text=f"<b>{name}</b>", showarrow=False, font={"size": 13, "color": colours.text}, bgcolor=colours.paper)


def _layout(span_ms: tuple[float, float], range_mv: tuple[float, float], colours: Palette) -> dict[str, Any]:
    grid = {"showgrid": True, "gridcolor": colours.grid_heavy, "gridwidth": 1, "zeroline": False, "fixedrange": True, "tick0": 0}
    return {
        **common(HEIGHT_PX, {"l": 46, "r": 8, "t": 8, "b": 40}, colours, font_size=12),
        "hovermode": "closest",
        "xaxis": {**grid, "range": list(span_ms), "dtick": 5 * MM_MS, "title": {"text": "ms from R"}, "constrain": "domain", "minor": _minor(MM_MS, colours)},
        "yaxis": {
            **grid, "range": list(range_mv), "dtick": 5 * MM_MV, "title": {"text": "mV"}, "constrain": "domain",
            "scaleanchor": "x", "scaleratio": MM_MS / MM_MV, "minor": _minor(MM_MV, colours),
        },
    }  # fmt: skip


def _minor(step: float, colours: Palette) -> dict[str, Any]:
    return {"showgrid": True, "dtick": step, "tick0": 0, "gridcolor": colours.grid, "gridwidth": 0.6}
