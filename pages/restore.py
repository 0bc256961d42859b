"""Signal that is missing: a gap of a lead filled, the next seconds foreseen; accepted beside the record, or discarded."""

from functools import partial
from typing import Any

import streamlit as st

from ecgcore.record import Record
from pages.ui import access, dashed, desk, gaps, hand, opened, restoring, shell, steering, strip, strip_data
from pages.ui.text import plain


def main() -> None:
    """The page."""
    opened.page(restore)


def restore(user: access.User, record_id: str, record: Record, reading_id: str | None) -> None:
    """Top to bottom: name, strip and what is asked of the model, what was accepted."""
    with st.container(horizontal=True, vertical_alignment="center"):
        opened.heading(record)
    st.caption(plain(gaps.WHAT_IT_IS))
    reading = hand.reading_of(user, record_id, reading_id)
    held = hand.take(user, reading) if reading is not None else None
    restoring.arrive(record_id, record, hand.first_leads(record)[0])
    left, right = st.columns([3, 1.1], gap="small")
    with right, st.container(height=640, border=False), shell.one_line_errors():
        restoring.panel(user, record_id, record, held.found.quality.marks if held else None)
    with left:
        told = strip_data.of_reading(held, (), shell.colours(), steering.wanted()) if held else strip_data.signal_only(user, record_id, record, shell.colours())
        mounted(record_id, record, told)
        with shell.one_line_errors():
            restoring.kept(user, record_id)


def mounted(record_id: str, record: Record, told: dict[str, Any]) -> None:
    """The strip, with a view of its own: at first of the lead chosen alone. It shows what is only looked at too, and lets a gap be marked."""
    marked = restoring.marked()
    name = f"{record_id}-restore"
    drawn = dashed.drawn(record, desk.reconstructions().of(record_id), restoring.candidate())
    shown = {"goto": steering.wanted(), "record": {**told["record"], "id": name, "first_leads": [marked["lead"]]}, "reconstructions": drawn, "gap": marked}
    strip.strip({**told, **shown}, key=f"strip-{name}", on_edited=lambda: None, on_renew=lambda: None, on_measure=lambda *_: None, on_gap=partial(restoring.mark, record))


if __name__ == "__main__":
    shell.run(main)
