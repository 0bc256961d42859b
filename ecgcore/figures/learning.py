"""How a training goes: its loss and what is measured on patients it does not learn from, over the epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgcore.figures.layout import common
from ecgcore.figures.palette import Palette
from ecgcore.figures.reduction import min_max

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX: Final = 250
BUCKETS: Final = 300
FEW: Final = 60  # of so many points each is drawn as a dot too
LOSS: Final = "loss"
_LETTER_PX: Final = 6.8
_LINE: Final = 0.09  # height of a line of text, as a share of the axis


@dataclass(frozen=True)
class Curve:
    """One value over a training: `points` are (epochs done, value), in order of epochs."""

    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def is_loss(self) -> bool:
        """Whether it is a loss: less is better, and losses share an axis."""
        return self.name.endswith(LOSS)


def curves(drawn: Sequence[Curve], colours: Palette, epochs: float | None = None) -> "go.Figure":
    """The curves on one axis, each with its name at its end: the loss that is learned by in the colour of the trace, all others in the accent, dashed from the second on.

    epochs  how many there will be, for the width of the axis; as far as the curves go where that is not known
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    accents = iter(("solid", "dash", "dot", "dashdot"))
    for curve in drawn:
        learned_by = curve.name == LOSS
        style = {"color": colours.trace if learned_by else colours.accent, "width": 1.2 if learned_by else 2.0, "dash": "solid" if learned_by else next(accents, "longdash")}
        epoch, value = _kept(curve)
        many = len(epoch) > FEW
        figure.add_scatter(
            x=epoch, y=value, name=curve.name, mode="lines" if many else "lines+markers", line=style, marker={"size": 5},
            hovertemplate=f"{curve.name} %{{y:.4g}} after epoch %{{x:.3g}}<extra></extra>",
        )  # fmt: skip
    _name_ends(figure, drawn, colours)
    across = max(epochs or 0.0, last_epoch(drawn), 1.0)
    figure.update_layout(**_layout(across, _range(drawn), _margin(drawn), drawn[0].name if len(drawn) == 1 else LOSS, colours))
    return figure


def grouped(drawn: Sequence[Curve]) -> list[list[Curve]]:
    """Curves that can be read on one axis: losses whose values overlap together, every other by itself."""
    groups: list[list[Curve]] = []
    for curve in drawn:
        beside = next((group for group in groups if curve.is_loss and group[0].is_loss and _overlap(group, curve)), None)
        if beside is None:
            groups.append([curve])
        else:
            beside.append(curve)
    return groups


def _overlap(group: Sequence[Curve], curve: Curve) -> bool:
    if not curve.points or not any(one.points for one in group):
        return False
    (low, high), (its_low, its_high) = _extent(group), _extent([curve])
    return its_low <= high and low <= its_high


def last_epoch(drawn: Sequence[Curve]) -> float:
    """How far the longest of the curves goes."""
    return max((curve.points[-1][0] for curve in drawn if curve.points), default=0.0)


def alt(drawn: Sequence[Curve]) -> str:
    """The curves in words: where each began, where it is, and its least where it is a loss, else its greatest."""
    told = []
    for curve in drawn:
        if not curve.points:
            continue
        if len(curve.points) == 1:
            told.append(f"{curve.name} {curve.points[0][1]:.4g} after epoch {curve.points[0][0]:.3g}")
            continue
        best = (min if curve.is_loss else max)(curve.points, key=lambda point: point[1])
        (_, first), (epoch, last) = curve.points[0], curve.points[-1]
        told.append(f"{curve.name} from {first:.4g} to {last:.4g} after epoch {epoch:.3g}, {'least' if curve.is_loss else 'greatest'} {best[1]:.4g} after epoch {best[0]:.3g}")
    return f"Over the epochs: {'; '.join(told)}." if told else "No value was told yet."


def _kept(curve: Curve) -> tuple[list[float], list[float]]:
    """As many points as the screen can tell apart, every least and greatest among them."""
    points = np.asarray(curve.points, np.float64).reshape(-1, 2)
    chosen = points[min_max(points[:, 1], BUCKETS)]
    return chosen[:, 0].tolist(), chosen[:, 1].tolist()


def _name_ends(figure: "go.Figure", drawn: Sequence[Curve], colours: Palette) -> None:
    """Names in the margin, at the height where their curves end, and none on another."""
    for curve, height in _heights(drawn):
        colour = colours.text if curve.name == LOSS else colours.accent
        text = f"{curve.name}  <b>{_said(curve)}</b>"
        figure.add_annotation(x=1, xref="paper", xanchor="left", xshift=6, y=height, yanchor="middle", text=text, showarrow=False, font={"color": colour, "size": 11})


def _said(curve: Curve) -> str:
    return f"{curve.points[-1][1]:.3g}" if curve.points else ""


def _margin(drawn: Sequence[Curve]) -> int:
    """Room in pixels for the longest name."""
    return 20 + round(_LETTER_PX * max((len(curve.name) + 2 + len(_said(curve)) for curve in drawn), default=0))


def _heights(drawn: Sequence[Curve]) -> list[tuple[Curve, float]]:
    """Where the name of each curve stands."""
    low, high = _scale(drawn)
    ends = sorted((curve for curve in drawn if curve.points), key=lambda curve: curve.points[-1][1])
    heights: list[tuple[Curve, float]] = []
    for curve in ends:
        lowest = heights[-1][1] + _LINE * (high - low) if heights else curve.points[-1][1]
        heights.append((curve, max(curve.points[-1][1], lowest)))
    return heights


def _extent(drawn: Sequence[Curve]) -> tuple[float, float]:
    values = [value for curve in drawn for _, value in curve.points]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return low, high


def _scale(drawn: Sequence[Curve]) -> tuple[float, float]:
    low, high = _extent(drawn)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _range(drawn: Sequence[Curve]) -> list[float]:
    """An axis that leaves out no point and no name."""
    low, high = _scale(drawn)
    room = 0.06 * (high - low)
    return [low - room, max([high, *(height for _, height in _heights(drawn))]) + room]


def _layout(across: float, values: list[float], margin_px: int, up: str, colours: Palette) -> dict[str, Any]:
    axis = {"fixedrange": True, "zeroline": False, "gridcolor": colours.grid_heavy}
    return {
        **common(HEIGHT_PX, {"l": 52, "r": margin_px, "t": 10, "b": 40}, colours),
        "hovermode": "closest",
        "xaxis": {**axis, "range": [0, across * 1.01], "dtick": 0.25 if across <= 2 else math.ceil(across / 12), "title": {"text": "epoch", "standoff": 6}},
        "yaxis": {**axis, "range": values, "nticks": 7, "title": {"text": up, "standoff": 4}},
    }
