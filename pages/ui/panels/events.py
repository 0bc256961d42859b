"""The events of the recording, found by criteria the reader can change, or its uncertain beats: sorted, and one click away."""

from dataclasses import fields
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ecgcore import episodes
from ecgcore.episodes import KINDS, SORTS, Criteria, Episode
from ecgcore.figures.clock import clock
from pages.ui import beats, steering
from pages.ui.hand import Hand
from pages.ui.panels import listing
from pages.ui.text import plain

_CRITERIA: Final = "criteria"
_FOUND: Final = "episodes"
_AROUND_S: Final = 4.0  # shown before and after a long event
_SPAN_S: Final = 10.0
_NAMES: Final = {
    "ventricular_run_beats": "V run, beats or more",
    "ventricular_tachycardia_bpm": "V run is tachycardia from, 1/min",
    "supraventricular_run_beats": "S run, beats or more",
    "pattern_cycles": "Bigeminy, trigeminy: cycles or more",
    "pause_s": "Pause, s or more",
    "bradycardia_bpm": "Bradycardia below, 1/min",
    "bradycardia_beats": "Bradycardia, beats or more",
    "tachycardia_bpm": "Tachycardia above, 1/min",
    "tachycardia_beats": "Tachycardia, beats or more",
    "noise_s": "Noise, s or more",
}


def show(held: Hand) -> None:
    """The events, or, where the model's card says what is uncertain, the beats that are."""
    uncertain = beats.uncertain(held)
    if uncertain is not None and st.toggle("Uncertain beats only", key="events_uncertain", help=plain(uncertain.how)):
        uncertain_beats(held, uncertain.places)
    else:
        events(held)


def events(held: Hand) -> None:
    """Kinds, order, criteria; the list of events."""
    found = episodes_of(held)
    counted = {kind: sum(one.kind == kind for one in found) for kind in KINDS}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        wanted = st.multiselect(
            "Kinds",
            [kind for kind, n in counted.items() if n],
            format_func=lambda kind: f"{kind} ({counted.get(kind, 0):,})",
            placeholder=f"All {len(found):,} events",
            key="event_kinds",
        )
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        order = st.selectbox("Sort by", list(SORTS), key="event_order", width=150)
        criteria_menu()
    shown = episodes.sorted_by([one for one in found if not wanted or one.kind in wanted], order)
    if not shown:
        st.caption("No event by these criteria." if not found else "No such event.")
        return
    listing.pick(
        f"events-{held.reading.id}-{held.state.seq}-{order}-{','.join(wanted)}-{hash(_criteria())}",
        shown,
        {
            "Time": lambda one: clock(one.start_sample / held.record.fs_hz, 1),
            "Event": lambda one: one.text,
            "Lasts": lambda one: one.duration_s,
            "Unsure": lambda one: one.uncertainty if one.uncertainty == one.uncertainty else None,
        },
        lambda one: go_to(one, held),
        {
            "Time": st.column_config.TextColumn(width=78),
            "Event": st.column_config.TextColumn(width=162),
            "Lasts": st.column_config.NumberColumn(width=56, format="%.1f s"),
            "Unsure": st.column_config.NumberColumn(width=52, format="%.2f", help="1 − mean probability of the classes shown; none where a reader or a file says so"),
        },
    )
    st.caption("A click goes there; E and Shift+E on the strip step through all events in time.")


def uncertain_beats(held: Hand, places: NDArray[np.int64]) -> None:
    """Their order, and the list of the beats at these places; the criteria stay within reach, for the strip steps by them."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        order = st.selectbox("Sort by", ["time", "uncertainty"], key="uncertain_order", width=150)
        criteria_menu()
    if not places.size:
        st.caption("No beat is uncertain.")
        return
    shown = places if order == "time" else places[np.argsort(held.certainty[places], kind="stable")]
    samples, labels, certainty = held.state.samples, held.state.labels, held.certainty
    listing.pick(
        f"uncertain-{held.reading.id}-{held.state.seq}-{order}",
        shown.tolist(),
        {
            "Time": lambda place: clock(samples[place] / held.record.fs_hz, 2),
            "Class": lambda place: str(labels[place]),
            "Probability": lambda place: float(certainty[place]),
        },
        lambda place: steering.go_to(samples[place] / held.record.fs_hz, select=[int(samples[place])]),
        {
            "Time": st.column_config.TextColumn(width=84),
            "Class": st.column_config.TextColumn(width=56),
            "Probability": st.column_config.NumberColumn(width=84, format="%.2f", help="That the model gives to the class it calls"),
        },
    )
    st.caption("A click goes there and selects the beat, so that a key gives it another class.")


def episodes_of(held: Hand) -> tuple[Episode, ...]:
    """The events of the reading by the reader's criteria; found once for each change of either."""
    key = (held.reading.id, held.state.seq, held.found.leads, _criteria())
    kept = st.session_state.get(_FOUND)
    if kept is None or kept[0] != key:
        found = episodes.find(held.state.samples, held.state.labels, held.record.fs_hz, _criteria(), certainty=held.certainty, blind_s=held.blind_s, noise_s=held.noise_s)
        kept = st.session_state[_FOUND] = (key, found)
    return kept[1]


def go_to(one: Episode, held: Hand) -> None:
    """Have the strip show an event, all of it where it is long."""
    start_s, stop_s = one.start_sample / held.record.fs_hz, one.stop_sample / held.record.fs_hz
    long = stop_s - start_s > _SPAN_S - 2
    steering.go_to((start_s + stop_s) / 2, min(stop_s - start_s + 2 * _AROUND_S, 60.0) if long else None)


def criteria_menu() -> None:
    """What makes an event, each with its source."""
    with st.popover("Criteria", icon=":material/tune:"):
        for field in fields(Criteria):
            if field.type is bool:
                continue
            low, high = (field.type(field.metadata[end]) for end in ("least", "most"))
            step = 1 if field.type is int else 0.1 if field.name.endswith("_s") else 5.0
            st.number_input(
                _NAMES[field.name], low, high, field.default, step, key=f"{_CRITERIA}-{field.name}", help=field.metadata["source"], format="%d" if field.type is int else "%g"
            )
        st.toggle("Single ectopic beats too", key=f"{_CRITERIA}-isolated")


def _criteria() -> Criteria:
    """The reader's criteria; the defaults where he changed none."""
    changed = {field.name: st.session_state[key] for field in fields(Criteria) if (key := f"{_CRITERIA}-{field.name}") in st.session_state}
    return Criteria(**changed)
