"""The choices and commands of the Review page: leads, filter, scale; where to go."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import streamlit as st

from ecgcore import leads as lead_names
from ecgcore.errors import InputError
from ecgcore.figures import clock
from ecgcore.figures.window import GAINS_MM_MV, SPEEDS_MM_S, Band, Scale
from ecgcore.findings import AAMI_CLASSES, Analysis
from ecgcore.record import Record
from ecgcore.signals import filters
from pages.ui import beats
from pages.ui.view import ANY_ECTOPIC, View

WIDTHS: Final = (4.2, 2.2, 1.0, 1.2, 1.3, 1.3)
_NOTCHES: Final = (0.0, *filters.NOTCHES_HZ)  # 0 for none
_WANTED: Final = {ANY_ECTOPIC: "any ectopic (S V F)", **{name: f"{name}, {beats.CLASS_NAMES[name]}" for name in AAMI_CLASSES}}


@dataclass(frozen=True)
class Choices:
    """What the reader chose to see; `annotator` names the reference shown beside the model, None for none."""

    leads: tuple[str, ...]
    band: Band
    scale: Scale
    annotator: str | None


def choices(record_id: str, record: Record) -> Choices:
    """One line of choices."""
    columns = st.columns(WIDTHS)
    leads = columns[0].multiselect(
        "Leads, in the order chosen",
        record.available_leads,
        default=first_leads(record),
        key=f"leads-{record_id}",
        placeholder="Choose at least one lead",
        help="Beats are found and classified on these leads. III, aVR, aVL and aVF are offered where I and II are there.",
    )
    name = columns[1].selectbox("Filter", list(filters.FILTERS), help="Zero phase, for display only; the analysis has its own.")
    notch_hz = columns[2].selectbox("Notch", _NOTCHES, format_func=lambda hz: f"{hz:g} Hz" if hz else "none")
    speed = columns[3].selectbox("Speed", SPEEDS_MM_S, index=SPEEDS_MM_S.index(25.0), format_func=lambda v: f"{v:g} mm/s")
    gain = columns[4].selectbox("Gain", GAINS_MM_MV, index=GAINS_MM_MV.index(10.0), format_func=lambda v: f"{v:g} mm/mV")
    annotators = beats.beat_annotators(record)
    annotator = columns[5].selectbox(
        "Reference",
        ("", *annotators),
        format_func=lambda a: a or "none",
        key=f"reference-{record_id}",
        disabled=not annotators,
        help="Beats that an annotation file of the record names.",
    )
    return Choices(tuple(leads), Band(name, notch_hz or None), Scale(speed, gain), annotator or None)


def first_leads(record: Record) -> tuple[str, ...]:
    """The leads shown first: the recorded ECG leads, in standard order where all have a place in it, else as recorded."""
    ecg = lead_names.ecg_leads(record.leads)
    return lead_names.in_order(ecg) if set(ecg) <= set(lead_names.STANDARD) else ecg


def view(record_id: str, record: Record, scale: Scale) -> View:
    """Where the reader is; the beginning when the record is another."""
    if st.session_state.get("viewed") != record_id:
        st.session_state.update(viewed=record_id, view=View(), goto="")
    here: View = st.session_state["view"].within(record.duration_s, scale.window_s)
    st.session_state["view"] = here
    return here


def movement(here: View, record: Record, scale: Scale, analysis: Analysis | None) -> None:
    """Buttons, each with its key, that move the window."""
    size = (record.duration_s, scale.window_s)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        first, last = here.start_s <= 0, here.start_s + scale.window_s >= record.duration_s
        st.button(f"Back {scale.window_s:g} s", icon=":material/chevron_left:", shortcut="Left", disabled=first, on_click=_go, args=(here.turned(-1, *size),), key="back")
        st.button(f"On {scale.window_s:g} s", icon=":material/chevron_right:", shortcut="Right", disabled=last, on_click=_go, args=(here.turned(1, *size),), key="on")
        st.text_input("Go to", key="goto", placeholder="Go to h:mm:ss", label_visibility="collapsed", width=130, on_change=partial(_go_to_time, *size))
        if analysis:
            wanted = st.selectbox("Beats of class", list(_WANTED), format_func=_WANTED.__getitem__, label_visibility="collapsed", width=250, key="wanted")
            for label, forward, key in (("Previous", False, "P"), ("Next", True, "N")):
                there = here.stepped(analysis.beats, record.fs_hz, wanted, forward, *size)
                st.button(f"{label} beat", shortcut=key, disabled=there is None, on_click=_go, args=(there or here,), key=f"beat-{label}")
        st.markdown(f"**{here.described(*size)}**")


def go_to(moment_s: float, duration_s: float, window_s: float) -> None:
    """Put a moment into the middle of the window."""
    _go(View().at(moment_s, duration_s, window_s))


def _go(there: View) -> None:
    st.session_state["view"] = there


def _go_to_time(duration_s: float, window_s: float) -> None:
    text = st.session_state["goto"]
    if not text.strip():
        return
    try:
        moment_s = clock.seconds(text)
    except InputError as error:
        st.toast(str(error), icon=":material/error:")
        return
    if moment_s > duration_s:
        st.toast(f"The record ends at {clock.clock(duration_s)}.", icon=":material/error:")
        return
    _go(View(moment_s).within(duration_s, window_s))
    st.session_state["goto"] = ""
