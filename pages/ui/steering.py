"""Where the strip is sent: a place to go to, and beats to select there."""

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

_GOTO: Final = "goto"
_ARRIVAL: Final = "arrival"


def go_to(time_s: float, span_s: float | None = None, select: Sequence[int] = ()) -> None:
    """Have the strip show a moment (s), a stretch around it (s) where one is given, and select beats (sample numbers)."""
    last = st.session_state.get(_GOTO)
    st.session_state[_GOTO] = {"nonce": (last["nonce"] if last else 0) + 1, "time_s": float(time_s), "span_s": span_s, "select": [int(sample) for sample in select]}


def wanted() -> dict[str, Any] | None:
    """The last place asked for; the strip goes there once."""
    return st.session_state.get(_GOTO)


def forget() -> None:
    """Another record is in hand."""
    st.session_state.pop(_GOTO, None)


def on_arrival(record_id: str, time_s: float) -> None:
    """Have the strip show a moment (s) of a record that is yet to be opened."""
    st.session_state[_ARRIVAL] = (record_id, time_s)


def arrive(record_id: str) -> None:
    """This record is in hand: go where it was to be opened, once. Another record that was to be opened is so no more."""
    wanted = st.session_state.pop(_ARRIVAL, None)
    if wanted is not None and wanted[0] == record_id:
        go_to(wanted[1])
