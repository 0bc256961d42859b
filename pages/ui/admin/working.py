"""How far a job of the worker is, beside what waits for it."""

from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from pages.ui import access, desk, shell
from pages.ui.admin import telling
from pages.ui.text import plain

_POLL_S: Final = 1.0


@st.fragment(run_every=_POLL_S)
def watch(user: access.User, job_id: str) -> None:
    """How far it is, and a way to end it; the page begins anew when it has ended."""
    with shell.one_line_errors():
        job = desk.jobs().get(job_id)
        if job.ended:
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.progress(min(job.progress, 1.0), plain(f"{job.title}: {telling.doing(job)}"))
            st.button("Cancel", key=f"cancel-{job.id}", icon=":material/stop:", disabled=job.cancelling, on_click=_cancel, args=(user, job.id))
        if job.status == "queued" and not desk.workers().alive():
            st.caption(telling.NO_WORKER)


def _cancel(user: access.User, job_id: str) -> None:
    try:
        access.require(access.renewed(user), "admin")
        desk.jobs().cancel(job_id, user.name)
    except EcgError as error:
        st.toast(plain(str(error)), icon=":material/error:")
