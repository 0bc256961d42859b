"""Reconstructions that somebody accepted: kept beside a record, never in it, and marked as such wherever they go."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.findings import Reconstruction

DECIMALS: Final = 4  # of mV in print: a tenth of a microvolt
NEVER_MEASURED: Final = "not in the record; not counted, not measured"


@dataclass(frozen=True, eq=False)
class Accepted:
    """A reconstruction that a reader accepted: who and when in UTC; and who discarded it and when, None while it stands."""

    id: str
    made: Reconstruction
    who: str
    at: datetime
    discarded_by: str | None = None
    discarded_at: datetime | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Accepted) and accepted_to_dict(self) == accepted_to_dict(other)

    @property
    def stands(self) -> bool:
        """Whether nobody has discarded it."""
        return self.discarded_at is None

    @property
    def said(self) -> str:
        """The whole of it but the samples, in a line for print."""
        made = self.made
        gone = f", discarded by {self.discarded_by} at {self.discarded_at.isoformat(timespec='seconds')}" if self.discarded_at else ""
        by = f"{made.kind} by {made.model}, accepted by {self.who} at {self.at.isoformat(timespec='seconds')}{gone}"
        return (
            f"{made.lead} {made.start_sample / made.fs_hz:.3f} to {made.stop_sample / made.fs_hz:.3f} s, samples {made.start_sample} to {made.stop_sample}, {by}; {NEVER_MEASURED}"
        )


def standing(accepted: Iterable[Accepted]) -> tuple[Accepted, ...]:
    """Those that nobody has discarded."""
    return tuple(one for one in accepted if one.stands)


def overlapping(accepted: Iterable[Accepted], lead: str, start_sample: int, stop_sample: int) -> tuple[Accepted, ...]:
    """Those that stand on a lead and share a sample with start ≤ i < stop."""
    return tuple(one for one in standing(accepted) if one.made.lead == lead and one.made.start_sample < stop_sample and start_sample < one.made.stop_sample)


def accepted_to_dict(accepted: Accepted) -> dict[str, Any]:
    """Plain values, as they stand in JSON; millivolts to a tenth of a microvolt."""
    made = accepted.made
    return {
        "id": accepted.id,
        "lead": made.lead,
        "kind": made.kind,
        "model": made.model,
        "start_sample": made.start_sample,
        "stop_sample": made.stop_sample,
        "fs_hz": made.fs_hz,
        "accepted_by": accepted.who,
        "accepted_at": accepted.at.isoformat(),
        "discarded_by": accepted.discarded_by,
        "discarded_at": accepted.discarded_at.isoformat() if accepted.discarded_at else None,
        "reconstructed_mv": _plain(made.signal_mv),
        "reconstructed_low_mv": _plain(made.low_mv),
        "reconstructed_high_mv": _plain(made.high_mv),
        "coverage": made.coverage,
    }


def accepted_from_dict(data: dict[str, Any]) -> Accepted:
    """What `accepted_to_dict` gave. Raises FormatError for other values."""
    try:
        signal, low, high = (np.asarray(data[name], np.float32) for name in ("reconstructed_mv", "reconstructed_low_mv", "reconstructed_high_mv"))
        span = (data["start_sample"], data["stop_sample"], data["fs_hz"])
        made = Reconstruction(data["model"], data["lead"], data["kind"], *span, signal, low, high, data["coverage"])
        gone = data["discarded_at"]
        when = datetime.fromisoformat(gone) if gone else None
        return Accepted(data["id"], made, data["accepted_by"], datetime.fromisoformat(data["accepted_at"]), data["discarded_by"], when)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not an accepted reconstruction of Leadwise: {error}") from error


def _plain(mv: NDArray[np.float32]) -> list[float]:
    return [round(float(value), DECIMALS) for value in mv]
