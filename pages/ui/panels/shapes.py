"""Beats grouped by shape: look at a group, go to its beats, give all of them another class at once."""

import uuid
from typing import Final

import streamlit as st

from ecgcore import shapes
from ecgcore.errors import EcgError
from ecgcore.figures import shapes as shape_figure
from ecgcore.review import Relabel
from ecgcore.shapes import Shapes
from pages.ui import access, desk, rights, shell, steering
from pages.ui.beats import CLASS_NAMES
from pages.ui.hand import Hand
from pages.ui.text import plain

CODES: Final = {"N": "N", "S": "S", "V": "V", "F": "F", "Q": "Q", "/": "P"}
_GROUPED: Final = "shapes"
_WANTED: Final = "shapes_wanted"
_STILL: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def show(held: Hand) -> None:
    """The groups, and what can be done with the one chosen."""
    grouped = _grouped(held)
    if grouped is None:
        st.caption("Beats of like shape are put together, whatever their class, so that a group can be given another class at once.")
        st.button("Group beats by shape", icon=":material/category:", on_click=st.session_state.update, args=({_WANTED: _key(held)},))
        return
    if not grouped.groups:
        st.caption("There are no beats to group.")
        return
    st.selectbox("Group", range(len(grouped.groups)), format_func=lambda n: shape_figure.title(grouped, n), key=_chosen(held))
    commands(held, grouped)
    st.plotly_chart(shape_figure.figure(grouped, shell.colours()), theme=None, config=_STILL, alt=shape_figure.alt(grouped), key="shapes")
    st.caption(plain(f"Mean ± standard deviation on {', '.join(grouped.leads)}; timing is left out. A beat added since is in no group yet."))


def commands(held: Hand, grouped: Shapes) -> None:
    """Select the beats of the group chosen, or relabel all of them."""
    members = _members(held, grouped)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        select = st.button("Select on the strip", icon=":material/ads_click:", help="Then one key gives all of them another class.", key="select-group")
        st.button("Group again", icon=":material/refresh:", key="group-again", on_click=st.session_state.pop, args=(_GROUPED, None))
    if select:
        steering.go_to(members[0] / held.record.fs_hz, select=members)
        st.rerun()
    with st.container(horizontal=True, gap="small"):
        for code, letter in CODES.items():
            told = f"All {len(members):,} become {letter}, {CLASS_NAMES.get(letter, 'paced')}"
            st.button(letter, key=f"group-to-{letter}", disabled=bool(held.why_not), help=told, on_click=_relabel, args=(held, grouped, code))
    if held.why_not:
        st.caption(plain(held.why_not))


def _relabel(held: Hand, grouped: Shapes, code: str) -> None:
    """Relabel the group that is chosen by now: choice and click may arrive together."""
    try:
        rights.changeable(access.renewed(held.user), held.reading.id)
        event = desk.reviews().edit(held.reading.id, held.user.name, Relabel(tuple(_members(held, grouped)), code), uuid.uuid4().hex)
        st.toast(event.said)
    except EcgError as error:
        st.toast(str(error), icon=":material/error:")


def _members(held: Hand, grouped: Shapes) -> list[int]:
    """Samples of the beats of the group chosen."""
    number = min(st.session_state[_chosen(held)], len(grouped.groups) - 1)
    samples: list[int] = grouped.samples[grouped.groups[number].members].tolist()
    return samples


def _chosen(held: Hand) -> str:
    return f"group-{held.reading.id}"


def _key(held: Hand) -> tuple[str, tuple[str, ...]]:
    return held.reading.id, held.found.leads


def _grouped(held: Hand) -> Shapes | None:
    """The groups as grouped last, with the edits since; grouped now where that was asked for; None where it was not."""
    kept = st.session_state.get(_GROUPED)
    if kept is None or kept[0] != _key(held):
        if st.session_state.get(_WANTED) != _key(held):
            return None
        bar = st.progress(0.0, "Grouping beats …")
        found = shapes.group(held.record, held.state.samples, held.state.labels, held.found.leads, lambda share, text: bar.progress(min(share, 1.0), f"{text.capitalize()} …"))
        bar.empty()
        kept = st.session_state[_GROUPED] = (_key(held), found)
    grouped: Shapes = kept[1]
    return grouped.carried(held.state.samples, held.state.labels)
