"""WFDB signal files: what a header promises, checked against what is there, then decoded piece by piece."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers.extent import check_samples
from ecgcore.readers.sources import Blob, Folder
from ecgcore.readers.wfdb_header import Header, Signal
from ecgcore.readers.wfdb_samples import FLAC, FORMATS, Samples, decode
from ecgcore.record import missing_code

# A multiple of 6, so that a piece begins on a block of every format (2 samples in 212, 3 in 310 and 311).
PIECE_SAMPLES: Final = 6 << 18
MAX_FLAC_SAMPLES_PER_BYTE: Final = 2000
FREE_FLAC_SAMPLES: Final = 1 << 27


def n_frames(header: Header, folder: Folder) -> int:
    """Frames in a header's signal files: as promised, else what is there.

    Raises FormatError when a file is missing, or holds fewer samples than promised.
    """
    found: list[int] = []
    for name, positions in _by_file(header).items():
        signals = [header.signals[i] for i in positions]
        held = _held(_file(name, header, folder), signals, header)
        if header.n_frames is not None and held < header.n_frames:
            raise FormatError(f"{name} holds {held} samples of each signal, but the header of {header.name} promises {header.n_frames}")
        found.append(held)
    total = header.n_frames or min(found, default=0)
    if total == 0:
        raise FormatError(f"record {header.name} holds no samples")
    return total


def files(header: Header, folder: Folder) -> tuple[Blob, ...]:
    """The signal files a header names. Raises FormatError when one is missing."""
    return tuple(_file(name, header, folder) for name in _by_file(header))


def decode_into(header: Header, folder: Folder, targets: Mapping[int, NDArray[np.integer[Any]]]) -> tuple[str, ...]:
    """Fill `targets` (signal position → (frames · samples per frame,) int16 or int32) with samples.

    Missing samples get the missing code of the target's type; skew is undone. Returns the names of signals whose samples
    do not add up to the checksum in the header: their file is damaged, or the header is another's.
    """
    sums = dict.fromkeys(targets, 0)
    for name, positions in _by_file(header).items():
        wanted = [i for i in positions if i in targets]
        if not wanted:
            continue
        blob = _file(name, header, folder)
        signals = [header.signals[i] for i in positions]
        total = n_frames(header, folder)
        pieces = _flac_pieces(blob, signals, total) if signals[0].format in FLAC else _packed_pieces(blob, signals, total)
        for i in wanted:
            targets[i][:] = missing_code(targets[i].dtype)
        for first_frame, columns in pieces:
            for i in wanted:
                sums[i] += int(columns[positions.index(i)].sum(dtype=np.int64))
                _place(targets[i], columns[positions.index(i)], header.signals[i], first_frame)
    checked = ((header.signals[i], total) for i, total in sums.items() if header.signals[i].checksum)
    return tuple(signal.name or signal.file_name for signal, total in checked if (signal.checksum - total) % 65536)


def _by_file(header: Header) -> dict[str, list[int]]:
    """Signal positions by file; format 0 has no file."""
    groups: dict[str, list[int]] = {}
    for position, signal in enumerate(header.signals):
        if signal.format != "0":
            groups.setdefault(signal.file_name, []).append(position)
    for name, positions in groups.items():
        kinds = {(header.signals[i].format, header.signals[i].offset) for i in positions}
        if len(kinds) > 1:
            raise FormatError(f"the header of {header.name} gives {name} more than one format: {', '.join(sorted(f'{f}+{o}' for f, o in kinds))}")
    return groups


def _file(name: str, header: Header, folder: Folder) -> Blob:
    blob = folder.get(name)
    if blob is None:
        raise FormatError(f"the header of record {header.name} names {name}, which is missing; it must lie beside the header")
    return blob


def _held(blob: Blob, signals: list[Signal], header: Header) -> int:
    """Frames in one signal file."""
    if signals[0].format in FLAC:
        return _flac_frames(blob, signals, header)
    per_frame = sum(signal.per_frame for signal in signals)
    return FORMATS[signals[0].format].n_samples(max(blob.size - signals[0].offset, 0)) // per_frame


def _place(target: NDArray[np.integer[Any]], column: Samples, signal: Signal, first_frame: int) -> None:
    """Put a piece of one signal where it belongs, its skew undone."""
    begin = (first_frame - signal.skew) * signal.per_frame
    skip = max(-begin, 0)
    stop = begin + len(column)
    if stop <= 0:
        return
    part = column[skip:]
    out = target[begin + skip : stop]
    out[:] = part
    missing = FORMATS[signal.format].missing
    if missing != missing_code(target.dtype):
        out[part == missing] = missing_code(target.dtype)


def _packed_pieces(blob: Blob, signals: list[Signal], total: int) -> Iterator[tuple[int, list[Samples]]]:
    """First frame and samples of each signal, piece by piece."""
    packing = FORMATS[signals[0].format]
    per_frame = sum(signal.per_frame for signal in signals)
    stops = np.cumsum([signal.per_frame for signal in signals]).tolist()
    data = blob.array()
    step = max(PIECE_SAMPLES // per_frame // 6, 1) * 6
    for first in range(0, total, step):
        n = min(step, total - first) * per_frame
        begin = signals[0].offset + packing.n_bytes(first * per_frame)
        whole_blocks = -(-n // packing.block_samples) * packing.block_bytes
        values = decode(signals[0].format, data[begin : begin + whole_blocks])[:n].reshape(-1, per_frame)
        yield first, [values[:, stop - s.per_frame : stop].reshape(-1) for stop, s in zip(stops, signals, strict=True)]


def _flac_frames(blob: Blob, signals: list[Signal], header: Header) -> int:
    """Frames in a FLAC file as its stream header says; what it really holds shows on decoding."""
    if len({signal.per_frame for signal in signals}) > 1:
        raise FormatError(f"{blob.name}: all signals of a FLAC file have the same samples per frame")
    with _flac(blob, signals) as flac:
        held = max(int(flac.frames) - signals[0].offset, 0) // signals[0].per_frame
    promised = header.n_frames or held
    check_samples(promised * len(signals), blob.name)
    if promised * len(signals) > max(FREE_FLAC_SAMPLES, MAX_FLAC_SAMPLES_PER_BYTE * blob.size):
        raise FormatError(f"{blob.name} promises {promised} samples of each signal in {blob.size} bytes, more than FLAC can pack")
    return held


def _flac(blob: Blob, signals: list[Signal]) -> Any:
    """The open sound file, its layout checked."""
    import soundfile  # type: ignore[import-untyped]  # ships no type information

    bits = FORMATS[signals[0].format].bits
    source = io.BytesIO(blob.content) if isinstance(blob.content, bytes) else str(blob.content)
    try:
        flac = soundfile.SoundFile(source)
    except (soundfile.SoundFileError, TypeError) as error:
        raise FormatError(f"{blob.name} is no FLAC file: {error}") from error
    if flac.format != "FLAC" or flac.channels != len(signals) or flac.subtype not in {"PCM_S8", "PCM_16", "PCM_24"}:
        raise FormatError(f"{blob.name} holds {flac.format} {flac.subtype} of {flac.channels} channels; the header says FLAC of {len(signals)}")
    if int(flac.subtype.removeprefix("PCM_").removeprefix("S")) > bits:
        raise FormatError(f"{blob.name} holds {flac.subtype}; format {signals[0].format} has at most {bits} bits")
    return flac


def _flac_pieces(blob: Blob, signals: list[Signal], total: int) -> Iterator[tuple[int, list[Samples]]]:
    import soundfile

    per_frame = signals[0].per_frame
    step = max(PIECE_SAMPLES // len(signals) // per_frame, 1)
    with _flac(blob, signals) as flac:
        # libsndfile left-aligns: 8 bits in 16, 24 bits in 32.
        dtype, shift = {"PCM_S8": ("int16", 8), "PCM_16": ("int16", 0), "PCM_24": ("int32", 8)}[flac.subtype]
        try:
            flac.seek(signals[0].offset)
            for first in range(0, total, step):
                n = min(step, total - first) * per_frame
                values = flac.read(n, dtype=dtype, always_2d=True)
                if len(values) < n:
                    raise FormatError(f"{blob.name} breaks off after {first + len(values) // per_frame} of {total} samples")
                yield first, list((values >> shift).T)
        except soundfile.SoundFileError as error:
            raise FormatError(f"{blob.name} cannot be unpacked: {error}") from error
