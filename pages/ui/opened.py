"""The record that a page is about: found, named, or said to be none."""

from collections.abc import Callable

import streamlit as st

from ecgcore.record import Record
from pages.ui import access, desk, shell
from pages.ui.text import duration, moment, of_patient, plain


def page(show: Callable[[access.User, str, Record, str | None], None]) -> None:
    """Show the record in hand, given with its user, id and the reading asked for; where there is none, say how to come to one."""
    record_id, reading_id = shell.record_in_hand()
    if record_id is None:
        st.info("No record is open. Choose one on the Records page, or open a demo recording there.", icon=":material/folder_open:")
        st.page_link(shell.RECORDS, label="Go to Records", icon=":material/arrow_back:")
        return
    record = None
    with shell.one_line_errors():
        user = access.current_user()
        record = desk.record(record_id)
        show(user, record_id, record, reading_id)
    if record is None:
        st.page_link(shell.RECORDS, label="Go to Records", icon=":material/arrow_back:")


def heading(record: Record) -> None:
    """Name of the record and what its file says."""
    st.title(plain(record.name), anchor=False, width="content")
    said = [record.source.format, f"{record.fs_hz:g} Hz", duration(record.duration_s)]
    if record.start:
        said.append(f"recorded {moment(record.start)}")
    st.caption(plain(" · ".join([*said, *of_patient(record.patient)])))
