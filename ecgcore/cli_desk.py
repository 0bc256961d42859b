"""The verbs of the command line that keep running: the app with its worker, and the worker by itself."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

Verb = Callable[..., argparse.ArgumentParser]


def add(verbs: Any, verb: Verb) -> None:
    """Add them."""
    run = verb(verbs, "run", _run, "the app in the browser, with a worker for long jobs beside it; further options go to streamlit")
    run.add_argument("--port", type=int, help="port of the app (default: 8501)")
    run.add_argument("--no-worker", action="store_true", help="the app alone; workers run elsewhere")
    run.set_defaults(passes_on=True)
    verb(verbs, "worker", _worker, "do the jobs that the app hands in: trainings, comparisons, analyses by another model")


def _run(options: argparse.Namespace) -> None:
    from ecgcore.jobs import desk

    port = [] if options.port is None else ["--server.port", str(options.port)]
    status = desk.run([*port, *options.more], _say, worker=not options.no_worker)
    if status:
        raise SystemExit(status)


def _worker(options: argparse.Namespace) -> None:
    del options
    from ecgcore.jobs import worker

    worker.work(_say)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
