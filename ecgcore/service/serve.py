"""The service by itself: python -m ecgcore serve."""

import os
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ecgcore.errors import EcgError, InputError
from ecgcore.service.config import KEYS, config
from ecgcore.service.keys import keys_of

if TYPE_CHECKING:
    from fastapi import FastAPI


def serve(host: str, port: int, tell: Callable[[str], None]) -> None:
    """Answer at an address until stopped; `tell` gets a line once it does. Raises InputError for an address that cannot be had, or that others reach while there are no keys."""
    import uvicorn

    os.environ.setdefault("LEADWISE_THREADS", "1")  # the workers keep the cores busy: threads of a model's own would only get in their way
    app = application(host, os.environ)
    bound = _bound(host, port)
    for missing in warm():
        tell(missing)
    at = f"[{host}]" if ":" in host else host
    tell(f"Leadwise answers at http://{at}:{bound.getsockname()[1]}, and tells what it takes at /openapi.json")
    try:
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=10)).run(sockets=[bound])
    except KeyboardInterrupt:
        return


def application(host: str, environ: Mapping[str, str]) -> "FastAPI":
    """The application that may answer at this address. Raises InputError where others reach it and there are no keys."""
    from ecgcore.service.app import create

    keys = keys_of(environ)
    if not keys and not is_this_machine(host):
        raise InputError(
            f"others can reach {host}, so keys are needed: make one by `python -m ecgcore serve --new-key`, set {KEYS}; or listen at 127.0.0.1, for this machine alone"
        )
    why_not = "" if not keys else "the keys this service began with are gone; nobody is let in until there are some"
    return create(config(environ, keyed=bool(keys)), keys=lambda: keys_of(environ), keyless=lambda: why_not)


def is_this_machine(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def warm() -> tuple[str, ...]:
    """Open the default models, so that the first request need not; says which are not there."""
    from ecgcore.inference import beats, rhythm
    from ecgcore.service.verbs import BEAT_MODEL, RHYTHM_MODEL

    said = []
    for load, name in ((beats.load, BEAT_MODEL), (rhythm.load, RHYTHM_MODEL)):
        try:
            load(name)
        except EcgError as error:
            said.append(str(error))
    return tuple(said)


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise InputError(f"cannot listen at {host}:{port}: a port is a number from 0, for any that is free, to {(1 << 16) - 1}")
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024)
    except OSError as error:
        raise InputError(f"cannot listen at {host}:{port}: {error.strerror or error}; name a port that is free by --port") from error
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer's body waits 40 ms for the client to acknowledge its head
    return bound
