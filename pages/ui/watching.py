"""How far long work is that goes on behind the page, and a way to stop it."""

from typing import Any, Final

import streamlit as st

from pages.ui.making import Making

_POLL_S: Final = 0.5


@st.fragment(run_every=_POLL_S)
def watch(making: Making[Any]) -> None:
    """How far it is, and a way to stop; the page begins anew when it is there."""
    if not making.running:
        st.rerun()
    st.progress(making.share, f"{making.text.capitalize()} …")
    st.button("Stop", icon=":material/stop:", on_click=making.stop)
