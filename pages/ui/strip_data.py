"""What the strip in the browser is told by Python. Knows nothing of Streamlit."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from ecgcore.episodes import Episode
from ecgcore.figures.palette import Palette
from ecgcore.findings import Analysis
from ecgcore.record import Record
from ecgcore.signals import filters
from pages.ui import access, beats, dashed, desk, tokens
from pages.ui.hand import Hand, first_leads

# Longer views are drawn from the pyramid of the signal as recorded: filtering hours for a few pixels would show nothing more.
FILTERED_UP_TO_S: Final = 120
PACED_NAME: Final = "paced"


def signal_only(user: access.User, record_id: str, record: Record, colours: Palette) -> dict[str, Any]:
    """The strip of a record whose beats are still being found."""
    return {
        "base": f"/strip/{record_id}",
        "token": tokens.issue(user.name, record_id, None),
        "token_age_s": tokens.LIFETIME_S,
        "record": _record(record_id, record),
        "reading": None,
        "model": "",
        "author_line": "",
        "filters": _filters(record.fs_hz),
        "default_filter": filters.DIAGNOSTIC,
        "filtered_up_to_s": FILTERED_UP_TO_S,
        "quality": [],
        "episodes": [],
        "reconstructions": dashed.drawn(record, desk.reconstructions().of(record_id)),
        "annotators": list(beats.beat_annotators(record)),
        "palette": asdict(colours),
        "class_names": {**beats.CLASS_NAMES, "P": PACED_NAME},
        "goto": None,
    }


def of_reading(hand: Hand, episodes: Sequence[Episode], colours: Palette, goto: dict[str, Any] | None, bands: dict[str, Any] | None = None) -> dict[str, Any]:
    """The strip of a reading, now or as it was, with the bands of a map where one is shown."""
    base = f"/strip/{hand.record_id}" + (f"/at/{hand.moment}" if hand.moment is not None else "")
    return {
        **signal_only(hand.user, hand.record_id, hand.record, colours),
        "base": base,
        "token": tokens.issue(hand.user.name, hand.record_id, hand.reading.id),
        "user": hand.user.name,
        "reading": {"id": hand.reading.id, "seq": hand.state.seq, "editable": not hand.why_not, "why_not": hand.why_not},
        "model": hand.reading.model,
        "author_line": hand.author,
        "quality": _quality(hand.found),
        "episodes": [_episode(episode, hand.record.fs_hz) for episode in episodes],
        "bands": bands,
        "goto": goto,
    }


def _record(record_id: str, record: Record) -> dict[str, Any]:
    return {
        "id": record_id,
        "name": record.name,
        "fs_hz": record.fs_hz,
        "n_samples": record.n_samples,
        "start": record.start.isoformat() if record.start else None,
        "leads": list(record.available_leads),
        "first_leads": list(first_leads(record)),
    }


def _filters(fs_hz: float) -> list[dict[str, Any]]:
    """Each filter with what it does at this rate, by notch in Hz."""
    return [{"name": name, "printed": {f"{notch:g}": filters.effective(name, fs_hz, notch or None) for notch in (0.0, *filters.NOTCHES_HZ)}} for name in filters.FILTERS]


def _quality(analysis: Analysis) -> list[tuple[str, float, float, str, str]]:
    return [(mark.lead, mark.start_s, mark.stop_s, mark.kind, mark.reason) for mark in analysis.quality.marks]


def _episode(episode: Episode, fs_hz: float) -> tuple[float, float, str, str]:
    return round(episode.start_sample / fs_hz, 3), round(episode.stop_sample / fs_hz, 3), episode.kind, episode.text
