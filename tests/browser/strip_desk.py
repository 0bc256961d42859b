"""Records and readings in memory behind the strip's routes: the contract of pages/ui/routes.py without store, sign-in or model."""

import json
import threading
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ecgcore import demo, tiles
from ecgcore.errors import EcgError, StoreError
from ecgcore.findings import AAMI_OF_MIT, EctopyMap
from ecgcore.record import Annotation, Record, Source
from ecgcore.review import Change, State, command_from
from ecgcore.signals import filters
from ecgcore.signals.pyramid import Pyramid, build
from pages.ui import maps
from tests.ectopy_maps import DELETION, PASSED, map_of

MODEL, READER = "beats@2", "anna"
SQUARE_MV = {"II": 1.0, "V1": -0.4}  # height of the square waves: up at each whole second for 0.5 s
SPIKES = tuple(int(sample) for sample in np.random.default_rng(5).integers(1000, 3600 * 250 - 1000, 12))
SPIKE_MV = 2.0


@cache
def record(name: str) -> Record:
    """A record by name."""
    makers = {"squares": _squares, "spikes": _spikes, "day": _day}
    return makers[name]() if name in makers else demo.make_demo(name)


def _squares() -> Record:
    up = (np.arange(60 * 500) % 500 < 250).astype(float)
    mv = np.stack([height * up for height in SQUARE_MV.values()])
    mv[1, 10_000:11_000] = np.nan
    return demo.record_of("squares", mv, [(second + 0.001, "N") for second in range(1, 60)], tuple(SQUARE_MV), 500)


def _spikes() -> Record:
    mv = np.zeros((1, 3600 * 250))
    mv[0, list(SPIKES)] = SPIKE_MV
    return demo.record_of("spikes", mv, [], ("II",), 250)


def _day() -> Record:
    """A day of three leads at 250 Hz: ten minutes with ectopic beats, over and over."""
    short = demo.make_demo("demo-ectopy")
    adc = np.concatenate([short.adc, short.adc[:1] // 2])
    beats = short.annotation("atr")
    samples = np.concatenate([beats.samples + k * short.n_samples for k in range(144)])
    truth = Annotation.of("atr", samples, beats.symbols * 144)
    return Record("day", np.tile(adc, 144), np.full(3, demo.GAIN), np.zeros(3), 250, ("II", "V1", "V5"), Source("synthetic", "day.hea", "1" * 64, "16"), annotations=(truth,))


@cache
def pyramid(name: str) -> Pyramid:
    """The pyramid of a record."""
    known = record(name)
    return build(known.adc, known.gain, known.baseline, known.leads, known.mv)


@cache
def ectopy_map(name: str) -> EctopyMap:
    """A map with a place on each V and S beat; that on the second V fails a check."""
    known, at = record(name), []
    beats = known.annotation("atr")
    for sample, symbol in zip(beats.samples, beats.symbols, strict=True):
        label = AAMI_OF_MIT[symbol]
        if label in ("V", "S"):
            at.append((sample / known.fs_hz, label, 0.9 if label == "V" else 0.6, DELETION if sum(one[1] == "V" for one in at) == 1 and label == "V" else PASSED))
    return map_of(known, at, {"V": PASSED, "S": PASSED}, lead=known.leads[0])


@dataclass
class Reading:
    """The history of one reading, and the bodies of the edits that came."""

    state: State
    done: list[Change] = field(default_factory=list)
    undone: list[Change] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    came: list[dict[str, Any]] = field(default_factory=list)
    editable: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self) -> dict[str, Any]:
        """The body of GET state."""
        why_not = "" if self.editable else "signed off as version 1 by bo"
        return {
            "seq": self.state.seq,
            "editable": self.editable,
            "why_not": why_not,
            "items": [asdict(item) for item in self.state.items],
            "counts": self.state.counts,
            "can_undo": bool(self.done),
            "can_redo": bool(self.undone),
        }


_READINGS: dict[tuple[str, str], Reading] = {}
_LOCK = threading.Lock()


def reading(name: str, reading_id: str) -> Reading:
    """A reading of a record; begun from the record's own beats. One whose id begins with "signed" may not be edited."""
    with _LOCK:
        if (name, reading_id) not in _READINGS:
            known = record(name)
            truth = known.annotation("atr")
            authors = np.full(len(truth), MODEL, object)
            first = State(0, truth.samples, np.array(truth.symbols, "<U1"), authors, (), MODEL, known.fs_hz)
            _READINGS[name, reading_id] = Reading(first, editable=not reading_id.startswith("signed"))
        return _READINGS[name, reading_id]


def _of(request: Request) -> Reading:
    """The token of these tests is the reading's id, a colon, and a number that grows with each renewal."""
    return reading(request.path_params["name"], request.headers["X-Strip-Token"].partition(":")[0])


def _tile(request: Request) -> Response:
    name, asked = request.path_params["name"], request.query_params
    if not request.headers.get("X-Strip-Token"):
        return JSONResponse({"error": "no token"}, 403)
    notch = float(asked["notch"]) if "notch" in asked else None
    try:
        made = tiles.tile(record(name), pyramid(name), asked["leads"].split(","), int(asked["level"]), int(asked["index"]), asked.get("filter"), notch)
    except EcgError as error:
        return JSONResponse({"error": str(error)}, 400)
    return Response(made.to_bytes(), headers={"Cache-Control": "private, max-age=3600"})


def _packed(seq: int, samples: Any, codes: str, certainty: Any, authors: Any) -> Response:
    head = np.array([len(codes), seq], "<u4").tobytes()
    return Response(head + samples.astype("<i4").tobytes() + codes.encode("ascii") + certainty.astype("u1").tobytes() + authors.astype("u1").tobytes())


def _beats(request: Request) -> Response:
    state = _of(request).state
    by_model = (state.authors == MODEL).astype(bool)
    return _packed(state.seq, state.samples, "".join(state.codes), np.where(by_model, 186, 255), np.where(by_model, 0, 1))


def _reference(request: Request) -> Response:
    truth = record(request.path_params["name"]).annotation(request.query_params["annotator"])
    return _packed(0, truth.samples, "".join(truth.symbols), np.full(len(truth), 255), np.full(len(truth), 2))


def _bands(request: Request) -> Response:
    name = request.path_params["name"]
    return Response(maps.packed(ectopy_map(name), record(name).fs_hz))


def _state(request: Request) -> Response:
    return JSONResponse(_of(request).told())


async def _edit(request: Request) -> Response:
    command = json.loads(await request.body())
    command_id, known = command.pop("id"), _of(request)
    with known.lock:
        known.came.append({"id": command_id, "command": command})
        if command_id not in known.answers:
            try:
                known.answers[command_id] = _made(known, command, record(request.path_params["name"]).n_samples)
            except StoreError as error:
                return JSONResponse({"error": str(error)}, 409)
            except EcgError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(known.answers[command_id])


def _made(known: Reading, command: dict[str, Any], n_samples: int) -> dict[str, Any]:
    if not known.editable:
        raise StoreError("signed off as version 1 by bo")
    if command["command"] == "undo":
        change = _last(known.done, "undo").inverse()
        known.undone.append(change)
    elif command["command"] == "redo":
        change = _last(known.undone, "redo").inverse()
        known.done.append(change)
    else:
        change = command_from(command).change(known.state, n_samples, READER)
        known.done.append(change)
        known.undone.clear()
    known.state = known.state.applied(change, known.state.seq + 1)
    return {**known.told(), "said": f"{command['command']} saved"}


def _last(changes: list[Change], what: str) -> Change:
    if not changes:
        raise StoreError(f"there is nothing to {what}")
    return changes.pop()


def _came(request: Request) -> Response:
    """For the tests: the edits that came, as they came."""
    return JSONResponse(reading(request.path_params["name"], request.query_params["reading"]).came)


ROUTES = [
    Route("/strip/{name}/tile", _tile),
    Route("/strip/{name}/beats", _beats),
    Route("/strip/{name}/reference", _reference),
    Route("/strip/{name}/state", _state),
    Route("/strip/{name}/bands", _bands),
    Route("/strip/{name}/edit", _edit, methods=["POST"]),
    Route("/strip/{name}/came", _came),
]


def filters_of(fs_hz: float) -> list[dict[str, Any]]:
    """What the strip is told of the filters."""
    notches = {"0": None, "50": 50.0, "60": 60.0}
    return [{"name": name, "printed": {key: filters.effective(name, fs_hz, hz) for key, hz in notches.items()}} for name in filters.FILTERS]


CLASS_NAMES = {"N": "normal", "S": "supraventricular ectopic", "V": "ventricular ectopic", "F": "fusion", "Q": "unclassifiable", "P": "paced"}
assert set(CLASS_NAMES) >= set(AAMI_OF_MIT.values())
