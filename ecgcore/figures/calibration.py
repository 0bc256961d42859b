"""How far a model's probabilities can be believed: the reliability diagram, and what flagging the uncertain beats leaves wrong."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX: Final = 240
Bins = Sequence[tuple[float, float, int]]
Limits = Sequence[tuple[float, float]]


def reliability(bins: Bins, colours: Palette) -> "go.Figure":
    """How often the most probable class is right, against its mean probability, a point a bin, as large as it has beats; dotted where the two are equal.

    Thresholds do not come into it: the class called may be another than the most probable one.

    bins  mean of the greatest probability, share of beats whose most probable class is right, beats
    """
    import plotly.graph_objects as go

    drawn = go.Figure()
    drawn.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": colours.muted, "width": 1, "dash": "dot"}, hoverinfo="skip")
    most = max((n for _, _, n in bins), default=1)
    drawn.add_scatter(
        x=[100 * said for said, _, _ in bins], y=[100 * right for _, right, _ in bins], customdata=[n for _, _, n in bins], mode="lines+markers",
        line={"color": colours.accent, "width": 1.2}, marker={"color": colours.accent, "size": [6 + 10 * (n / most) ** 0.5 for _, _, n in bins]},
        hovertemplate="probability %{x:.1f} % · right %{y:.1f} % · %{customdata:,} beats<extra></extra>",
    )  # fmt: skip
    low = max(0.0, min((100 * min(said, right) for said, right, _ in bins), default=0.0) - 5)
    drawn.update_layout(**_layout("probability of the most probable class, %", "most probable class right, %", [low, 102], [low, 102], colours))
    return drawn


def reliability_alt(bins: Bins) -> str:
    """What the diagram shows, for those who do not see it."""
    return "Reliability of the most probable class: " + "; ".join(f"probability {said:.0%}, right {right:.1%} of {n:,} beats" for said, right, n in bins) + "."


def flagged(limits: Limits, colours: Palette) -> "go.Figure":
    """Share wrong among the beats that are not flagged, against the share flagged.

    limits  share flagged, share wrong among the rest
    """
    import plotly.graph_objects as go

    ordered = sorted(limits)
    drawn = go.Figure()
    drawn.add_scatter(
        x=[100 * share for share, _ in ordered], y=[100 * wrong for _, wrong in ordered], mode="lines+markers", line={"color": colours.accent, "width": 1.2},
        marker={"color": colours.accent, "size": 7}, hovertemplate="%{x:.1f} % flagged · %{y:.2f} % of the rest wrong<extra></extra>",
    )  # fmt: skip
    right, top = max((100 * share for share, _ in ordered), default=1.0), max((100 * wrong for _, wrong in ordered), default=1.0)
    drawn.update_layout(**_layout("beats flagged as uncertain, %", "wrong among the rest, %", [-0.03 * right, 1.05 * right], [0, 1.1 * top], colours))
    return drawn


def flagged_alt(limits: Limits) -> str:
    """What the curve shows, for those who do not see it."""
    return "Flagging: " + "; ".join(f"{share:.1%} flagged, {wrong:.2%} of the rest wrong" for share, wrong in sorted(limits)) + "."


def _layout(across: str, up: str, x_range: list[float], y_range: list[float], colours: Palette) -> dict[str, Any]:
    axis = {"fixedrange": True, "zeroline": False, "gridcolor": colours.grid_heavy, "nticks": 6}
    return {
        **common(HEIGHT_PX, {"l": 52, "r": 10, "t": 8, "b": 42}, colours),
        "xaxis": {**axis, "range": x_range, "title": {"text": across, "standoff": 6}},
        "yaxis": {**axis, "range": y_range, "title": {"text": up, "standoff": 4}},
    }
