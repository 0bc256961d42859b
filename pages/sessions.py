"""Review sessions: records and readers, how far each is, where they agree, and what is left to decide."""

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.store.reviews import Reading
from ecgcore.store.sessions import Session
from pages.ui import access, agreeing, analysing, desk, hand, models, shell
from pages.ui.text import moment, plain, table

SESSION = "session"


def main() -> None:
    """The page."""
    st.title("Sessions", anchor=False)
    with shell.one_line_errors():
        user = access.current_user()
        access.require(user, "read")
        there = visible(user)
        wanted = st.query_params.get(SESSION)
        chosen = next((session for session in there if session.id == wanted), None)
        if chosen is not None:
            one(user, chosen)
            return
        if access.may(user, "session"):
            begin(user)
        listed(there)


def visible(user: access.User) -> tuple[Session, ...]:
    """A reader's own sessions; all of them for whoever may make sessions."""
    return desk.sessions().list() if access.may(user, "session") else desk.sessions().list(user.name)


def listed(there: tuple[Session, ...]) -> None:
    """The sessions, a line each."""
    if not there:
        st.info("There is no session yet. A session gives the same records to one or more readers, each blind to the others.", icon=":material/groups:")
        return
    widths = (2.4, 0.8, 3.0, 1.4, 1.6)
    for column, text in zip(st.columns(widths), ("Session", "Records", "Readers", "Signed", "Begun (UTC)"), strict=True):
        column.caption(text)
    for session in there:
        readings = [reading for reading in desk.sessions().readings(session.id) if reading.kind == "session"]
        signed = sum(reading.signed is not None for reading in readings)
        cells = st.columns(widths, vertical_alignment="center")
        cells[0].button(plain(session.name), key=f"open-{session.id}", type="tertiary", icon=":material/groups:", on_click=st.query_params.update, kwargs={SESSION: session.id})
        cells[1].markdown(f"{len(session.records)}")
        cells[2].markdown(plain(", ".join(session.readers)) + (" (blind)" if session.blind and len(session.readers) > 1 else ""))
        cells[3].markdown(f"{signed} of {len(session.records) * len(session.readers)}")
        cells[4].markdown(moment(session.created))


def begin(user: access.User) -> None:
    """A form for a new session."""
    stored = {record.id: record for record in desk.store().list()}
    with st.expander("New session", icon=":material/add:"):
        if not stored:
            st.caption("Store a recording on the Records page first.")
            return
        name = st.text_input("Name", max_chars=100, placeholder="e.g. Second reading, November")
        records = st.multiselect("Records", list(stored), format_func=lambda record_id: stored[record_id].name, key="session_records")
        readers = st.multiselect("Readers", access.readers(), default=[user.name], key="session_readers", help="Each gets his own copy of every record.")
        blind = st.toggle("Readers are blind to each other until both have signed a record", value=True)
        if st.button("Begin", type="primary", disabled=not (name.strip() and records and readers)):
            st.query_params[SESSION] = started(user, name.strip(), records, readers, blind).id
            st.rerun()


def started(user: access.User, name: str, records: list[str], readers: list[str], blind: bool) -> Session:
    """A new session; records that were never analysed are analysed first. Raises EcgError."""
    analyses = {}
    for record_id in records:
        record = desk.record(record_id)
        leads = hand.first_leads(record)
        found = analysing.stored(record_id, leads, models.DEFAULT) or analysing.analyse(record_id, record, leads, models.DEFAULT)
        if found is None:
            raise access.AccessError(f"{record.name} was not analysed; begin the session again")
        analyses[record_id] = found.id
    return desk.sessions().start(name, records, readers, user.name, blind=blind, analyses=analyses)


def one(user: access.User, session: Session) -> None:
    """A session: who has read what, and how far readers agree."""
    st.button("All sessions", icon=":material/arrow_back:", type="tertiary", on_click=st.query_params.clear)
    st.subheader(plain(session.name), anchor=False)
    blind = " Blind until both have signed." if session.blind and len(session.readers) > 1 else ""
    st.caption(plain(f"Begun by {session.created_by}, {moment(session.created)} UTC. Readers: {', '.join(session.readers)}.{blind}"))
    by_record: dict[str, list[Reading]] = {record_id: [] for record_id in session.records}
    for reading in desk.sessions().readings(session.id):
        by_record[reading.record_id].append(reading)
    names = {record.id: record.name for record in desk.store().list()}
    for record_id, readings in by_record.items():
        with st.container(border=True, gap="small"):
            st.markdown(f"**{plain(names[record_id])}**")
            with shell.one_line_errors():
                one_record(user, session, record_id, readings)


def one_record(user: access.User, session: Session, record_id: str, readings: list[Reading]) -> None:
    """The readings of one record, and how far they agree once all are signed."""
    own = [reading for reading in readings if reading.kind == "session"]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for reading in readings:
            status = f"signed, version {reading.signed.version}" if reading.signed else "begun" if reading.seq else "not begun"
            who = "adjudication" if reading.kind == "adjudication" else reading.reader
            seen = not agreeing.why_hidden(user, reading)
            st.button(f"{plain(who)}: {status}", key=f"read-{reading.id}", icon=":material/ecg_heart:", disabled=not seen, on_click=shell.open_review, args=(record_id, reading.id))
    shell.go_on_to_review()
    if len(own) < 2:
        return
    if any(reading.signed is None for reading in own):
        st.caption("Agreement is shown when every reader has signed.")
        return
    agreed = agreeing.between(own[0], own[1])
    st.markdown(table(agreeing.COLUMNS, agreeing.rows(agreed)))
    st.caption(plain(agreeing.how(agreed)))
    if access.may(user, "adjudicate") and not any(reading.kind == "adjudication" for reading in readings):
        st.button(
            f"Adjudicate {agreeing.counted(len(agreed.disagreements))}",
            icon=":material/gavel:",
            key=f"adjudicate-{record_id}",
            on_click=adjudicate,
            args=(user, session, record_id),
        )


def adjudicate(user: access.User, session: Session, record_id: str) -> None:
    """Begin the adjudication and open it."""
    try:
        access.require(access.renewed(user), "adjudicate")
        reading = desk.sessions().adjudication(session.id, record_id, user.name)
        shell.open_review(record_id, reading.id)
    except EcgError as error:
        st.toast(str(error), icon=":material/error:")


if __name__ == "__main__":
    shell.run(main)
