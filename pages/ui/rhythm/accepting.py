"""A called rhythm taken over into the reading as a mark, and taken back."""

import uuid
from collections.abc import Callable
from typing import Final

import streamlit as st

from ecgcore.errors import EcgError, InputError
from ecgcore.figures.clock import clock
from ecgcore.record import Record
from ecgcore.review import AcceptRhythm, Command, RemoveMark
from ecgcore.rhythm_findings import Rhythm, RhythmSpan, RhythmTrend
from pages.ui import access, cards, desk, rights, shell, steering
from pages.ui.hand import Hand
from pages.ui.rhythm import choosing, words
from pages.ui.text import plain

_SAID: Final = "rhythm-said"
_PICKED: Final = "rhythm-span"
_MOST: Final = 6
NO_READING: Final = "Marks are kept in a reading, which begins when the record is first opened on Review."


def pick(span: RhythmSpan | None) -> None:
    """This span is looked at: for callbacks."""
    st.session_state[_PICKED] = span
    st.session_state.pop(_SAID, None)


def picked(trend: RhythmTrend) -> RhythmSpan | None:
    """The span that is looked at, where the trend has it."""
    span: RhythmSpan | None = st.session_state.get(_PICKED)
    return span if span in trend.spans() else None


def of_stretch(held: Hand | None, record_id: str, record: Record, found: Rhythm) -> None:
    """Accept the one rhythm of a short recording."""
    span = RhythmSpan(found.label, found.start_s, found.stop_s, found.probabilities[found.label])
    why_not = "" if found.sure else "What is not sure cannot be accepted."

    def command() -> Command:
        known = cards.installed(words.MODEL)
        if known is None:
            raise InputError(words.NOT_INSTALLED)
        found = desk.rhythm(record_id, choosing.leads(record), choosing.stretch(record), known.id)  # as chosen now: choice and click may arrive together
        return AcceptRhythm.of(found, record.fs_hz, record.n_samples)

    _buttons(held, record, span, f"Accept {found.label}" if found.sure else "Accept", command, why_not)


def of_trend(held: Hand | None, record: Record, trend: RhythmTrend) -> None:
    """Accept the span that is looked at."""
    span = picked(trend)

    def command() -> Command:
        now = picked(trend)
        if now is None:
            raise InputError("no span is chosen; choose one in the list")
        return AcceptRhythm.of_span(now, trend, record.fs_hz, record.n_samples)

    _buttons(held, record, span, f"Accept {words.said_of(span)}" if span else "Accept", command, "" if span else "Choose a span in the list. What is not sure cannot be accepted.")

    if span is not None and held is not None:
        st.button("Show on Review", icon=":material/ecg_heart:", type="tertiary", key="rhythm-show", on_click=_show, args=(held.record_id, held.reading.id))


def _show(record_id: str, reading_id: str) -> None:
    """Open Review where the span begins that is looked at."""
    span: RhythmSpan | None = st.session_state.get(_PICKED)
    if span is not None:
        steering.on_arrival(record_id, span.start_s)
        shell.open_review(record_id, reading_id)


def _buttons(held: Hand | None, record: Record, span: RhythmSpan | None, label: str, command: Callable[[], Command], why_not: str) -> None:
    """Accept, or take back what was accepted; why not where that cannot be; what is marked."""
    if held is None:
        st.button(label, icon=":material/check:", key="rhythm-accept", disabled=True, width="stretch")
        st.caption(NO_READING)
        st.page_link(shell.REVIEW, label="Open it on Review", icon=":material/ecg_heart:")
        return
    there = words.is_marked(held.state, span, record.fs_hz) if span else None
    if there is None:
        disabled = bool(why_not or held.why_not)
        st.button(label, type="primary", icon=":material/check:", key="rhythm-accept", disabled=disabled, on_click=_edit, args=(held.reading.id, command), width="stretch")
    else:
        st.button(
            f"Take back {there.text}",
            icon=":material/undo:",
            key="rhythm-back",
            disabled=bool(held.why_not),
            on_click=_edit,
            args=(held.reading.id, lambda: RemoveMark(there.id)),
            width="stretch",
        )
    if said := st.session_state.get(_SAID):
        st.error(plain(said), icon=":material/error:")
    if reason := held.why_not or why_not:
        st.caption(plain(reason))
    marks = [item for item in held.state.items if item.kind == "rhythm"]
    if marks:
        fs_hz = record.fs_hz
        listed = "; ".join(f"{one.text} {clock(one.start / fs_hz)} to {clock(one.stop / fs_hz)} by {one.author}" for one in marks[:_MOST])
        st.caption(plain(f"Rhythm marks of this reading: {listed}{f' and {len(marks) - _MOST:,} more' if len(marks) > _MOST else ''}."))


def _edit(reading_id: str, command: Callable[[], Command]) -> None:
    """Change the reading; where that cannot be, say why."""
    st.session_state.pop(_SAID, None)
    try:
        user = access.current_user()
        reading = rights.changeable(user, reading_id)
        event = desk.reviews().edit(reading.id, user.name, command(), uuid.uuid4().hex)
    except EcgError as error:
        st.session_state[_SAID] = str(error)
        return
    st.toast(plain(event.said[:1].upper() + event.said[1:]), icon=":material/check:")
