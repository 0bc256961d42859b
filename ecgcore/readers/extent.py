"""How many samples a recording may come to, where whoever reads it says so: a small file can promise a vast record."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ecgcore.errors import UnsafeFileError

BYTES_PER_SAMPLE: Final = 8  # of text in a zip; no binary format has more
_most_samples: ContextVar[int | None] = ContextVar("most samples of a recording", default=None)


@contextmanager
def at_most(samples: int | None) -> Iterator[None]:
    """While it lasts, no recording of more samples, all its leads together, is read on this thread; None is any number."""
    before = _most_samples.set(samples)
    try:
        yield
    finally:
        _most_samples.reset(before)


def check_samples(promised: int, what: str) -> None:
    """Refuse a recording before room is made for it. Raises UnsafeFileError."""
    most = _most_samples.get()
    if most is not None and promised > most:
        raise UnsafeFileError(f"{what} comes to {promised:,} samples, all leads together; at most {most:,} are read here")


def check_unpacked(n_bytes: int, what: str) -> None:
    """Refuse a zip before it is unpacked. Raises UnsafeFileError."""
    most = _most_samples.get()
    if most is not None and n_bytes > BYTES_PER_SAMPLE * most:
        raise UnsafeFileError(f"{what} unpacks to {n_bytes:,} bytes; at most {BYTES_PER_SAMPLE * most:,} are unpacked here")
