"""The application: its routes, and what stands before each of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import ecgcore
from ecgcore.errors import EcgError
from ecgcore.service import asked, bodies, verbs
from ecgcore.service.answers import BatchAnswer, BatchItem, BeatsAnswer, Health, ModelsAnswer, RhythmAnswer, TrendAnswer
from ecgcore.service.config import Config
from ecgcore.service.document import ABOUT, POSTED, PROTECTED, document, problems, takes
from ecgcore.service.guard import Keyless, client_of
from ecgcore.service.keys import Keys, keys_of
from ecgcore.service.metrics import CONTENT_TYPE, Measured, Metrics
from ecgcore.service.rate import Rate
from ecgcore.service.refused import Refused
from ecgcore.service.work import Pool

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Service:
    """What the routes share: limits, counters and threads of one application."""

    config: Config
    keys: Callable[[], Keys]
    keyless: Keyless
    rate: Rate
    held: bodies.Held
    pool: Pool

    async def admit(self, request: Request) -> str:
        """Who asks, counted once. Raises Refused."""
        client = client_of(request, self.keys, self.keyless)
        self.rate.take(client)
        return client

    async def job(self, request: Request, work: Callable[[verbs.Job], Answer]) -> Answer:
        """What a recording in the body comes to. Raises EcgError."""
        content_type = request.headers.get("content-type", "")
        verbs.media_type(content_type)
        async with bodies.received(request, self.config.body_bytes, self.held) as body, self.pool.place():
            return await self.pool.run(lambda: work(verbs.job_of(body, content_type)))

    async def batch(self, request: Request, client: str) -> BatchAnswer:
        """The rhythm of each recording in the body, one after the other: others' requests come between. Raises EcgError."""
        if verbs.media_type(request.headers.get("content-type", "")) != verbs.JSON:
            raise Refused(415, f"a batch goes as {verbs.JSON}; files go one recording a request to /v1/rhythm")
        async with bodies.received(request, self.config.body_bytes, self.held) as body, self.pool.place():
            sent = await self.pool.run(lambda: asked.parse_batch(body))
            self.rate.take(client, len(sent.recordings) - 1)
            return BatchAnswer(answers=tuple([await self.pool.run(lambda item=item: _item(item)) for item in sent.recordings]))  # type: ignore[misc]  # item is bound as it is read


def create(config: Config, *, keys: Callable[[], Keys] = lambda: keys_of(os.environ), keyless: Keyless = lambda: "") -> FastAPI:
    """The application.

    keys     those that are good at the moment: looked up at every request, so that one taken away is gone at once
    keyless  why nobody may ask without a key while there are none; empty where anybody may
    """
    service = Service(config, keys, keyless, Rate(config.rate_per_min), bodies.Held(config.held_bytes), Pool(config.workers, config.queue))
    metrics = Metrics(lambda: service.pool.admitted, lambda: service.held.bytes)
    app = FastAPI(
        title="Leadwise", version=ecgcore.__version__, summary="Beats and rhythm of ECG recordings.", description=ABOUT, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    _add_findings(app, service)
    _add_facts(app, service, metrics)
    app.add_exception_handler(EcgError, _refused)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(Measured, metrics=metrics, routes=[str(getattr(route, "path", "")) for route in app.routes])
    app.openapi = lambda: document(app, keyed=bool(keys()) or bool(keyless()))  # type: ignore[method-assign]  # as FastAPI says to extend it
    return app


def _add_findings(app: FastAPI, service: Service) -> None:
    """The routes that tell something of a recording."""
    asker = Depends(service.admit)

    @app.post("/v1/rhythm", dependencies=[asker], responses=problems(*POSTED), openapi_extra=takes("Signals"), summary="The rhythm of 5 to 60 s")
    async def rhythm(request: Request) -> RhythmAnswer:
        return await service.job(request, verbs.rhythm)

    @app.post("/v1/rhythm/trend", dependencies=[asker], responses=problems(*POSTED), openapi_extra=takes("Signals"), summary="The rhythm of each window of 10 s")
    async def trend(request: Request) -> TrendAnswer:
        return await service.job(request, verbs.trend)

    @app.post("/v1/beats", dependencies=[asker], responses=problems(*POSTED), openapi_extra=takes("Signals"), summary="Every beat, found and classified")
    async def beats(request: Request) -> BeatsAnswer:
        return await service.job(request, verbs.beats)

    @app.post("/v1/batch/rhythm", responses=problems(*POSTED), openapi_extra=takes("Batch", files=False), summary="The rhythm of each of several recordings")
    async def batch(request: Request, client: Annotated[str, asker]) -> BatchAnswer:
        return await service.batch(request, client)


def _add_facts(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """The routes that tell something of the service."""
    asker = Depends(service.admit)

    @app.get("/v1/models", dependencies=[asker], responses=problems(*PROTECTED), summary="The cards of all models")
    async def models() -> ModelsAnswer:
        return await service.pool.run(verbs.models)

    @app.get("/healthz", summary="Whether the service answers")
    async def healthz() -> Health:
        return Health(status="ok", version=ecgcore.__version__)

    @app.get(
        "/metrics",
        dependencies=[asker],
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(*PROTECTED)},
        response_class=Response,
        summary="For Prometheus",
    )
    async def measures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _item(item: Any) -> BatchItem:
    try:
        return BatchItem(answer=verbs.rhythm(verbs.job_of_item(item)), error=None, status=200)
    except EcgError as error:
        return BatchItem(answer=None, error=_line(error), status=verbs.status_of(error))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """A refusal in one line; what is left of the body is read first."""
    await bodies.drain(request)
    if isinstance(error, Refused):
        return _problem(error.status, _line(error), error.headers)
    status = verbs.status_of(error) if isinstance(error, EcgError) else 500
    return _problem(status, _line(error), {"Retry-After": "60"} if status == 503 else {})


async def _not_here(request: Request, error: Exception) -> JSONResponse:
    """What Starlette refuses by itself: another path, or another method."""
    await bodies.drain(request)
    status, headers = (error.status_code, dict(error.headers or {})) if isinstance(error, HTTPException) else (500, {})
    path = str(request.scope["path"])[:80]
    said = {404: f"there is nothing at {path!r}; openapi.json tells what there is", 405: f"{path!r} is not asked by {request.method[:20]}; it is by {headers.get('Allow', 'none')}"}
    return _problem(status, said.get(status, str(getattr(error, "detail", error))), headers)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    del request, error  # Starlette logs it
    return _problem(500, "the service failed, which is no fault of the request; its log tells more", {})


def _problem(status: int, detail: str, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:1000]
