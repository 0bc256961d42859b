"""One record on the strip: its leads, its beats, what a reader makes of them, and what cannot be trusted."""

from typing import Any

import streamlit as st

from ecgcore.figures import trend
from ecgcore.record import Record
from pages.ui import access, analysing, beats, cards, export, hand, opened, shell, signing, steering, strip, strip_data, warmup
from pages.ui.hand import Hand
from pages.ui.panels import beside, disagreements, events, history, measure, models, places, shapes
from pages.ui.text import plain, table

STILL = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
PANELS = {"Events": events.show, "Places": places.show, "Shapes": shapes.show, "Models": models.show, "Measure": measure.show, "History": history.show}


def main() -> None:
    """The page."""
    opened.page(review)


def review(user: access.User, record_id: str, record: Record, reading_id: str | None) -> None:
    """Top to bottom: name, numbers, strip with its panels, trend and tables."""
    reading = hand.reading_of(user, record_id, reading_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        opened.heading(record)
        place = st.empty()
        commands = st.container(horizontal=True, width="content", vertical_alignment="center", gap="small")
    if record.notes:
        st.caption(plain("On reading: " + "; ".join(record.notes)))
    if reading is None:
        first_look(user, record_id, record)
        return
    held = hand.take(user, reading, replayed(record_id, reading.id))
    if held.whose:
        place.badge(plain(held.whose), icon=":material/groups:")
    with commands:
        analysing.another_in_use(held)
        analysing.other_beats(held)
        signing.menu(held)
        export.menu(held)
    headline(held)
    warmup.settle()
    desk_of(held)
    with shell.one_line_errors():
        details(held)


def replayed(record_id: str, reading_id: str) -> int | None:
    """The change after which the reader wants to see the record; None for now."""
    if st.session_state.get("reviewed") != reading_id:
        st.session_state["reviewed"] = reading_id
        for part in (steering, history, measure, models, places):
            part.forget()
    steering.arrive(record_id)
    return history.moment()


def first_look(user: access.User, record_id: str, record: Record) -> None:
    """The signal is there to read while its beats are found; then the page begins anew."""
    numbers = st.container()
    mounted(strip_data.signal_only(user, record_id, record, shell.colours()))
    with numbers, shell.one_line_errors():
        if analysing.first_reading(user, record_id, record) is not None:
            st.rerun()


def desk_of(held: Hand) -> None:
    """The strip, and beside it what is being looked at."""
    found = events.episodes_of(held)
    left, right = st.columns([3, 1.1], gap="small")
    with left:  # first, so that it is on its way while the rest is made
        mounted(strip_data.of_reading(held, found, shell.colours(), steering.wanted(), places.bands(held)))
    with right:
        panels = {"Disagreements": disagreements.show, **PANELS} if held.reading.kind == "adjudication" else PANELS
        if st.session_state.get("panel") not in panels:
            st.session_state["panel"] = next(iter(panels))
        chosen = st.segmented_control("Panel", list(panels), key="panel", label_visibility="collapsed", required=True)
        with st.container(height=580, border=False), shell.one_line_errors():
            panels[chosen or next(iter(panels))](held)
        if chosen != "Places":
            places.beside(held)


def mounted(data: dict[str, Any]) -> None:
    """The strip in the browser."""
    strip.strip(data, key=f"strip-{data['record']['id']}", on_edited=lambda: None, on_renew=lambda: None, on_measure=measure.asked)


def headline(held: Hand) -> None:
    """The numbers that will be quoted, each with how it was got, and what casts doubt on them."""
    said = beats.headline(held)
    for column, number in zip(st.columns(len(said), gap="small"), said, strict=True):
        column.metric(number.label, number.value, help=plain(number.how))
    if held.found.notes:
        st.warning(plain(" ".join(held.found.notes)), icon=":material/warning:")


def details(held: Hand) -> None:
    """Trends, the signal's quality, the reference."""
    annotators = beats.beat_annotators(held.record)
    tabs = st.tabs(["Trends", f"Signal quality ({len(held.found.quality.marks)})", "How beats are classified", *(f"Beside {plain(name)}" for name in annotators)])
    with tabs[0]:
        course(held)
    with tabs[1]:
        st.markdown(plain(beats.usable_text(held.found)))
        marks = beats.quality_rows(held.found)
        st.markdown(table(("Lead", "From", "To", "Kind", "Reason"), marks) if marks else "Nothing was marked.")
    with tabs[2]:
        st.caption(cards.rule(held.reading.model))
    for tab, name in zip(tabs[3:], annotators, strict=True):
        with tab:
            beside.show(held, name)


def course(held: Hand) -> None:
    """Heart rate and ectopic beats of the whole record; a click goes there."""

    def jump() -> None:
        clicked = trend.clicked_s(st.session_state.get("trend"))
        if clicked is not None:
            steering.go_to(clicked)

    figure = trend.figure(held.analysis, shell.colours())
    st.plotly_chart(figure, theme=None, key="trend", on_select=jump, selection_mode="points", config=STILL, alt=trend.alt(held.analysis))
    st.caption("Heart rate of the whole record, 60 / RR (1/min); ticks below it are ectopic beats. Click to go there.")


if __name__ == "__main__":
    shell.run(main)
