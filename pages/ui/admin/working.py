"""How far a job of the worker is, beside what waits for it."""

from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.store.jobs import Job
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
        how_far(user, job, f"{job.title}: {telling.doing(job)}")


def how_far(user: access.User, job: Job, text: str) -> None:
    """A bar with a text, a button that ends the job, and why it does not begin where that is for want of a worker."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(min(max(job.progress, 0.0), 1.0), plain(text))
        st.button("Cancel", key=f"cancel-{job.id}", icon=":material/stop:", disabled=job.cancelling, on_click=_cancel, args=(user, job.id))
    if job.status == "queued":
        waits()


def waits() -> None:
    """Why what is queued does not begin, where that is for want of a worker."""
    if not desk.workers().alive():
        st.warning(telling.NO_WORKER, icon=":material/power_off:")


def _cancel(user: access.User, job_id: str) -> None:
    try:
        access.require(access.renewed(user), "admin")
        desk.jobs().cancel(job_id, user.name)
    except EcgError as error:
        st.toast(plain(str(error)), icon=":material/error:")
