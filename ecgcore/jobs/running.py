"""One job in a process of its own: begun, looked after, ended when somebody wants it so, and queued again when it was killed."""

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import IO, Any, Final

from ecgcore.errors import StoreError
from ecgcore.jobs.work import run_of
from ecgcore.store.jobs import CANCELLED, RUNNING, Job, Jobs

CHILD: Final = (sys.executable, "-m", "ecgcore.jobs.child")
LOOK_S: Final = 0.5  # how often a job is looked after; a cancellation is seen within that
GRACE_S: Final = 10.0  # a process that was told to end, or has written what came of it, is killed after that
TAIL_BYTES: Final = 8192  # of what a process said before it was killed …
TAIL_LINES: Final = 20  # … so many lines are logged
# Ctrl-C in a terminal reaches every process of its group; it is the worker that ends this one.
_APART: Final[dict[str, Any]] = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)} if sys.platform == "win32" else {"start_new_session": True}


class Why(Enum):
    """Why a job is no longer looked after."""

    ENDED = "its process ended by itself"
    STOPPED = "the worker is to end"
    UNWANTED = "somebody wants it ended"
    ANOTHERS = "it has ended, or another worker has it"


def run(jobs: Jobs, job: Job, stop: threading.Event, child: Sequence[str] = CHILD) -> None:
    """Run a job that its worker has claimed, until it has ended; or until `stop` is set, and then it is queued again. Raises StoreError.

    child  command whose last argument will be the job's id
    """
    with tempfile.TemporaryFile() as said:
        with _process([*child, job.id], said) as process:
            why = _look_after(jobs, job, stop, process)
        if why is Why.UNWANTED:
            jobs.cancelled(job.id)
        elif why is Why.STOPPED:
            jobs.requeue(job.id, "the worker was stopped", job.worker_id, counts=False)
        elif why is Why.ENDED and jobs.get(job.id).status == RUNNING:
            jobs.log(job.id, *_tail(said))
            jobs.requeue(job.id, f"the process of this job {_how(process.returncode)}", job.worker_id)
    if jobs.get(job.id).status == CANCELLED:
        shutil.rmtree(run_of(job.id), ignore_errors=True)  # nothing goes on from it any more


def _look_after(jobs: Jobs, job: Job, stop: threading.Event, process: "subprocess.Popen[bytes]") -> Why:
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_S)
            return Why.ENDED
        if stop.is_set():
            return Why.STOPPED
        try:
            now = jobs.get(job.id)
        except StoreError:  # the database may be there again at the next look; the work goes on
            continue
        if now.ended:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        if now.status != RUNNING or now.worker_id != job.worker_id:
            return Why.ANOTHERS
        if now.cancelling:
            return Why.UNWANTED


@contextmanager
def _process(command: Sequence[str], said: IO[bytes]) -> "Iterator[subprocess.Popen[bytes]]":
    """The process of a job, gone at the end. It ends by itself when nobody holds the other end of its stdin any more, as when this process is killed."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, **_APART) as process:  # noqa: S603  # our own words
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_S)
                process.kill()


def _tail(said: IO[bytes]) -> list[str]:
    """The last lines that a process said."""
    said.seek(max(0, said.seek(0, 2) - TAIL_BYTES))
    return said.read().decode(errors="replace").splitlines()[-TAIL_LINES:]


def _how(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with status {status} before the job was done"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed ({name})"
