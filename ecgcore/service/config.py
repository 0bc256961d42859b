"""What may be set of the service, from the environment.

LEADWISE_API_KEYS      SHA-256 of each key as 64 hex digits, with commas between them, perhaps name:digest; or the path of a file with one a line
LEADWISE_API_RATE      requests a minute that each key or address may make, 0 for any number; 6000 where keys are needed, else 0
LEADWISE_API_BODY_MB   MB that a request may have: 64
LEADWISE_API_WORKERS   recordings worked on at once: one a core
LEADWISE_API_QUEUE     requests that may wait for that: 64
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ecgcore.errors import InputError

KEYS: Final = "LEADWISE_API_KEYS"
RATE, BODY_MB, WORKERS, QUEUE = (f"LEADWISE_API_{name}" for name in ("RATE", "BODY_MB", "WORKERS", "QUEUE"))
KEYED_RATE: Final = 6000
MB: Final = 1 << 20
_BODIES: Final = 4  # that may be held at once, each of the greatest size


@dataclass(frozen=True)
class Config:
    """Limits of one service.

    rate_per_min   of each key or address; 0 for any number
    body_bytes     of one request; `held_bytes` of all that are held at once
    workers        recordings worked on at once; `queue` more requests may wait
    """

    rate_per_min: int
    body_bytes: int
    workers: int
    queue: int

    @property
    def held_bytes(self) -> int:
        """Bytes of requests that are held at once."""
        return _BODIES * self.body_bytes


def config(environ: Mapping[str, str], *, keyed: bool) -> Config:
    """The limits that the environment states. Raises InputError for what is no number that can be."""
    return Config(
        rate_per_min=_whole(environ, RATE, KEYED_RATE if keyed else 0, 0, 1_000_000),
        body_bytes=_whole(environ, BODY_MB, 64, 1, 4096) * MB,
        workers=_whole(environ, WORKERS, os.cpu_count() or 1, 1, 256),
        queue=_whole(environ, QUEUE, 64, 1, 10_000),
    )


def _whole(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    stated = environ.get(name, "").strip()
    if not stated:
        return default
    if not (stated.isascii() and stated.isdigit() and least <= int(stated) <= most):
        raise InputError(f"{name} must be a whole number from {least} to {most}, not {stated[:40]!r}")
    return int(stated)
