"""A confusion matrix whose cells open the beats behind them, each with its neighbours and a way to Review."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.evaluation import cells as evaluation
from ecgcore.evaluation.cells import Cells
from ecgcore.figures import neighbours
from ecgcore.inference.cards import Card
from ecgcore.leads import lead_ii
from pages.ui import access, cells, desk, shell, steering
from pages.ui.cells import Test
from pages.ui.panels import listing
from pages.ui.text import plain

MOST: Final = 2000  # lines of a list
_STILL: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def show(card: Card, test: Test, number: int) -> None:
    """The matrix; the beats of the cell chosen; the beat chosen among them."""
    key = f"{card.id}-{number}"
    st.markdown(f"**{plain(test.title)}: beats behind the confusion matrix**")
    found = cells.kept(card, test)
    absent = "" if found else cells.why_absent(test)
    counted = cells.matrix(test, found)
    st.caption(plain(said(test, found)))
    left, right = st.columns([1, 1.1], gap="large")
    with left:
        if counted is not None:
            grid(counted, key, disabled=bool(absent))
        if absent:
            st.info(plain(absent), icon=":material/download:")
        elif found is None:
            found = count(card, test, key)
    chosen = st.session_state.get(f"cell-{key}")
    if found is None or chosen is None:
        return
    with right:
        place = beats(found, key, *chosen)
    if place is not None:
        with left, shell.one_line_errors():
            picture(test, found, place, key)


def said(test: Test, found: Cells | None) -> str:
    """Of what the matrix is."""
    left_out = f" {found.left_out:,} beats of classes that the model does not have are left out." if found is not None and found.left_out else ""
    protocol = f"{len(test.records)} records of {test.data_set}, {evaluation.PROTOCOL}."
    if test.table is None:
        return f"{protocol}{left_out}" + (f" {found.confusion.n:,} beats counted on this machine." if found is not None else "")
    if found is None:
        name, run = cells.first_run(test.table)
        return f"As in the table: {name}, {run.n:,} beats. Choose a cell to see its beats; they are then counted on this machine."
    return cells.beside_table(found, test.table) + left_out


def grid(counted: Mapping[tuple[str, str], int], key: str, disabled: bool) -> None:
    """A button a cell, rows reference, columns called."""
    classes = list(dict.fromkeys(reference for reference, _ in counted))
    chosen = st.session_state.get(f"cell-{key}")
    st.caption("Rows: reference. Columns: called by the model. Choose a cell to see its beats.")
    for reference in classes:
        for column, called in zip(st.columns(len(classes), gap="xsmall"), classes, strict=True):
            column.button(
                f"{reference}→{called} **{counted[reference, called]:,}**",
                key=f"cell-{key}-{reference}-{called}",
                type="primary" if chosen == (reference, called) else "secondary",
                width="stretch",
                disabled=disabled,
                help=f"{counted[reference, called]:,} beats: {reference} by the reference, called {called}",
                on_click=st.session_state.update,
                args=({f"cell-{key}": (reference, called), f"count-{key}": True},),
            )


def count(card: Card, test: Test, key: str) -> Cells | None:
    """Have the test beats classified, with a bar and a way to stop; None until that was asked for."""
    wanted = f"count-{key}"
    if not st.session_state.get(wanted):
        if test.table is None:
            st.button("Count the beats on this machine", icon=":material/play_arrow:", key=f"start-{key}", on_click=st.session_state.update, args=({wanted: True},))
        return None
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Classifying …")
        st.button("Stop", icon=":material/stop:", key=f"stop-{key}", on_click=st.session_state.pop, args=(wanted,))
    try:
        cells.count(card, test, lambda share, text: bar.progress(min(share, 1.0), f"{text.capitalize()} …"))
    except EcgError as error:
        st.session_state.pop(wanted, None)
        st.error(plain(str(error)), icon=":material/error:")
        return None
    finally:
        place.empty()
    st.session_state.pop(wanted, None)
    st.rerun()


def beats(found: Cells, key: str, reference: str, called: str) -> int | None:
    """The list of one cell; the place of the beat chosen, None where none is."""
    places = found.behind(reference, called).tolist()
    st.markdown(f"**{reference} called {called}: {len(places):,} {'beat' if len(places) == 1 else 'beats'}**")
    if not places:
        st.caption("No beat is in this cell.")
        return None
    shown = places[:MOST]
    chosen = listing.pick(
        f"beats-{key}-{reference}-{called}",
        shown,
        {
            "Record": lambda place: found.records[int(found.record[place])],
            "Time": lambda place: cells.at(found, place),
            "Reference": lambda place: str(found.reference[place]),
            "Called": lambda place: str(found.called[place]),
            "Probability": lambda place: float(found.probability[place]),
        },
        None,
        {"Probability": st.column_config.NumberColumn(format="%.3f", help="The model's, of the class it calls")},
    )
    cut = f" The first {MOST:,} of {len(places):,}." if len(places) > MOST else ""
    st.caption(f"Those of which the model is most certain come first.{cut} Choose a line to see the beat.")
    return chosen


def picture(test: Test, found: Cells, place: int, key: str) -> None:
    """The beat with its neighbours, and the way to Review."""
    record = cells.record_of(test, found, place)
    lead = lead_ii(record.leads)
    samples, letters, chosen = cells.neighbours(found, place)
    st.markdown(f"**{plain(record.name)}** at {cells.at(found, place)}")
    drawn = neighbours.figure(record, lead, samples, letters, chosen, shell.colours())
    st.plotly_chart(drawn, theme=None, config=_STILL, alt=neighbours.alt(record, lead, samples, letters, chosen), key=f"beat-{key}")
    st.caption("Letters are the reference; S→N: the model calls it N." + (" Beats without a letter are of a class that the model does not have." if found.left_out else ""))
    st.button("Open in Review", icon=":material/ecg_heart:", key=f"review-{key}", on_click=open_in_review, args=(test, record.name, found.seconds(place)))


def open_in_review(test: Test, name: str, at_s: float) -> None:
    """Have the record stored, as if it were uploaded, and opened at the beat: for callbacks."""
    try:
        user = access.current_user()
        access.require(user, "upload")
        stored = cells.into_store(desk.store(), test, name, user.name)
    except EcgError as error:
        st.toast(plain(str(error)), icon=":material/error:")
        return
    steering.on_arrival(stored.id, at_s)
    shell.open_review(stored.id)
