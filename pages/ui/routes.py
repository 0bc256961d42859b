"""What the strip in the browser asks for beside the page: tiles of signal, beats, marks, bands of a map; and the edits it sends.

Every request carries a token for one user, one record and one reading, and the user's role is looked up anew: without both it is refused.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ecgcore import reviewed, tiles
from ecgcore.errors import EcgError, InputError, LeadError, StoreError
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.review import FILE_AUTHOR, State, command_from
from pages.ui import access, desk, maps, rights, service, tokens

TOKEN_HEADER: Final = "X-Strip-Token"  # noqa: S105  # the name of the header
NOT_FROM_MODEL: Final = 255
CERTAINTY_STEPS: Final = 200
MODEL, READER, FILE = 0, 1, 2
_MOST_BYTES: Final = 2_000_000  # of an edit: a hundred thousand beats relabelled at once
_BINARY: Final = "application/octet-stream"
_KEEP: Final = {"Cache-Control": "private, max-age=3600"}

Handler = Callable[[Request, access.User, tokens.Grant], Response]


def tile(request: Request, user: access.User, grant: tokens.Grant) -> Response:  # noqa: ARG001  # all handlers are called alike
    """Signal of some leads at one zoom."""
    asked = request.query_params
    made = tiles.tile(
        desk.record(grant.record_id),
        desk.pyramid(grant.record_id),
        [name for name in asked.get("leads", "").split(",") if name],
        _whole(asked.get("level"), "level"),
        _whole(asked.get("index"), "index"),
        asked.get("filter"),
        float(_whole(asked["notch"], "notch")) if asked.get("notch") else None,
    )
    return Response(made.to_bytes(), media_type=_BINARY, headers=_KEEP)


def beats(request: Request, user: access.User, grant: tokens.Grant) -> Response:
    """The beats of the reading, at the end of its history or after an event of it."""
    reading = rights.reading(user, _reading_id(grant))
    state = desk.reviews().state(reading.id, _moment(request))
    known = reviewed.certainty(desk.analysis(desk.reviews().basis(reading.id, _moment(request))).beats, state)
    certainty = np.where(np.isnan(known), NOT_FROM_MODEL, np.round(np.nan_to_num(known) * CERTAINTY_STEPS)).astype(np.uint8)
    return _packed(state.seq, state.samples, "".join(state.codes), certainty, _authors(state))


def reference(request: Request, user: access.User, grant: tokens.Grant) -> Response:  # noqa: ARG001  # all handlers are called alike
    """The beats of an annotation file that came with the record."""
    annotation = desk.annotation(grant.record_id, request.query_params.get("annotator", ""))
    kept = [place for place, symbol in enumerate(annotation.symbols) if symbol in AAMI_OF_MIT]
    codes = "".join(annotation.symbols[place] for place in kept)
    return _packed(0, annotation.samples[kept], codes, np.full(len(kept), NOT_FROM_MODEL, np.uint8), np.full(len(kept), FILE, np.uint8))


def bands(request: Request, user: access.User, grant: tokens.Grant) -> Response:  # noqa: ARG001  # all handlers are called alike
    """The places of an ectopy map that have a band, of a map that was made before."""
    lead, model = (request.query_params.get(name, "") for name in ("lead", "model"))
    found = desk.ectopy_map(grant.record_id, lead, model).found
    if found is None:
        raise InputError(f"there is no ectopy map of {lead!r} by {model!r} any more; ask for it again in the panel Places")
    return Response(maps.packed(found, desk.record(grant.record_id).fs_hz), media_type=_BINARY, headers={"Cache-Control": "no-store"})


def state(request: Request, user: access.User, grant: tokens.Grant) -> Response:
    """What is marked in the reading, how many beats of each class it has, and whether it may be changed."""
    return JSONResponse(_state(user, _reading_id(grant), _moment(request)))


def edit(user: access.User, grant: tokens.Grant, sent: bytes) -> Response:
    """One edit, saved before the answer goes out."""
    data = _object(sent)
    reading = rights.changeable(user, _reading_id(grant))
    command_id, reviews = str(data.pop("id", "")), desk.reviews()
    if not 8 <= len(command_id) <= 64:
        raise InputError(f"an edit needs an id of 8 to 64 characters, not {command_id!r}")
    if data.get("command") == "undo":
        event = reviews.undo(reading.id, user.name, command_id)
    elif data.get("command") == "redo":
        event = reviews.redo(reading.id, user.name, command_id)
    else:
        event = reviews.edit(reading.id, user.name, command_from(data), command_id)
    return JSONResponse({**_state(user, reading.id, None), "said": event.said})


def _state(user: access.User, reading_id: str, moment: int | None) -> dict[str, Any]:
    reviews = desk.reviews()
    reading = rights.reading(user, reading_id)
    now: State = reviews.state(reading_id, moment)
    why_not = "this is how it was; go back to now to edit" if moment is not None else rights.why_not_editable(user, reading)
    can_undo, can_redo = (False, False) if why_not else reviews.can(reading_id, user.name)
    return {
        "seq": now.seq,
        "editable": not why_not,
        "why_not": why_not,
        "items": [asdict(item) for item in now.items],
        "counts": now.counts,
        "can_undo": can_undo,
        "can_redo": can_redo,
    }


def _authors(state: State) -> NDArray[np.uint8]:
    """Who says so (n,): MODEL, READER or FILE."""
    kinds = np.full(len(state), READER, np.uint8)
    kinds[(state.authors == state.model).astype(bool)] = MODEL
    for name in {author for author in state.authors[kinds == READER].tolist() if author.startswith(FILE_AUTHOR)}:
        kinds[(state.authors == name).astype(bool)] = FILE
    return kinds


def _packed(seq: int, samples: NDArray[Any], codes: str, certainty: NDArray[Any], authors: NDArray[Any]) -> Response:
    head = np.array([len(codes), seq], "<u4").tobytes()
    return Response(
        head + samples.astype("<i4").tobytes() + codes.encode("ascii") + certainty.tobytes() + authors.tobytes(), media_type=_BINARY, headers={"Cache-Control": "no-store"}
    )


def _reading_id(grant: tokens.Grant) -> str:
    if grant.reading_id is None:
        raise InputError("this token is for the signal alone; its beats are still being found")
    return grant.reading_id


def _moment(request: Request) -> int | None:
    seq = request.path_params.get("seq")
    return None if seq is None else int(seq)


def _whole(text: str | None, what: str) -> int:
    try:
        return int(text or "")
    except ValueError as error:
        raise InputError(f"{what} must be a whole number, not {text!r}") from error


def _object(sent: bytes) -> dict[str, Any]:
    if len(sent) > _MOST_BYTES:
        raise InputError(f"an edit of {len(sent):,} bytes is larger than the {_MOST_BYTES:,} allowed")
    try:
        data = json.loads(sent)
    except ValueError as error:
        raise InputError("an edit must be JSON") from error
    if not isinstance(data, dict):
        raise InputError(f"an edit must be a JSON object, not {type(data).__name__}")
    return data


def _answered(work: Callable[[], Response], store_error: int) -> Response:
    """The answer, or the refusal in one line."""
    try:
        return work()
    except tokens.TokenError as error:
        return _refused(403, error, expired=error.expired)
    except access.AccessError as error:
        return _refused(403, error)
    except LeadError as error:
        return _refused(404, error)
    except StoreError as error:
        return _refused(store_error, error)
    except EcgError as error:
        return _refused(400, error)


def _refused(status: int, error: EcgError, **more: Any) -> Response:
    return JSONResponse({"error": str(error), **more}, status)


def _grant(request: Request, user: access.User) -> tokens.Grant:
    access.require(user, "read")
    return tokens.check(request.headers.get(TOKEN_HEADER, ""), user.name, request.path_params["record_id"])


def _get(handler: Handler) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        def work() -> Response:
            user = access.request_user(request)
            return handler(request, user, _grant(request, user))

        return _answered(work, 404)

    return answer  # a plain function: Starlette runs it on a thread, so that a slow tile holds up nobody


async def _post_edit(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool

    sent = await request.body()

    def work() -> Response:
        user = access.request_user(request)
        return edit(user, _grant(request, user), sent)

    return await run_in_threadpool(_answered, work, 409)


_READ: Final = {"tile": tile, "beats": beats, "reference": reference, "state": state, "bands": bands}
ROUTES: Final = [
    *(Route(f"/strip/{{record_id}}{at}/{name}", _get(handler)) for at in ("", "/at/{seq:int}") for name, handler in _READ.items()),
    Route("/strip/{record_id}/edit", _post_edit, methods=["POST"]),
    Mount("/api", app=service.api),
]
