"""What two readers see differently, and what the adjudicator makes of it."""

import uuid

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.figures.clock import clock
from pages.ui import access, agreeing, desk, rights, steering
from pages.ui.hand import Hand
from pages.ui.panels import listing
from pages.ui.text import plain

_OTHER = "NSVFQ"


def show(held: Hand) -> None:
    """The list, the one in hand, and the ways to settle it."""
    every = desk.sessions().disagreements(held.reading.id)
    left = {one.number for one in desk.sessions().open_disagreements(held.reading.id)}
    readers = desk.sessions().get(held.reading.session_id or "").readers
    st.markdown(f"**{len(every) - len(left):,} of {len(every):,} disagreements decided.** " + ("" if left else "The adjudication can be signed off."))
    if not every:
        return
    one = listing.pick(
        f"apart-{held.reading.id}",
        every,
        {
            "Time": lambda one: clock(one.sample / held.record.fs_hz, 1),
            plain(readers[0]): lambda one: agreeing.of_disagreement(one)[0],
            plain(readers[1]): lambda one: agreeing.of_disagreement(one)[1],
            "Decided": lambda one: "" if one.number in left else "yes",
        },
        lambda one: steering.go_to(one.sample / held.record.fs_hz),
    )
    if one is None:
        st.caption("Choose one to see it on the strip and to decide it.")
        return
    a, b = agreeing.of_disagreement(one)
    st.markdown(f"At {clock(one.sample / held.record.fs_hz, 2)}:")
    choices = {"a": f"{readers[0]}: {a}", "b": f"{readers[1]}: {b}", "neither": "no beat", **{code: code for code in _OTHER}}
    with st.container(horizontal=True, gap="small"):
        for choice, label in choices.items():
            st.button(plain(label), key=f"decide-{choice}", disabled=bool(held.why_not), on_click=_decide, args=(held, one, choice))
    if held.why_not:
        st.caption(plain(held.why_not))


def _decide(held: Hand, one: "agreeing.agreement.Disagreement", choice: str) -> None:
    try:
        rights.changeable(access.renewed(held.user), held.reading.id)
        desk.sessions().decide(held.reading.id, held.user.name, one, choice, uuid.uuid4().hex)
    except EcgError as error:
        st.toast(str(error), icon=":material/error:")
