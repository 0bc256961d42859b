"""What leaves the app: the findings of the record in hand, as files."""

from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from ecgcore.findings import Analysis
from ecgcore.record import Annotation
from pages.ui.text import plain

ANNOTATOR = "lw"


def menu(analysis: Analysis | None) -> None:
    """Findings as files; made only when they are asked for."""
    with st.popover("Export", icon=":material/download:", disabled=analysis is None):
        if analysis is None:
            return
        name = analysis.record.name
        st.download_button("Findings (JSON)", lambda: analysis.to_json(indent=1), f"{name}.leadwise.json", "application/json", on_click="ignore", width="stretch")
        st.download_button("Beats (WFDB annotations)", lambda: annotations(analysis), f"{name}.{ANNOTATOR}", on_click="ignore", width="stretch")
        st.caption(plain(f"By {analysis.beats.model} on {', '.join(analysis.leads)}. Not reviewed by a physician."))


def annotations(analysis: Analysis) -> bytes:
    """The beats as a WFDB annotation file, readable by any WFDB tool."""
    from ecgcore.writers import wfdb

    beats = analysis.beats
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"record.{ANNOTATOR}"
        wfdb.write_annotation(Annotation.of(ANNOTATOR, beats.samples, beats.codes), analysis.record.fs_hz, path)
        return path.read_bytes()
