"""A training to be begun: which recipe, on what, from which weights, for how long; and this site's data set, a version of which can be frozen."""

from typing import Final, Literal

import streamlit as st

from ecgcore import jobs
from ecgcore.errors import EcgError
from ecgcore.site import CORRECTED_WEIGHT
from ecgcore.store.datasets import DatasetVersion, Manifest
from ecgcore.training.recipes.choices import CHOICES, Choice
from pages.ui import access, desk, shell
from pages.ui.admin import parts, plans, telling
from pages.ui.admin.plans import Plan
from pages.ui.text import moment, plain, table
from pages.ui.watching import watch

From = Literal["tune", "scratch"]
_RECIPE: Final = "train-recipe"
_DATASET: Final = "train-dataset"
_WEIGHT: Final = "train-weight"
_SAID: Final = "train-said"
FIRST_LOOK_S: Final = 0.4
CHANGED: Final = "What is to be trained was changed as it was started; look at what will happen, then start it again."
TUNING_MINUTES: Final = 10.0
MOST_MINUTES: Final = 60.0 * 24 * 14


def show(user: access.User) -> None:
    """The worker; what is chosen and what will happen on the left, this site's data set on the right. Raises AccessError, EcgError."""
    access.require(user, "admin")
    worker_line()
    left, right = st.columns([1.5, 1], gap="large")
    versions = desk.datasets().list()
    with left:
        chosen(user, versions)
    with right, shell.one_line_errors():
        own(user, versions)


def worker_line() -> None:
    """What a training would compute on, or how to start what is missing."""
    alive = desk.workers().alive()
    if not alive:
        st.warning(telling.NO_WORKER, icon=":material/power_off:")
        return
    on = "; ".join(f"{telling.machine(one)} ({one.host})" for one in alive)
    st.caption(f":material/memory: Trains on **{plain(on)}**. One training at a time on a machine; the others wait.")


def chosen(user: access.User, versions: tuple[DatasetVersion, ...]) -> None:
    """The choices, the sentence and the button."""
    st.selectbox("Recipe", [choice.recipe for choice in CHOICES], key=_RECIPE, format_func=lambda recipe: plans.BY_RECIPE[recipe].title, persist_state="session")
    choice = plans.BY_RECIPE[st.session_state[_RECIPE]]
    st.caption(plain(choice.says))
    begin_from(choice)
    _, absent = plans.present(choice)
    public(choice, absent)
    weighed(choice, versions)
    limit(choice)
    plan = planned(versions)
    why_not = plans.why_no_start(plan, absent)
    with st.container(border=True, gap="small"):
        st.markdown(plain(plans.sentence(plan)))
        st.button("Start", type="primary", icon=":material/play_arrow:", key="train-start", disabled=bool(why_not), on_click=_start, args=(user,))
        if why_not:
            st.caption(plain(why_not))
        if said := st.session_state.pop(_SAID, None):
            st.error(plain(said), icon=":material/error:")


def begin_from(choice: Choice) -> None:
    """From the version in use, or from scratch; why not where there is no choice."""
    in_use = plans.in_use(choice.recipe)
    why_not = plans.why_no_tuning(choice, in_use)
    titles = {"tune": f"Fine-tune {in_use.id}" if in_use else "Fine-tune", "scratch": "From scratch"}
    options: list[From] = ["tune", "scratch"]
    st.segmented_control(
        "Begin",
        options,
        default="scratch" if why_not else "tune",
        required=True,
        key=_from_key(choice),
        format_func=titles.__getitem__,
        disabled=bool(why_not),
        persist_state="session",
    )
    if why_not:
        st.caption(plain(why_not))


def public(choice: Choice, absent: dict[str, str]) -> None:
    """The public sets on this machine, and how to get the others."""
    there = [name for name in choice.sets if name not in absent]
    whole = plans.is_whole(choice.recipe, _start_of(choice))
    if whole:
        st.pills(
            "Public data",
            there,
            selection_mode="multi",
            default=there,
            disabled=True,
            key=f"train-whole-{choice.recipe}",
            help="From scratch this recipe learns from all its sets.",
        )
    else:
        st.multiselect("Public data", there, default=there, key=_public_key(choice), placeholder="none", persist_state="session")
    for name, how in absent.items():
        st.caption(f"Not on this machine: {plain(name)}. {how}")


def weighed(choice: Choice, versions: tuple[DatasetVersion, ...]) -> None:
    """A version of this site's data set, and what a corrected beat weighs."""
    numbers = [None, *(version.number for version in versions)]
    if st.session_state.get(_DATASET) not in numbers:
        st.session_state.pop(_DATASET, None)
    by_number = {version.number: version for version in versions}

    def title(number: int | None) -> str:
        return "none" if number is None else f"Data set version {number} · {plans.held(by_number[number].manifest)}"

    st.selectbox("Signed readings of this site", numbers, key=_DATASET, format_func=title, persist_state="session", disabled=not versions)
    if not versions:
        st.caption("No version is frozen yet; freeze one on the right.")
    unused = st.session_state[_DATASET] is None or not choice.takes_site
    st.slider(
        "Weight of a corrected beat", 1.0, 20.0, CORRECTED_WEIGHT, 1.0, format="%g", key=_WEIGHT, disabled=unused, persist_state="session",
        help="Against one of 1 for every other beat. A beat counts as corrected where a reader or an annotation file called it, not the model.",
    )  # fmt: skip


def limit(choice: Choice) -> None:
    """A limit of time, which can be left empty: only without a value of its own does Streamlit let a number be cleared."""
    key = _minutes_key(choice)
    if _start_of(choice):
        st.session_state.setdefault(key, TUNING_MINUTES)
    st.number_input(
        "Time limit, minutes", min_value=0.5, max_value=MOST_MINUTES, value=None, step=5.0, format="%g", key=key, placeholder="none: until its epochs are spent",
        help="Empty for none. A training ends with the epoch in which its minutes are spent. Cut short, it may be worse: its learning rate has not come down yet.",
        persist_state="session",
    )  # fmt: skip


def planned(versions: tuple[DatasetVersion, ...]) -> Plan:
    """What is chosen now."""
    kept = st.session_state
    choice = plans.BY_RECIPE[kept[_RECIPE]]
    start = _start_of(choice)
    there, _ = plans.present(choice)
    picked = choice.sets if plans.is_whole(choice.recipe, start) else tuple(name for name in there if name in kept[_public_key(choice)])
    dataset = next((version for version in versions if version.number == kept[_DATASET]), None)
    return Plan(choice, start, picked, dataset, float(kept[_WEIGHT]), kept[_minutes_key(choice)])


def own(user: access.User, versions: tuple[DatasetVersion, ...]) -> None:
    """What a new version would hold, what is frozen, and what was refused."""
    st.markdown("**Signed readings of this site**")
    st.caption(
        "Split by patient, for good: who is held out, about every fifth once there are five, is never learned from, and new models are compared on him. "
        "Patients of public test splits are refused."
    )
    now = signed_now()
    if now is None:
        return
    if now.records:
        st.markdown(plain(f"Signed off now: {plans.held(now)}."))
    else:
        st.info("No record is signed off that could be learned from. Correct a record on Review and sign it off.", icon=":material/draw:")
    st.button("Freeze version", icon=":material/ac_unit:", key="train-freeze", disabled=not now.records, on_click=_freeze, args=(user,))
    if now.refused:
        with st.expander(f"Refused: {telling.counted(len(now.refused), 'record')}"):
            st.markdown(table(("Record", "Why"), [(plain(one.name), plain(one.why)) for one in now.refused]))
    for version in versions[:3]:
        frozen(version)


def signed_now() -> Manifest | None:
    """What a new version would hold; None while the first look at many signed readings goes on behind the page. Raises EcgError."""
    first = desk.signed_now()
    if first.found is None:
        first.start()
        if first.thread is not None:
            first.thread.join(FIRST_LOOK_S)
        if first.running:
            watch(first)
            return None
        if first.error is not None:
            raise first.error
    return desk.datasets().preview()


def frozen(version: DatasetVersion) -> None:
    """One version, and its records."""
    with st.expander(f"Data set version {version.number}, {moment(version.created)} UTC"):
        st.caption(plain(f"{plans.held(version.manifest)}. Frozen by {version.created_by}; sha256 {version.sha256[:16]}…"))
        st.dataframe(rows(version.manifest), hide_index=True, height="auto")


def rows(manifest: Manifest) -> dict[str, list[object]]:
    """The records of a version, by column."""
    records = sorted(manifest.records, key=lambda record: (record.patient, record.name))
    return {
        "Record": [record.name for record in records],
        "Patient": [record.patient for record in records],
        "Part": [record.part for record in records],
        "Beats": [record.n_beats for record in records],
        "Corrected": [record.corrected for record in records],
    }


def _start(user: access.User) -> None:
    """Ask for the training as chosen now, and go to its job."""
    try:
        access.require(access.renewed(user), "admin")
        if not _is_shown(plans.BY_RECIPE[st.session_state[_RECIPE]]):
            st.session_state[_SAID] = CHANGED
            return
        plan = planned(desk.datasets().list())
        if why_not := plans.why_no_start(plan, plans.present(plan.choice)[1]):
            st.session_state[_SAID] = why_not
            return
        job = jobs.submit(desk.store(), "train", plan.title, plan.spec, user.name)
    except EcgError as error:
        st.session_state[_SAID] = str(error)
        return
    parts.go("jobs", **{parts.JOB: job.id})


def _is_shown(choice: Choice) -> bool:
    """Whether what is chosen was on the page with all its choices: a click may arrive together with the choice of another recipe, whose own nobody has seen."""
    kept = st.session_state
    return _from_key(choice) in kept and _minutes_key(choice) in kept and (plans.is_whole(choice.recipe, _start_of(choice)) or _public_key(choice) in kept)


def _freeze(user: access.User) -> None:
    """Keep what is signed now as a version, and choose it."""
    try:
        access.require(access.renewed(user), "admin")
        version = desk.datasets().freeze(user.name)
    except EcgError as error:
        st.toast(plain(str(error)), icon=":material/error:")
        return
    st.session_state[_DATASET] = version.number
    st.toast(f"Data set version {version.number} is frozen.", icon=":material/ac_unit:")


def _start_of(choice: Choice) -> str | None:
    """The version gone on from as chosen now; None for from scratch."""
    in_use = plans.in_use(choice.recipe)
    tunes = st.session_state[_from_key(choice)] == "tune" and not plans.why_no_tuning(choice, in_use)
    return in_use.id if in_use and tunes else None


def _from_key(choice: Choice) -> str:
    return f"train-from-{choice.recipe}"


def _public_key(choice: Choice) -> str:
    return f"train-public-{choice.recipe}"


def _minutes_key(choice: Choice) -> str:
    return f"train-minutes-{'tune' if _start_of(choice) else 'scratch'}"
