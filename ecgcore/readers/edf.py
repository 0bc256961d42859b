"""EDF, EDF+ and BDF → Record: data records on one clock, gaps of EDF+D missing, annotations read.

The data records are mapped rather than loaded (edfio reads a BDF whole and offers no onsets of EDF+D);
the tests hold what is read equal to edfio's.

Source: https://www.edfplus.info/specs/edfplus.html
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers.channels import Choice, check_extent, check_rate, choose, mv_per_unit, narrowed, resample
from ecgcore.readers.edf_header import BDF_SIGNATURE, EDF_SIGNATURE, MAIN_BYTES, Channel, Header, parse
from ecgcore.readers.sources import Blob, Facts, Folder
from ecgcore.readers.wfdb_samples import decode
from ecgcore.record import Annotation, Record, Source, missing_code

NAME: Final = "EDF"
ANNOTATOR: Final = "edf"
ENDS: Final = "Recording ends"
NOTE_SYMBOL: Final = '"'
MAX_SIGNALS: Final = 9999
MAX_ONSET_S: Final = 1e9
_PIECE_BYTES: Final = 1 << 24
# Onset, duration, texts of one time-stamped annotation list.
_TAL = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14([^\x00]*)\x14\x00")


@dataclass(frozen=True)
class _Run:
    """Data records that follow each other without a gap, and the time of the first from the start, in seconds."""

    first_record: int
    n_records: int
    onset_s: float


def matches(head: bytes) -> bool:
    """Whether these bytes begin an EDF or BDF file."""
    return head.startswith((EDF_SIGNATURE, BDF_SIGNATURE))


def read(main: Blob, folder: Folder, facts: Facts) -> Record:  # noqa: ARG001  # the signature of every reader
    """The record in an EDF, EDF+ or BDF file. Raises FormatError, InputError for facts given."""
    facts.refuse(NAME)
    header = parse(main.head(MAIN_BYTES * (MAX_SIGNALS + 1)), main.name)
    notes = list(header.notes)
    records = _data_records(main, header, notes)
    marks = _marks(header, records, main.name)
    runs = _runs(header, marks, len(records), main.name)
    signals = [channel for channel in header.channels if not channel.is_annotations and channel.n_samples]
    if not signals or header.record_s == 0:
        raise FormatError(f"{main.name} holds annotations but no signals")
    rates_hz = [channel.n_samples / header.record_s for channel in signals]
    choice = choose([channel.label for channel in signals], [channel.units for channel in signals], rates_hz)
    check_rate(choice.fs_hz, main.name)
    kept = [signals[i] for i in choice.kept]
    n_samples = round((runs[-1].onset_s + runs[-1].n_records * header.record_s) * choice.fs_hz)
    held = len(records) * sum(channel.n_samples for channel in kept)
    ends_s = next((onset_s - marks[0][0] for onset_s, number, text in marks if text == ENDS and number == len(records) - 1), None)
    if ends_s is not None and 0 < round(ends_s * choice.fs_hz) < n_samples:
        n_samples = round(ends_s * choice.fs_hz)
    check_extent(n_samples * len(kept), held, main.name)
    if len(runs) > 1:
        notes.append(f"{len(runs) - 1} gaps between data records are missing, {n_samples / choice.fs_hz - len(records) * header.record_s:.3f} s in all")
    scale = np.array([mv_per_unit(channel.units) for channel in kept], np.float64)
    first_s = marks[0][0] if header.kind.endswith(("+C", "+D")) and marks else 0.0
    return Record(
        name=main.stem,
        adc=_samples(header, records, runs, kept, choice, n_samples, notes),
        gain=np.array([channel.gain for channel in kept], np.float64) / scale,
        baseline=np.array([channel.baseline for channel in kept], np.float64),
        fs_hz=choice.fs_hz,
        leads=choice.leads,
        source=Source(header.kind, main.name, main.sha256(), "int24" if header.sample_bytes == 3 else "int16"),
        start=_start(header.start, first_s, notes),
        patient=header.patient,
        annotations=_annotations(marks, first_s, choice.fs_hz, n_samples, notes),
        notes=(*notes, *choice.notes),
    )


def _start(stated: datetime | None, first_s: float, notes: list[str]) -> datetime | None:
    """When the first data record began; None, with a note, where that lies beyond the calendar."""
    if stated is None:
        return None
    try:
        return stated + timedelta(seconds=first_s)
    except OverflowError:
        notes.append(f"start {stated.isoformat()} plus {first_s:g} s lies beyond the calendar and was left out")
        return None


def _data_records(main: Blob, header: Header, notes: list[str]) -> NDArray[np.uint8]:
    """The data records, (n_records, record_bytes), mapped; sizes are checked first."""
    data = main.array()[header.n_bytes :]
    if header.record_bytes == 0:
        raise FormatError(f"{main.name}: its data records hold no samples")
    held = len(data) // header.record_bytes
    if header.n_records is None:
        notes.append(f"the number of data records is not stated, as in a recording cut short; all {held} that are there were read")
    elif held < header.n_records:
        raise FormatError(f"{main.name} holds {held} data records of {header.record_bytes} bytes, but its header promises {header.n_records}")
    n_records = held if header.n_records is None else header.n_records
    if n_records == 0:
        raise FormatError(f"{main.name} holds no data records")
    if rest := len(data) - n_records * header.record_bytes:
        notes.append(f"{rest} bytes after the last data record were left out")
    return data[: n_records * header.record_bytes].reshape(n_records, header.record_bytes)


def _marks(header: Header, records: NDArray[np.uint8], file_name: str) -> list[tuple[float, int, str]]:
    """All annotations as (onset in s, data record, text); the first of each record has no text and tells its onset."""
    marks = []
    for channel in (channel for channel in header.channels if channel.is_annotations):
        begin = channel.first_sample * header.sample_bytes
        block = np.array(records[:, begin : begin + channel.n_samples * header.sample_bytes])  # out of the map: rows of a map are slow
        for number, row in enumerate(block):
            for onset, _, texts in _TAL.findall(row.tobytes() + b"\0"):
                if not abs(float(onset)) < MAX_ONSET_S:
                    raise FormatError(f"{file_name}, data record {number + 1}: onset {onset[:20].decode()} s is beyond all measure")
                marks += [(float(onset), number, text.decode("utf-8", "replace")) for text in texts.split(b"\x14")]
    if header.kind.endswith("+D") and not marks:
        raise FormatError(f"{file_name} is discontinuous (EDF+D) but none of its data records states its onset")
    return marks


def _runs(header: Header, marks: list[tuple[float, int, str]], n_records: int, file_name: str) -> list[_Run]:
    """Stretches of data records without a gap; only EDF+D may have more than one."""
    if not header.kind.endswith("+D"):
        return [_Run(0, n_records, 0.0)]
    onsets: dict[int, float] = {}
    for onset_s, number, _ in marks:
        onsets.setdefault(number, onset_s)
    if len(onsets) != n_records:
        raise FormatError(f"{file_name} is discontinuous (EDF+D), but {n_records - len(onsets)} of {n_records} data records state no onset")
    tolerance_s = 0.5 * header.record_s / max(channel.n_samples for channel in header.channels)
    runs: list[_Run] = []
    expected_s = -1.0
    for number in range(n_records):
        onset_s = onsets[number] - onsets[0]
        if runs and onset_s < expected_s - tolerance_s:
            raise FormatError(f"{file_name}: data record {number + 1} starts at {onset_s:g} s, before the one before it ends at {expected_s:g} s")
        if not runs or onset_s > expected_s + tolerance_s:
            runs.append(_Run(number, 1, onset_s))
        else:
            runs[-1] = _Run(runs[-1].first_record, runs[-1].n_records + 1, runs[-1].onset_s)
        expected_s = runs[-1].onset_s + runs[-1].n_records * header.record_s
    return runs


def _samples(header: Header, records: NDArray[np.uint8], runs: list[_Run], kept: list[Channel], choice: Choice, n_samples: int, notes: list[str]) -> NDArray[np.integer[Any]]:
    """The kept channels on one clock, (n_leads, n_samples); what no data record holds is missing.

    A value of the least code below the digital minimum is missing too: so does our own writer mark it.
    """
    least = -(1 << (8 * header.sample_bytes - 1))
    genuine = header.sample_bytes == 3 or any(channel.digital[0] <= least and _holds(records, channel, header, least) for channel in kept)
    dtype = np.dtype(np.int32 if genuine else np.int16)
    adc = np.full((len(kept), n_samples), missing_code(dtype), dtype)
    n_absent = 0
    for row, channel in enumerate(kept):
        rate_hz = channel.n_samples / header.record_s
        slower = rate_hz != choice.fs_hz
        target = np.full(round(n_samples * rate_hz / choice.fs_hz), missing_code(dtype), dtype) if slower else adc[row]
        for run in runs:
            position = round(run.onset_s * rate_hz)
            for values in _pieces(records[run.first_record : run.first_record + run.n_records], channel, header):
                out = target[position : position + len(values)]
                # Records may run past the stated end of the recording.
                out[:] = values[: len(out)]
                if channel.digital[0] > least and (absent := values[: len(out)] == least).any():
                    out[absent] = missing_code(dtype)
                    n_absent += int(absent.sum())
                position += len(values)
        if slower:
            adc[row] = resample(target, rate_hz, choice.fs_hz, n_samples)
    if n_absent:
        notes.append(f"{n_absent} samples at {least}, below the digital minimum, are taken as missing")
    return narrowed(adc) if adc.dtype == np.int32 else adc


def _pieces(records: NDArray[np.uint8], channel: Channel, header: Header) -> Any:
    """One channel's samples, piece by piece."""
    begin = channel.first_sample * header.sample_bytes
    step = max(_PIECE_BYTES // header.record_bytes, 1)
    for first in range(0, len(records), step):
        block = records[first : first + step, begin : begin + channel.n_samples * header.sample_bytes]
        yield decode("24" if header.sample_bytes == 3 else "16", np.ascontiguousarray(block).reshape(-1))


def _holds(records: NDArray[np.uint8], channel: Channel, header: Header, value: int) -> bool:
    return any((values == value).any() for values in _pieces(records, channel, header))


def _annotations(marks: list[tuple[float, int, str]], first_s: float, fs_hz: float, n_samples: int, notes: list[str]) -> tuple[Annotation, ...]:
    """The texts as one annotator's notes, in time order; those outside the record are left out and counted."""
    texts = sorted((onset_s - first_s, text) for onset_s, _, text in marks if text and text != ENDS)
    if not texts:
        return ()
    samples = np.rint(np.clip(np.array([onset_s for onset_s, _ in texts]) * fs_hz, -1.0, float(n_samples))).astype(np.int64)
    inside = (samples >= 0) & (samples < n_samples)
    if dropped := int((~inside).sum()):
        notes.append(f"annotations {ANNOTATOR}: {dropped} outside the record's {n_samples} samples left out")
    kept = [text for (_, text), is_inside in zip(texts, inside, strict=True) if is_inside]
    zeros = np.zeros(len(kept), np.int16)
    return (Annotation(ANNOTATOR, samples[inside], (NOTE_SYMBOL,) * len(kept), tuple(kept), zeros, zeros, zeros),)
