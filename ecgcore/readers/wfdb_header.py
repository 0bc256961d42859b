"""The WFDB header: text → Header, refusing whatever reaches outside its folder or cannot be true.

Source: header(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/header-5.htm
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ecgcore.errors import FormatError, UnsafeFileError
from ecgcore.readers.channels import check_rate
from ecgcore.readers.wfdb_samples import FORMATS

DEFAULT_FS_HZ: Final = 250.0
DEFAULT_GAIN: Final = 200.0
GAP: Final = "~"
MAX_SIGNALS: Final = 1024

_RECORD = re.compile(r"(?P<name>[^\s/]+)(?:/(?P<n_segments>\d{1,9}))?(?:\s+(?P<rest>.*))?")
_FORMAT = re.compile(r"(?P<format>\d{1,4})(?:x(?P<per_frame>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,15}))?")
_GAIN = re.compile(r"(?P<gain>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\((?P<baseline>[-+]?\d{1,18})\))?(?:/(?P<units>\S+))?")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LOOKS_LIKE_RECORD = re.compile(r"[^\s/,;]+(?:/\d+)?[ \t]+\d+(?:[ \t]+[-+]?[\d.]+(?:e[-+]?\d+)?(?:/\S+)?(?:[ \t]+\d+(?:[ \t]+[\d:./]\S*(?:[ \t]+[\d:./]\S*)?)?)?)?[ \t]*", re.I)


@dataclass(frozen=True)
class Signal:
    """One signal line. `gain` is ADC units per `units`; `calibrated` says whether the file states it.

    `checksum` is the 16-bit sum of all samples, 0 where it is not stated.
    """

    file_name: str
    format: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    calibrated: bool
    checksum: int
    name: str


@dataclass(frozen=True)
class Segment:
    """One segment line; a name of "~" is a gap."""

    name: str
    n_frames: int


@dataclass(frozen=True)
class Header:
    """A whole header; of `signals` and `segments` one is empty. `n_frames` is None where it is not stated."""

    name: str
    fs_hz: float
    n_signals: int
    n_frames: int | None
    start: datetime | None
    signals: tuple[Signal, ...]
    segments: tuple[Segment, ...]
    comments: tuple[str, ...]
    notes: tuple[str, ...]


def looks_like_header(head: bytes) -> bool:
    """Whether text that begins so is a WFDB header: a record line, then a signal or segment line if any."""
    lines = [line for line in _lines(head.decode("latin-1")) if not line.startswith("#")][:2]
    if not lines or not all(line.isprintable() for line in (line.replace("\t", " ") for line in lines)):
        return False
    if not _LOOKS_LIKE_RECORD.fullmatch(lines[0]):
        return False
    if len(lines) == 1:
        return len(lines[0].split()) > 2
    fields = lines[1].split()
    if "/" in lines[0].split()[0]:
        return len(fields) == 2 and fields[1].isdigit()
    found = _FORMAT.fullmatch(fields[1]) if len(fields) > 1 else None
    return found is not None and not _NUMBER.fullmatch(fields[0])


def parse(text: str, file_name: str) -> Header:
    """The header in `text`. Raises FormatError, or UnsafeFileError for a name that leaves the folder."""
    lines = _lines(text)
    comments = tuple(line[1:].removeprefix(" ") for line in lines if line.startswith("#"))
    body = [line for line in lines if not line.startswith("#")]
    if not body:
        raise FormatError(f"{file_name} has no record line")
    found = _RECORD.fullmatch(body[0])
    if found is None or "\\" in found["name"] or not found["rest"]:
        _refuse_path(body[0].split()[0].rpartition("/")[0] or body[0].split()[0], file_name)
        raise FormatError(f'{file_name}: {body[0][:80]!r} is no record line; it should read "name signals rate samples"')
    _refuse_path(found["name"], file_name)
    fields = found["rest"].split()
    n_signals = _whole(fields[0], "number of signals", file_name)
    notes: list[str] = []
    fs_hz = _rate(fields, file_name, notes)
    n_frames = _whole(fields[2], "number of samples", file_name) if len(fields) > 2 else 0
    start = _start(fields[3:5], notes)
    if n_signals > MAX_SIGNALS:
        raise FormatError(f"{file_name} promises {n_signals} signals; at most {MAX_SIGNALS} are read")
    n_lines = int(found["n_segments"]) if found["n_segments"] else n_signals
    if len(body) - 1 < n_lines:
        raise FormatError(f"{file_name} promises {n_lines} {'segments' if found['n_segments'] else 'signals'} but describes {len(body) - 1}")
    rest = body[1 : n_lines + 1]
    signals = () if found["n_segments"] else tuple(_signal(line, file_name) for line in rest)
    segments = tuple(_segment(line, file_name) for line in rest) if found["n_segments"] else ()
    return Header(found["name"], fs_hz, n_signals, n_frames or None, start, signals, segments, comments, tuple(notes))


def _lines(text: str) -> list[str]:
    """Lines that are not blank; the end of a comment line is kept but for the line end itself (LF, CR LF or CR)."""
    found = (line.lstrip() for line in re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff").removeprefix("ï»¿")))
    return [line if line.startswith("#") else line.rstrip() for line in found if line.strip()]


def _rate(fields: list[str], file_name: str, notes: list[str]) -> float:
    if len(fields) < 2:
        notes.append(f"no sampling rate in {file_name}; WFDB then means {DEFAULT_FS_HZ:g} Hz")
        return DEFAULT_FS_HZ
    stated = fields[1].partition("/")[0]
    if not _NUMBER.fullmatch(stated):
        raise FormatError(f"{file_name}: sampling rate {stated!r} is no number")
    return check_rate(float(stated), file_name)


def _signal(line: str, file_name: str) -> Signal:
    fields = line.split(maxsplit=8)
    _refuse_path(fields[0], file_name)
    found = _FORMAT.fullmatch(fields[1]) if len(fields) > 1 else None
    if found is None:
        raise FormatError(f'{file_name}: {line[:80]!r} is no signal line; it should read "file format gain …"')
    if found["format"] not in FORMATS and found["format"] != "0":
        raise FormatError(f"{file_name}: signal format {found['format']} is not read; these are: {', '.join(FORMATS)}")
    numbers = [_integer(field, file_name) for field in fields[3:8]]
    gain, baseline, units, calibrated = _calibration(fields[2] if len(fields) > 2 else "0", numbers[1] if len(numbers) > 1 else 0, file_name)
    return Signal(
        file_name=fields[0],
        format=found["format"],
        per_frame=max(int(found["per_frame"] or 1), 1),
        skew=int(found["skew"] or 0),
        offset=int(found["offset"] or 0),
        gain=gain,
        baseline=baseline,
        units=units,
        calibrated=calibrated,
        checksum=numbers[3] if len(numbers) > 3 else 0,
        name=fields[8].strip() if len(fields) > 8 else "",
    )


def _calibration(field: str, adc_zero: int, file_name: str) -> tuple[float, int, str, bool]:
    """Gain, baseline, units, and whether the gain is stated; a blank unit is mV, a gain of 0 is 200."""
    found = _GAIN.fullmatch(field)
    if found is None:
        raise FormatError(f'{file_name}: gain {field!r} should read "gain(baseline)/units"')
    gain = float(found["gain"])
    if not abs(gain) < 1e12 or 0 < abs(gain) < 1e-12:
        raise FormatError(f"{file_name}: gain {field!r} is beyond all measure")
    baseline = int(found["baseline"]) if found["baseline"] else adc_zero
    return gain or DEFAULT_GAIN, baseline, found["units"] or "mV", gain != 0


def _segment(line: str, file_name: str) -> Segment:
    fields = line.split()
    if len(fields) != 2:
        raise FormatError(f'{file_name}: {line[:80]!r} is no segment line; it should read "name samples"')
    _refuse_path(fields[0], file_name)
    return Segment(fields[0], _whole(fields[1], "number of samples", file_name))


def _start(fields: list[str], notes: list[str]) -> datetime | None:
    """The start from base time and base date, in either order; without a date there is no point in time to state."""
    if not fields:
        return None
    clock, day = sorted(fields, key=lambda field: ":" not in field)[0], next((f for f in fields if "/" in f or "-" in f), None)
    try:
        seconds = sum(float(part) * 60**power for power, part in enumerate(reversed(clock.split(":")))) if clock != day else 0.0
        if day is None:
            notes.append(f"start time {clock} left out: the header states no date")
            return None
        return datetime.strptime(day, "%d/%m/%Y" if "/" in day else "%d-%b-%Y") + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        notes.append(f"start {' '.join(fields)!r} left out: it should read HH:MM:SS DD/MM/YYYY")
        return None


def _refuse_path(name: str, file_name: str) -> None:
    """A file or record name must stay in the header's own folder."""
    if "/" in name or "\\" in name or name in ("..", ".") or ":" in name or "\0" in name:
        raise UnsafeFileError(f"{file_name} names {name[:80]!r}, which is outside its own folder; a plain file name is allowed")


def _whole(field: str, what: str, file_name: str) -> int:
    if not (field.isascii() and field.isdigit()) or len(field) > 18:
        raise FormatError(f"{file_name}: {what} {field[:40]!r} is not a whole number")
    return int(field)


def _integer(field: str, file_name: str) -> int:
    if not re.fullmatch(r"[-+]?\d{1,18}", field):
        raise FormatError(f"{file_name}: {field[:40]!r} stands where a whole number should")
    return int(field)
