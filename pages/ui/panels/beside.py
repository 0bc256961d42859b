"""A reading beside an annotation file of the record: where the two agree, and each beat on which they do not."""

from typing import Final

import streamlit as st

from ecgcore.evaluation import agreement
from ecgcore.figures.clock import clock
from pages.ui import agreeing, steering
from pages.ui.hand import Hand
from pages.ui.panels import listing
from pages.ui.text import plain, table

_FOUND: Final = "beside"


def show(held: Hand, annotator: str) -> None:
    """Kappa by class, and the disagreements one click away."""
    agreed = _agreed(held, annotator)
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        st.markdown(table((*agreeing.COLUMNS[:3], "This reading", plain(annotator), "Both"), agreeing.rows(agreed)))
        st.caption(plain(agreeing.how(agreed)) + " For figures after EC57: `python -m ecgcore evaluate`.")
    with right:
        if not agreed.disagreements:
            st.caption("No disagreement.")
            return
        listing.pick(
            f"beside-{held.reading.id}-{held.state.seq}-{annotator}",
            agreed.disagreements,
            {
                "Time": lambda one: clock(one.sample / held.record.fs_hz, 2),
                "This reading": lambda one: agreeing.of_disagreement(one)[0],
                annotator: lambda one: agreeing.of_disagreement(one)[1],
            },
            lambda one: steering.go_to(one.sample / held.record.fs_hz),
        )


def _agreed(held: Hand, annotator: str) -> agreement.Agreement:
    """Compared once for each change of the reading."""
    key = (held.reading.id, held.state.seq, annotator)
    kept = st.session_state.get(_FOUND)
    if kept is None or kept[0] != key:
        reference = agreement.Labelled.of(held.record.annotation(annotator))
        kept = st.session_state[_FOUND] = (key, agreement.compare(agreeing.of_state(held.state), reference, held.record.fs_hz))
    found: agreement.Agreement = kept[1]
    return found
