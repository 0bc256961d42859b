"""The audit log: who did what to what all users share, searched, page by page, and as a file."""

from typing import Final

import streamlit as st

from pages.ui import access, desk
from pages.ui.admin import entries
from pages.ui.admin.entries import Wanted
from pages.ui.text import plain, table

PAGE: Final = 50
_PAGE: Final = "audit-page"


def show(user: access.User) -> None:
    """Search, table, file. Raises AccessError, StoreError."""
    access.require(user, "admin")
    wanted = search()
    log = desk.audit()
    found = log.count(**wanted.asked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{found:,} {'entry' if found == 1 else 'entries'}**")
        st.download_button(
            "All of them (CSV)", lambda: csv(user, wanted), entries.FILE, "text/csv", icon=":material/download:", disabled=not found, on_click="ignore", key="audit-csv"
        )
    if not found:
        st.info(entries.NOTHING if wanted == Wanted() else "No entry fits what is searched for; leave some of it out.", icon=":material/search_off:")
        return
    pages = -(-found // PAGE)
    if st.session_state.get(_PAGE, 1) > pages:
        st.session_state[_PAGE] = 1
    page = st.pagination(pages, key=_PAGE) if pages > 1 else 1
    st.markdown(table(entries.HEADER, entries.rows(log.search(**wanted.asked, limit=PAGE, offset=(page - 1) * PAGE))))
    st.caption(plain(entries.WHAT_IT_HOLDS))


def search() -> Wanted:
    """What is looked for; it stays while another part or page is open."""
    log = desk.audit()
    text, who, what, first, last = st.columns((2.2, 1.4, 1.4, 1, 1), gap="small")
    said = text.text_input("Search", key="audit-text", type="search", placeholder="a name, a model, a word of the detail", persist_state="session", on_change=_first_page)
    name = who.selectbox("Who", log.users(), None, key="audit-who", placeholder="anyone", persist_state="session", on_change=_first_page)
    deed = what.selectbox("What", log.whats(), None, key="audit-what", placeholder="anything", persist_state="session", on_change=_first_page)
    since = first.date_input("From", None, key="audit-from", format="YYYY-MM-DD", persist_state="session", on_change=_first_page)
    until = last.date_input("To", None, key="audit-to", format="YYYY-MM-DD", help="Days are those of UTC; the last is included.", persist_state="session", on_change=_first_page)
    return Wanted((said or "").strip(), name or "", deed or "", since, until)


def csv(user: access.User, wanted: Wanted) -> str:
    """All entries that fit, a line each. Raises AccessError, StoreError."""
    access.require(access.renewed(user), "admin")
    return desk.audit().csv(**wanted.asked)


def _first_page() -> None:
    st.session_state.pop(_PAGE, None)
