"""The worklist: take recordings in, open them, remove them."""

from dataclasses import replace

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.readers.channels import VOLTAGE_UNITS
from ecgcore.store import Facts, Store, StoredAnalysis, StoredRecord
from ecgcore.store.reviews import Reading
from pages.ui import access, demos, desk, intake, shell, warmup, worklist
from pages.ui.text import plain

WIDTHS = (2.2, 1.0, 1.6, 0.8, 0.9, 1.4, 1.4, 2.2, 0.6)


def main() -> None:
    """The page."""
    shell.go_on_to_review()
    st.title("Records", anchor=False)
    with shell.one_line_errors():
        user = access.current_user()
        store = desk.store()
        left, right = st.columns([3, 2], gap="large")
        with left:
            upload(store, user)
        with right:
            demonstrations(store, user)
        with st.container(gap="xsmall"):
            records(store, user)
    warmup.start()


def upload(store: Store, user: access.User) -> None:
    """Take in what is dropped here; say what became of it. Raises AccessError."""
    access.require(user, "upload")
    turn = st.session_state.setdefault("upload_turn", 0)
    uploaded = st.file_uploader(
        "Add recordings: WFDB, DICOM, EDF, BDF, CSV, Parquet; several files together, or a zip",
        accept_multiple_files=True,
        key=f"upload-{turn}",
        help="A WFDB record needs its .hea and .dat or .mat together; add the .atr if you have it. Files are kept as they are, on this machine.",
    )
    ids = [file.file_id for file in uploaded]
    if uploaded and st.session_state.get("upload_done") != ids:
        bar = st.progress(0.0, "Reading")
        outcome = intake.take_in(store, {file.name: file.getvalue() for file in uploaded}, lambda share, text: bar.progress(share, plain(text)), user.name)
        bar.empty()
        st.session_state.update(upload_done=ids, outcome=outcome)
        if not outcome.refused:  # refused files stay listed: the missing one can be added to them
            st.session_state["upload_turn"] = turn + 1
            st.rerun()
    report(store, user, st.session_state.get("outcome", intake.Intake()))


def report(store: Store, user: access.User, outcome: intake.Intake) -> None:
    """What became of the last upload."""
    for stored in outcome.added:
        st.success(f"{plain(stored.name)} is stored.", icon=":material/check:")
    for stored in outcome.known:
        st.info(f"{plain(stored.name)} was stored already; nothing was added.", icon=":material/info:")
    for reason in outcome.refused:
        st.error(plain(reason), icon=":material/error:")
    for number, waiting in enumerate(outcome.waiting):
        facts_form(store, user, outcome, number, waiting)


def facts_form(store: Store, user: access.User, outcome: intake.Intake, number: int, waiting: intake.Waiting) -> None:
    """Ask for what a file leaves out."""
    with st.form(f"facts-{number}", border=True):
        st.markdown(f"{plain(waiting.reason)}:")
        columns = st.columns(3)
        fs_hz = columns[0].number_input("Sampling rate (Hz)", min_value=1.0, max_value=100_000.0, value=None, format="%g") if "fs_hz" in waiting.facts else None
        units = columns[1].selectbox("Unit of the samples", VOLTAGE_UNITS, index=None) if "units" in waiting.facts else None
        leads = columns[2].text_input("Lead names, in column order", placeholder="I, II, V1") if "leads" in waiting.facts else None
        if st.form_submit_button("Store it with these facts", type="primary"):
            facts = Facts(fs_hz, units, intake.lead_names(leads) if leads else None)
            st.session_state["outcome"] = intake.answered(outcome, number, intake.take_in_one(store, waiting.files, facts, user.name))
            st.rerun()


def demonstrations(store: Store, user: access.User) -> None:
    """Recordings made by Leadwise, to try it with."""
    with st.container(border=True):
        name = st.selectbox("Demo recordings", demos.names(), format_func=demos.label, help="Synthesised by Leadwise: nobody's heart.")
        if st.button("Open demo", icon=":material/play_arrow:", disabled=name is None):
            with shell.one_line_errors(), st.spinner("Making the recording"):
                open_record(demos.stored(store, name, user.name).id)
                shell.go_on_to_review()


def records(store: Store, user: access.User) -> None:
    """The list of what is stored."""
    stored = store.list()
    if not stored:
        st.info("Nothing is stored yet. Drop a recording above, or open a demo recording to look around.", icon=":material/arrow_upward:")
        return
    shown = stored
    if len(stored) > worklist.PAGE:
        shown = worklist.matching(stored, st.text_input("Search", placeholder="name, format or lead"))
        page = st.pagination(max(1, -(-len(shown) // worklist.PAGE)))
        shown = shown[(page - 1) * worklist.PAGE : page * worklist.PAGE]
    for column, text in zip(st.columns(WIDTHS), worklist.HEADER, strict=False):
        column.caption(text)
    for record in shown:
        record_line(store, user, record)


def record_line(store: Store, user: access.User, stored: StoredRecord) -> None:
    """One record: its name opens it, the bin removes it."""
    name, *cells, remove = st.columns(WIDTHS, vertical_alignment="center")
    name.button(plain(stored.name), key=f"open-{stored.id}", type="tertiary", icon=":material/ecg_heart:", help="Open in Review", on_click=open_record, args=(stored.id,))
    reading = next((one for one in desk.reviews().readings(stored.id) if one.kind == "open"), None)
    stored = replace(stored, latest=rests_on(store, stored, reading))
    for cell, text in zip(cells, worklist.line(stored, reading), strict=True):
        cell.markdown(text, help=worklist.how_found(stored.latest) if cell is cells[-1] else None)
    if access.may(user, "delete") and remove.button("", key=f"delete-{stored.id}", icon=":material/delete:", type="tertiary", help=f"Delete {plain(stored.name)}"):
        confirm_delete(store, stored)


def rests_on(store: Store, stored: StoredRecord, reading: Reading | None) -> StoredAnalysis | None:
    """The analysis that the record's shared reading stands on, which opens with it; its newest where nobody has opened it yet."""
    if reading is None or stored.latest is None or reading.analysis_id == stored.latest.id:
        return stored.latest
    return next((one for one in store.analyses(stored.id) if one.id == reading.analysis_id), None)


def open_record(record_id: str) -> None:
    """Go to Review; what the last upload said has been read."""
    st.session_state.pop("outcome", None)
    shell.open_review(record_id)


@st.dialog("Delete this record?")
def confirm_delete(store: Store, stored: StoredRecord) -> None:
    """Ask once more before anything is lost."""
    st.markdown(f"**{plain(stored.name)}**: its {len(stored.files)} uploaded files and all its analyses are removed from this machine. This cannot be undone.")
    if edits := desk.reviews().edits_of(stored.id):
        st.warning(f"{edits:,} edits by readers, and all signatures under them, are lost with it.", icon=":material/warning:")
    if kept := desk.reconstructions().count(stored.id):
        st.warning(f"{kept:,} accepted {'reconstruction is' if kept == 1 else 'reconstructions are'} lost with it.", icon=":material/warning:")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm-delete", on_click=delete, args=(store, stored.id)):
            st.rerun()
        if st.button("Keep", key="keep"):
            st.rerun()


def delete(store: Store, record_id: str) -> None:
    """Remove a record; where that fails, say why in place of what the last upload said."""
    try:
        user = access.current_user()
        access.require(user, "delete")
        store.delete(record_id, user.name)
        st.session_state["outcome"] = intake.Intake()
    except EcgError as error:
        st.session_state["outcome"] = intake.Intake(refused=(str(error),))


if __name__ == "__main__":
    shell.run(main)
