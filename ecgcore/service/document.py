"""The OpenAPI document: what the routes take and answer, beyond what FastAPI sees by itself."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ecgcore.demo import synthesise
from ecgcore.rhythm import LEAST_S
from ecgcore.service import asked, uploads, verbs
from ecgcore.service.answers import Problem
from ecgcore.service.guard import KEY_HEADER

ABOUT: Final = """Beats and rhythm of ECG recordings, on any leads.

Signals go as JSON, `{"fs_hz": 500, "units": "mV", "leads": {"I": [0.012, null], "II": [0.1, 0.11]}}`, where `null` is a missing sample, or as the
files of a recording (WFDB, EDF, DICOM, CSV, Parquet, or a zip) in a form. A recording lasts 5 s or more. `/v1/rhythm` tells the one rhythm of 5 to
60 s; of a longer recording name a stretch by `start_s` and `stop_s`, or ask `/v1/rhythm/trend`. Where the model is not sure, `rhythm` is null.
It knows eight rhythms only: a paced, junctional or ventricular one may be called one of them.

Every refusal is `{"detail": "…"}`, one sentence that says what would be right.

Not a medical device; every finding needs a physician's over-read."""

_PROBLEMS: Final = {
    400: "The request broke off.",
    401: "A key is wanted, and none that is good was sent.",
    403: "Nobody is let in.",
    408: "The body stalled.",
    413: "The body, or the recording in it, is too long.",
    415: "The body is of a kind that is not read.",
    422: "The body, or the recording in it, is not what is wanted.",
    429: "Too many recordings a minute; Retry-After says when to go on.",
    503: "Too much is waiting already, or a model is not installed; Retry-After says when to go on.",
}
PROTECTED: Final = (401, 403, 429, 503)
POSTED: Final = tuple(_PROBLEMS)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, as FastAPI wants them stated."""
    return {status: {"model": Problem, "description": _PROBLEMS[status]} for status in statuses}


def takes(schema: str, files: bool = True) -> dict[str, Any]:
    """The body of a route: JSON of a schema, and the files of a recording."""
    content: dict[str, Any] = {verbs.JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": _example() if files else {"recordings": [_example()]}}}
    if files:
        content[uploads.MULTIPART] = {"schema": {"$ref": "#/components/schemas/Files"}}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI, keyed: bool) -> dict[str, Any]:
    """The whole document; with the ways to send a key where one is needed."""
    made = get_openapi(title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes)
    components = made.setdefault("components", {})
    components["schemas"] |= {**asked.schemas(), "Files": _files()}
    if keyed:
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}, "header": {"type": "apiKey", "in": "header", "name": KEY_HEADER}}
        for path, operations in made["paths"].items():
            for operation in operations.values():
                if path.startswith("/v1/") or path == "/metrics":
                    operation["security"] = [{"bearer": []}, {"header": []}]
    return made


def _example() -> dict[str, Any]:
    """A request that is answered as it stands: five seconds of one lead, five beats."""
    beats = [(at_s, "N") for at_s in (0.6, 1.5, 2.4, 3.3, 4.2)]
    return {"fs_hz": 100, "units": "mV", "leads": {"II": synthesise(beats, LEAST_S, ["II"], 100)[0].round(3).tolist()}}


def _files() -> dict[str, Any]:
    facts = {
        "fs_hz": {"type": "number", "minimum": asked.MIN_FS_HZ, "maximum": asked.MAX_FS_HZ, "description": "Samples a second, for a table that leaves it out."},
        "units": {"type": "string", "enum": ["mV", "uV", "V", "nV"], "description": "For a table that leaves them out."},
        "lead_names": {"type": "string", "description": "Names of the columns, with commas, for a table that leaves them out."},
    }
    options = asked.Options.model_json_schema()["properties"] | {"use": {"type": "string", "description": "The leads to look at, with commas; all when left out."}}
    files = {"type": "array", "minItems": 1, "maxItems": uploads.MOST_FILES, "items": {"type": "string", "format": "binary"}, "description": "The files of one recording."}
    return {"type": "object", "required": ["file"], "additionalProperties": False, "properties": {"file": files, **options, **facts}}
