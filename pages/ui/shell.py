"""What all pages share: the frame, the store, the palette, the record in hand, and errors in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import streamlit as st

from ecgcore import settings
from ecgcore.errors import EcgError
from ecgcore.figures.palette import Palette, palette
from ecgcore.store import Store
from pages.ui.text import plain

NOTICE: Final = "Not a medical device; every finding needs a physician's over-read."
REVIEW: Final = "pages/review.py"
RECORDS: Final = "pages/records.py"
_STYLE: Final = Path(__file__).parent / "style.css"
_RECORD: Final = "record"
_OPENING: Final = "opening"
_framed: Final = ContextVar("framed", default=False)


@contextmanager
def frame() -> Iterator[None]:
    """What stands around every page: the style and the notice."""
    st.html(_STYLE)
    st.caption(f"**Leadwise** · {NOTICE}", text_alignment="right")
    token = _framed.set(True)
    try:
        yield
    finally:
        _framed.reset(token)


def run(page: Callable[[], None]) -> None:
    """Run a page inside the frame.

    Until the router has run once in a process, Streamlit takes `pages/` for its older page folder and runs the file of a page by
    itself. The router is then run in its place, so that no page is ever seen without its frame.
    """
    if _framed.get():
        page()
        return
    import streamlit_app

    streamlit_app.main()


def store() -> Store:
    """The store of this process. Raises StoreError."""
    return _store(str(settings.home()), settings.database_url())


@st.cache_resource(show_spinner=False)
def _store(home: str, database_url: str) -> Store:
    return Store(Path(home), database_url)


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


def open_review(record_id: str) -> None:
    """Have the Review page opened by the next run of the Records page: for callbacks."""
    st.session_state.update({_OPENING: record_id, _RECORD: record_id})


def go_on_to_review() -> None:
    """Go to the record that is to be opened, if there is one.

    It counts as opened when the Review page has begun, so that an upload that ends meanwhile and runs this page again does not hold the reader here.
    """
    record_id = st.session_state.get(_OPENING)
    if record_id is not None:
        st.switch_page(REVIEW, query_params={_RECORD: record_id})


def record_in_hand() -> str | None:
    """The id of the record to be opened, else of the one named in the address, else of the one opened last."""
    if (opening := st.session_state.pop(_OPENING, None)) is not None:
        st.query_params[_RECORD] = opening
    named = st.query_params.get(_RECORD)
    if named is None:
        named = st.session_state.get(_RECORD)
        if named is not None:
            st.query_params[_RECORD] = named
    st.session_state[_RECORD] = named
    return named
