"""Intervals on the median beat of what is in view."""

from typing import Final

import streamlit as st

from ecgcore import intervals
from ecgcore.figures import median_beat
from ecgcore.figures.clock import clock
from ecgcore.intervals import Intervals
from pages.ui import gaps, shell
from pages.ui.hand import Hand
from pages.ui.text import plain, table

_STRETCH: Final = "measured"
_FIRST_S: Final = 10.0
_STILL: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
_NOT: Final = "not measured"


def asked(start_s: float, stop_s: float) -> None:
    """The strip asks for what it shows."""
    st.session_state[_STRETCH] = (start_s, stop_s)
    st.session_state["panel"] = "Measure"


def forget() -> None:
    """Another record is in hand."""
    st.session_state.pop(_STRETCH, None)


def show(held: Hand) -> None:
    """PR, QRS, QT and QTc with how they were got, and the beat they were read from."""
    start_s, stop_s = _stretch(held)
    formula = st.selectbox("QTc formula", list(intervals.FORMULAS), key="qtc_formula", format_func=lambda name: f"{name}: {intervals.FORMULAS[name].formula}")
    found = intervals.measure(held.record, held.state.samples, held.state.labels.tolist(), held.found.leads, start_s, stop_s, formula=formula)
    st.markdown(table(("Interval", "Measured"), rows(found)))
    if said := gaps.not_measured(held.accepted, held.found.leads, *gaps.samples(held.record, start_s, stop_s)):
        st.caption(plain(said))
    for note in found.notes:
        st.caption(plain(note))
    if found.beat_mv is not None:
        st.plotly_chart(median_beat.figure(found, shell.colours()), theme=None, config=_STILL, alt=median_beat.alt(found), key="median-beat")
    st.caption(plain(median_beat.caption(found)))
    st.caption(f"Measured from {clock(start_s, 1)} to {clock(stop_s, 1)}. D on the strip, or Measure there, takes what is in view.")


def rows(found: Intervals) -> list[tuple[str, str]]:
    """Each interval, or that it was not measured, and why."""
    values = {
        "PR": ("pr", found.pr_ms),
        "QRS": ("qrs", found.qrs_ms),
        "QT": ("qt", found.qt_ms),
        f"QTc {found.formula}": ("qtc", found.qtc_ms[found.formula]),
        "RR": ("rr", found.rr_ms),
    }
    made = [(f"**{name}**", f"{value:.0f} ms" if value is not None else f"{_NOT}: {plain(found.not_measured.get(key, 'no reason told'))}") for name, (key, value) in values.items()]
    bpm = found.heart_rate_bpm
    return [*made, ("**Rate**", f"{bpm:.0f}/min" if bpm is not None else _NOT)]


def _stretch(held: Hand) -> tuple[float, float]:
    start_s, stop_s = st.session_state.get(_STRETCH, (0.0, _FIRST_S))
    duration_s = held.record.duration_s
    return (start_s, min(stop_s, duration_s)) if start_s < duration_s else (0.0, min(_FIRST_S, duration_s))
