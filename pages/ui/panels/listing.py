"""A table of which one line can be chosen: a click anywhere on it does something once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
ROW_PX = 35
MOST_PX = 350


def pick(
    key: str, things: Sequence[T], columns: Mapping[str, Callable[[T], object]], on_pick: Callable[[T], None] | None = None,
    config: Mapping[str, Any] | None = None, most_px: int = MOST_PX,
) -> T | None:  # fmt: skip
    """The thing whose line was clicked, None where none was; `on_pick` is called once a click, before anything is drawn.

    config   Streamlit's column configuration by column name
    most_px  height from which the table scrolls
    """

    def picked() -> None:
        if on_pick is not None and (row := _row(st.session_state[key])) is not None and row < len(things):
            on_pick(things[row])

    table = {name: [value(thing) for thing in things] for name, value in columns.items()}
    height = min(most_px, ROW_PX * (len(things) + 1) + 3)
    row = _row(st.dataframe(table, key=key, hide_index=True, on_select=picked, selection_mode="single-cell", height=height, column_config=dict(config or {})))
    return things[row] if row is not None and row < len(things) else None


def _row(event: Any) -> int | None:
    cells = event["selection"]["cells"]
    return int(cells[0][0]) if cells else None
