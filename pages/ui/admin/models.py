"""The models on this machine: which is in use, back to the one before, taken out as a file, taken in, deleted; and stored analyses made anew."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import streamlit as st

from ecgcore import jobs, registry
from ecgcore.errors import EcgError
from ecgcore.inference import cards
from ecgcore.jobs.specs import RecomputeSpec
from ecgcore.store.promotions import Promotion
from pages.ui import access, desk, shell
from pages.ui.admin import versions, working
from pages.ui.admin.versions import Stale, Version
from pages.ui.models import DEFAULT
from pages.ui.text import plain, table

WIDTHS: Final = (1.3, 1.3, 1.9, 3.0, 1.2, 1.0, 1.5, 0.9, 0.9, 0.9)
_SAID: Final = "models-said"
_REASON: Final = "models-back-reason"
_TURN: Final = "models-turn"


def show(user: access.User) -> None:
    """Top to bottom: what became of the last thing asked, the list, refused ones, back, in, analyses. Raises AccessError, EcgError."""
    access.require(user, "admin")
    told()
    history = desk.promotions().history()
    there = versions.every()
    with st.container(gap="xsmall"):
        listed(user, there, history)
    refused()
    with shell.one_line_errors():
        back(user, history)
    left, right = st.columns(2, gap="large")
    with left:
        take_in(user)
    with right, shell.one_line_errors():
        again(user)


def listed(user: access.User, there: Sequence[Version], history: Sequence[Promotion]) -> None:
    """Every model, a line each."""
    for column, text in zip(st.columns(WIDTHS), versions.HEADER, strict=False):
        column.caption(text)
    for one in there:
        name, *cells, out, remove = st.columns(WIDTHS, vertical_alignment="center")
        name.markdown(f"**{plain(one.card.id)}**")
        for cell, text in zip(cells, versions.line(one, history), strict=True):
            cell.markdown(text)
        export(out, user, one)
        why_not = versions.why_not_deletable(one, history)
        asked = remove.button(
            "Delete", key=f"delete-{one.card.id}", type="tertiary", icon=":material/delete:", disabled=bool(why_not), help=f"Not deletable: {plain(why_not)}." if why_not else None
        )
        if asked:
            confirm_delete(user, one)


def export(place: st.delta_generator.DeltaGenerator, user: access.User, one: Version) -> None:
    """One archive of card and weights, made only when it is asked for."""
    place.download_button(
        "Export",
        lambda: archive(user, one.card.id),
        f"{one.card.name}-{one.card.version}{registry.SUFFIX}",
        key=f"export-{one.card.id}",
        type="tertiary",
        icon=":material/download:",
        help=f"Card and weights of {plain(one.card.id)} as one file, which Import takes on another machine.",
        on_click="ignore",
    )


def archive(user: access.User, model_id: str) -> bytes:
    """The archive of a model. Raises AccessError, ModelError."""
    access.require(access.renewed(user), "admin")
    with TemporaryDirectory() as folder:
        return registry.export_model(model_id, Path(folder) / f"model{registry.SUFFIX}", who=user.name, store=desk.store()).read_bytes()


def refused() -> None:
    """Trained models that are not used, and why."""
    if found := cards.refused():
        st.warning(f"{'One model is' if len(found) == 1 else f'{len(found)} models are'} refused, and not used: see why.", icon=":material/block:")
        st.markdown(table(("Folder", "Why"), [(plain(f"{folder.parent.name}/{folder.name}"), plain(why)) for folder, why in found]))


def take_in(user: access.User) -> None:
    """A model from a file: it is checked, and not put in use."""
    st.markdown("**Import a model**", help="An archive that Export made. Its hashes, its card and its network are checked before anything is kept; nothing in it is run.")
    given = st.file_uploader("Archive of a model", key=f"models-archive-{st.session_state.get(_TURN, 0)}", label_visibility="collapsed", max_upload_size=500)
    if given is None:
        st.caption("It stands beside the others and is not in use until it is promoted.")
        return
    with shell.one_line_errors():
        access.require(access.current_user(), "admin")
        taken = registry.import_model(given.getvalue(), who=user.name, store=desk.store())
        _say(f"{taken.id} is taken in. It is not in use.", _next_turn=True)
        st.rerun()


def again(user: access.User) -> None:
    """Stored analyses by other versions, and a way to have them made by the one in use: beside the old ones, which stay."""
    st.markdown(
        "**Stored analyses**",
        help="An analysis carries the version that made it. A reading stays on its own until its reader finds beats again.",
    )
    now = cards.read_card(cards.find(DEFAULT)).id
    found = versions.stale(desk.store().list(), now)
    st.caption(plain(found.said))
    running = next((job for job in desk.jobs().list() if job.kind == "recompute" and not job.ended), None)
    if running is not None:
        working.watch(user, running.id)
        return
    if found.records:
        st.button(f"Analyse {'it' if len(found.records) == 1 else 'them'} again by {now}", icon=":material/refresh:", key="models-again", on_click=_recompute, args=(user, found))
        st.caption("On the leads of the analysis before. Old analyses, readings and signatures stay as they are.")


def back(user: access.User, history: Sequence[Promotion]) -> None:
    """What was put in use, with a way back to what was in use before; and all that was done so."""
    st.markdown("**Put in use, and taken back**")
    if not history:
        st.caption("Nothing was promoted yet: of each model the newest version that came with Leadwise is in use. Promote one under Compare.")
        return
    for name in sorted({promotion.model for promotion in history}):
        if before := desk.promotions().before(name):
            roll_back(user, name, desk.promotions().in_use(name), before)
    st.markdown(table(versions.HISTORY, versions.history_rows(history)))


def roll_back(user: access.User, name: str, now: str, before: str) -> None:
    """A reason and a button."""
    said, reason, button = st.columns((2.2, 3, 1.6), vertical_alignment="bottom")
    said.markdown(f"{plain(now)} is in use; before it was {plain(before)}.")
    key = f"{_REASON}-{name}"
    reason.text_input("Reason to roll back", key=key, placeholder="needed; it is kept in the log")
    button.button(f"Roll back to {before}", key=f"roll-back-{name}", icon=":material/undo:", on_click=_roll_back, args=(user, name, key), width="stretch")


@st.dialog("Delete this model?")
def confirm_delete(user: access.User, one: Version) -> None:
    """Ask once more before anything is lost."""
    st.markdown(f"**{plain(one.card.id)}**, {one.size_mb:.3g} MB, is removed from this machine. This cannot be undone; export it first if it may be wanted again.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm-delete-model", on_click=_delete, args=(user, one.card.id)):
            st.rerun()
        if st.button("Keep", key="keep-model"):
            st.rerun()


def told() -> None:
    """What became of the last thing asked."""
    if (said := st.session_state.pop(_SAID, None)) is not None:
        text, good = said
        (st.success if good else st.error)(plain(text), icon=":material/check:" if good else ":material/error:")


def _say(text: str, *, good: bool = True, _next_turn: bool = False) -> None:
    st.session_state[_SAID] = (text, good)
    if _next_turn:
        st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def _roll_back(user: access.User, name: str, key: str) -> None:
    """What was typed is read now: words and click may arrive together."""
    try:
        access.require(access.renewed(user), "admin")
        done = desk.promotions().roll_back(name, user.name, str(st.session_state[key]).strip())
        _say(f"{done.now} is in use again, in place of {done.was}.")
    except EcgError as error:
        _say(str(error), good=False)


def _delete(user: access.User, model_id: str) -> None:
    try:
        access.require(access.renewed(user), "admin")
        registry.remove_model(desk.store(), model_id, user.name)
        _say(f"{model_id} is deleted.")
    except EcgError as error:
        _say(str(error), good=False)


def _recompute(user: access.User, found: Stale) -> None:
    try:
        access.require(access.renewed(user), "admin")
        jobs.submit(desk.store(), "recompute", f"Analyses by {found.now}", RecomputeSpec(model=found.now, records=found.records), user.name)
    except EcgError as error:
        _say(str(error), good=False)
