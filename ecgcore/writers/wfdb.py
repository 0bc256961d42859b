"""Record → WFDB: header, one signal file, and an annotation file for each annotator.

A record read from WFDB comes back the same: samples, gain, baseline, names, rate, start, comments and annotations;
and its signal file byte for byte, where one file of one format held all leads.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ecgcore.errors import InputError
from ecgcore.readers.wfdb_samples import FORMATS
from ecgcore.reconstructed import Accepted
from ecgcore.record import Annotation, Record, missing_code
from ecgcore.writers.files import whole
from ecgcore.writers.wfdb_annotations import encode
from ecgcore.writers.wfdb_samples import ENCODERS, Samples

# An even number, so that pieces of format 212 end on a pair.
_PIECE_FRAMES: Final = 1 << 18
_RESERVED: Final = frozenset({"hea", "dat", "mat"})


def write(record: Record, out: Path, annotations: Sequence[Annotation], reconstructions: Sequence[Accepted] = ()) -> tuple[Path, ...]:
    """Write `out`.hea, .dat and an annotation file each; the paths written, the header first. Reconstructions are told of in its comments.

    The record is called by the file's name. A fractional baseline is rounded, for WFDB holds whole ones.
    Raises InputError for a name that WFDB does not allow.
    """
    name = out.stem if out.suffix == ".hea" else out.name
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise InputError(f"WFDB record name {name!r} may have letters, digits, - and _ only")
    encoded = {annotation.annotator: encode(annotation, record.fs_hz) for annotation in annotations}
    for annotator in encoded:
        _check_annotator(annotator)
    header, signals = out.with_name(f"{name}.hea"), out.with_name(f"{name}.dat")
    marks = [out.with_name(f"{name}.{annotator}") for annotator in encoded]
    with whole([signals, *marks, header]) as temporary:
        format_name = _format(record)
        checksums = _write_signals(record, format_name, temporary[0])
        for path, data in zip(temporary[1:-1], encoded.values(), strict=True):
            path.write_bytes(data)
        temporary[-1].write_text(_header(record, name, format_name, checksums, reconstructions), "utf-8", newline="\n")
    return header, signals, *marks


def write_annotation(annotation: Annotation, fs_hz: float, path: Path) -> Path:
    """Write one annotation file, such as "119.lw"; its extension is the annotator. The path written.

    Raises InputError for what the format cannot hold.
    """
    path = Path(path)
    _check_annotator(path.suffix.removeprefix("."))
    data = encode(annotation, fs_hz)
    with whole([path]) as (temporary,):
        temporary.write_bytes(data)
    return path


def _check_annotator(name: str) -> None:
    if not re.fullmatch(r"\w[\w-]*", name, re.ASCII) or name in _RESERVED:
        raise InputError(f"annotator {name!r} must be letters and digits, and none of {', '.join(sorted(_RESERVED))}")


def _format(record: Record) -> str:
    """The format the record came in where all samples fit it, else the smallest of 16, 24 and 32 bits that they fit."""
    present = record.adc[record.adc != missing_code(record.adc.dtype)]
    low, high = (int(present.min()), int(present.max())) if len(present) else (0, 0)
    candidates = [record.source.encoding] if record.source.encoding in ENCODERS else []
    for name in [*candidates, "16", "24", "32"]:
        if FORMATS[name].missing < low and high < -FORMATS[name].missing:
            return name
    raise InputError(f"samples from {low} to {high} fit no WFDB format")


def _write_signals(record: Record, format_name: str, path: Path) -> list[int]:
    """Write the signal file piece by piece; the 16-bit checksum of each signal."""
    code, missing = missing_code(record.adc.dtype), FORMATS[format_name].missing
    sums = np.zeros(len(record.leads), np.int64)
    with path.open("wb") as file:
        for first in range(0, record.n_samples, _PIECE_FRAMES):
            frames: Samples = np.ascontiguousarray(record.adc[:, first : first + _PIECE_FRAMES].T)
            if missing != code:
                frames = np.where(frames == code, np.int32(missing), frames)
            sums += frames.sum(axis=0, dtype=np.int64)
            file.write(ENCODERS[format_name](frames.reshape(-1)).tobytes())
    return [int(np.uint16(total & 0xFFFF).view(np.int16)) for total in sums]


def _header(record: Record, name: str, format_name: str, checksums: Sequence[int], reconstructions: Sequence[Accepted]) -> str:
    packing = FORMATS[format_name]
    start = f" {record.start:%H:%M:%S}{f'.{record.start.microsecond:06}' if record.start.microsecond else ''} {record.start:%d/%m/%Y}" if record.start else ""
    lines = [f"{name} {len(record.leads)} {_plain(record.fs_hz)} {record.n_samples}{start}"]
    for row, lead in enumerate(record.leads):
        baseline = round(record.baseline[row])
        first = int(record.adc[row, 0])
        first = packing.missing if first == missing_code(record.adc.dtype) else first
        lines.append(f"{name}.dat {format_name} {_plain(record.gain[row])}({baseline})/mV {packing.bits} 0 {first} {checksums[row]} 0 {' '.join(lead.split())}")
    told = (f"reconstructed: {' '.join(one.said.split())}" for one in reconstructions)
    comments = (f"# {line}" for comment in (*record.comments, *told) for line in (comment.splitlines() or [""]))
    return "".join(f"{line}\n" for line in (*lines, *comments))


def _plain(value: float) -> str:
    """The shortest decimal that reads back the same."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
