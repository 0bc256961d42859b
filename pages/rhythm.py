"""The rhythm as any leads tell it: what is called and how surely, how much each lead weighed, and the course of it along a long recording."""

import streamlit as st

from ecgcore.record import Record
from pages.ui import access, cards, hand, opened, shell, warmup
from pages.ui.rhythm import along, choosing, found, words
from pages.ui.text import plain


def main() -> None:
    """The page."""
    shell.go_on_to_review()
    opened.page(rhythm)


def rhythm(user: access.User, record_id: str, record: Record, reading_id: str | None) -> None:
    """Top to bottom: name, leads, the course of a long recording, the rhythm of one stretch, other leads."""
    access.require(user, "read")
    reading = hand.reading_of(user, record_id, reading_id)
    held = hand.take(user, reading) if reading is not None else None
    with st.container(horizontal=True, vertical_alignment="center"):
        opened.heading(record)
        if held is not None and held.whose:
            st.badge(plain(held.whose), icon=":material/groups:")
    choosing.arrive(record_id, record)
    left, right = st.columns([3, 1.1], gap="small")
    choosing.show(record, left, right)
    warmup.settle()
    known = None
    with shell.one_line_errors():
        known = cards.installed(words.MODEL)
    if known is not None and choosing.is_long(record):
        with shell.one_line_errors():
            along.show(held, record_id, record, known, left, right)
    found.show(held, record_id, record, known, left, right)


if __name__ == "__main__":
    shell.run(main)
