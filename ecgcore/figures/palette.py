"""The colours of the paper, the trace and the beat classes, by day and by night: here and nowhere else.

Letters and text keep a contrast of at least 4.5 to the paper (WCAG 2.2, 1.4.3), the trace at least 7.
"""

from dataclasses import dataclass
from typing import Final

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours as #rrggbb. `beats` is by AAMI class, with P for paced, never the only sign of a class: the letter stands beside it."""

    name: str
    paper: str
    grid: str
    grid_heavy: str
    trace: str
    text: str
    muted: str
    accent: str
    warning: str
    beats: dict[str, str]


LIGHT: Final = Palette(
    name="light",
    paper="#fffdf6",
    grid="#f8dfdf",
    grid_heavy="#eab8b8",
    trace="#10141a",
    text="#1d232b",
    muted="#5b636d",
    accent="#0b6771",
    warning="#8a4b00",
    beats={"N": "#3c444d", "S": "#0b4fb8", "V": "#b01020", "F": "#7425a3", "Q": "#666d75", "P": "#8a5a00"},
)
DARK: Final = Palette(
    name="dark",
    paper="#0b0f0e",
    grid="#17201d",
    grid_heavy="#2a3a34",
    trace="#eef7f1",
    text="#e3e9e6",
    muted="#9aa7a1",
    accent="#5cc2c4",
    warning="#f0b45a",
    beats={"N": "#cbd4cf", "S": "#7fb2ff", "V": "#ff8078", "F": "#d3a2ff", "Q": "#a2aca7", "P": "#e8b04a"},
)


def palette(theme: str | None) -> Palette:
    """The palette of a theme; that of the day unless "dark" is asked for."""
    return DARK if theme == "dark" else LIGHT
