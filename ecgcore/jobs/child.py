"""The process in which one job is done: python -m ecgcore.jobs.child JOB_ID. It ends with the worker that began it."""

import faulthandler
import os
import shutil
import sys
import threading
import traceback
from contextlib import closing
from functools import partial
from types import TracebackType

from ecgcore.errors import EcgError
from ecgcore.jobs import work
from ecgcore.jobs.specs import parse
from ecgcore.store import Store
from ecgcore.store.jobs import Jobs

NICENESS = 19  # the app comes first: pages are drawn while a training has all cores


def main(job_id: str) -> None:
    """Do a job and keep what comes of it. What goes wrong on purpose fails it with one line; anything else with a traceback in its log."""
    _end_with_the_worker()
    _step_back()
    faulthandler.enable()
    with closing(Store()) as store:
        jobs = Jobs(store)
        job = jobs.get(job_id)
        sys.excepthook = partial(_uncaught, jobs, job_id)
        try:
            result = work.FUNCTIONS[job.kind](store, job, parse(job.kind, job.spec))
        except EcgError as error:
            jobs.fail(job_id, str(error))
        else:
            jobs.finish(job_id, result)
            shutil.rmtree(work.run_of(job_id), ignore_errors=True)  # nothing goes on from it any more


def _end_with_the_worker() -> None:
    """Wait, in a thread, for the end of stdin: the worker holds its other end and never writes. Whatever kills it, no work goes on without it."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _step_back() -> None:
    import psutil

    psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS)


def _uncaught(jobs: Jobs, job_id: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    jobs.log(job_id, "".join(traceback.format_exception(kind, error, trace)))
    jobs.fail(job_id, "".join(traceback.format_exception_only(kind, error)))


if __name__ == "__main__":
    main(sys.argv[1])
