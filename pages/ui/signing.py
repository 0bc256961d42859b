"""Signing a reading off, and opening it again."""

import streamlit as st

from ecgcore.errors import EcgError
from pages.ui import access, desk, rights
from pages.ui.hand import Hand
from pages.ui.text import moment, plain


def menu(held: Hand) -> None:
    """One button: sign off, or who signed and how to amend."""
    signed = held.reading.signed
    label = f"Signed, version {signed.version}" if signed else "Sign off"
    with st.popover(label, icon=":material/verified:" if signed else ":material/draw:"):
        if signed:
            st.markdown(f"Version {signed.version} was signed by **{plain(signed.who)}**, {moment(signed.at)} UTC. It stays as it is.")
            key = f"amend-{held.reading.id}"
            st.text_input("Reason to amend", key=key)
            why_not = rights.why_not_his(held.user, held.reading)
            st.button("Amend", disabled=bool(why_not), on_click=_amend, args=(held, key), help="Editing goes on; what was signed can still be read and exported.")
            if why_not:
                st.caption(plain(why_not))
            return
        counts = ", ".join(f"{name} {count:,}" for name, count in held.state.counts.items() if count)
        st.markdown(f"You sign {len(held.state.samples):,} beats ({counts}) as {plain(held.user.name)}.")
        key = f"statement-{held.reading.id}"
        st.text_input("Statement", placeholder="optional", key=key)
        st.button("Sign off", type="primary", disabled=bool(held.why_not), on_click=_sign, args=(held, key))
        st.caption(plain(held.why_not) if held.why_not else "What is signed is frozen. It can be amended later; every version stays.")


def _sign(held: Hand, statement_key: str) -> None:
    """What was typed is read now: words and click may arrive together, before the page knew the words."""
    try:
        rights.changeable(access.renewed(held.user), held.reading.id)
        signed = desk.reviews().sign(held.reading.id, held.user.name, _typed(statement_key))
        st.toast(f"Signed off as version {signed.version}.", icon=":material/verified:")
    except EcgError as error:
        st.toast(str(error), icon=":material/error:")


def _amend(held: Hand, reason_key: str) -> None:
    try:
        rights.changeable(access.renewed(held.user), held.reading.id)
        desk.reviews().amend(held.reading.id, held.user.name, _typed(reason_key))
    except EcgError as error:
        st.toast(str(error), icon=":material/error:")


def _typed(key: str) -> str:
    return str(st.session_state[key]).strip()
