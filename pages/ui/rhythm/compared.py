"""The same stretch seen by other leads: usual subsets side by side, and the leads chosen without each one of them."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.figures.rhythm import probability as probability_text
from ecgcore.inference.cards import Card
from ecgcore.record import Record
from ecgcore.rhythm_findings import Rhythm
from pages.ui import desk
from pages.ui.panels import listing
from pages.ui.rhythm import choosing, words
from pages.ui.rhythm.choosing import Span
from pages.ui.rhythm.words import Compared
from pages.ui.text import plain

_ALL_PX = 500


def show(record_id: str, record: Record, known: Card, now: Rhythm, span_s: Span) -> None:
    """Both tables, when all of it is there."""
    usual, dropped = words.subsets(record), words.without_each(now.leads)
    place = st.empty()
    done: list[int] = []

    def told(name: str) -> None:
        place.progress(len(done) / (len(usual) + len(dropped)), plain(f"Looking at {name} …"))
        done.append(1)

    subsets = _of(record_id, known, usual, span_s, told)
    without = _of(record_id, known, dropped, span_s, told)
    place.empty()
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**On other leads**", help="The same stretch by the same model. A click on a line chooses its leads.")
        listing.pick(
            "rhythm-subsets",
            subsets,
            _columns("Leads") | {"Probability": lambda one: _said(one.probability())},
            lambda one: choosing.choose_leads(one.leads),
            _config("Leads"),
            _ALL_PX,
        )
    with right:
        st.markdown("**Without each lead**", help="The leads chosen but for one. A click on a line chooses the leads that are left.")
        if not without:
            st.caption("Two leads or more must be chosen for one to be left out.")
            return
        probability, changed = f"p({now.label})", "Change"
        columns = _columns("Without") | {probability: lambda one: _said(one.probability(now.label)), changed: lambda one: words.change(now, one.found)}
        key = f"rhythm-without-{'-'.join(now.leads)}"
        listing.pick(key, without, columns, lambda one: choosing.choose_leads(one.leads), _config("Without", probability, changed), _ALL_PX)


def _of(record_id: str, known: Card, those: Mapping[str, tuple[str, ...]], span_s: Span, told: Callable[[str], None]) -> list[Compared]:
    """The rhythm on each choice of leads; why not where none can be told."""
    made = []
    for name, leads in those.items():
        told(", ".join(leads))
        try:
            made.append(Compared(name, leads, desk.rhythm(record_id, leads, span_s, known.id)))
        except EcgError as error:
            made.append(Compared(name, leads, None, str(error)))
    return made


def _said(value: float | None) -> str:
    return "" if value is None else probability_text(value)


def _columns(first: str) -> dict[str, Callable[[Compared], object]]:
    return {first: lambda one: one.name, "Rhythm": lambda one: one.said}


def _config(first: str, probability: str = "Probability", changed: str = "") -> dict[str, Any]:
    config = {
        first: st.column_config.TextColumn(width=110),
        "Rhythm": st.column_config.TextColumn(width="medium"),
        probability: st.column_config.TextColumn(width=80, help="Of the most probable rhythm, called or not" if not changed else None),
    }
    return config | ({changed: st.column_config.NumberColumn(width=70, format="%+.2f")} if changed else {})
