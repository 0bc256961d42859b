"""What all pages share: the frame, the store, the palette, the record in hand, and errors in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.figures.palette import Palette, palette
from pages.ui import access, signin
from pages.ui.text import plain

NOTICE: Final = "Not a medical device; every finding needs a physician's over-read."
REVIEW: Final = "pages/review.py"
RECORDS: Final = "pages/records.py"
_STYLE: Final = Path(__file__).parent / "style.css"
READING: Final = "reading"
_RECORD: Final = "record"
_OPENING: Final = "opening"
_IN_HAND: Final = "in_hand"
_framed: Final = ContextVar("framed", default=False)


@contextmanager
def frame() -> Iterator[None]:
    """What stands around every page: the style, the notice, who is signed in. Who may see no page is told why, and the page is not run."""
    st.html(_STYLE)
    try:
        user = access.current_user()
    except access.AccessError as error:
        signin.show(error, NOTICE)
        st.stop()
    signin.line(user, f"**Leadwise** · {NOTICE}")
    token = _framed.set(True)
    try:
        yield
    finally:
        _framed.reset(token)


def run(page: Callable[[], None]) -> None:
    """Run a page inside the frame.

    Until the router has run once in a process, Streamlit takes `pages/` for its older page folder and runs the file of a page by
    itself. The router is then run in its place, so that no page is ever seen without its frame, or by somebody whom the frame would have stopped.
    """
    if _framed.get():
        page()
        return
    import streamlit_app

    streamlit_app.main()


def colours() -> Palette:
    """The palette of the theme in which the user sees the page."""
    return palette(st.context.theme.type)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What Leadwise refuses is said in one line, and the page goes on after the block."""
    try:
        yield
    except EcgError as error:
        st.error(plain(str(error)), icon=":material/error:")


def open_review(record_id: str, reading_id: str | None = None) -> None:
    """Have the Review page opened by the next run of the present page, at a reading or the record's shared one: for callbacks."""
    st.session_state[_OPENING] = {_RECORD: record_id, **({READING: reading_id} if reading_id else {})}


def go_on_to_review() -> None:
    """Go to the record that is to be opened, if there is one.

    It counts as opened when the Review page has begun, so that an upload that ends meanwhile and runs this page again does not hold the reader here.
    """
    if (opening := st.session_state.get(_OPENING)) is not None:
        st.switch_page(REVIEW, query_params=opening)


def record_in_hand() -> tuple[str | None, str | None]:
    """Ids of the record and the reading to be opened, else of those named in the address, else of those opened last."""
    if (opening := st.session_state.pop(_OPENING, None)) is not None:
        st.query_params.from_dict(opening)
    named = {name: st.query_params[name] for name in (_RECORD, READING) if name in st.query_params}
    if _RECORD not in named:
        named = st.session_state.get(_IN_HAND, {})
        st.query_params.from_dict(named)
    st.session_state[_IN_HAND] = named
    return named.get(_RECORD), named.get(READING)
