"""What all figures have in common: the paper, the letters, the box under the mouse; no legend and no dragging."""

from typing import Any

from ecgcore.figures.palette import FONT, Palette


def common(height_px: float, margin_px: dict[str, int], colours: Palette, font_size: int = 11) -> dict[str, Any]:
    """Plotly's layout before a figure's own axes; margin by side, l r t b."""
    return {
        "height": height_px,
        "margin": margin_px,
        "paper_bgcolor": colours.paper,
        "plot_bgcolor": colours.paper,
        "font": {"color": colours.text, "size": font_size, "family": FONT},
        "hoverlabel": {"bgcolor": colours.paper, "bordercolor": colours.muted, "font": {"color": colours.text}},
        "showlegend": False,
        "dragmode": False,
    }
