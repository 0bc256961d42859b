"""The lines of the worklist. Knows nothing of Streamlit."""

from collections.abc import Sequence
from typing import Final

from ecgcore.store import StoredAnalysis, StoredRecord
from ecgcore.store.reviews import Reading
from pages.ui.text import duration, listed, moment, plain

HEADER: Final = ("Record", "Format", "Leads", "Rate", "Length", "Recorded", "Added (UTC)", "Findings")
PAGE: Final = 20


def line(stored: StoredRecord, reading: Reading | None = None) -> tuple[str, ...]:
    """What the worklist says of a record and its shared reading after its name, in Markdown."""
    return (
        plain(stored.format),
        plain(listed(stored.leads)),
        f"{stored.fs_hz:g} Hz",
        duration(stored.duration_s),
        moment(stored.start),
        moment(stored.created),
        findings(stored.latest, reading),
    )


def findings(latest: StoredAnalysis | None, reading: Reading | None = None) -> str:
    """Beats and ectopic burden of the newest analysis; once readers have edited them, how far they are instead: the model's counts no longer hold."""
    if reading is not None and reading.signed is not None:
        return f"signed, version {reading.signed.version}, by {plain(reading.signed.who)}"
    if reading is not None and reading.seq:
        return f"edited, {reading.seq:,} {'change' if reading.seq == 1 else 'changes'}"
    if latest is None:
        return "not analysed"
    total = sum(latest.counts.values())
    if not total:
        return "no beats found"
    ectopic = " · ".join(f"{name} {latest.counts[name] / total:.1%}" for name in ("S", "V") if latest.counts.get(name))
    return f"{total:,} beats" + (f" · {ectopic}" if ectopic else "")


def how_found(latest: StoredAnalysis | None) -> str | None:
    """How the findings were got, for the tooltip."""
    if latest is None:
        return None
    return plain(f"By {latest.model}@{latest.version} on {listed(latest.leads)}, {moment(latest.created)} UTC. Burden is the share of all beats found.")


def matching(records: Sequence[StoredRecord], wanted: str) -> tuple[StoredRecord, ...]:
    """Records whose name, format or leads contain some text, in any case."""
    wanted = wanted.strip().lower()
    return tuple(r for r in records if wanted in " ".join((r.name, r.format, *r.leads)).lower())
