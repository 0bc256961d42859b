"""How the command line writes: JSON on stdout, and how far long work is on a terminal."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecgcore.progress import Progress


@contextmanager
def one_line_of_progress() -> Iterator[Progress | None]:
    """Tells on a terminal how far long work is, in one line that is gone in the end; None where stderr is no terminal."""

    def tell(share: float, what: str) -> None:
        bar = ("█" * round(20 * share)).ljust(20, "·")
        sys.stderr.write(f"\r\x1b[K{bar} {share:4.0%}  {what}")
        sys.stderr.flush()

    if not sys.stderr.isatty():
        yield None
        return
    try:
        yield tell
    finally:
        sys.stderr.write("\r\x1b[K")


def print_json(value: Any) -> None:
    """A value as JSON, for a program or for a reader."""
    json.dump(value, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")
