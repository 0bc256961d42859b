"""Changes and states as JSON, compact, and back equal.

Beats are {"samples": [...], "codes": "NNV", "authors": [["beats@2", 2], ["anna@x", 1]]}: authors by runs.
Where a change leaves beats in place, their samples stand once.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.review.marks import Change, Item, Marks
from ecgcore.review.state import State


def change_to_json(change: Change) -> str:
    """A change as JSON."""
    were, are = change.beats_were, change.beats_are
    in_place = np.array_equal(were.samples, are.samples)
    data = {
        "beats_were": _columns(were.samples, were.codes, np.array(were.authors, object)),
        "beats_are": _columns(None if in_place else are.samples, are.codes, np.array(are.authors, object)),
        "items_were": [asdict(item) for item in change.items_were],
        "items_are": [asdict(item) for item in change.items_are],
    }
    return _dumped(data)


def change_from_json(text: str) -> Change:
    """The change that `change_to_json` wrote. Raises FormatError for any other text."""
    try:
        data = json.loads(text)
        were = _marks(data["beats_were"], None)
        return Change(were, _marks(data["beats_are"], were.samples), _items(data["items_were"]), _items(data["items_are"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not a change of Leadwise: {error}") from error


def state_to_json(state: State) -> str:
    """A state as JSON, one and the same for equal states."""
    beats = _columns(state.samples, state.codes.tolist(), state.authors)
    data = {"seq": state.seq, "model": state.model, "fs_hz": state.fs_hz, "beats": beats, "items": [asdict(item) for item in state.items]}
    return _dumped(data)


def state_from_json(text: str) -> State:
    """The state that `state_to_json` wrote. Raises FormatError for any other text."""
    try:
        data = json.loads(text)
        beats = data["beats"]
        codes = np.array(list(beats["codes"]), "<U1")
        return State(data["seq"], np.asarray(beats["samples"], np.int64), codes, _authors(beats["authors"]), _items(data["items"]), data["model"], data["fs_hz"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not a state of Leadwise: {error}") from error


def sha256(state: State) -> str:
    """What a signature holds of a state: the SHA-256 of its JSON, hexadecimal."""
    return hashlib.sha256(state_to_json(state).encode()).hexdigest()


def _dumped(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _columns(samples: NDArray[np.int64] | None, codes: Sequence[str], authors: NDArray[np.object_]) -> dict[str, Any]:
    return {"samples": None if samples is None else samples.tolist(), "codes": "".join(codes), "authors": _runs(authors)}


def _runs(authors: NDArray[np.object_]) -> list[tuple[str, int]]:
    """Authors (n,) as (author, how many in a row)."""
    if not authors.size:
        return []
    begins = np.flatnonzero(np.concatenate([[True], (authors[1:] != authors[:-1]).astype(bool)]))
    lengths = np.diff(np.append(begins, authors.size))
    return list(zip(authors[begins].tolist(), lengths.tolist(), strict=True))


def _authors(runs: list[tuple[str, int]]) -> NDArray[np.object_]:
    names = np.array([name for name, _ in runs], object)
    return np.asarray(np.repeat(names, np.array([count for _, count in runs], np.int64)))


def _marks(data: dict[str, Any], in_place: NDArray[np.int64] | None) -> Marks:
    samples = in_place if data["samples"] is None else np.asarray(data["samples"], np.int64)
    if samples is None:
        raise ValueError("beats that were have no samples")
    return Marks(samples, tuple(data["codes"]), tuple(_authors(data["authors"]).tolist()))


def _items(data: list[dict[str, Any]]) -> tuple[Item, ...]:
    return tuple(Item(**item) for item in data)
