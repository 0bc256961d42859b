"""What leaves the app and what enters a reading: annotation files, tables, the whole history."""

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from ecgcore import imports
from ecgcore.errors import EcgError
from ecgcore.reconstructed import standing
from ecgcore.review import ReplaceBeats
from ecgcore.writers import reconstructed
from ecgcore.writers import review as review_files
from pages.ui import access, desk, provenance
from pages.ui.hand import Hand
from pages.ui.text import plain

ANNOTATOR = "lw"


def menu(held: Hand) -> None:
    """The reading as files, made only when they are asked for, and an annotation file taken in."""
    with st.popover("Export", icon=":material/download:"):
        name = held.record.name
        st.download_button("Beats and marks (WFDB annotations)", lambda: annotation_file(held), f"{name}.{ANNOTATOR}", on_click="ignore", width="stretch")
        st.download_button("Beats (CSV)", lambda: beats_csv(held), f"{name}.beats.csv", "text/csv", on_click="ignore", width="stretch")
        st.download_button("Everything, with its history (JSON)", lambda: review_json(held), f"{name}.review.json", "application/json", on_click="ignore", width="stretch")
        if standing(held.accepted):
            st.download_button("Reconstructed signal (CSV)", lambda: reconstructed_csv(held), f"{name}{reconstructed.SUFFIX}", "text/csv", on_click="ignore", width="stretch")
        st.caption(plain(provenance.line(held)))
        take_in(held)


def annotation_file(held: Hand) -> bytes:
    """Beats, rhythm, artefact and comments as a WFDB annotation file, readable by any WFDB tool. Raises AccessError."""
    from ecgcore.writers import wfdb

    access.require(access.renewed(held.user), "read")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"record.{ANNOTATOR}"
        made = review_files.annotation(held.state, held.record.fs_hz, ANNOTATOR, held.record.leads, provenance.of(held), held.accepted)
        wfdb.write_annotation(made, held.record.fs_hz, path)
        return path.read_bytes()


def beats_csv(held: Hand) -> str:
    """A line a beat. Raises AccessError."""
    access.require(access.renewed(held.user), "read")
    return review_files.beats_csv(held.state, held.record.fs_hz, provenance.of(held), held.found.beats)


def review_json(held: Hand) -> str:
    """Beats, marks, every change with who, when, what was and what is, and the analysis they began from. Raises AccessError."""
    access.require(access.renewed(held.user), "read")
    return review_files.review_json(held.state, desk.reviews().events(held.reading.id), held.found, provenance.of(held), held.accepted)


def reconstructed_csv(held: Hand) -> str:
    """A line a sample of the reconstructions that stand beside the record. Raises AccessError."""
    access.require(access.renewed(held.user), "read")
    return reconstructed.reconstructed_csv(held.accepted, provenance.of(held).lines())


def take_in(held: Hand) -> None:
    """An annotation file in place of the beats of the reading; one undo goes back."""
    st.divider()
    given = st.file_uploader("Take beats from a WFDB annotation file (.atr)", key=f"atr-{held.reading.id}-{held.state.seq}", disabled=bool(held.why_not))
    if given is None or held.why_not:
        return
    if not st.button(f"Replace the {len(held.state.samples):,} beats by those of {plain(given.name)}"):
        return
    try:
        taken = imports.annotation_file(given.getvalue(), given.name, held.record)
        event = desk.reviews().edit(held.reading.id, held.user.name, ReplaceBeats(taken.beats, taken.items), uuid.uuid4().hex)
    except EcgError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.toast(plain("; ".join([event.said, *taken.notes])))
    st.rerun()
