"""What was chosen in widgets, kept while another page is open."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

_COPIES: Final = "kept-copies"


def keep(keys: Sequence[str]) -> None:
    """Bring back what Streamlit has forgotten of widgets that were not on the last page, and take a copy of what they say now: before they are drawn."""
    kept = st.session_state
    copies = kept.setdefault(_COPIES, {})
    for key in keys:
        if key not in kept:
            kept[key] = copies[key]
        copies[key] = kept[key]
