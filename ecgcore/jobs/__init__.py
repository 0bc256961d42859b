"""Long work: handed in by the app, done by a worker in a process of its own.

The app hands in a job (`submit`), which becomes a row of the store and a message in the queue; a worker (`worker`) takes the message and runs
the job in a child process (`child`, `work`), which tells how far it is (`watching`).
"""

from typing import TYPE_CHECKING

from ecgcore.errors import StoreError

if TYPE_CHECKING:
    from ecgcore.jobs.specs import Spec
    from ecgcore.store import Store
    from ecgcore.store.jobs import Job

__all__ = ["submit"]


def submit(store: "Store", kind: str, title: str, spec: "Spec", who: str) -> "Job":
    """Have something done by a worker; the job, queued.

    Where the queue cannot be reached the job waits all the same, and its log says so: a worker looks for such jobs when it begins, and from time to time.

    kind  "train", "compare" or "recompute", with a spec of that kind

    Raises InputError for a spec that does not fit, StoreError where the job cannot be kept.
    """
    from ecgcore.jobs import queue
    from ecgcore.store.jobs import Jobs

    jobs = Jobs(store)
    job = jobs.submit(kind, title, spec, who)
    try:
        queue.send(job.id)
    except StoreError as error:
        jobs.log(job.id, f"{error}; the job waits until a worker looks for it")
    return job
