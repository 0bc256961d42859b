"""How often each client may ask: a bucket of tokens that fills at a steady rate."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ecgcore.service.refused import later

MOST_CLIENTS: Final = 10_000  # whoever has not asked for longest is forgotten first


@dataclass
class Bucket:
    """Tokens left when it was last looked at, at `at_s`."""

    tokens: float
    at_s: float


class Rate:
    """Requests a minute by client, 0 for any number; a minute's worth may come at once. For the event loop, on one thread."""

    def __init__(self, per_min: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_min / 60
        self._most = float(per_min)
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str, tokens: int = 1) -> None:
        """Count a request of so many recordings. Raises Refused, 429."""
        if not self._per_s:
            return
        now_s = self._clock()
        bucket = self._buckets.pop(client, None) or Bucket(self._most, now_s)
        bucket.tokens = min(self._most, bucket.tokens + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        self._buckets[client] = bucket
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if bucket.tokens < tokens:
            wait_s = (min(tokens, self._most) - bucket.tokens) / self._per_s
            raise later(429, f"more than {self._most:g} recordings a minute were sent; go on after the seconds in Retry-After", wait_s)
        bucket.tokens -= tokens
