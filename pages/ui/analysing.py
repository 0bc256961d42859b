"""Finding beats: at the first visit of a record, and again on other leads or by another model, with progress and a way to stop."""

import uuid
from collections.abc import Sequence
from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.record import Record
from ecgcore.store import StoredAnalysis
from ecgcore.store.reviews import Reading
from pages.ui import access, desk, models
from pages.ui.hand import Hand, first_leads
from pages.ui.text import plain, recently

_STOPPED: Final = "analysis_stopped"
_WANTED: Final = "analysis_wanted"


def first_reading(user: access.User, record_id: str, record: Record) -> Reading | None:
    """The record's shared reading, begun from beats found now where none are stored; None while the reader has stopped it. Raises EcgError."""
    access.require(user, "read")
    leads = first_leads(record)
    found = stored(record_id, leads, models.DEFAULT) or analyse(record_id, record, leads, models.DEFAULT)
    return desk.reviews().reading(record_id, found.id) if found else None


def stored(record_id: str, leads: Sequence[str], model: str) -> StoredAnalysis | None:
    """The stored analysis of these leads by a model, the newest of its name; None where there is none. Raises ModelError without that model."""
    from ecgcore.inference import cards
    from ecgcore.signals import detection

    return desk.store().find_analysis(record_id, leads, cards.read_card(cards.find(model)).id, detection.NAME)


def analyse(record_id: str, record: Record, leads: Sequence[str], model: str) -> StoredAnalysis | None:
    """Analyse and store, with a bar that tells how far it is; None while the reader has stopped it. Raises EcgError."""
    from ecgcore.analysis import analyze

    asked = (record_id, tuple(leads), model)
    if st.session_state.get(_STOPPED) == asked:
        st.button("Find beats", icon=":material/play_arrow:", on_click=st.session_state.pop, args=(_STOPPED,))
        return None
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Finding beats …")
        st.button("Stop", icon=":material/stop:", on_click=st.session_state.update, args=({_STOPPED: asked},))
    try:
        made = analyze(record, leads, model=model, progress=lambda share, text: bar.progress(min(share, 1.0), f"{text.capitalize()} …"))
    finally:
        place.empty()
    return desk.store().save_analysis(record_id, made)


def other_beats(held: Hand) -> None:
    """On which leads and by which model the beats were found, and a way to find them by others; what readers did stays as they left it."""
    with st.popover(f"Found on {', '.join(held.found.leads[:3])}{' …' if len(held.found.leads) > 3 else ''}", icon=":material/sensors:"):
        leads = st.multiselect("Leads to find beats on", held.record.available_leads, default=held.found.leads, key=f"leads-{held.reading.id}", disabled=bool(held.why_not))
        model = model_choice(held)
        st.caption("Beats that a reader has added, moved, deleted or relabelled stay as he left them. One undo goes back.")
        asked = st.button("Find beats again", icon=":material/search:", disabled=bool(held.why_not) or not leads)
        if held.why_not:
            st.caption(plain(held.why_not))
        if asked:
            st.session_state[_WANTED] = (held.reading.id, tuple(leads), model)
    _find_again(held)


def another_in_use(held: Hand) -> None:
    """A quiet line where another version of the model is in use than the one that found these beats, and a way to it: unasked the reading stays as it is."""
    now = models.in_use_instead(held.found.beats.model)
    if now is None or held.moment is not None:
        return
    put = desk.promotions().standing(now.partition("@")[0])
    since = f" since {recently(put.at)}" if put is not None and put.now == now else ""
    st.caption(plain(f"Beats by {held.found.beats.model}; {now} is in use{since}"), width="content")
    st.button(
        "Find beats again",
        key=f"by-version-in-use-{held.reading.id}",
        type="tertiary",
        icon=":material/search:",
        disabled=bool(held.why_not),
        help=plain(held.why_not) or f"By {now} on {', '.join(held.found.leads)}. What readers did stays as they left it. One undo goes back.",
        on_click=st.session_state.update,
        args=({_WANTED: (held.reading.id, tuple(held.found.leads), now)},),
    )


def model_choice(held: Hand) -> str:
    """The model that the beats are to be classified by: at first the one that did, where it is still here."""
    now = held.found.beats.model
    try:
        there = {card.id: card for card in models.classifiers()}
        absent = models.compared().absent
    except EcgError as error:
        st.caption(plain(str(error)))
        return now
    chosen: str = st.selectbox(
        "Model",
        list(there),
        index=list(there).index(now) if now in there else 0,
        format_func=lambda one: f"{one}: {' '.join(there[one].classes)}",
        key=f"model-{held.reading.id}-{now}",
        disabled=bool(held.why_not),
        help="The default comes first. Classes that a model does not have, it does not find.",
    )
    if absent:
        st.caption(plain(models.not_installed(absent)))
    return chosen


def _find_again(held: Hand) -> None:
    wanted = st.session_state.get(_WANTED)
    if not wanted or wanted[0] != held.reading.id:
        return
    try:
        found = stored(held.record_id, *wanted[1:]) or analyse(held.record_id, held.record, *wanted[1:])
        if found is None:
            return
        st.session_state.pop(_WANTED)  # first: were the page asked for anew just after, it would go over once more, and be told that it has
        desk.reviews().rebase(held.reading.id, held.user.name, found.id, uuid.uuid4().hex)
    except EcgError as error:
        st.session_state.pop(_WANTED, None)
        st.toast(str(error), icon=":material/error:")
    st.rerun()
