"""Who may ask: whoever has a key, or where none is needed anybody who reaches this machine."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from ecgcore.errors import EcgError
from ecgcore.service.keys import Keys
from ecgcore.service.refused import Refused

KEY_HEADER: Final = "X-API-Key"
HOW: Final = f"send a key in the header {KEY_HEADER}, or as Authorization: Bearer"

Keyless = Callable[[], str]
"""Why nobody may ask without a key at this moment; empty where anybody may."""


def client_of(request: Request, keys: Callable[[], Keys], keyless: Keyless) -> str:
    """Who asks: the name of a key, or an address. Raises Refused: 401 without a key that is good, 403 where nobody can have one."""
    try:
        known = keys()
    except EcgError as error:
        raise Refused(403, f"nobody is let in, for the keys cannot be read: {error}") from error
    why_not = keyless()
    if not known and why_not:
        raise Refused(403, why_not)
    if not known:
        return f"address {request.client.host if request.client else 'unknown'}"
    key = _key(request)
    if key is None:
        raise _unknown(f"this service wants a key; {HOW}")
    if (name := known.name_of(key)) is None:
        raise _unknown(f"this key is not known, or no longer; {HOW}")
    return f"key {name}"


def _key(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get(KEY_HEADER) or None


def _unknown(message: str) -> Refused:
    return Refused(401, message, {"WWW-Authenticate": "Bearer"})
