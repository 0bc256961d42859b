"""Two models beside each other: differences with their intervals, who gained and who lost, and both calibrations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ecgcore.evaluation.comparison import BETTER, NOT_SHOWN, WORSE, Calibration, Comparison, FigureComparison, PatientComparison, SetComparison
from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW_PX: Final = 22
AROUND_PX: Final = 64  # above the first row and below the last
CALIBRATION_PX: Final = 260
RIGHT: Final = "share called right"  # of a patient's reference beats
SYMBOLS: Final = {BETTER: "triangle-right", WORSE: "triangle-left", NOT_SHOWN: "circle-open"}
ALIKE: Final = "QRS"  # the beats are found once for both models, so that these figures never differ


def forest(comparison: Comparison, colours: Palette) -> "go.Figure":
    """The difference of each figure on each set with its interval, around a line at zero; what it shows stands beside it in words.

    In percentage points for beats; in the unit of the card for figures that stand on cards.
    """
    import plotly.graph_objects as go

    rows = _rows(comparison)
    scale, unit = (100, " percentage points") if _of_beats(comparison) else (1, "")
    drawn = go.Figure()
    drawn.add_vline(x=0, line={"color": colours.text, "width": 1})
    for verdict, symbol in SYMBOLS.items():
        there = [(y, one, figure) for y, (one, figure) in enumerate(rows) if figure.verdict == verdict and figure.difference is not None]
        drawn.add_scatter(
            x=[scale * (figure.difference or 0.0) for _, _, figure in there], y=[y for y, _, _ in there], mode="markers", name=verdict,
            marker={"symbol": symbol, "size": 10, "color": _colour(verdict, colours)}, error_x=_intervals([figure for _, _, figure in there], scale, _colour(verdict, colours)),
            customdata=[[f"{one.name} · {figure.name}", verdict] for _, one, figure in there],
            hovertemplate=f"%{{customdata[0]}} · %{{x:+.3g}}{unit} · %{{customdata[1]}}<extra></extra>",
        )  # fmt: skip
    words = [_said(y, figure, colours) for y, (_, figure) in enumerate(rows)]
    title = f"{comparison.new} less {comparison.current}{',' + unit if unit else ''}"
    drawn.update_layout(**_by_row([f"{one.name} · {figure.name}" for one, figure in rows], title, 130, colours), annotations=words)
    return drawn


def forest_alt(comparison: Comparison) -> str:
    """What the differences are, for those who do not see them."""
    scale = 100 if _of_beats(comparison) else 1
    unit = " in percentage points" if scale == 100 else ""
    said = [f"{one.name}, {figure.name}: {_difference(figure, scale)}, {figure.verdict}" for one, figure in _rows(comparison)]
    return f"Differences of {comparison.new} less {comparison.current}{unit}, with 95 % intervals. " + ("; ".join(said) or "None could be measured") + "."


def patients(one: SetComparison, colours: Palette, figure: str = RIGHT) -> "go.Figure":
    """The change of each patient in percentage points, those who lost most on top: of all beats called right, or of one figure, in whom it exists."""
    import plotly.graph_objects as go

    rows = changes(one, figure)
    found = [100 * change for _, change in rows]
    shades = [_colour(_way(change), colours) for change in found]
    drawn = go.Figure()
    drawn.add_bar(x=found, y=list(range(len(rows))), orientation="h", width=0.25, marker={"color": shades}, hoverinfo="skip")
    drawn.add_scatter(
        x=found, y=list(range(len(rows))), mode="markers", marker={"symbol": [SYMBOLS[_way(change)] for change in found], "size": 9, "color": shades},
        customdata=[[patient.name, patient.n, patient.n_veb, patient.n_sveb] for patient, _ in rows],
        hovertemplate="%{customdata[0]} · %{x:+.2f} points · %{customdata[1]:,} beats; in the test period %{customdata[2]:,} VEB, %{customdata[3]:,} SVEB<extra></extra>",
    )  # fmt: skip
    drawn.add_vline(x=0, line={"color": colours.text, "width": 1})
    drawn.update_layout(**_by_row([patient.name for patient, _ in rows], f"{figure}, new less current, percentage points", 16, colours))
    return drawn


def patients_alt(one: SetComparison, figure: str = RIGHT) -> str:
    """Who lost and who gained how much, for those who do not see it."""
    rows = changes(one, figure)
    said = [f"{patient.name} {100 * change:+.2f}" for patient, change in rows if change != 0]
    level = sum(change == 0 for _, change in rows)
    without = len(one.patients) - len(rows)
    parts = ["; ".join(said) or "nobody gained or lost", *([f"{level} without a change"] if level else []), *([f"{without} in whom it does not exist"] if without else [])]
    return f"Change of {figure} by patient on {one.name}, in percentage points, greatest loss first: {'; '.join(parts)}."


def changes(one: SetComparison, figure: str = RIGHT) -> list[tuple[PatientComparison, float]]:
    """Patients with the change of a figure, new less current, greatest loss first; those in whom either model has none are left out."""
    every = [(patient, (patient.change if patient.n else None) if figure == RIGHT else patient.change_of(figure)) for patient in one.patients]
    return sorted(((patient, change) for patient, change in every if change is not None), key=lambda row: (row[1], row[0].name))


def calibrations(one: SetComparison, new: str, current: str, colours: Palette) -> "go.Figure":
    """How often the most probable class is right against its mean probability, of both models on the same beats; dotted where the two are equal."""
    import plotly.graph_objects as go

    drawn = go.Figure()
    drawn.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": colours.muted, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False)
    looks = (("solid", "circle", colours.accent), ("dash", "square-open", colours.warning))
    curves = _curves(one, new, current)
    most = max((n for _, found in curves for *_, n in found.bins), default=1)
    for (name, found), (dash, symbol, colour) in zip(curves, looks, strict=True):
        drawn.add_scatter(
            x=[100 * said for said, _, _ in found.bins], y=[100 * right for _, right, _ in found.bins], customdata=[n for *_, n in found.bins], mode="lines+markers",
            name=f"{name}, error {_percent(found.ece)}", line={"color": colour, "width": 1.2, "dash": dash},
            marker={"symbol": symbol, "color": colour, "size": [6 + 8 * (n / most) ** 0.5 for *_, n in found.bins]},
            hovertemplate=f"{name} · probability %{{x:.1f}} % · right %{{y:.1f}} % · %{{customdata:,}} beats<extra></extra>",
        )  # fmt: skip
    low = max(0.0, min((100 * min(said, right) for _, found in curves for said, right, _ in found.bins), default=0.0) - 5)
    axis = {"fixedrange": True, "zeroline": False, "gridcolor": colours.grid_heavy, "nticks": 6, "range": [low, 102]}
    drawn.update_layout(
        **{**common(CALIBRATION_PX, {"l": 52, "r": 10, "t": 8, "b": 42}, colours), "showlegend": True},
        legend={"x": 0.98, "y": 0.04, "xanchor": "right", "yanchor": "bottom", "bgcolor": colours.paper},
        xaxis={**axis, "title": {"text": "probability of the most probable class, %", "standoff": 6}},
        yaxis={**axis, "title": {"text": "most probable class right, %", "standoff": 4}},
    )
    return drawn


def calibrations_alt(one: SetComparison, new: str, current: str) -> str:
    """What both curves say, for those who do not see them."""
    curves = "; ".join(
        f"{name}, expected calibration error {_percent(found.ece)}: " + ", ".join(f"probability {said:.0%} right {right:.1%} of {n:,} beats" for said, right, n in found.bins)
        for name, found in _curves(one, new, current)
    )
    return f"Reliability of the most probable class on {one.name}. {curves}."


def _curves(one: SetComparison, new: str, current: str) -> list[tuple[str, Calibration]]:
    """Both models' calibrations with their names; those of a set known by cards alone are empty."""
    none = Calibration(bins=(), ece=None)
    return [(new, one.calibration_new or none), (current, one.calibration_current or none)]


def _rows(comparison: Comparison) -> list[tuple[SetComparison, FigureComparison]]:
    return [(one, figure) for one in comparison.sets for figure in one.figures if not (_of_beats(comparison) and figure.name.startswith(ALIKE))]


def _of_beats(comparison: Comparison) -> bool:
    """Whether the figures are shares measured beat by beat, not figures of cards."""
    return any(one.n_beats is not None for one in comparison.sets)


def _intervals(figures: Sequence[FigureComparison], scale: int, colour: str) -> dict[str, Any]:
    """Plotly's bars to either side of the points; of no length where there is no interval."""
    ends = [(one.difference or 0.0, one.low, one.high) for one in figures]
    over = [scale * (high - middle) if high is not None else 0.0 for middle, _, high in ends]
    under = [scale * (middle - low) if low is not None else 0.0 for middle, low, _ in ends]
    return {"type": "data", "symmetric": False, "array": over, "arrayminus": under, "color": colour, "thickness": 1.5, "width": 4}


def _said(y: int, figure: FigureComparison, colours: Palette) -> dict[str, Any]:
    """What a row shows, in words at its right end."""
    said = "not measured" if figure.difference is None else figure.verdict if figure.low is not None else "no interval"
    return {"text": said, "x": 1.01, "xref": "paper", "xanchor": "left", "y": y, "yref": "y", "showarrow": False, "font": {"color": _colour(figure.verdict, colours)}}


def _difference(figure: FigureComparison, scale: int) -> str:
    if figure.difference is None:
        return "not measured"
    how = "+.2f" if scale == 100 else "+.4g"
    interval = f" ({scale * figure.low:{how}} to {scale * figure.high:{how}})" if figure.low is not None and figure.high is not None else " (no interval)"
    return f"{scale * figure.difference:{how}}{interval}"


def _way(change: float) -> str:
    """The word whose look a patient's change is drawn in; nothing is shown by one patient."""
    return BETTER if change > 0 else WORSE if change < 0 else NOT_SHOWN


def _colour(verdict: str, colours: Palette) -> str:
    return {BETTER: colours.accent, WORSE: colours.warning}.get(verdict, colours.muted)


def _percent(ece: float | None) -> str:
    return "not measured" if ece is None else f"{ece:.2%}"


def _by_row(names: Sequence[str], title: str, right_px: int, colours: Palette) -> dict[str, Any]:
    """A row a name, the first on top; the difference across."""
    return {
        **common(AROUND_PX + ROW_PX * max(1, len(names)), {"l": 8, "r": right_px, "t": 8, "b": 46}, colours),
        "xaxis": {"fixedrange": True, "zeroline": False, "gridcolor": colours.grid_heavy, "nticks": 7, "title": {"text": title, "standoff": 6}},
        "yaxis": {
            "fixedrange": True, "zeroline": False, "showgrid": False, "tickvals": list(range(len(names))), "ticktext": list(names), "automargin": True,
            "range": [len(names) - 0.4, -0.6],
        },
    }  # fmt: skip
