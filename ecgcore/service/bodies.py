"""The body of a request: read within limits, so that memory stays flat whatever is sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from ecgcore.service.refused import Refused, later

STALLED_S: Final = 30.0  # without a byte
DRAIN_S: Final = 10.0
_DRAIN_PAUSE_S: Final = 1.0
_BEGUN, _READ = "leadwise.body_begun", "leadwise.body_read"


class Held:
    """Bytes of bodies held at once, over all requests. For the event loop, on one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.bytes = 0

    def add(self, n_bytes: int) -> None:
        """Count more. Raises Refused, 503."""
        if self.bytes + n_bytes > self._most:
            raise later(503, f"requests of {self.bytes:,} bytes are worked on already; go on after the seconds in Retry-After", 1)
        self.bytes += n_bytes


@asynccontextmanager
async def received(request: Request, most_bytes: int, held: Held) -> AsyncIterator[bytearray]:
    """The body, counted as held while this lasts. Raises Refused: 413 where it is too long, 408 where it stalls, 415 where it is packed."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise Refused(415, f"the body is packed by {coding[:40]!r}; send it as it is, without Content-Encoding")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_long(int(declared), most_bytes)
    body = bytearray()
    try:
        request.scope[_BEGUN] = True
        async for piece in _pieces(request):
            if len(body) + len(piece) > most_bytes:
                raise _too_long(None, most_bytes)
            held.add(len(piece))
            body += piece
        request.scope[_READ] = True
        yield body
    finally:
        held.bytes -= len(body)


async def drain(request: Request) -> None:
    """Read what is left of a refused body and forget it: most clients look for the answer only once all is sent.

    Nothing is asked of a client that waits to be asked (Expect: 100-continue), nor of one that pauses or goes on for too long.
    """
    waits = request.headers.get("expect", "").lower() == "100-continue" and _BEGUN not in request.scope
    if waits or _READ in request.scope or request.method in ("GET", "HEAD"):
        return
    stop_s = time.monotonic() + DRAIN_S
    while time.monotonic() < stop_s:
        try:
            message = await asyncio.wait_for(request.receive(), _DRAIN_PAUSE_S)
        except TimeoutError:
            return
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), STALLED_S)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Refused(408, f"nothing of the body came for {STALLED_S:g} s; send it without pauses", {"Connection": "close"}) from error
        except ClientDisconnect as error:
            raise Refused(400, "the connection ended before the body did") from error
        yield piece


def _too_long(declared: int | None, most_bytes: int) -> Refused:
    what = f"a body of {declared:,} bytes" if declared is not None else "the body"
    return Refused(413, f"{what} is longer than the {most_bytes:,} bytes allowed; send fewer leads, or a recording in parts", {"Connection": "close"})
