"""Loads what the Review page needs while the reader is still on the first page, so that the first beats come at once."""

from contextlib import suppress
from threading import Thread

import streamlit as st

from ecgcore.errors import EcgError


@st.cache_resource(show_spinner=False)
def start() -> Thread:
    """Begin, once a process, without waiting for the end."""
    thread = Thread(target=rehearse, name="warmup")  # no daemon: native code cut off at the end of the process would abort it
    thread.start()
    return thread


def settle() -> None:
    """Wait until pandas is whole: Plotly takes it from sys.modules, and trips over one that another thread has imported by half."""
    import pandas  # noqa: F401


def rehearse() -> None:
    """Analyse and draw a demo recording, and forget it."""
    from ecgcore import demo
    from ecgcore.analysis import analyze
    from ecgcore.figures import trend
    from ecgcore.figures.palette import LIGHT
    from ecgcore.signals import filters

    settle()
    record = demo.make_demo("demo-12-lead")
    filters.apply(filters.DIAGNOSTIC, record.mv(("II",)), record.fs_hz)
    with suppress(EcgError):  # no model: the Review page will say so
        trend.figure(analyze(record), LIGHT)
