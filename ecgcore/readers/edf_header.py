"""The EDF and BDF header: bytes → Header, each field checked and quoted where it is wrong.

Source: https://www.edfplus.info/specs/edf.html, https://www.edfplus.info/specs/edfplus.html,
https://www.biosemi.com/faq/file_format.htm
"""

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final

from ecgcore.errors import FormatError
from ecgcore.record import Patient

MAIN_BYTES: Final = 256
EDF_SIGNATURE: Final = b"0       "
BDF_SIGNATURE: Final = b"\xffBIOSEMI"
_MAIN: Final = {
    "version": 8,
    "patient": 80,
    "recording": 80,
    "start date": 8,
    "start time": 8,
    "header bytes": 8,
    "reserved": 44,
    "number of data records": 8,
    "data record duration": 8,
    "number of signals": 4,
}
_SIGNAL: Final = {
    "label": 16,
    "transducer": 80,
    "physical dimension": 8,
    "physical minimum": 8,
    "physical maximum": 8,
    "digital minimum": 8,
    "digital maximum": 8,
    "prefiltering": 80,
    "samples per data record": 8,
    "reserved": 32,
}
_CLOCK = re.compile(r"\s*(\d{1,2})[.:\-/ ](\s?\d{1,2})[.:\-/ ](\s?\d{1,2})\s*")


@dataclass(frozen=True)
class Channel:
    """One signal: its calibration, and where it lies in a data record."""

    label: str
    units: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    n_samples: int
    first_sample: int

    @property
    def is_annotations(self) -> bool:
        """Whether it holds text, not a signal."""
        return self.label in ("EDF Annotations", "BDF Annotations")

    @property
    def gain(self) -> float:
        """Digital units per physical unit."""
        return (self.digital[1] - self.digital[0]) / (self.physical[1] - self.physical[0])

    @property
    def baseline(self) -> float:
        """Digital value of physical zero."""
        return self.digital[0] - self.physical[0] * self.gain


@dataclass(frozen=True)
class Header:
    """A whole header. `kind` is "EDF", "EDF+C", "EDF+D", "BDF", "BDF+C" or "BDF+D"; `n_records` None if not stated."""

    kind: str
    patient: Patient
    start: datetime | None
    n_bytes: int
    n_records: int | None
    record_s: float
    sample_bytes: int
    channels: tuple[Channel, ...]
    notes: tuple[str, ...]

    @property
    def record_bytes(self) -> int:
        """Bytes in one data record."""
        return self.sample_bytes * sum(channel.n_samples for channel in self.channels)


def parse(data: bytes, file_name: str) -> Header:
    """The header at the beginning of a file. Raises FormatError quoting the field that is wrong."""
    if len(data) < MAIN_BYTES:
        raise FormatError(f"{file_name} breaks off in its header: {len(data)} of at least {MAIN_BYTES} bytes")
    main = _split(data[:MAIN_BYTES], _MAIN, 1)
    field = {name: values[0] for name, values in main.items()}
    n_signals = _whole(field, "number of signals", file_name, least=1)
    n_bytes = _whole(field, "header bytes", file_name, least=1)
    if n_bytes != MAIN_BYTES * (n_signals + 1):
        raise FormatError(f"{file_name}: header bytes {n_bytes} should be {MAIN_BYTES * (n_signals + 1)} for {n_signals} signals")
    if len(data) < n_bytes:
        raise FormatError(f"{file_name} breaks off in its header: {len(data)} of {n_bytes} bytes")
    is_bdf = data.startswith(BDF_SIGNATURE)
    reserved = field["reserved"][:5]
    kind = reserved if reserved in ("EDF+C", "EDF+D", "BDF+C", "BDF+D") else "BDF" if is_bdf else "EDF"
    n_records = _whole(field, "number of data records", file_name, least=-1)
    record_s = _number(field, "data record duration", file_name)
    if record_s < 0:
        raise FormatError(f"{file_name}: data record duration {field['data record duration']!r} is negative")
    notes: list[str] = []
    start = _start(field, notes)
    return Header(
        kind=kind,
        patient=_patient(field["patient"], start),
        start=start,
        n_bytes=n_bytes,
        n_records=None if n_records == -1 else n_records,
        record_s=record_s,
        sample_bytes=3 if is_bdf else 2,
        channels=_channels(_split(data[MAIN_BYTES:n_bytes], _SIGNAL, n_signals), n_signals, file_name),
        notes=tuple(notes),
    )


def _split(data: bytes, fields: dict[str, int], repeats: int) -> dict[str, list[str]]:
    """Fixed-width fields, each repeated, as text without padding."""
    text = data.decode("latin-1")
    starts = accumulate((length * repeats for length in fields.values()), initial=0)
    return {name: [text[start + i * length : start + (i + 1) * length].strip(" \0") for i in range(repeats)] for start, (name, length) in zip(starts, fields.items(), strict=False)}


def _channels(fields: dict[str, list[str]], n_signals: int, file_name: str) -> tuple[Channel, ...]:
    channels = []
    first_sample = 0
    for i in range(n_signals):
        own = {name: values[i] for name, values in fields.items()}
        where = f"{file_name}, signal {i + 1} ({own['label']})"
        n_samples = _whole(own, "samples per data record", where, least=0)
        if own["label"] in ("EDF Annotations", "BDF Annotations"):
            physical, digital = (0.0, 1.0), (0, 1)
        else:
            physical = (_number(own, "physical minimum", where), _number(own, "physical maximum", where))
            digital = (_whole(own, "digital minimum", where), _whole(own, "digital maximum", where))
        for what, (low, high) in (("physical", physical), ("digital", digital)):
            if low == high:
                raise FormatError(f"{where}: {what} minimum and maximum are both {low:g}; without a range there is no scale")
        channels.append(Channel(own["label"], own["physical dimension"], physical, digital, n_samples, first_sample))
        first_sample += n_samples
    return tuple(channels)


def _number(fields: dict[str, str], name: str, where: str) -> float:
    try:
        value = float(fields[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"{where}: {name} {fields[name]!r} is no number")
    return value


def _whole(fields: dict[str, str], name: str, where: str, least: int = -(1 << 31)) -> int:
    if not re.fullmatch(r"[-+]?\d+", fields[name], re.ASCII):
        raise FormatError(f"{where}: {name} {fields[name]!r} is no whole number")
    value = int(fields[name])
    if value < least:
        raise FormatError(f"{where}: {name} {value} must be at least {least}")
    return value


def _start(fields: dict[str, str], notes: list[str]) -> datetime | None:
    """Start date and time; two-digit years are 1985 to 2084. The recording field of EDF+ states all four digits."""
    day, clock = _CLOCK.fullmatch(fields["start date"]), _CLOCK.fullmatch(fields["start time"])
    try:
        if day is None or clock is None:
            raise ValueError
        year = int(day[3]) + (1900 if int(day[3]) >= 85 else 2000)
        date = datetime(year, int(day[2]), int(day[1]), int(clock[1]), int(clock[2]), int(clock[3]))
    except ValueError:
        notes.append(f"start {fields['start date']} {fields['start time']} left out: it should read dd.mm.yy hh.mm.ss")
        return None
    if fields["recording"].startswith("Startdate X"):
        return None
    if stated := re.match(r"Startdate (\d{1,2}-[A-Za-z]{3}-\d{4})\b", fields["recording"]):
        try:
            return datetime.combine(datetime.strptime(stated[1], "%d-%b-%Y"), date.time())
        except ValueError:
            notes.append(f"start date {stated[1]!r} of the recording field left out: it should read DD-MMM-YYYY")
    return date


def _patient(field: str, start: datetime | None) -> Patient:
    """The EDF+ patient field "code sex birthdate name …", where X stands for unknown; other text says nothing sure."""
    found = re.match(r"(\S+) ([FMX]) (\S+)(?: (\S+))?", field)
    stated_age = re.search(r" age_(\d{1,3}(?:\.\d+)?)\b", field)
    if found is None:
        return Patient()
    age_years = float(stated_age[1]) if stated_age else None
    with suppress(ValueError):
        born = datetime.strptime(found[3], "%d-%b-%Y")
        age_years = (start - born).days // 365.2425 if start and start > born else age_years
    return Patient(
        id=None if found[1] == "X" else found[1],
        name=None if found[4] in (None, "X") else found[4].replace("_", " "),
        sex="F" if found[2] == "F" else "M" if found[2] == "M" else None,
        age_years=age_years,
    )
