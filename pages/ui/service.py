"""The REST service under the app, at /api: open to this machine in local mode; where users sign in, or keys are set, a key is needed."""

import os
from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ecgcore.errors import EcgError
from pages.ui import access


async def api(scope: Scope, receive: Receive, send: Send) -> None:
    """Let the service answer; it is made at the first request, apart from the loop that serves the pages."""
    try:
        app = await run_in_threadpool(_made)
    except EcgError as error:
        await JSONResponse({"detail": str(error)}, 503, {"Retry-After": "60"})(scope, receive, send)
        return
    await app(scope, receive, send)


def why_not_keyless() -> str:
    """Why nobody may ask without a key; empty in local mode."""
    try:
        signs_in = access.rules().auth is not None
    except access.AccessError as error:
        return str(error)
    return "where users sign in, programs need a key; the administrator of this app sets LEADWISE_API_KEYS" if signs_in else ""


@lru_cache(maxsize=1)
def _made() -> ASGIApp:
    from ecgcore.service.app import create
    from ecgcore.service.config import config
    from ecgcore.service.keys import keys_of

    return create(config(os.environ, keyed=bool(keys_of(os.environ))), keyless=why_not_keyless)
