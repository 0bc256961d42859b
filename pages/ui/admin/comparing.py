"""Two versions of a model compared on patients that neither should have learned from: asked for, followed, and told."""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from ecgcore import jobs
from ecgcore.errors import EcgError
from ecgcore.evaluation.comparison import Comparison, SetComparison
from ecgcore.figures import comparison as figures
from ecgcore.inference import cards
from ecgcore.inference.beats import TASK as BEATS
from ecgcore.jobs.specs import CompareSpec
from ecgcore.store.datasets import DatasetVersion
from ecgcore.store.jobs import CANCELLED, DONE, FAILED, Job
from ecgcore.store.manifest import patients
from pages.ui import access, desk, shell
from pages.ui.admin import parts, promoting, verdicts, versions, working
from pages.ui.admin.versions import Version
from pages.ui.text import duration, moment, plain, table

STILL: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
MOST_JOBS: Final = 10_000  # comparisons of a desk's whole life
_NEW: Final = "compare-new"
_WITH: Final = "compare-with"
_DATASET: Final = "compare-dataset"
_NO_DATASET: Final = 0  # versions count from 1; None would stand for nothing chosen
_SAID: Final = "compare-said"


def show(user: access.User) -> None:
    """What is compared with what; how far that is; what came of it; and whether it is put in use. Raises AccessError, EcgError."""
    access.require(user, "admin")
    there = versions.newest_first(versions.every())
    if len(there) < 2:
        st.info("There are no two models to compare. Train one under Retrain, or import one under Models.", icon=":material/balance:")
        return
    done = desk.jobs().list(MOST_JOBS, "compare")
    new, current = choose(user, there)
    if current is None:
        st.caption(plain(f"There is no other model for {new.card.task!r} to compare {new.card.id} with."))
        return
    of_pair = verdicts.of_pair(done, new.card.id, current)
    running = next((job for job in of_pair if not job.ended), None)
    if running is not None:
        working.watch(user, running.id)
    asked = st.query_params.get(parts.JOB)
    newest = next((job for job in of_pair if job.status == DONE and asked in (None, job.id)), None)
    failure(of_pair)
    if newest is not None:
        with shell.one_line_errors():
            names = {one.card.name for one in there if versions.kind(one.card) == BEATS}
            outcome(user, desk.jobs().get(newest.id), verdicts.looks(done, names))
    elif running is None:
        st.caption(plain(f"{new.card.id} and {current} were not compared yet. Both are asked about the same patients; it takes a minute or two, and this page can be left."))


def choose(user: access.User, there: Sequence[Version]) -> tuple[Version, str | None]:
    """The new model, what it is compared with (None where there is nothing), and this site's data set; and the button."""
    by_id = {one.card.id: one for one in there}
    at_first = next((one.card.id for one in there if one.trained and not one.in_use), there[0].card.id)
    named = arrive(by_id)
    if st.session_state.get(_NEW) not in by_id or named in by_id:
        st.session_state[_NEW] = named if named in by_id else at_first
    first, second, third, last = st.columns((1.5, 1.5, 2.2, 0.8), gap="small", vertical_alignment="bottom")
    first.selectbox("New model", list(by_id), key=_NEW, format_func=lambda one: title(by_id[one]), persist_state="session", on_change=_follow)
    new = by_id[st.session_state[_NEW]]
    others = versions.comparable(new, there)
    if not others:
        return new, None
    key = f"{_WITH}-{new.card.id}"
    if st.session_state.get(key) not in (None, *(one.card.id for one in others)):
        st.session_state.pop(key)
    second.selectbox("Compared with", [one.card.id for one in others], key=key, format_func=lambda one: title(by_id[one]), persist_state="session", on_change=_follow)
    current = st.session_state[key]
    site(third, desk.datasets().list())
    last.button("Compare", type="primary", icon=":material/balance:", key="compare-begin", width="stretch", on_click=_begin, args=(user, new.card.id, key))
    if said := st.session_state.pop(_SAID, None):
        st.error(plain(said), icon=":material/error:")
    return new, current


def arrive(by_id: Mapping[str, Version]) -> str | None:
    """The new model that the address names, by itself or by a comparison; what that was made with is chosen too. None where it names none."""
    job_id = st.query_params.get(parts.JOB)
    if job_id is None:
        return st.query_params.get(parts.MODEL)
    asked = verdicts.spec(desk.jobs().get(job_id))
    if asked.current in by_id:
        st.session_state[f"{_WITH}-{asked.new}"] = asked.current
    return asked.new


def title(one: Version) -> str:
    """A model in a list of choices."""
    return f"{one.card.id}{', in use' if one.in_use else ''}{f', trained {moment(one.since)}' if one.trained else ''}"


def site(place: st.delta_generator.DeltaGenerator, frozen: Sequence[DatasetVersion]) -> None:
    """Of this site's patients those held out of a data set version, or none."""
    by_number = {one.number: one for one in frozen}
    if st.session_state.get(_DATASET) not in (None, _NO_DATASET, *by_number):
        st.session_state.pop(_DATASET)

    def held_out(number: int) -> str:
        return _held_out(by_number[number]) if number in by_number else "none"

    options = [*sorted(by_number, reverse=True), _NO_DATASET]
    place.selectbox("This site's held-out patients", options, key=_DATASET, format_func=held_out, persist_state="session", disabled=not frozen)


def failure(of_pair: Sequence[Job]) -> None:
    """Why the last try came to nothing, where it did."""
    last = next((job for job in of_pair if job.ended), None)
    if last is not None and last.status == FAILED:
        st.error(plain(f"The last comparison failed: {last.error}"), icon=":material/error:")
    elif last is not None and last.status == CANCELLED:
        st.caption("The last comparison was cancelled.")


def outcome(user: access.User, job: Job, looks: str) -> None:
    """The verdict, set by set, figure by figure; what stands against it; and whether the model is put in use. Raises EcgError."""
    found = verdicts.read(job)
    st.markdown(f"### {verdicts.headline(found)}", help=plain(verdicts.how_decided(found)))
    site_said = f"with this site's data set version {found.site}" if found.site is not None else "without patients of this site"
    st.caption(plain(f"Compared {moment(job.finished)} UTC for {job.created_by}, {site_said}, in {duration(60 * found.minutes)}."))
    stale(found)
    if found.sets:
        st.markdown(table(*verdicts.by_set(found)))
    if found.refusals:
        st.markdown(f":material/block: **Promotion is refused**, {'for a reason' if len(found.refusals) == 1 else f'for {len(found.refusals)} reasons'} given below.")
    for tab, one in zip(st.tabs([plain(one.name) for one in found.sets]) if found.sets else (), found.sets, strict=True):
        with tab:
            one_set(found, one)
    whole(found, looks)
    with shell.one_line_errors():
        promoting.show(user, found, job)


def stale(found: Comparison) -> None:
    """A model that has other weights by now than those compared."""
    for model, compared in ((found.new, found.new_sha256), (found.current, found.current_sha256)):
        try:
            now = cards.read_card(cards.find(model)).sha256
        except EcgError as error:
            st.warning(plain(str(error)), icon=":material/warning:")
            continue
        if now != compared:
            st.warning(plain(f"{model} has other weights now than those compared; compare again."), icon=":material/warning:")


def one_set(found: Comparison, one: SetComparison) -> None:
    """Figures with their differences, beat by beat, patient by patient, and how far the probabilities can be believed."""
    colours, alone = shell.colours(), found.model_copy(update={"sets": (one,)})
    st.caption(plain(f"{one.protocol}. {verdicts.units(one)}"))
    left, right = st.columns((1.6, 1), gap="medium")
    with left:
        st.markdown(table(verdicts.EC57_HEADER, verdicts.figure_rows(one)))
    with right:
        st.plotly_chart(figures.forest(alone, colours), theme=None, config=STILL, alt=figures.forest_alt(alone), key=f"forest-{one.name}")
    if said := verdicts.mcnemar(found, one):
        st.markdown(plain(said))
    if one.patients:
        left, right = st.columns((1.6, 1), gap="medium")
        with left:
            by_patient(one)
        with right:
            calibration(found, one)
    st.markdown("\n".join(f"- {plain(caveat)}" for caveat in verdicts.caveats(one)))


def by_patient(one: SetComparison) -> None:
    """Who gains and who loses."""
    st.markdown(f"**{plain(verdicts.patients_said(one))}**", help="Right: reference beats called by their class, in %. Then changes, new less current, in percentage points.")
    share, change = st.column_config.NumberColumn(format="%.1f"), st.column_config.NumberColumn(format="%+.2f")
    config = {name: share if name in verdicts.SHARES else change for name in (*verdicts.SHARES, verdicts.CHANGE, *verdicts.BY_PATIENT)}
    st.dataframe(verdicts.patient_columns(one), hide_index=True, height="auto", placeholder="–", column_config=config, key=f"patients-{one.name}")


def calibration(found: Comparison, one: SetComparison) -> None:
    """Reliability of both."""
    if one.calibration_new is None or one.calibration_current is None:
        return
    st.markdown("**Reliability of the most probable class**")
    drawn, said = figures.calibrations(one, found.new, found.current, shell.colours()), figures.calibrations_alt(one, found.new, found.current)
    st.plotly_chart(drawn, theme=None, config=STILL, alt=said, key=f"calibration-{one.name}")
    st.caption(plain(verdicts.calibration(found, one)))


def whole(found: Comparison, looks: str) -> None:
    """What holds for all sets, and how to do it again."""
    said = [*found.caveats, *([looks] if any(one.name == verdicts.LOOKED_AT for one in found.sets) else [])]
    st.markdown("\n".join(f"- {plain(line)}" for line in said))
    st.markdown(f"`{found.command}` · git {plain(found.git_commit)}")


def _held_out(frozen: DatasetVersion) -> str:
    n = patients(frozen.manifest.held_out)
    return f"version {frozen.number}: {n:,} {'patient' if n == 1 else 'patients'}, {moment(frozen.created)}"


def _follow() -> None:
    """The address names the model that was chosen."""
    parts.go("compare", **{parts.MODEL: st.session_state[_NEW]})


def _begin(user: access.User, new: str, key: str) -> None:
    """Ask for the comparison as chosen now."""
    try:
        access.require(access.renewed(user), "admin")
        current = str(st.session_state[key])
        jobs.submit(desk.store(), "compare", f"{new} against {current}", CompareSpec(new=new, current=current, dataset=st.session_state[_DATASET] or None), user.name)
        parts.go("compare", **{parts.MODEL: new})
    except EcgError as error:
        st.session_state[_SAID] = str(error)
