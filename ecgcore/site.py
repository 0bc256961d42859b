"""This site's own training data: what its readers signed, as a data set version gives it. Knows nothing of the store or of networks."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore.data import LabelledBeats

Part = Literal["trained", "held out"]
TRAINED: Final = "trained"
HELD_OUT: Final = "held out"
CORRECTED_WEIGHT: Final = 2.0  # of a beat that a reader corrected, against 1 for every other, unless somebody asks for another; see EXPERIMENTS.md


@dataclass(frozen=True, eq=False)
class SiteRecord:
    """A signed reading of a stored recording.

    labelled   the recording with its beats as they were signed; paced and unreadable beats are Q
    corrected  (n_beats,) whether a reader or a file said so, not the model
    patient    whose it is, as the manifest names him: all recordings of one patient are in one part
    part       whether models learn from him, or are compared on him
    """

    labelled: LabelledBeats
    corrected: NDArray[np.bool_]
    patient: str
    part: Part


@dataclass(frozen=True, eq=False)
class SiteData:
    """A version of this site's data set, whose manifest has this sha256."""

    number: int
    sha256: str
    records: tuple[SiteRecord, ...]

    def of(self, part: Part) -> tuple[SiteRecord, ...]:
        """The records of one part."""
        return tuple(record for record in self.records if record.part == part)

    @property
    def name(self) -> str:
        """As cards name it among the data sets."""
        return f"site {self.number}"
