"""One recording as one row of the table: what its columns are, and how it is made."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import EcgError, InputError, MissingFactError
from ecgcore.findings import AAMI_CLASSES, Analysis
from ecgcore.readers.folder import Found
from ecgcore.readers.sources import Facts
from ecgcore.record import Record
from ecgcore.rhythm_findings import RHYTHM_NAMES, RHYTHMS

if TYPE_CHECKING:
    import pyarrow

Row: TypeAlias = dict[str, Any]
Fault: TypeAlias = Literal["file", "work"]
FILE: Final[Fault] = "file"  # the recording cannot be analysed; it is not tried again until it changes
WORK: Final[Fault] = "work"  # what analysed it failed or was killed; the next run tries it again
TREND_FROM_S: Final = 60.0  # a longer recording has no one rhythm

# Column → its type in Arrow and what it holds. A value that is not known is null.
COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "path": ("string", "file within the folder, for WFDB the header"),
    "sha256": ("string", "of the file, or for several of their sorted 'sha256  name' lines"),
    "format": ("string", "WFDB, EDF+, DICOM, …"),
    "leads": ("list<string>", "leads analysed"),
    "fs_hz": ("double", "sampling rate"),
    "duration_s": ("double", "length"),
    "beats": ("int64", "beats found"),
    **{f"beats_{name}": ("int64", f"beats of AAMI class {name}; null where the model does not know the class") for name in AAMI_CLASSES},
    **{f"burden_{name}": ("double", f"share of the beats that are {name}, 0 to 1") for name in AAMI_CLASSES},
    "heart_rate_bpm": ("double", "60 over the mean RR interval, intervals longer than 3 s left out"),
    "rhythm": ("string", "the rhythm called; null where none is, and for recordings of more than a minute"),
    "rhythm_probability": ("double", "of the most probable rhythm, called or not"),
    **{f"p_{name}": ("double", f"probability of {RHYTHM_NAMES[name]}") for name in RHYTHMS},
    "doubt": ("string", "why no rhythm is called"),
    "afib_share": ("double", "of recordings of more than a minute: share of the time judged that is atrial fibrillation, 0 to 1"),
    "judged_share": ("double", "of recordings of more than a minute: share of all time in which a rhythm is called, 0 to 1"),
    "usable": ("double", "share of 10-s windows without a quality mark, mean of the leads, 0 to 1"),
    "notes": ("list<string>", "what was found on reading, and what a reader must know before trusting the row"),
    "beat_model": ("string", "name@version of what classified the beats"),
    "rhythm_model": ("string", "name@version of what judged the rhythm"),
    "detector": ("string", "what found the beats"),
    "seconds": ("double", "taken by reading and analysing"),
    "error": ("string", "why there is no analysis; null where there is one"),
    "fault": ("string", "of an error: 'file', or 'work' where the next run tries again"),
    "stamp": ("string", "digest of names, sizes and times of change of the recording's files, by which a later run knows it"),
}


@dataclass(frozen=True)
class Asked:
    """What is asked of every recording.

    leads         None for all
    model         that classifies beats, rhythm_model that tells rhythm, each as name@version
    facts         said of tables that leave them out
    """

    leads: tuple[str, ...] | None
    model: str = "beats"
    rhythm_model: str = "universal"
    facts: Facts = field(default_factory=Facts)


def schema() -> "pyarrow.Schema":
    """The table's columns with their types; the metadata key "about" of each says what it holds."""
    import pyarrow

    types = {"string": pyarrow.string(), "double": pyarrow.float64(), "int64": pyarrow.int64(), "list<string>": pyarrow.list_(pyarrow.string())}
    return pyarrow.schema([pyarrow.field(name, types[kind], metadata={"about": about}) for name, (kind, about) in COLUMNS.items()])


def row_of(root: Path, found: Found, asked: Asked) -> Row:
    """The row of one recording in the folder `root`; where it cannot be read or analysed, with what is wrong."""
    from ecgcore.analysis import analyze

    begun, row = time.perf_counter(), _blank(found)
    try:
        record = _read(root / found.path, asked.facts)
        row |= _of_record(record)
        row |= _of_analysis(analyze(record, asked.leads, model=asked.model, rhythm_model=asked.rhythm_model))
        if record.duration_s > TREND_FROM_S:
            row |= _of_trend(record, asked)
    except EcgError as error:
        row |= {"error": one_line(error), "fault": FILE}
    row["seconds"] = time.perf_counter() - begun
    return {name: _plain(value) for name, value in row.items()}


def failed(found: Found, error: str) -> Row:
    """The row of a recording whose analysis failed through no fault that a reader could name."""
    return {name: _plain(value) for name, value in (_blank(found) | {"error": error, "fault": WORK}).items()}


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())


def _blank(found: Found) -> Row:
    return {**dict.fromkeys(COLUMNS), "path": found.shown, "stamp": found.stamp}


def _read(path: Path, facts: Facts) -> Record:
    """The facts are for those files that leave them out."""
    from ecgcore.readers import read

    try:
        return read(path)
    except MissingFactError:
        if not facts.stated():
            raise
        return read(path, fs_hz=facts.fs_hz, units=facts.units, leads=facts.leads)


def _of_record(record: Record) -> Row:
    return {"sha256": record.source.sha256, "format": record.source.format, "fs_hz": record.fs_hz, "duration_s": record.duration_s, "notes": list(record.notes)}


def _of_analysis(analysis: Analysis) -> Row:
    beats, rhythm, usable = analysis.beats, analysis.rhythm, analysis.quality.usable
    row: Row = {
        "leads": list(analysis.leads),
        "beats": len(beats),
        **{f"beats_{name}": beats.counts.get(name) for name in AAMI_CLASSES},
        **{f"burden_{name}": beats.burden.get(name) for name in AAMI_CLASSES},
        "heart_rate_bpm": _mean_rate_bpm(beats.samples, analysis.record.fs_hz),
        "usable": sum(usable.values()) / len(usable),
        "notes": [*analysis.record.notes, *analysis.notes],
        "beat_model": beats.model,
        "detector": beats.detector,
    }
    if rhythm is not None:
        row |= {"rhythm": rhythm.label if rhythm.sure else None, "rhythm_probability": rhythm.probabilities[rhythm.label], "doubt": rhythm.doubt or None}
        row |= {"rhythm_model": rhythm.model, **{f"p_{name}": rhythm.probabilities.get(name) for name in RHYTHMS}}
    return row


def _of_trend(record: Record, asked: Asked) -> Row:
    from ecgcore.rhythm import rhythm_along

    try:
        trend = rhythm_along(record, asked.leads, model=asked.rhythm_model)
    except InputError as error:
        return {"doubt": one_line(error)}
    return {"afib_share": trend.share("AFIB"), "judged_share": trend.judged, "rhythm_model": trend.model}


def _mean_rate_bpm(samples: NDArray[np.int64], fs_hz: float) -> float | None:
    from ecgcore.signals.features import MAX_RR_S, rr_s

    intervals = rr_s(samples, fs_hz)[1:]
    known = intervals[intervals <= MAX_RR_S]
    return float(60 / known.mean()) if known.size else None


def _plain(value: Any) -> Any:
    """As a table holds it: text that is no Unicode spelt out, NaN as null."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value
