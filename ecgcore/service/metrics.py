"""What is counted of the requests, as Prometheus reads it."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS: Final = frozenset({"GET", "POST"})


class Metrics:
    """Counters of one service, in a registry of its own."""

    def __init__(self, waiting: Callable[[], float], held_bytes: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("leadwise_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry)
        self.seconds = Histogram("leadwise_request_seconds", "Time from a request's first byte to the end of its answer.", ("route",), buckets=BUCKETS_S, registry=self.registry)
        self.in_flight = Gauge("leadwise_requests_in_flight", "Requests that have no answer yet.", registry=self.registry)
        Gauge("leadwise_requests_admitted", "Requests worked on, or waiting for it.", registry=self.registry).set_function(waiting)
        Gauge("leadwise_body_bytes", "Bytes of requests held.", registry=self.registry).set_function(held_bytes)

    def text(self) -> bytes:
        """All of them, as text."""
        return generate_latest(self.registry)


class Measured:
    """Counts and times every request; for `add_middleware`. Routes that are not known are one, so that nobody can make thousands."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[str]) -> None:
        self.app = app
        self._metrics = metrics
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer, and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        route = path if path in self._routes else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.perf_counter()
        try:
            with self._metrics.in_flight.track_inprogress():
                await self.app(scope, receive, counted)
        finally:
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begun)
            self._metrics.requests.labels(route, method, str(status)).inc()
