"""The jobs: the list, and one of them with its progress, its curves, its log and what came of it."""

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from ecgcore.figures import learning
from ecgcore.store.jobs import Job
from pages.ui import access, desk, shell
from pages.ui.admin import parts, telling, working
from pages.ui.text import moment, plain, table

POLL_S: Final = 2.0
PAGE: Final = 15
MOST: Final = 500
LINES: Final = 200
FEW_LINES: Final = 7
WIDTHS: Final = (3.4, 1.3, 1.6, 1.5, 1.0, 2.0, 0.7)
LATEST: Final = "the latest"
EVIDENCE: Final = "pages/evidence.py"
STILL: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def show(user: access.User) -> None:
    """The job that the address names; all of them where it names none. Raises AccessError, EcgError."""
    access.require(user, "admin")
    if job_id := st.query_params.get(parts.JOB):
        st.button("All jobs", icon=":material/arrow_back:", type="tertiary", on_click=parts.go, args=("jobs",))
        one(user, desk.jobs().get(job_id))
        return
    there = desk.jobs().list(MOST)
    if not there:
        st.info("There is no job yet. A training, a comparison or a new analysis of stored records is a job; begin one on Retrain.", icon=":material/pending_actions:")
        st.button("Go to Retrain", icon=":material/model_training:", on_click=parts.go, args=("retrain",))
        return
    st.fragment(listed, run_every=POLL_S if any(not job.ended for job in there[:PAGE]) else None)()


def listed() -> None:
    """The jobs, a line each, the newest first."""
    with shell.one_line_errors():
        there, now = desk.jobs().list(MOST), datetime.now(UTC)
        if any(job.status == "queued" for job in there):
            working.waits()
        pages = -(-len(there) // PAGE)
        page = st.pagination(pages, key="jobs-page") if pages > 1 else 1
        with st.container(gap="xsmall"):
            for column, text in zip(st.columns(WIDTHS), telling.HEADER, strict=True):
                column.caption(text)
            for job in there[(page - 1) * PAGE : page * PAGE]:
                job_line(job, now)


def job_line(job: Job, now: datetime) -> None:
    """One job: its title opens it."""
    title, *cells = st.columns(WIDTHS, vertical_alignment="center")
    if title.button(plain(job.title), key=f"job-{job.id}", type="tertiary", icon=telling.icon(job), help=plain(job.error) if job.error else None):
        parts.go("jobs", **{parts.JOB: job.id})
        st.rerun()  # the button is within a fragment, which alone would be run anew
    for cell, text in zip(cells, telling.line(job, now), strict=True):
        cell.markdown(plain(text))


def one(user: access.User, job: Job) -> None:
    """A job: followed while it runs, then what came of it."""
    st.subheader(plain(job.title), anchor=False)
    st.caption(f"{plain(telling.asked(job))}  \n{plain(telling.who(job))}")
    if job.ended:
        ended(job)
        course(job)
        log(user, job)
        return
    st.fragment(live, run_every=POLL_S)(user, job.id)


def live(user: access.User, job_id: str) -> None:
    """How far it is, and a way to end it; the page begins anew when it has ended."""
    with shell.one_line_errors():
        job = desk.jobs().get(job_id)
        if job.ended:
            st.rerun()
        working.how_far(user, job, telling.doing(job))
        course(job)
        log(user, job)


def ended(job: Job) -> None:
    """What came of it, or why nothing did."""
    if job.status == "failed":
        st.error(plain(job.error or "It failed, and left no reason."), icon=telling.icon(job))
    elif job.status == "cancelled":
        st.info(f"Cancelled at {job.progress:.0%}. Nothing came of it.", icon=telling.icon(job))
    elif job.kind == "train":
        trained(job)
    elif job.kind == "compare":
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("The comparison is done.")
            st.button("Open the comparison", type="primary", icon=":material/balance:", on_click=parts.go, args=("compare",), kwargs={parts.JOB: job.id})
    else:
        st.success(plain(telling.recomputed(job)), icon=telling.icon(job))
        failed = telling.failures(job, {record.id: record.name for record in desk.store().list()})
        if failed:
            st.markdown(table(("Record", "Why not"), [(plain(name), plain(why)) for name, why in failed[:PAGE]]))


def trained(job: Job) -> None:
    """The new version, and what to do with it."""
    model = str(telling.result(job).get("model", ""))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(model)}** is trained. It is not in use until you promote it.")
        st.button("Compare it", type="primary", icon=":material/balance:", on_click=parts.go, args=("compare",), kwargs={parts.MODEL: model})
        st.page_link(EVIDENCE, label="Its card on Evidence", icon=":material/fact_check:")
    measured = telling.figures(job)
    if measured:
        with st.expander(f"What the training measured: {telling.counted(len(measured), 'figure')}"):
            st.markdown(table(("Figure", "Value", "Protocol"), [(plain(name), value, plain(how)) for name, value, how in measured]))
    else:
        st.caption("The training itself measured nothing of it; the comparison does.")


def course(job: Job) -> None:
    """The curves of one of its trainings, beside each other where they cannot share an axis."""
    if job.kind != "train":
        return
    points = desk.jobs().points(job.id)
    if not points:
        if not job.ended:
            st.caption("Curves begin with the first epoch.")
        return
    there = telling.parts(points)
    chosen = LATEST
    if len(there) > 1:
        chosen = st.selectbox("Curves of", (LATEST, *there), key=f"part-{job.id}", format_func=lambda part: f"the latest: {there[-1]}" if part == LATEST else part, width=320)
    drawn = telling.curves(points, there[-1] if chosen == LATEST else chosen)
    epochs = learning.last_epoch(drawn)
    groups = learning.grouped(drawn)
    columns = st.columns(max(2, len(groups)), gap="medium")
    for number, (column, group) in enumerate(zip(columns, groups, strict=False)):
        column.plotly_chart(learning.curves(group, shell.colours(), epochs), theme=None, config=STILL, alt=learning.alt(group), key=f"curves-{job.id}-{number}")
    st.caption(plain(telling.HOW_CURVES))


def log(user: access.User, job: Job) -> None:
    """Its log, the newest last, and all of it as a file."""
    lines = desk.jobs().lines(job.id)

    def whole() -> str:
        access.require(access.renewed(user), "admin")
        return telling.log(desk.jobs().lines(job.id))

    with st.container(horizontal=True, vertical_alignment="center"):
        newest = f", the newest {LINES} of {len(lines):,} lines" if len(lines) > LINES else ""
        st.markdown(f"**Log**, times in UTC{newest}", width="content")
        st.download_button(
            "Download", whole, f"{job.kind}-{moment(job.created)[:10]}-{job.id[:8]}.log", "text/plain", on_click="ignore", type="tertiary", icon=":material/download:"
        )
    with st.container(height=230 if len(lines) > FEW_LINES else "content", border=True, autoscroll=True):
        st.text(telling.log(lines, LINES) or ("It left no line." if job.ended else "Nothing yet."))
