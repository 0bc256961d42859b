"""The rhythm along a long recording: made behind the page, its share of atrial fibrillation, its spans, one click away."""

from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.figures import rhythm as figures
from ecgcore.figures.clock import clock
from ecgcore.inference.cards import Card
from ecgcore.record import Record
from ecgcore.rhythm_findings import RHYTHM_NAMES, RhythmSpan, RhythmTrend
from pages.ui import desk, shell
from pages.ui.hand import Hand
from pages.ui.making import Making
from pages.ui.panels import listing
from pages.ui.rhythm import accepting, choosing, words
from pages.ui.rhythm.choosing import Place
from pages.ui.text import plain
from pages.ui.watching import watch

MOST: Final = 1000
MOVING: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
_WANTED: Final = "rhythm-wanted"
_ALL: Final = "all"


def show(held: Hand | None, record_id: str, record: Record, known: Card, left: Place, right: Place) -> None:
    """A button; how far it is; or what came of it."""
    making = _wanted(record_id)
    if making is not None and making.found is not None:
        with left:
            told(record_id, record, known, making.found)
        with right:
            spans(held, record, making.found)
            accepting.of_trend(held, record, making.found)
        return
    with left:
        if making is not None and making.running:
            watch(making)
        else:
            ask(record_id, record, known, making)


def ask(record_id: str, record: Record, known: Card, before: Making[RhythmTrend] | None) -> None:
    """The button, and what became of the last try."""
    if before is not None and before.error is not None:
        if not isinstance(before.error, EcgError):
            raise before.error
        st.error(plain(str(before.error)), icon=":material/error:")
    chosen = choosing.leads(record)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Follow the rhythm along the record", type="primary", icon=":material/timeline:", key="rhythm-follow", disabled=not chosen, on_click=_begin, args=(record_id, known.id)
        )
        on = f" on {', '.join(chosen)}" if chosen else ""
        st.caption(plain(f"{known.id} goes through all of the {clock(record.duration_s)} in windows of 10 s{on}. It can be stopped; meanwhile the page goes on."))


def told(record_id: str, record: Record, known: Card, found: RhythmTrend) -> None:
    """Numbers, and the course with its windows."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        for name, (value, how) in {"AF burden": words.burden(found), "Judged": words.judged(found), "Longest AF": words.longest(found)}.items():
            st.metric(name, value, help=plain(how), width="content")
        if (chosen := choosing.leads(record)) and chosen != found.leads:
            st.button(f"Again on {', '.join(chosen)}", icon=":material/refresh:", type="tertiary", key="rhythm-again", on_click=_begin, args=(record_id, known.id))
    course(record, known, found)


def course(record: Record, known: Card, found: RhythmTrend) -> None:
    """The figure; a click on a window shows it below."""

    def jump() -> None:
        at = figures.clicked_window(st.session_state.get("rhythm-course"))
        if at is None or at >= found.starts_s.size:
            return
        start_s = float(found.starts_s[at])
        choosing.choose_stretch(record, RhythmSpan("", start_s, start_s + found.window_s, 0.0))
        accepting.pick(next((span for span in found.spans() if span.start_s <= start_s < span.stop_s), None))

    figure = figures.trend(found, shell.colours(), known.certain_from, choosing.shown(record))
    st.plotly_chart(figure, theme=None, key="rhythm-course", on_select=jump, selection_mode="points", config=MOVING, alt=figures.trend_alt(found))
    by = f"{found.model} on {', '.join(found.leads)}, by windows of {found.window_s:g} s"
    st.caption(plain(f"{by}; hatched and crossed: not sure. Under it the probability of the most probable rhythm; a click shows that window below, where the band is."))


def spans(held: Hand | None, record: Record, found: RhythmTrend) -> None:
    """The spans in time; a click shows one below."""
    every = found.spans()
    labels = list(dict.fromkeys(span.label for span in every))
    if not every:
        st.caption("Nowhere is a rhythm sure enough to be called.")
        return
    label = st.selectbox(
        "Spans",
        [_ALL, *labels],
        key="rhythm-label",
        format_func=lambda one: f"All rhythms: {words.counted(len(every))}" if one == _ALL else RHYTHM_NAMES.get(one, one),
        label_visibility="collapsed",
    )
    shown = [span for span in every if label in (_ALL, span.label)][:MOST]

    def choose(span: RhythmSpan) -> None:
        choosing.choose_stretch(record, span)
        accepting.pick(span)

    listing.pick(
        f"rhythm-spans-{found.model}-{found.leads}-{label}-{held.state.seq if held else ''}",
        shown,
        {
            "From": lambda span: clock(span.start_s),
            "Rhythm": lambda span: span.label,
            "Lasts": lambda span: clock(span.stop_s - span.start_s),
            "p": lambda span: figures.probability(span.probability),
            "Marked": lambda span: ", ".join(item.text for item in words.marks_in(held.state, span, record.fs_hz)) if held else "",
        },
        choose,
        {
            "From": st.column_config.TextColumn(width=66),
            "Rhythm": st.column_config.TextColumn(width=58),
            "Lasts": st.column_config.TextColumn(width=62),
            "p": st.column_config.TextColumn(width=50, help="Mean probability of the rhythm over the windows of the span"),
            "Marked": st.column_config.TextColumn(width=64, help="Rhythm marks of this reading there"),
        },
        most_px=190,
    )
    if len(every) > MOST:
        st.caption(f"The first {MOST:,} of {len(every):,}; choose a rhythm to see the others.")


def _begin(record_id: str, model: str) -> None:
    """Have the rhythm followed on the leads as chosen now, or take what is kept: for callbacks."""
    leads = choosing.leads(desk.record(record_id))
    st.session_state[_WANTED] = (record_id, leads, model)
    desk.rhythm_trend(record_id, leads, model).start()


def _wanted(record_id: str) -> Making[RhythmTrend] | None:
    """What was asked for of this record; None where nothing was."""
    wanted = st.session_state.get(_WANTED)
    return desk.rhythm_trend(*wanted) if wanted is not None and wanted[0] == record_id else None
