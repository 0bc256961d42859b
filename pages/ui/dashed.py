"""Reconstructions as the strip draws them, and what is said of each. Knows nothing of Streamlit."""

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from ecgcore import tiles
from ecgcore.figures.clock import clock
from ecgcore.findings import Reconstruction
from ecgcore.reconstructed import Accepted
from ecgcore.record import Record
from ecgcore.signals import filters
from pages.ui.text import moment

LEAST_STEP_MV: Final = 0.001
AROUND_S: Final = 0.5  # of signal on either side, by whose level a filtered strip is told where the piece stands
PIECES: Final = 256  # whose levels are kept


def drawn(record: Record, accepted: Sequence[Accepted], candidate: Reconstruction | None = None) -> list[dict[str, Any]]:
    """The pieces for the strip: those accepted, and one that is only looked at. Raises LeadError for one of another record."""
    pieces = [_piece(record, one.made, accepted=True, said=said_of(one.made, one)) for one in accepted]
    return [*pieces, *([_piece(record, candidate, accepted=False, said=said_of(candidate))] if candidate else [])]


def span(made: Reconstruction) -> str:
    """From when to when, and how long."""
    start_s, stop_s = made.start_sample / made.fs_hz, made.stop_sample / made.fs_hz
    return f"{clock(start_s, 2)} to {clock(stop_s, 2)} ({stop_s - start_s:.2f} s)"


def said_of(made: Reconstruction, accepted: Accepted | None = None) -> str:
    """All of it in words."""
    by = f"accepted by {accepted.who}, {moment(accepted.at)} UTC" if accepted else "not accepted"
    what = "filled" if made.kind == "gap" else "forecast"
    return f"{made.lead} {span(made)}: {what} by {made.model}, {by}. Dashed: the estimate. Shaded: should hold {made.coverage:.0%} of the true samples. Never counted or measured."


def _piece(record: Record, made: Reconstruction, *, accepted: bool, said: str) -> dict[str, Any]:
    rows = np.stack([made.signal_mv, made.low_mv, made.high_mv])
    step_mv = max(LEAST_STEP_MV, float(np.abs(rows).max()) / np.iinfo(np.int16).max)
    return {
        "lead": made.lead,
        "kind": made.kind,
        "start": made.start_sample,
        "samples": b64encode(np.round(rows / step_mv).astype("<i2").tobytes()).decode("ascii"),
        "step_mv": step_mv,
        "taken_mv": _taken_mv(record, made.lead, made.start_sample, made.stop_sample),
        "accepted": accepted,
        "said": said,
    }


@lru_cache(maxsize=PIECES)
def _taken_mv(record: Record, lead: str, start: int, stop: int) -> dict[str, tuple[float, float]]:
    """By filter with a low cut-off, what it takes from the level before and after a piece; of the one side where the other holds no sample."""
    around = round(AROUND_S * record.fs_hz)
    taken = {}
    for band in filters.FILTERS.values():
        if band.low_hz is None:
            continue
        sides = [tiles.taken_mv(record, lead, *side, band.name) for side in ((start - around, start), (stop, stop + around))]
        before, after = (sides[i] if sides[i] is not None else sides[1 - i] for i in (0, 1))
        taken[band.name] = (round(before or 0.0, 4), round(after or 0.0, 4))
    return taken
