"""The system: workers, queue and database, room on the disk, users and roles."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import streamlit as st

from ecgcore import settings
from ecgcore.errors import EcgError
from ecgcore.jobs import runs
from ecgcore.jobs.queue import Queue
from ecgcore.store import health as databases
from ecgcore.store import room
from ecgcore.store.jobs import RUNNING
from pages.ui import access, desk, shell
from pages.ui.admin import health, telling
from pages.ui.text import plain, table

KEPT_S: Final = 30  # for so long what was measured on the disk is shown again
MOST_USERS: Final = 50  # of more, nobody's last entry is looked up


def show(user: access.User) -> None:
    """Workers, queue and database on the left; disk and users on the right. What does not answer says so in its place. Raises AccessError."""
    access.require(user, "admin")
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        for part in (workers, queue, database):
            with shell.one_line_errors():
                part()
    with right:
        with shell.one_line_errors():
            storage(user)
        with shell.one_line_errors():
            users()


def workers() -> None:
    """Who does long work, and whether he is there."""
    st.markdown("**Workers**")
    there, now = desk.workers().list(), datetime.now(UTC)
    if not any(one.alive(now) for one in there):
        st.warning(telling.NO_WORKER, icon=":material/power_off:")
    if there:
        st.markdown(table(health.WORKERS, health.workers(there, now)))
        st.caption("A worker says every two seconds that it is there.")


def queue() -> None:
    """What waits for a worker."""
    st.markdown("**Queue**")
    waiting, running = desk.jobs().waiting(), desk.jobs().list()
    with closing(Queue()) as there:
        messages = len(there.waiting())
    counts = f"{telling.counted(len(waiting), 'job')} waiting, {sum(job.status == RUNNING for job in running)} running, {telling.counted(messages, 'message')} in the queue"
    st.markdown(plain(f"{health.queue(settings.queue_url())}: {counts}."))


def database() -> None:
    """How it answers, and what is in it."""
    found = databases.look(desk.store())
    st.markdown(table(*health.database(found)))
    st.caption(plain(health.rows(found)))


def storage(user: access.User) -> None:
    """Room on the disk, and some of it given back."""
    st.markdown("**Storage**")
    home = settings.home()
    st.markdown(table(("What", "Room"), health.storage(*_measured(home))))
    st.caption(plain(f"In {home}, measured at most {KEPT_S} s ago."))
    folders = runs.ended(desk.jobs())
    st.button(
        "Remove runs of ended jobs", icon=":material/delete_sweep:", key="remove-runs", disabled=not folders, on_click=_remove_runs, args=(user,),
        help="What a training keeps to go on from. Models, logs and curves stay. That of a training that is done goes by itself.",
    )  # fmt: skip
    if not folders:
        st.caption("No run of an ended job is kept.")


def users() -> None:
    """Who may do what, and where that is stated."""
    st.markdown("**Users and roles**")
    rules, now = access.rules(), datetime.now(UTC)
    names = access.readers()
    last = {}
    if len(names) <= MOST_USERS:
        last = {name: found[0].at for name in names if (found := desk.audit().search(who=name, limit=1))}
    st.markdown(table(("User", "Role", "Last in the audit log"), health.users(rules, last, now)))
    st.caption(plain(health.where_roles_are(rules, [str(path) for path in access.secrets_files()])))
    st.caption(health.WHAT_ROLES_MAY)


@st.cache_data(ttl=KEPT_S, max_entries=4, show_spinner=False)
def _measured(home: Path) -> tuple[dict[str, int], int]:
    return room.taken(home), room.free(home)


def _remove_runs(user: access.User) -> None:
    try:
        access.require(access.renewed(user), "admin")
        given_back = runs.remove_ended(desk.store(), user.name)
    except EcgError as error:
        st.toast(plain(str(error)), icon=":material/error:")
        return
    _measured.clear()
    st.toast(f"{telling.gigabytes(given_back)} given back.", icon=":material/check:")
