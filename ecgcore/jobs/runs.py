"""What trainings keep to go on from, a folder a job in `settings.runs()`: needed until the job has ended."""

from pathlib import Path
from typing import Final

from ecgcore import settings
from ecgcore.store.audit import Audit
from ecgcore.store.jobs import Jobs
from ecgcore.store.room import remove
from ecgcore.store.store import Store

_MANY: Final = 100_000


def ended(jobs: Jobs) -> tuple[Path, ...]:
    """The folders of jobs that have ended. Those of other trainings, begun by the command line, are not among them."""
    root = settings.runs()
    there = {path.name for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
    return tuple(root / job.id for job in jobs.list(_MANY, "train") if job.ended and job.id in there) if there else ()


def remove_ended(store: Store, who: str) -> int:
    """Remove the folders of jobs that have ended; the bytes that this gives back. Raises StoreError."""
    found = ended(Jobs(store))
    given_back = sum(remove(path) for path in found)
    if found:
        Audit(store).note(who, "runs removed", f"{len(found)} runs", f"of jobs that have ended; {given_back:,} bytes")
    return given_back
