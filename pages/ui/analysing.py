"""Analyses: from the store when they are there, else made now, with progress and a way to stop."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from ecgcore.findings import Analysis
from ecgcore.record import Record
from ecgcore.store import Store

MODEL: Final = "beats"
_STOPPED: Final = "analysis_stopped"


def stored_analysis(store: Store, record_id: str, leads: Sequence[str]) -> Analysis | None:
    """The stored analysis of these leads by the present model; None where there is none. Raises ModelError without a model."""
    from ecgcore.inference import cards
    from ecgcore.signals import detection

    model = cards.read_card(cards.find(MODEL)).id
    found = store.find_analysis(record_id, leads, model, detection.NAME)
    return _loaded(store, found.id) if found else None


def analyse(store: Store, record_id: str, record: Record, leads: Sequence[str]) -> Analysis | None:
    """Analyse and store, with a bar that tells how far it is; None while the reader has stopped it. Raises EcgError."""
    from ecgcore.analysis import analyze

    asked = (record_id, tuple(leads))
    if st.session_state.get(_STOPPED) == asked:
        st.button("Find beats", icon=":material/play_arrow:", on_click=st.session_state.pop, args=(_STOPPED,))
        return None
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Finding beats …")
        st.button("Stop", icon=":material/stop:", on_click=st.session_state.update, args=({_STOPPED: asked},))
    try:
        made = analyze(record, leads, model=MODEL, progress=lambda share, text: bar.progress(min(share, 1.0), f"{text.capitalize()} …"))
    finally:
        place.empty()
    return _loaded(store, store.save_analysis(record_id, made).id)


@st.cache_resource(max_entries=8, show_spinner=False)
def _loaded(_store: Store, analysis_id: str) -> Analysis:
    return _store.analysis(analysis_id)
