"""The strip: a Streamlit component that draws the tracing on a canvas and keeps pan, zoom, calipers and selection in the browser.

The browser fetches signal and beats from the routes under `data["base"]` and posts edits there; the page hears only that something was edited,
that its token is old, or that the reader wants a measurement. The JavaScript stands in files by concern, each a module that says what it imports;
the browser gets them joined to one.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import streamlit as st

from ecgcore.findings import AAMI_OF_MIT

HERE: Final = Path(__file__).parent
# What a file needs while it is read stands before it.
MODULES: Final = (
    "scale wire tiles view layouts paper trace centres dashed beats editing reading letters bands marks "
    "calipers disclosure overview popups keys commands pointer toolbar legend picture viewer main"
).split()
PACED: Final = "/"  # shown by a letter and a colour of its own, though AAMI counts it as Q
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?!default)", re.MULTILINE)


class RecordData(TypedDict):
    """The record; `leads` are all that can be shown (recorded, then derivable), `first_leads` those shown first, `start` ISO 8601."""

    id: str
    name: str
    fs_hz: float
    n_samples: int
    start: str | None
    leads: list[str]
    first_leads: list[str]


class ReadingData(TypedDict):
    """The reading shown: its newest event, and whether this user may edit it or why not."""

    id: str
    seq: int
    editable: bool
    why_not: str


class FilterData(TypedDict):
    """A filter by name, and what it does at the record's rate by notch: "0" (none), "50", "60"."""

    name: str
    printed: dict[str, str]


class BandsData(TypedDict):
    """An ectopy map: what made it on which leads, its classes and checks in words. Its places, whose strengths are `step_s` apart, are fetched by `query`.

    unasked  classes that are drawn before the reader chooses
    """

    query: str
    model: str
    leads: list[str]
    labels: list[str]
    unasked: list[str]
    step_s: float
    checks: list[str]
    how: str


class ReconstructionData(TypedDict):
    """A piece of a lead that a model made, from sample `start` on.

    samples   signal, low and high one after the other, int16 little-endian in base64, in steps of `step_mv`
    taken_mv  by filter, what it takes from the level of the lead before and after the piece
    accepted  false for one that is only looked at
    said      all of it in words, for the pointer that rests on it
    """

    lead: str
    kind: str
    start: int
    samples: str
    step_mv: float
    taken_mv: dict[str, tuple[float, float]]
    accepted: bool
    said: str


class GapData(TypedDict):
    """The gap that is marked on a lead; none where stop_s is not after start_s. Its presence lets the reader mark one."""

    lead: str
    start_s: float
    stop_s: float


class Goto(TypedDict):
    """Have a moment in the middle of the strip, `span_s` seconds wide (None: as wide as it is), and beats selected. Each new `nonce` is followed once."""

    nonce: int
    time_s: float
    span_s: float | None
    select: NotRequired[list[int]]


class StripData(TypedDict):
    """All that the page tells the browser; signal, beats and marks it fetches by itself.

    base               where the record's routes begin, /strip/<record id>
    user               who edits: edits that a reload left unsaved are taken up for the same user only, and for nobody where it is not said
    token              signed, for user, record and reading; token_age_s is how long it lives
    reading            None while beats are being found
    model              who classified, "beats@2"; author_line says the same of the reading as a whole
    filters            those offered, the one chosen first, and the longest view in seconds that is filtered
    quality            lead, start_s, stop_s, kind, reason of what cannot be trusted
    episodes           start_s, stop_s, kind, text of what was found, in time order
    bands              the ectopy map that is shown; None where none was asked for
    reconstructions    pieces that are drawn dashed beside what was recorded
    gap                the gap that is to be filled; left out where none is to be marked
    annotators         annotation files of the record that name beats
    palette            the colours of the theme; `beats` by letter, with P for paced beats
    class_names        what a letter means, for the pointer that rests on it
    """

    base: str
    user: NotRequired[str]
    token: str
    token_age_s: float
    record: RecordData
    reading: ReadingData | None
    model: str
    author_line: str
    filters: list[FilterData]
    default_filter: str
    filtered_up_to_s: float
    quality: list[tuple[str, float, float, str, str]]
    episodes: list[tuple[float, float, str, str]]
    bands: NotRequired[BandsData | None]
    reconstructions: NotRequired[list[ReconstructionData]]
    gap: NotRequired[GapData]
    annotators: list[str]
    palette: dict[str, Any]
    class_names: dict[str, str]
    goto: Goto | None


def strip(
    data: StripData,
    key: str,
    on_edited: Callable[[], None],
    on_renew: Callable[[], None],
    on_measure: Callable[[float, float], None],
    on_gap: Callable[[float, float, str | None], None] = lambda *_: None,
) -> None:
    """Show the strip.

    on_edited   edits were saved, by this browser or another: the run that follows shows their numbers
    on_renew    the token is old: the run that follows must bring a new one
    on_measure  is told the seconds from which to which the reader wants PR, QRS and QT measured
    on_gap      is told those from which to which he marks a gap, and its lead where it is known
    """

    def measure() -> None:
        span = st.session_state[key]["measure"]
        on_measure(float(span["start_s"]), float(span["stop_s"]))

    def gap() -> None:
        span = st.session_state[key]["gap"]
        on_gap(float(span["start_s"]), float(span["stop_s"]), span["lead"])

    component()(
        key=key,
        data={**data, "class_of": {**AAMI_OF_MIT, PACED: "P"}},
        on_edited_change=on_edited,
        on_renew_change=on_renew,
        on_measure_change=measure,
        on_gap_change=gap,
    )


@cache
def component() -> Callable[..., Any]:
    """The component, registered once a process."""
    return st.components.v2.component("leadwise_strip", html=(HERE / "strip.html").read_text(), css=(HERE / "strip.css").read_text(), js=script())


def script() -> str:
    """The modules as one: they share a scope, so that what they say of importing each other is left out."""
    texts = [_EXPORT.sub("", _IMPORT.sub("", (HERE / f"{name}.js").read_text())) for name in MODULES]
    return "\n".join(texts)
