"""Where a file that leaves a review comes from: which record, which model, which readers, which state, signed by whom."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ecgcore.errors import FormatError


@dataclass(frozen=True)
class Signed:
    """Who signed what was written: version 1, 2, …, when in UTC, with which words; sha256 of the frozen state's JSON."""

    who: str
    at: datetime
    version: int
    statement: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """Origin of an exported file.

    record_sha256   of the recording as uploaded, `file_name` its name
    leads           the leads analysed
    model           name@version of what classified the beats at first; weights_sha256 that of its weights
    detector        what found them
    readers         who may have edited the reading; none named for one that is shared
    state_seq       number of the last event the file holds
    signed          the signature the file is under; None for a reading that is open
    version         of Leadwise
    reconstructed   a line each for the reconstructions that stand beside the record
    """

    record_name: str
    record_sha256: str
    file_name: str
    leads: tuple[str, ...]
    model: str
    weights_sha256: str
    detector: str
    reading_id: str
    readers: tuple[str, ...]
    session: str | None
    state_seq: int
    signed: Signed | None
    version: str
    made_at: datetime
    reconstructed: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """A line "key: value" for each fact, for the head of a file; the first begins with "leadwise"."""
        signed = self.signed
        facts = {
            "leadwise": self.version,
            "made": self.made_at.isoformat(timespec="seconds"),
            "record": self.record_name,
            "record sha256": self.record_sha256,
            "file": self.file_name,
            "leads analysed": ", ".join(self.leads),
            "model": self.model,
            "weights sha256": self.weights_sha256,
            "detector": self.detector,
            "reading": self.reading_id,
            "readers": ", ".join(self.readers) or "shared",
            "session": self.session or "none",
            "state": str(self.state_seq),
            "signed": f"version {signed.version} by {signed.who} at {signed.at.isoformat(timespec='seconds')}: {signed.statement}" if signed else "no",
            "signed sha256": signed.sha256 if signed else "none",
            **{f"reconstructed {number}": line for number, line in enumerate(self.reconstructed, 1)},
        }
        return tuple(f"{key}: {' '.join(value.split())}" for key, value in facts.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in JSON."""
        data = asdict(self) | {"made_at": self.made_at.isoformat()}
        return data | ({"signed": data["signed"] | {"at": self.signed.at.isoformat()}} if self.signed else {})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Provenance":
        """The provenance that `to_dict` gave. Raises FormatError for other values."""
        try:
            signed = data["signed"]
            made = {"leads": tuple(data["leads"]), "readers": tuple(data["readers"]), "made_at": datetime.fromisoformat(data["made_at"])}
            made["reconstructed"] = tuple(data.get("reconstructed", ()))  # files of earlier versions have none
            made["signed"] = Signed(**{**signed, "at": datetime.fromisoformat(signed["at"])}) if signed else None
            return cls(**{**data, **made})
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"not a provenance of Leadwise: {error}") from error
