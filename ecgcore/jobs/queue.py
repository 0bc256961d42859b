"""Where jobs wait for a worker: a queue of job ids by Huey, in a SQLite file of its own or on Redis. What a job is stands in the database alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from huey import Huey, RedisHuey, SqliteHuey
from huey.exceptions import HueyException
from huey.registry import Message
from huey.serializer import Serializer

from ecgcore import settings
from ecgcore.errors import InputError, StoreError

NAME: Final = "leadwise"
FILE: Final = "queue.db"
_TASK: Final = "run"
_MAX_ID: Final = 64  # characters of a job id; far more than one has
_SCHEMES: Final = ("redis", "rediss", "unix")
_BUSY_TIMEOUT_S: Final = 30.0


class JobIds(Serializer):  # type: ignore[misc]  # Huey has no types
    """A message is a job id in JSON and nothing else: whoever can write to the queue can have no more done than a job begun that is queued anyway."""

    def _serialize(self, data: Any) -> bytes:
        if not isinstance(data, Message):
            raise TypeError(f"only messages go into the queue, not {type(data).__name__}")
        return json.dumps({"job": data.args[0]}).encode()

    def _deserialize(self, data: bytes) -> Message:
        found = json.loads(bytes(data))
        job_id = found.get("job") if isinstance(found, dict) else None
        if not isinstance(job_id, str) or not 0 < len(job_id) <= _MAX_ID:
            raise ValueError(f"no job id: {bytes(data)[:40]!r}")
        return Message(id=job_id, name=f"{__name__}.{_TASK}", retries=0, retry_delay=0, args=(job_id,), kwargs={})


class Queue:
    """The queue that the settings name. Raises StoreError where it cannot be reached, InputError for a URL that names none.

    run  what a worker does with a job id that comes out
    """

    def __init__(self, run: Callable[[str], None] | None = None) -> None:
        with _as_store_errors():
            self.huey = _opened()
        self._task = self.huey.task(name=_TASK)(_task(run))

    def send(self, job_id: str) -> None:
        """A message that a job is to be run."""
        with _as_store_errors():
            self.huey.enqueue(self._task.s(job_id))

    def waiting(self) -> tuple[str, ...]:
        """The job ids of the messages there are, the next first; what is no message is left out."""
        with _as_store_errors():
            return tuple(task.id for task in self.huey.pending())

    def close(self) -> None:
        """Let go of it."""
        if isinstance(self.huey, RedisHuey):
            self.huey.storage.pool.disconnect()
        else:
            self.huey.storage.close()


def send(job_id: str) -> None:
    """Tell the workers that a job is to be run. Raises StoreError, InputError as `Queue`."""
    with closing(Queue()) as queue:
        queue.send(job_id)


def _opened() -> Huey:
    how: dict[str, Any] = {"results": False, "serializer": JobIds()}
    url = settings.queue_url()
    if url is None:
        settings.home().mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteHuey(NAME, filename=str(settings.home() / FILE), timeout=_BUSY_TIMEOUT_S, **how)
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES or "://" not in url:
        raise InputError(f"LEADWISE_QUEUE_URL begins with {scheme[:20]!r}; a queue is at redis://host:6379/0, rediss:// or unix:///path/redis.sock")
    return RedisHuey(NAME, url=url, **how)


def _task(run: Callable[[str], None] | None) -> Callable[[str], None]:
    def begin(job_id: str) -> None:
        if run is not None:
            run(job_id)

    return begin


@contextmanager
def _as_store_errors() -> Iterator[None]:
    """What the queue's file or server refuses is said in one line; a URL is not repeated, which may hold a password."""
    import sqlite3

    from redis.exceptions import RedisError

    try:
        yield
    except (HueyException, OSError, RedisError, sqlite3.Error, ValueError) as error:
        raise StoreError(f"the queue of jobs cannot be used: {' '.join(str(error).split()) or type(error).__name__}") from error
