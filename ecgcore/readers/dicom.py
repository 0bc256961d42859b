"""DICOM waveforms → Record: the rhythm, not the median beat, whatever SOP class the object is stored under.

Source: DICOM PS3.3 C.10.9 (Waveform Module), PS3.3 A.34 (12-lead, General and Ambulatory ECG)
"""

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import leads as lead_names
from ecgcore.errors import FormatError
from ecgcore.readers.channels import check_extent, check_rate, choose, mv_per_unit, narrowed, resample
from ecgcore.readers.sources import Blob, Facts, Folder
from ecgcore.record import Patient, Record, Source, missing_code

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NAME: Final = "DICOM"
PREAMBLE_BYTES: Final = 128
DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
# What pydicom raises on broken files, beside its own InvalidDicomError.
BROKEN: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OSError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    MemoryError,
    LookupError,
    struct.error,
    zlib.error,
)

# (bits allocated, sample interpretation) → numpy type without its byte order.
_SAMPLE_TYPES: Final = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4"}
_COMPANDED: Final = {"MB": "µ-law", "AB": "A-law"}
# Last number of the lead codes of MDC ("2:61") and SCP-ECG ("5.6.3-9-61").
_LEAD_CODES: Final = {1: "I", 2: "II", **{2 + i: f"V{i}" for i in range(1, 7)}, 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}
_VRS: Final = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OW PN SH SL SQ SS ST TM UC UI UL UN UR US UT".split())


@dataclass(frozen=True, eq=False)
class _Channel:
    """One channel: `sensitivity` is units per ADC step (corrected), `offset` the value of ADC 0 in units."""

    name: str
    units: str
    sensitivity: float
    offset: float
    samples: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Group:
    """One multiplex group; `offset_s` is its start after the first's."""

    label: str
    is_original: bool
    fs_hz: float
    n_samples: int
    offset_s: float
    channels: tuple[_Channel, ...]

    @property
    def stop_s(self) -> float:
        """Where it ends."""
        return self.offset_s + self.n_samples / self.fs_hz


def matches(head: bytes) -> bool:
    """Whether these bytes begin a DICOM file, with or without its preamble."""
    if head[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM":
        return True
    # Without preamble: two explicit-VR elements of group 2 or 8, or one of implicit VR that is 0008,0005 or so.
    if len(head) < 32 or head[0] not in (2, 8) or head[1] != 0 or head[3] != 0:
        return False
    if head[4:6] in _VRS:
        following = 8 + int.from_bytes(head[6:8], "little")
        return head[following : following + 2] in (b"\x02\x00", b"\x08\x00") and head[following + 4 : following + 6] in _VRS
    following = 8 + int.from_bytes(head[4:8], "little")
    return following < 256 and head[following : following + 2] == b"\x08\x00" and head[2] < head[following + 2]


def read(main: Blob, folder: Folder, facts: Facts) -> Record:  # noqa: ARG001  # the signature of every reader
    """The record in a DICOM file. Raises FormatError, InputError for facts given."""
    facts.refuse(NAME)
    from pydicom.errors import BytesLengthException, InvalidDicomError

    if DEFLATED in main.head(1024):
        raise FormatError(f"{main.name} is deflated DICOM, which is not read; save it without compression")
    try:
        # pydicom warns of each value that breaks the standard; here it counts only whether the waveform can be read.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _record(_dataset(main), main)
    except (InvalidDicomError, BytesLengthException, *BROKEN) as error:
        raise FormatError(f"{main.name} is broken DICOM: {' '.join(str(error).split())[:200] or type(error).__name__}") from error


def _dataset(main: Blob) -> "Dataset":
    from pydicom import dcmread

    source = io.BytesIO(main.content) if isinstance(main.content, bytes) else main.content
    return dcmread(source, force=main.head(PREAMBLE_BYTES + 4)[PREAMBLE_BYTES:] != b"DICM")


def _record(dataset: "Dataset", main: Blob) -> Record:
    if not dataset.get("WaveformSequence"):
        what = dataset.get("SOPClassUID")
        raise FormatError(f"{main.name} is DICOM without a waveform{f' ({what.name})' if what is not None else ''}; an ECG object has one")
    little_endian = dataset.original_encoding[1] is not False
    groups = [_group(item, number, little_endian, main.name) for number, item in enumerate(dataset.WaveformSequence, 1)]
    notes: list[str] = []
    chosen = _rhythm(groups, notes)
    rhythm = chosen[0]
    channels = [(group, channel) for group in chosen for channel in group.channels]
    choice = choose([c.name for _, c in channels], [c.units for _, c in channels], [g.fs_hz for g, _ in channels])
    check_rate(choice.fs_hz, main.name)
    first_s = min(group.offset_s for group in chosen)
    n_samples = round((max(group.stop_s for group in chosen) - first_s) * choice.fs_hz)
    kept = [channels[i] for i in choice.kept]
    check_extent(n_samples * len(kept), sum(group.n_samples for group, _ in kept), main.name)
    adc = np.full((len(kept), n_samples), missing_code(np.dtype(np.int32)), np.int32)
    for row, (group, channel) in enumerate(kept):
        begin = round((group.offset_s - first_s) * choice.fs_hz)
        out = adc[row, begin : begin + round(group.n_samples * choice.fs_hz / group.fs_hz)]
        out[:] = channel.samples[: len(out)] if group.fs_hz == choice.fs_hz else resample(channel.samples, group.fs_hz, choice.fs_hz, len(out))
    if (stored_as := dataset.get("SOPClassUID")) is not None and "ECG" not in stored_as.name:
        notes.append(f"stored under another SOP class: {stored_as.name}")
    if marks := dataset.get("WaveformAnnotationSequence"):
        notes.append(f"{len(marks)} DICOM annotations (measurements, statements) left out")
    sensitivity_mv = np.array([c.sensitivity * (mv_per_unit(c.units) or 1.0) for _, c in kept], np.float64)
    return Record(
        name=main.stem,
        adc=narrowed(adc),
        gain=1.0 / sensitivity_mv,
        baseline=np.array([-c.offset / c.sensitivity for _, c in kept], np.float64) + 0.0,
        fs_hz=choice.fs_hz,
        leads=choice.leads,
        source=Source(NAME, main.name, main.sha256(), f"{rhythm.label.lower()}".strip()),
        start=_start(dataset, notes),
        patient=_patient(dataset),
        notes=(*notes, *choice.notes),
    )


def _group(item: "Dataset", number: int, little_endian: bool, file_name: str) -> _Group:
    """One multiplex group, its sizes checked against the data there is."""
    label = str(item.get("MultiplexGroupLabel") or f"group {number}")
    where = f"{file_name}, waveform {label}"
    n_channels, n_samples = int(item.NumberOfWaveformChannels), int(item.NumberOfWaveformSamples)
    bits, interpretation = int(item.WaveformBitsAllocated), str(item.WaveformSampleInterpretation)
    if interpretation in _COMPANDED:
        raise FormatError(f"{where} is companded ({_COMPANDED[interpretation]}), which is not read; save it as 16-bit linear samples")
    if (bits, interpretation) not in _SAMPLE_TYPES:
        raise FormatError(f"{where}: {bits} bits of {interpretation!r} are not read; these are: {', '.join(f'{b} {i}' for b, i in _SAMPLE_TYPES)}")
    dtype = np.dtype(_SAMPLE_TYPES[bits, interpretation]).newbyteorder("<" if little_endian else ">")
    data = item.WaveformData
    n_bytes = n_channels * n_samples * dtype.itemsize
    definitions = item.ChannelDefinitionSequence
    if n_bytes == 0 or len(data) < n_bytes:
        raise FormatError(f"{where} holds {len(data)} bytes, but promises {n_channels} channels of {n_samples} samples, {n_bytes} bytes")
    if len(definitions) != n_channels:
        raise FormatError(f"{where} has {n_channels} channels but describes {len(definitions)}")
    raw = np.frombuffer(data, dtype, n_channels * n_samples).reshape(n_samples, n_channels)
    padding = item.get("WaveformPaddingValue")
    code = int(np.frombuffer(padding, dtype, 1)[0]) if isinstance(padding, bytes) and len(padding) >= dtype.itemsize else None
    return _Group(
        label=label,
        is_original=str(item.get("WaveformOriginality", "ORIGINAL")) == "ORIGINAL",
        fs_hz=check_rate(float(item.SamplingFrequency), where),
        n_samples=n_samples,
        offset_s=float(item.get("MultiplexGroupTimeOffset") or 0) / 1000,
        channels=tuple(_channel(definition, raw[:, i], code) for i, definition in enumerate(definitions)),
    )


def _channel(definition: "Dataset", raw: NDArray[Any], padding: int | None) -> _Channel:
    """One channel. Without sensitivity its values have no unit, and it is no voltage."""
    units = definition.get("ChannelSensitivityUnitsSequence")
    sensitivity = float(definition.get("ChannelSensitivity") or 0) * float(definition.get("ChannelSensitivityCorrectionFactor") or 1)
    samples = raw.astype(np.int32)
    if padding is not None:
        samples[raw == padding] = missing_code(samples.dtype)
    usable = np.isfinite(sensitivity) and sensitivity != 0 and bool(units)
    return _Channel(
        name=_channel_name(definition),
        units=str(units[0].get("CodeValue", "")) if usable else "",
        sensitivity=sensitivity if usable else 1.0,
        offset=float(definition.get("ChannelBaseline") or 0),
        samples=samples,
    )


def _channel_name(definition: "Dataset") -> str:
    """The lead by its code's meaning, by the code itself, or by the channel's label."""
    source = (definition.get("ChannelSourceSequence") or [{}])[0]
    meaning, label = str(source.get("CodeMeaning") or ""), str(definition.get("ChannelLabel") or "")
    code = re.search(r"(\d+)$", str(source.get("CodeValue") or ""))
    candidates = (meaning, _LEAD_CODES.get(int(code[1]), "") if code and source.get("CodingSchemeDesignator") in ("MDC", "SCPECG") else "", label)
    return next((name for name in candidates if lead_names.is_ecg(lead_names.normalise(name))), meaning or label)


def _rhythm(groups: list[_Group], notes: list[str]) -> list[_Group]:
    """The rhythm group, and other original groups at its rate that bring further leads.

    The rhythm is the longest original group; where all are derived, the longest. Its leads win over repeats.
    """
    ranked = sorted(groups, key=lambda group: (group.is_original, group.n_samples / group.fs_hz), reverse=True)
    chosen = [ranked[0]]
    known = {lead_names.normalise(channel.name) for channel in ranked[0].channels}
    for group in ranked[1:]:
        names = [lead_names.normalise(channel.name) for channel in group.channels]
        fresh = tuple(channel for channel, name in zip(group.channels, names, strict=True) if name not in known)
        if not group.is_original or group.fs_hz != ranked[0].fs_hz or not fresh:
            kind = "original" if group.is_original else "derived"
            notes.append(f"left out: waveform {group.label} ({kind}, {group.n_samples / group.fs_hz:g} s, {len(names)} channels)")
            continue
        if len(fresh) < len(names):
            notes.append(f"left out of waveform {group.label}, already in {ranked[0].label}: {', '.join(n for n in names if n in known)}")
        known |= set(names)
        chosen.append(_Group(group.label, True, group.fs_hz, group.n_samples, group.offset_s, fresh))
    if not ranked[0].is_original:
        notes.append(f"waveform {ranked[0].label} is derived; the file holds no original one")
    return chosen


def _start(dataset: "Dataset", notes: list[str]) -> datetime | None:
    """Acquisition date and time, else those of the content; the clock of the place, without time zone."""
    acquired = str(dataset.get("AcquisitionDateTime") or "")
    content = f"{dataset.get('ContentDate') or ''}{dataset.get('ContentTime') or ''}"
    for stated in (acquired, content):
        found = re.match(r"(\d{8})(\d{2})(\d{2})(\d{2})?(?:\.(\d{1,6}))?", stated)
        if found is None:
            continue
        try:
            start = datetime.strptime(f"{found[1]}{found[2]}{found[3]}{found[4] or '00'}", "%Y%m%d%H%M%S")
            return start.replace(microsecond=int((found[5] or "0").ljust(6, "0")))
        except ValueError:
            notes.append(f"start {stated!r} left out: it should read YYYYMMDDHHMMSS")
    return None


def _patient(dataset: "Dataset") -> Patient:
    age = re.fullmatch(r"(\d{3})([DWMY])", str(dataset.get("PatientAge") or ""))
    sex = str(dataset.get("PatientSex") or "")
    return Patient(
        id=str(dataset.get("PatientID") or "") or None,
        name=str(dataset.get("PatientName") or "").replace("^", " ").strip() or None,
        sex="F" if sex == "F" else "M" if sex == "M" else None,
        age_years=int(age[1]) / {"D": 365.2425, "W": 52.1775, "M": 12.0, "Y": 1.0}[age[2]] if age else None,
    )
