"""What is asked of the service, as it stands in JSON, and how that is read."""

import json
import re
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ecgcore.leads import STANDARD
from ecgcore.service.refused import Refused

MIN_FS_HZ: Final = 50.0
MAX_FS_HZ: Final = 1000.0
MOST_LEADS: Final = 32
MOST_RECORDINGS: Final = 64
MOST_VALUES: Final = 1 << 22  # in one body: 12 leads at 500 Hz for more than eleven minutes
MOST_MARKS: Final = 1 << 15  # quotes and opening brackets
EXAMPLE: Final = '{"fs_hz": 500, "units": "mV", "leads": {"I": [0.012, null, …], "II": […]}}'
_NUMBERS: Final = re.compile(rb"\[[\s0-9eE+\-.,nul]*\]")

Value = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Asked = TypeVar("Asked", bound=BaseModel)


class Options(BaseModel):
    """What may be said beside a recording, as JSON or as fields of a form."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    use: Annotated[list[Name], Field(min_length=1, max_length=MOST_LEADS)] | None = Field(
        None, description="The leads to look at, of those given or of III, aVR, aVL, aVF where I and II are given; all when left out."
    )
    model: Name | None = Field(None, description='Another model than the default, as "name" or "name@version".')
    start_s: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = Field(None, description="Where the stretch looked at begins, in s; at the start when left out.")
    stop_s: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = Field(None, description="Where it stops, in s; at the end when left out.")
    checks: bool = Field(False, description="Whether to measure what the lead weights are worth too, which takes several times as long; for a rhythm of two or more leads.")


class Signals(Options):
    """Raw signals of one recording: every lead begins at the same time and has as many samples as the others."""

    fs_hz: Annotated[float, Field(ge=MIN_FS_HZ, le=MAX_FS_HZ, allow_inf_nan=False)] = Field(description="Samples a second.")
    units: Literal["mV", "uV", "µV", "μV", "V"] = Field(description="What the values are in.")
    leads: Annotated[dict[Name, Annotated[list[Value | None], Field(min_length=1)]], Field(min_length=1, max_length=MOST_LEADS)] = Field(
        description="Samples of each lead by its name; null is a missing sample. A lead of no standard name is called ECG."
    )


class Batch(BaseModel):
    """Several recordings; each has its own answer, or its own error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recordings: Annotated[list[Any], Field(min_length=1, max_length=MOST_RECORDINGS)]


def parse(body: bytearray, form: type[Asked]) -> Asked:
    """The object in a JSON body. Raises Refused: 413 for more values than may be, 422 for what is no such JSON.

    A name that stands twice in one object is refused, for nobody can tell which of the two was meant.
    """
    _check_size(body)
    try:
        found = form.model_validate_json(body)
    except ValidationError as error:
        raise Refused(422, said_of(error)) from error
    _check_names(body)
    return found


def parse_batch(body: bytearray) -> Batch:
    """A batch in a JSON body; whether each recording in it is sound is not looked at yet. Errors as `parse`."""
    _check_size(body)
    try:
        found = Batch.model_validate(from_json(bytes(body), allow_inf_nan=False))
    except ValidationError as error:
        raise Refused(422, said_of(error)) from error
    except ValueError as error:
        raise Refused(422, f"the body is not JSON: {error}; NaN and Infinity are not JSON either, a missing sample is null") from error
    _check_names(body)
    return found


def said_of(error: ValidationError) -> str:
    """The first thing wrong, in one sentence with what would be right."""
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}; NaN and Infinity are not JSON either, a missing sample is null"
    place = ".".join(str(part) for part in first["loc"] if part not in ("[key]", "constrained-float", "float", "none"))[:120]
    got = "" if isinstance(first["input"], dict | list) or first["type"] == "extra_forbidden" else f", not {_short(first['input'])}"
    return f"{place or 'the body'}: {_lower(first['msg'])}{got}; wanted is {EXAMPLE}"


def schemas() -> dict[str, Any]:
    """JSON schemas of what may be asked, for the OpenAPI document."""
    signals = Signals.model_json_schema()
    samples = signals["properties"]["leads"]["additionalProperties"]
    signals["properties"]["leads"]["properties"] = dict.fromkeys(STANDARD, samples)
    batch = Batch.model_json_schema()
    batch["properties"]["recordings"]["description"] = "Each as the body of /v1/rhythm; one that is not has an error in its place."
    return {"Signals": signals, "Batch": batch}


def _check_size(body: bytearray) -> None:
    values = body.count(b",") + 1
    if values > MOST_VALUES:
        raise Refused(413, f"the body holds {values:,} values; at most {MOST_VALUES:,} are taken as JSON, a longer recording goes as a file")
    if sum(body.count(mark) for mark in (b'"', b"[", b"{")) > MOST_MARKS:  # each of these costs far more memory than a number
        raise Refused(413, f"the body has more names, arrays and objects than {MOST_RECORDINGS} recordings of {MOST_LEADS} leads have; wanted is {EXAMPLE}")


def _check_names(body: bytearray) -> None:
    """Parsers keep the last of two values of one name. Looked for with the arrays of numbers left out, which are nearly all of a body."""
    try:
        json.loads(_NUMBERS.sub(b"0", body), object_pairs_hook=_once)
    except (Refused, json.JSONDecodeError):  # so too where a name has brackets within: the whole body tells
        json.loads(bytes(body), object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(422, f"{_short(twice)} stands twice in one object; every name stands once")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
