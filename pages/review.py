"""One record on paper: its leads, its beats, where they lie, and what cannot be trusted."""

from typing import Any

import streamlit as st

from ecgcore.figures import strip, trend, window
from ecgcore.findings import Analysis
from ecgcore.record import Record
from ecgcore.store import Store
from pages.ui import analysing, beats, cards, controls, export, shell
from pages.ui.text import duration, moment, of_patient, plain, table
from pages.ui.view import View, clicked_s

STILL = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def main() -> None:
    """The page."""
    record_id = shell.record_in_hand()
    if record_id is None:
        st.info("No record is open. Choose one on the Records page, or open a demo recording there.", icon=":material/folder_open:")
        st.page_link(shell.RECORDS, label="Go to Records", icon=":material/arrow_back:")
        return
    record = None
    with shell.one_line_errors():
        store = shell.store()
        record = store.open(record_id)
        review(store, record_id, record)
    if record is None:
        st.page_link(shell.RECORDS, label="Go to Records", icon=":material/arrow_back:")


def review(store: Store, record_id: str, record: Record) -> None:
    """Top to bottom: name, choices, numbers, strip, ways to move, trend, details."""
    with st.container(horizontal=True, vertical_alignment="center"):
        heading(record)
        exports = st.container(width="content")
    if record.notes:
        st.caption(plain("On reading: " + "; ".join(record.notes)))
    chosen = controls.choices(record_id, record)
    if not chosen.leads:
        st.info("Choose at least one lead to see its signal and beats.", icon=":material/arrow_upward:")
        return
    here = controls.view(record_id, record, chosen.scale)
    shown = window.read(record, chosen.leads, here.start_s, chosen.scale, chosen.band)
    numbers, movement, paper = st.container(), st.container(), st.empty()
    analysis = None
    with shell.one_line_errors():
        analysis = analysing.stored_analysis(store, record_id, chosen.leads)
        if analysis is None:
            draw(paper, record, shown, chosen, None, first=True)  # the signal is there to read while its beats are found
            with numbers:
                analysis = analysing.analyse(store, record_id, record, chosen.leads)
    draw(paper, record, shown, chosen, analysis)
    with movement:  # above the strip, so that the buttons stay in place whatever its height
        controls.movement(here, record, chosen.scale, analysis)
    with exports:
        export.menu(analysis)
    if analysis:
        with numbers:
            headline(analysis)
        course(analysis, here, chosen.scale)
        details(record, analysis, shown, chosen)


def heading(record: Record) -> None:
    """Name of the record and what its file says."""
    st.title(plain(record.name), anchor=False, width="content")
    said = [record.source.format, f"{record.fs_hz:g} Hz", duration(record.duration_s)]
    if record.start:
        said.append(f"recorded {moment(record.start)}")
    st.caption(plain(" · ".join([*said, *of_patient(record.patient)])))


def headline(analysis: Analysis) -> None:
    """The numbers that will be quoted, each with how it was got, and what casts doubt on them."""
    said = beats.headline(analysis)
    for column, number in zip(st.columns(len(said), gap="small"), said, strict=True):
        column.metric(number.label, number.value, help=plain(number.how))
    if analysis.notes:
        st.warning(plain(" ".join(analysis.notes)), icon=":material/warning:")


def draw(place: Any, record: Record, shown: window.Window, chosen: controls.Choices, analysis: Analysis | None, first: bool = False) -> None:
    """The strip, and what was done to it in print."""
    letters = [beats.letters(analysis, shown)] if analysis else []
    note = ""
    if chosen.annotator:
        annotation = record.annotation(chosen.annotator)
        letters.append(beats.reference(annotation, shown))
        note = beats.rhythm_notes(annotation, shown)
    marks = beats.marks_in(analysis, shown) if analysis else ()
    drawn = strip.Strip(shown, chosen.scale, tuple(letters), marks)
    with place.container(gap="xsmall"):
        st.plotly_chart(strip.figure(drawn, shell.colours()), theme=None, width="content", config=STILL, alt=strip.alt(drawn), key="strip" if analysis else f"signal-{first}")
        printed = f"**{chosen.scale}** · filter **{shown.filtered}** · {record.fs_hz:g} Hz · each lead centred on its median"
        if drawn.leaves_paper:
            st.caption("A trace leaves the paper; choose a lower gain to see all of it.")
        st.caption(printed + (f" · rhythm by {plain(chosen.annotator or '')}: **{plain(note)}**" if note else ""))


def course(analysis: Analysis, here: View, scale: window.Scale) -> None:
    """The whole record; a click goes there."""
    duration_s = analysis.record.duration_s

    def jump() -> None:
        clicked = clicked_s(st.session_state.get("trend"))
        if clicked is not None:
            controls.go_to(clicked, duration_s, scale.window_s)

    st.plotly_chart(
        trend.figure(analysis, (here.start_s, here.start_s + scale.window_s), shell.colours()),
        theme=None,
        key="trend",
        on_select=jump,
        selection_mode="points",
        config=STILL,
        alt=trend.alt(analysis),
    )
    st.caption("Heart rate of the whole record, 60 / RR (1/min); ticks below it are ectopic beats. Click to go there.")


def details(record: Record, analysis: Analysis, shown: window.Window, chosen: controls.Choices) -> None:
    """Tables: the window's beats, the signal's quality, the reference."""
    tabs = st.tabs(["Beats in this window", f"Signal quality ({len(analysis.quality.marks)})", *(["Reference"] if chosen.annotator else [])])
    with tabs[0]:
        rows = beats.beat_rows(analysis, shown)
        st.markdown(table(beats.BEAT_COLUMNS, rows) if rows else "No beat was found in this window.")
        st.caption(cards.rule(analysis.beats.model))
    with tabs[1]:
        st.markdown(plain(beats.usable_text(analysis)))
        marks = beats.quality_rows(analysis)
        st.markdown(table(("Lead", "From", "To", "Kind", "Reason"), marks) if marks else "Nothing was marked.")
    if chosen.annotator:
        with tabs[2]:
            rows = beats.comparison_rows(analysis, record.annotation(chosen.annotator))
            st.markdown(table(("Class", "", analysis.beats.model, f"{plain(chosen.annotator)} (reference)"), rows))
            st.caption("Counts only; a beat-by-beat comparison after EC57 is `python -m ecgcore evaluate`.")


if __name__ == "__main__":
    shell.run(main)
