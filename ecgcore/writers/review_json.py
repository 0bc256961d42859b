"""A review as JSON: the state, every event, the analysis it began from and where it all comes from; and back equal."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ecgcore.errors import FormatError
from ecgcore.findings import Analysis
from ecgcore.reconstructed import Accepted, accepted_from_dict, accepted_to_dict
from ecgcore.review import Event, State, change_from_json, change_to_json, state_from_json, state_to_json
from ecgcore.writers.provenance import Provenance

FORMAT: Final = "leadwise review"
VERSION: Final = 1


@dataclass(frozen=True)
class ReviewFile:
    """What `review_json` holds."""

    state: State
    events: tuple[Event, ...]
    analysis: Analysis
    provenance: Provenance
    reconstructions: tuple[Accepted, ...] = ()


def review_json(state: State, events: Iterable[Event], analysis: Analysis, provenance: Provenance, reconstructions: Iterable[Accepted] = ()) -> str:
    """Beats and items with their authors; each event with who, when, what was, what is and the model; analysis and provenance.

    reconstructions  those that readers accepted for the record, with their values; the discarded too, with who and when
    Numbers are integers or as `Analysis.to_json` rounds them. The beats are {"samples", "codes", "authors" by runs}.
    """
    data = {
        "format": FORMAT,
        "version": VERSION,
        "provenance": provenance.to_dict(),
        "state": json.loads(state_to_json(state)),
        "events": [_event_to_dict(event) for event in events],
        "analysis": json.loads(analysis.to_json()),
        "reconstructions": [accepted_to_dict(one) for one in reconstructions],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_review_json(text: str) -> ReviewFile:
    """The review that `review_json` wrote, equal to what it was given. Raises FormatError for any other text."""
    try:
        data = json.loads(text)
        if (data["format"], data["version"]) != (FORMAT, VERSION):
            raise FormatError(f"not a review of Leadwise: format {data['format']!r} version {data['version']!r}, where {FORMAT!r} version {VERSION} is read")
        return ReviewFile(
            state=state_from_json(json.dumps(data["state"])),
            events=tuple(_event_from_dict(event) for event in data["events"]),
            analysis=Analysis.from_json(json.dumps(data["analysis"])),
            provenance=Provenance.from_dict(data["provenance"]),
            reconstructions=tuple(accepted_from_dict(one) for one in data.get("reconstructions", ())),  # files of earlier versions have none
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not a review of Leadwise: {error}") from error


def _event_to_dict(event: Event) -> dict[str, Any]:
    plain = {name: getattr(event, name) for name in ("seq", "kind", "who", "model", "of", "note", "command")}
    return plain | {"at": event.at.isoformat(), "change": json.loads(change_to_json(event.change))}


def _event_from_dict(data: dict[str, Any]) -> Event:
    return Event(**{**data, "at": datetime.fromisoformat(data["at"]), "change": change_from_json(json.dumps(data["change"]))})
