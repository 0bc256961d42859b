"""Which part of the Admin page is open: the address says so, and nothing else."""

from typing import Final, Literal, get_args

import streamlit as st

Part = Literal["retrain", "jobs", "compare", "models", "audit", "system"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
PART: Final = "part"
JOB: Final = "job"
MODEL: Final = "model"
_TITLES: Final[dict[Part, str]] = {
    "retrain": ":material/model_training: Retrain",
    "jobs": ":material/pending_actions: Jobs",
    "compare": ":material/balance: Compare",
    "models": ":material/inventory_2: Models",
    "audit": ":material/history: Audit",
    "system": ":material/monitor_heart: System",
}
_CHOSEN: Final = "admin-part"


def choose() -> Part:
    """The part that is open, and the row of all of them to choose another by."""
    st.session_state[_CHOSEN] = here()
    st.segmented_control("Part", PARTS, key=_CHOSEN, format_func=_TITLES.__getitem__, required=True, on_change=_follow, label_visibility="collapsed")
    return here()


def here() -> Part:
    """The part that the address names; the first where it names none."""
    wanted = st.query_params.get(PART)
    return next((part for part in PARTS if part == wanted), PARTS[0])


def go(part: Part, **about: str) -> None:
    """Open a part, about a job or a model where they are given: for callbacks."""
    st.query_params.from_dict({PART: part, **about})


def _follow() -> None:
    go(st.session_state[_CHOSEN])
