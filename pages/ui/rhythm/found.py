"""The rhythm of one stretch: what is called, how probable each rhythm is, how much each lead weighed, and the leads shaded by that."""

from typing import Any, Final

import streamlit as st

from ecgcore.figures import rhythm as bars
from ecgcore.figures import rhythm_print
from ecgcore.inference.cards import Card
from ecgcore.record import Record
from ecgcore.rhythm_findings import Rhythm
from pages.ui import desk, shell
from pages.ui.hand import Hand
from pages.ui.rhythm import accepting, choosing, compared, words
from pages.ui.rhythm.choosing import Place, Span
from pages.ui.text import plain

STILL: Final = {"displayModeBar": False, "staticPlot": True}
EVIDENCE: Final = "pages/evidence.py"


def show(held: Hand | None, record_id: str, record: Record, known: Card | None, left: Place, right: Place) -> None:
    """What is called and the weights; beside it the print, and under that what other leads tell."""
    leads, span_s = choosing.leads(record), choosing.stretch(record)
    found = None
    with right, shell.one_line_errors():
        if known is None:
            st.info(words.NOT_INSTALLED, icon=":material/download:")
        elif not leads:
            st.info("Choose a lead above, or more.", icon=":material/arrow_upward:")
        else:
            found = desk.rhythm(record_id, leads, span_s, known.id)
            called(found, known)
            if not choosing.is_long(record):
                accepting.of_stretch(held, record_id, record, found)
            found = desk.rhythm(record_id, leads, span_s, known.id, checks=True)
            weights(found)
    with left:
        printed(record, found, leads, span_s)
        if found is not None and known is not None:
            with shell.one_line_errors():
                compared.show(record_id, record, known, found, span_s)


def called(found: Rhythm, known: Card) -> None:
    """The rhythm, and the probability of each."""
    st.subheader(plain(words.heading(found)), anchor=False)
    st.markdown(words.under_heading(found))
    st.plotly_chart(bars.probabilities(found, shell.colours(), known.certain_from), theme=None, key="rhythm-probabilities", config=STILL, alt=bars.probabilities_alt(found))
    st.caption(plain(words.source(found, known)))
    st.page_link(EVIDENCE, label=f"Figures of {plain(found.model)} on Evidence", icon=":material/fact_check:")


def weights(found: Rhythm) -> None:
    """The weight of each lead with both checks."""
    muted = words.not_believed(found.checks)
    st.markdown("**Weight of each lead**", help=plain(f"{words.WHAT_WEIGHTS_ARE} {words.HOW_CHECKED}"))
    if muted:
        st.warning(plain(muted), icon=":material/visibility_off:")
    st.plotly_chart(bars.weights(found, shell.colours(), muted=bool(muted)), theme=None, key="rhythm-weights", config=STILL, alt=bars.weights_alt(found, muted=bool(muted)))
    st.caption("  \n".join(words.check_lines(found.checks, found.leads)))


def printed(record: Record, found: Rhythm | None, leads: tuple[str, ...], span_s: Span) -> None:
    """The leads as they are printed, shaded by their weights."""
    shown, muted = rhythm_print.printed(record, leads), bool(found and words.not_believed(found.checks))
    shares: dict[str, Any] = found.lead_weights if found else {}
    start_s = max(0.0, min(span_s[0], record.duration_s - 1))
    figure = rhythm_print.figure(record, shown, start_s, shares, shell.colours(), muted=muted)
    st.plotly_chart(figure, theme=None, key="rhythm-print", config=STILL, alt=rhythm_print.alt(record, shown, start_s, shares, muted=muted))
    said = ["Columns in consecutive time." if len(shown) > rhythm_print.ONE_COLUMN else ""]
    said.append("The first 10 s of the stretch." if (span_s[1] or record.duration_s) - span_s[0] > rhythm_print.SECONDS + 0.05 else "")
    if found:
        said.append("The checks of the weights failed: nothing is shaded." if muted else "The stronger the shading, the more the lead weighed; its weight stands beside its name.")
        said.append("Leads drawn pale were not looked at." if set(shown) - set(shares) else "")
    st.caption(" ".join(filter(None, said)))
