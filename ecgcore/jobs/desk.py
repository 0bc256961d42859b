"""The app and its worker together, as processes of their own: python -m ecgcore run"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from ecgcore.settings import ROOT

APP: Final = (sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app.py"))
WORKER: Final = (sys.executable, "-m", "ecgcore", "worker")
LOOK_S: Final = 0.5
GRACE_S: Final = 20.0  # the worker ends the job it runs before it goes
FIRST_WAIT_S: Final = 1.0  # before a worker that died is begun again; twice as long each time it dies at once …
LONGEST_WAIT_S: Final = 60.0  # … but no longer than this, and it lives if it lives so long


class Kept:
    """A process that is begun again whenever it ends."""

    def __init__(self, command: Sequence[str], said: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._command, self._said, self._clock = command, said, clock
        self._wait_s, self._next = FIRST_WAIT_S, 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._begin()

    def look(self) -> None:
        """Begin it again if it ended and its pause is over."""
        now = self._clock()
        if self.process is not None and self.process.poll() is not None:
            if now - self._begun >= LONGEST_WAIT_S:
                self._wait_s = FIRST_WAIT_S
            self._said(f"the worker ended with status {self.process.returncode}; begins again in {self._wait_s:g} s")
            self.process, self._next = None, now + self._wait_s
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        elif self.process is None and now >= self._next:
            self._begin()

    def _begin(self) -> None:
        self._begun = self._clock()
        self.process = subprocess.Popen(self._command)  # noqa: S603  # our own words


def run(arguments: Sequence[str], said: Callable[[str], None], *, worker: bool = True, app: Sequence[str] = APP, works: Sequence[str] = WORKER) -> int:
    """The app, and beside it a worker that is begun again when it dies, until the app ends or a signal says to; the app's exit status, 0 after a signal.

    arguments  for streamlit
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has what it runs in the background ignore the first
        signal.signal(number, _interrupt)
    serving = subprocess.Popen([*app, *arguments])  # noqa: S603  # streamlit's own options
    kept = Kept(works, said) if worker else None
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return serving.wait(LOOK_S)
            if kept:
                kept.look()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who presses Ctrl-C twice leaves nothing running either
        _ended([process for process in (serving, kept and kept.process) if process])


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _ended(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    """All told to end, and killed if they do not."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + GRACE_S
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
        if process.poll() is None:
            process.kill()
            process.wait()
