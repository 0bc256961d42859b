"""How long work tells how far it has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol, TypeAlias

Progress: TypeAlias = Callable[[float, str], None]  # share done, 0 to 1, and what is being done


def silent(share: float, what: str) -> None:
    """For those who do not want to be told."""


class Watch(Protocol):
    """Who follows a training. A recipe holds one training or several, its parts, one after the other."""

    def plan(self, parts: int) -> None:
        """So many parts there will be."""

    def begun(self, part: str, epochs: int, steps: int) -> None:
        """A part has begun, of so many epochs of so many steps."""

    def step(self, epoch: int, step: int) -> None:
        """A step of the present part is done; both count from 0."""

    def point(self, name: str, epoch: float, value: float) -> None:
        """A value of the present part after so many epochs, such as "loss" or "validation loss"."""

    def said(self, text: str) -> None:
        """Something worth a line of the log."""


class Unwatched:
    """For a training that nobody follows."""

    def plan(self, parts: int) -> None:
        """Nothing is done with it."""

    def begun(self, part: str, epochs: int, steps: int) -> None:
        """Nothing is done with it."""

    def step(self, epoch: int, step: int) -> None:
        """Nothing is done with it."""

    def point(self, name: str, epoch: float, value: float) -> None:
        """Nothing is done with it."""

    def said(self, text: str) -> None:
        """Nothing is done with it."""


_watch: Final[ContextVar[Watch]] = ContextVar("watch", default=Unwatched())  # noqa: B039  # it keeps nothing


def watch() -> Watch:
    """Who follows the present training."""
    return _watch.get()


@contextmanager
def watched(by: Watch) -> Iterator[None]:
    """Have whatever is trained inside followed: the one loop that all trainings go through tells it, whichever recipe it serves."""
    token = _watch.set(by)
    try:
        yield
    finally:
        _watch.reset(token)
