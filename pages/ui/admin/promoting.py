"""Putting a compared model in use: refusals in words, a reason, and an override by name; and what was put in use before."""

from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.evaluation.comparison import WORSE, Comparison
from ecgcore.store.jobs import Job
from pages.ui import access, desk
from pages.ui.admin import parts, verdicts, versions
from pages.ui.text import plain, recently, table

_SAID: Final = "promote-said"


def show(user: access.User, found: Comparison, job: Job) -> None:
    """What stands against it, what is needed for it, and the button; else why it cannot be asked for. Raises EcgError."""
    st.markdown("#### Put in use")
    told()
    name = found.new.partition("@")[0]
    now, standing = desk.promotions().in_use(name), desk.promotions().standing(name)
    if now == found.new:
        since = f" since {recently(standing.at)}" if standing is not None and standing.now == now else ""
        st.markdown(plain(f"{now} is in use{since}. Records opened for the first time are read by it; readings that are there stay as they are."))
        st.button("Roll back or analyse stored records again", type="tertiary", icon=":material/arrow_forward:", key="promote-to-models", on_click=parts.go, args=("models",))
    elif why_not := why_not_asked(found, now):
        st.caption(plain(why_not))
    else:
        ask(user, found, job)
    if history := desk.promotions().history(name):
        with st.expander(f"Promotions of {plain(name)}: {len(history)}"):
            st.markdown(table(versions.HISTORY, versions.history_rows(history)))


def why_not_asked(found: Comparison, now: str) -> str:
    """Why this comparison cannot put its model in use; empty where it can."""
    if found.current == now:
        return ""
    if found.current.partition("@")[0] != now.partition("@")[0]:
        return f"{found.new} would replace {now}, which is in use: compare it with that to promote it."
    return f"{now} is in use by now, not {found.current}: compare {found.new} with {now} to promote it."


def ask(user: access.User, found: Comparison, job: Job) -> None:
    """Refusals, reason, override, button."""
    if found.refusals:
        st.error("Promotion is refused:\n" + "\n".join(f"- {plain(refusal)}" for refusal in found.refusals), icon=":material/block:")
    if not found.refusals and found.verdict == WORSE:
        st.warning("Nothing is refused, and yet it was shown to be worse on some set: see the verdicts above.", icon=":material/warning:")
    left, right = st.columns(2, gap="small", vertical_alignment="bottom")
    reason, override = f"promote-reason-{job.id}", f"promote-override-{job.id}"
    left.text_input("Reason", key=reason, placeholder="needed; it is kept in the log")
    if found.refusals:
        right.text_input(f"To override, type your own name: {plain(user.name)}", key=override, autocomplete="off", help="Kept in the log with your name and what was refused.")
    st.button(f"Put {found.new} in use", type="primary", icon=":material/publish:", key="promote", on_click=_promote, args=(user, job.id, reason, override))
    st.caption(plain(f"In place of {found.current}. Readings and stored analyses stay as they are, with the version that made them; it can be rolled back."))


def told() -> None:
    """What became of the last try."""
    if (said := st.session_state.pop(_SAID, None)) is not None:
        text, good = said
        (st.success if good else st.error)(plain(text), icon=":material/check:" if good else ":material/error:")


def _promote(user: access.User, job_id: str, reason: str, override: str) -> None:
    """What was typed is read now: words and click may arrive together."""
    kept = st.session_state
    try:
        access.require(access.renewed(user), "admin")
        found = verdicts.read(desk.jobs().get(job_id))
        made = desk.promotions().promote(found.new, found, job_id, user.name, str(kept[reason]).strip(), str(kept.get(override, "")).strip())
        kept[_SAID] = (f"{made.now} is in use, in place of {made.was}.", True)
    except EcgError as error:
        kept[_SAID] = (str(error), False)
