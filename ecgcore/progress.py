"""How long work tells how far it has come."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[float, str], None]  # share done, 0 to 1, and what is being done


def silent(share: float, what: str) -> None:
    """For those who do not want to be told."""
