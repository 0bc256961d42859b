"""The nouns of a recording: what was recorded, from whom, and what is written beside it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore import leads as lead_names
from ecgcore.errors import FormatError, InputError

MIN_FS_HZ: Final = 1.0
MAX_FS_HZ: Final = 100_000.0


def missing_code(dtype: np.dtype[Any]) -> int:
    """The ADC value that stands for a missing sample: the least value of the integer type."""
    return int(np.iinfo(dtype).min)


@dataclass(frozen=True)
class Patient:
    """Who was recorded, as far as the file says."""

    id: str | None = None
    name: str | None = None
    sex: Literal["F", "M"] | None = None
    age_years: float | None = None


@dataclass(frozen=True)
class Source:
    """Where a record came from.

    `sha256` is that of the file, or for several files of their sorted "sha256  name" lines.
    `encoding` is how the file stores a sample (WFDB "212", "16"; EDF "int16"), for a faithful rewrite.
    """

    format: str
    file_name: str
    sha256: str
    encoding: str = ""


@dataclass(frozen=True, eq=False)
class Annotation:
    """One annotation file: marks at sample numbers of the record's own rate.

    All arrays and tuples have one entry a mark. `symbols` are WFDB annotation codes ("N", "V", "+", …);
    `notes` hold the auxiliary text, such as "(AFIB".
    """

    annotator: str
    samples: NDArray[np.int64]
    symbols: tuple[str, ...]
    notes: tuple[str, ...]
    subtypes: NDArray[np.int16]
    channels: NDArray[np.int16]
    numbers: NDArray[np.int16]

    def __post_init__(self) -> None:
        counts = {len(column) for column in (self.samples, self.symbols, self.notes, self.subtypes, self.channels, self.numbers)}
        if len(counts) != 1:
            raise FormatError(f"annotation columns differ in length: {sorted(counts)}")

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def of(cls, annotator: str, samples: NDArray[np.integer[Any]], symbols: Iterable[str]) -> "Annotation":
        """Annotations without notes, subtypes, channels or numbers."""
        symbols = tuple(symbols)
        zeros = np.zeros(len(symbols), np.int16)
        return cls(annotator, np.asarray(samples, np.int64), symbols, ("",) * len(symbols), zeros, zeros, zeros)


@dataclass(frozen=True, eq=False)
class Record:
    """A recording: integer samples as stored, and what turns them into millivolts.

    adc       (n_leads, n_samples) int16 or int32, perhaps a memory map; `missing_code` marks a missing sample
    gain      (n_leads,) ADC units per mV
    baseline  (n_leads,) ADC value of 0 mV
    notes     findings made on reading, a line each: what was left out, renamed or mended
    """

    name: str
    adc: NDArray[np.integer[Any]]
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    fs_hz: float
    leads: tuple[str, ...]
    source: Source
    start: datetime | None = None
    patient: Patient = field(default_factory=Patient)
    annotations: tuple[Annotation, ...] = ()
    comments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.adc.ndim != 2 or self.adc.dtype not in (np.dtype(np.int16), np.dtype(np.int32)):
            raise FormatError(f"samples must be (leads, samples) of int16 or int32, not {self.adc.shape} of {self.adc.dtype}")
        if self.adc.shape[0] == 0 or self.adc.shape[1] == 0:
            raise FormatError(f"a record needs at least one lead and one sample, not {self.adc.shape[0]} × {self.adc.shape[1]}")
        if not (len(self.leads) == len(self.gain) == len(self.baseline) == self.adc.shape[0]):
            raise FormatError(f"{self.adc.shape[0]} signals but {len(self.leads)} lead names, {len(self.gain)} gains, {len(self.baseline)} baselines")
        if len(set(self.leads)) != len(self.leads):
            raise FormatError(f"lead names repeat: {', '.join(self.leads)}")
        if not MIN_FS_HZ <= self.fs_hz <= MAX_FS_HZ:
            raise FormatError(f"sampling rate {self.fs_hz} Hz is not between {MIN_FS_HZ:g} and {MAX_FS_HZ:g} Hz")
        if not (np.isfinite(self.gain).all() and (self.gain != 0).all() and np.isfinite(self.baseline).all()):
            raise FormatError(f"gain {self.gain.tolist()} and baseline {self.baseline.tolist()} must be finite, and no gain zero")

    @property
    def n_samples(self) -> int:
        """Samples in each lead."""
        return int(self.adc.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.fs_hz

    @cached_property
    def available_leads(self) -> tuple[str, ...]:
        """The recorded leads, then the limb leads that follow from I and II."""
        return (*self.leads, *lead_names.derivable(self.leads))

    def select(self, wanted: Iterable[str] | None = None) -> tuple[str, ...]:
        """This record's names of the leads wanted; all recorded leads for None. Raises LeadError."""
        return self.leads if wanted is None else lead_names.select(wanted, self.leads)

    def mv(self, leads: Iterable[str] | None = None, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Signal in mV, (n_leads, n) float32, of samples start ≤ i < stop; missing samples are NaN.

        Leads may be derived (III, aVR, aVL, aVF). Raises LeadError, or InputError for a range outside the record.
        """
        stop = self.n_samples if stop is None else stop
        if not 0 <= start <= stop <= self.n_samples:
            raise InputError(f"samples {start} to {stop} are not within the record's 0 to {self.n_samples}")
        chosen = self.select(leads)
        out = np.empty((len(chosen), stop - start), np.float32)
        for row, name in enumerate(chosen):
            out[row] = self._lead_mv(name, start, stop)
        return out

    def _lead_mv(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        if name not in self.leads:
            return lead_names.derive(name, self._lead_mv("I", start, stop), self._lead_mv("II", start, stop))
        row = self.leads.index(name)
        raw = self.adc[row, start:stop]
        mv = raw.astype(np.float32)
        mv -= np.float32(self.baseline[row])
        mv /= np.float32(self.gain[row])
        mv[raw == missing_code(self.adc.dtype)] = np.nan
        return mv

    def annotation(self, annotator: str) -> Annotation:
        """The annotations of one annotator. Raises InputError naming those there are."""
        for annotation in self.annotations:
            if annotation.annotator == annotator:
                return annotation
        there = ", ".join(a.annotator for a in self.annotations) or "none"
        raise InputError(f"no annotations by {annotator!r} in record {self.name}; there are: {there}")
