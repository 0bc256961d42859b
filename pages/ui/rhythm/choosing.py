"""Which leads the Rhythm page is about, and of a long recording which stretch."""

from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ecgcore.record import Record
from ecgcore.rhythm_findings import RhythmSpan
from pages.ui import keeping
from pages.ui.hand import first_leads
from pages.ui.rhythm import words

FIRST_S: Final = 10.0
MOST_S: Final = 60.0
_RECORD, LEADS, FROM, TO = "rhythm-record", "rhythm-leads", "rhythm-from", "rhythm-to"
Span = tuple[float, float | None]
Place = DeltaGenerator
FORGOTTEN: Final = ("rhythm-span", "rhythm-said", "rhythm-wanted")


def arrive(record_id: str, record: Record) -> None:
    """This record is in hand: what was chosen of another is forgotten."""
    kept = st.session_state
    if kept.get(_RECORD) != record_id:
        kept[_RECORD] = record_id
        for key in FORGOTTEN:
            kept.pop(key, None)
        kept.update({LEADS: list(first_leads(record)), FROM: 0.0, TO: min(FIRST_S, record.duration_s)})
    keeping.keep((LEADS, FROM, TO))


def show(record: Record, left: Place, right: Place) -> None:
    """The leads, and of a long recording the stretch."""
    left.pills("Leads", words.leads_of(record), selection_mode="multi", key=LEADS, help="Limb leads that were not recorded are derived from I and II.")
    if is_long(record):
        start, stop = right.columns(2, gap="small")
        start.number_input("From, s", 0.0, record.duration_s, step=10.0, format="%.1f", key=FROM)
        stop.number_input("To, s", 0.0, record.duration_s, step=10.0, format="%.1f", key=TO, help="5 to 60 s after the start: windows of 10 s are averaged.")


def is_long(record: Record) -> bool:
    """Whether it has a rhythm along time rather than one."""
    return record.duration_s > words.LONG_S


def leads(record: Record) -> tuple[str, ...]:
    """The leads chosen, in standard order."""
    chosen = set(st.session_state[LEADS] or ())
    return tuple(lead for lead in words.leads_of(record) if lead in chosen)


def stretch(record: Record) -> Span:
    """From when to when in s; the whole of a short recording."""
    return (float(st.session_state[FROM]), float(st.session_state[TO])) if is_long(record) else (0.0, None)


def shown(record: Record) -> tuple[float, float] | None:
    """The stretch of a long recording, where it is one."""
    start_s, stop_s = float(st.session_state[FROM]), float(st.session_state[TO])
    return (start_s, stop_s) if is_long(record) and stop_s > start_s else None


def choose_leads(chosen: tuple[str, ...]) -> None:
    """These are the leads: for callbacks."""
    st.session_state[LEADS] = list(chosen)


def choose_stretch(record: Record, span: RhythmSpan) -> None:
    """This is the stretch, as much of it as is looked at in one go: for callbacks."""
    start_s = max(0.0, min(span.start_s, record.duration_s - FIRST_S))
    st.session_state.update({FROM: start_s, TO: min(max(span.stop_s, start_s + FIRST_S), start_s + MOST_S, record.duration_s)})
