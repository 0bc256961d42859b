"""Where recordings are worked on: a few threads, and a queue of bounded length before them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from ecgcore.service.refused import later

Answer = TypeVar("Answer")


class Pool:
    """Threads for the work of requests. For the event loop, on one thread."""

    def __init__(self, workers: int, queue: int) -> None:
        self._most = workers + queue
        self._admitted = 0
        self._threads = ThreadPoolExecutor(workers, "recording")

    @property
    def admitted(self) -> int:
        """Requests that are worked on, or wait for it."""
        return self._admitted

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for one request, for as long as this lasts. Raises Refused, 503."""
        if self._admitted >= self._most:
            raise later(503, f"{self._admitted} requests are worked on or wait already; go on after the seconds in Retry-After", 1)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What a piece of work comes to, done on a thread in its turn."""
        return await asyncio.wrap_future(self._threads.submit(work))
