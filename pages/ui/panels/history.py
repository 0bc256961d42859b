"""What became of the reading: every change with who, when, what was and what is; replay; signatures."""

from typing import Final

import streamlit as st

from ecgcore.figures.clock import clock
from ecgcore.review import Event
from pages.ui import desk, steering
from pages.ui.hand import Hand
from pages.ui.panels import listing
from pages.ui.text import moment as of_day
from pages.ui.text import plain

MOST: Final = 300
_MOMENT: Final = "moment"


def show(held: Hand) -> None:
    """Signatures, the way back in time, and the changes, newest first."""
    signatures(held)
    events = desk.reviews().events(held.reading.id)
    if not events:
        st.caption("Nothing was changed yet: these are the beats as the model found them.")
        return
    last = events[-1].seq
    shown = st.slider(
        "Replay: after change",
        0,
        last,
        value=last if held.moment is None else held.moment,
        key=f"{_MOMENT}-{last}",
        help="0 is what the model found. Editing goes on at the last change.",
    )
    st.session_state[_MOMENT] = None if shown == last else shown
    if st.session_state[_MOMENT] != held.moment:
        st.rerun()
    listing.pick(
        f"history-{held.reading.id}-{last}",
        events[: -MOST - 1 : -1],
        {
            "#": lambda event: event.seq,
            "What": lambda event: event.said,
            "Where": lambda event: clock(where / held.record.fs_hz, 1) if (where := _where(event)) is not None else "",
            "Who": lambda event: event.who,
            "When (UTC)": lambda event: event.at.strftime("%Y-%m-%d %H:%M:%S"),
        },
        lambda event: steering.go_to(where / held.record.fs_hz) if (where := _where(event)) is not None else None,
        {
            "#": st.column_config.NumberColumn(width=36),
            "What": st.column_config.TextColumn(width=130),
            "Where": st.column_config.TextColumn(width=76),
            "Who": st.column_config.TextColumn(width=90),
        },
    )
    if len(events) > MOST:
        st.caption(f"The last {MOST} of {len(events):,} changes; all of them are in the JSON export.")


def moment() -> int | None:
    """The change after which the reading is to be shown; None for now."""
    return st.session_state.get(_MOMENT)


def forget() -> None:
    """Another record is in hand."""
    st.session_state.pop(_MOMENT, None)


def signatures(held: Hand) -> None:
    """Who signed what, and when."""
    for signed in desk.reviews().signoffs(held.reading.id):
        said = f": {plain(signed.statement)}" if signed.statement else ""
        st.markdown(f"**Version {signed.version}** signed by {plain(signed.who)}, {of_day(signed.at)} UTC, after change {signed.seq}{said}", help=f"sha256 {signed.sha256}")


def _where(event: Event) -> int | None:
    """The first sample that the event touched."""
    change = event.change
    beats = [int(marks.samples[0]) for marks in (change.beats_are, change.beats_were) if len(marks)]
    return min(beats + [item.start for item in (*change.items_are, *change.items_were)], default=None)
