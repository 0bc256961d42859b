"""WFDB records: a header, its signal files, its segments and its annotation files → Record."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers import wfdb_annotations, wfdb_header, wfdb_signals
from ecgcore.readers.channels import Choice, check_extent, choose, mv_per_unit, narrowed, resample
from ecgcore.readers.sources import Blob, Facts, Folder, digest
from ecgcore.readers.wfdb_header import GAP, Header, Signal
from ecgcore.readers.wfdb_samples import FORMATS
from ecgcore.record import Annotation, Patient, Record, Source, missing_code

NAME: Final = "WFDB"
MAX_HEADER_BYTES: Final = 4 << 20
MAX_ANNOTATION_BYTES: Final = 32 << 20
# What else may be called like the record; an annotator may have any other extension.
_NOT_ANNOTATORS: Final = frozenset("bdf csv dat dcm edf gif h5 hea html jpg json mat md pdf png parquet tsv txt xml xws zip".split())

_AGE_SEX = re.compile(r"\s*(-?\d{1,3})\s+([MF])\b")
_AGE = re.compile(r"<?\bage>?\s*[:=]\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_SEX = re.compile(r"<?\b(?:sex|gender)>?\s*[:=]\s*([MF])", re.IGNORECASE)


@dataclass(frozen=True)
class _Part:
    """A stretch of the record from one header; `columns` is the signal position of each track it has."""

    first_frame: int
    n_frames: int
    header: Header
    columns: dict[int, int]


def matches(head: bytes) -> bool:
    """Whether these bytes begin a WFDB header."""
    return wfdb_header.looks_like_header(head)


def read(main: Blob, folder: Folder, facts: Facts) -> Record:
    """The record whose header is `main`; its companions lie in `folder`.

    Raises FormatError, UnsafeFileError, InputError for facts given.
    """
    facts.refuse(NAME)
    header = parse(main)
    notes = list(header.notes)
    parts, total_frames = _parts(header, folder, notes)
    tracks = _tracks(header, parts)
    choice = choose([t.name for t in tracks], [t.units for t in tracks], [header.fs_hz * t.per_frame for t in tracks])
    kept = [tracks[i] for i in choice.kept]
    if plain := [t.name or t.file_name for t in kept if not t.calibrated]:
        notes.append(f"no gain stated, so 200 per mV is taken as WFDB prescribes: {', '.join(plain)}")
    adc = _samples(parts, tracks, choice, header.fs_hz, total_frames, folder, notes)
    annotation_files, annotations = _annotations(main, header, folder, choice.fs_hz, adc.shape[1], notes)
    headers = tuple({part.header.name: part.header for part in parts}.values())
    signal_files = [blob for h in headers for blob in wfdb_signals.files(h, folder)]
    scale = np.array([mv_per_unit(track.units) for track in kept], np.float64)
    return Record(
        name=header.name,
        adc=adc,
        gain=np.array([track.gain for track in kept], np.float64) / scale,
        baseline=np.array([track.baseline for track in kept], np.float64),
        fs_hz=choice.fs_hz,
        leads=choice.leads,
        source=Source(
            format=NAME,
            file_name=main.name,
            sha256=digest([main, *signal_files, *annotation_files, *_segment_headers(header, folder)]),
            encoding=",".join(sorted({track.format for track in kept})),
        ),
        start=header.start,
        patient=patient_of(header.comments),
        annotations=annotations,
        comments=header.comments,
        notes=(*notes, *choice.notes),
    )


def parse(blob: Blob) -> Header:
    """The header in a file. Raises FormatError, UnsafeFileError."""
    if blob.size > MAX_HEADER_BYTES:
        raise FormatError(f"{blob.name} is {blob.size} bytes long; a WFDB header has at most {MAX_HEADER_BYTES}")
    return wfdb_header.parse(_text(blob.data()), blob.name)


def companions(header: Header, folder: Folder) -> set[str]:
    """Names of the files that belong to a header: its signal files, its segments' headers and theirs, its annotations."""
    names = {signal.file_name for signal in header.signals}
    for blob in _segment_headers(header, folder):
        names |= {blob.name, *(signal.file_name for signal in parse(blob).signals)}
    return names | {blob.name for blob in folder.beside(header.name)}


def patient_of(comments: Sequence[str]) -> Patient:
    """Age and sex as PhysioNet's headers write them: "51 F …", "Age: 61", "<sex>: M"."""
    age = sex = None
    for comment in comments:
        if found := _AGE_SEX.match(comment):
            age, sex = age or found[1], sex or found[2]
        if found := _AGE.search(comment):
            age = age or found[1]
        if found := _SEX.search(comment):
            sex = sex or found[1].upper()
    years = float(age) if age else None
    return Patient(sex="F" if sex == "F" else "M" if sex == "M" else None, age_years=years if years and 0 < years <= 130 else None)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _segment_headers(header: Header, folder: Folder) -> list[Blob]:
    names = dict.fromkeys(segment.name for segment in header.segments if segment.name != GAP)
    found = [folder.get(f"{name}.hea") for name in names]
    return [blob for blob in found if blob is not None]


def _parts(header: Header, folder: Folder, notes: list[str]) -> tuple[list[_Part], int]:
    """The stretches of a record and its length in frames, every size checked before anything is allocated."""
    if not header.segments:
        if not header.signals:
            raise FormatError(f"record {header.name} has no signals")
        total = wfdb_signals.n_frames(header, folder)
        return [_Part(0, total, header, {i: i for i in range(len(header.signals))})], total
    known: dict[str, Header] = {}
    for blob in _segment_headers(header, folder):
        known[blob.name.removesuffix(".hea")] = parse(blob)
    layout = known.get(header.segments[0].name) if header.segments[0].n_frames == 0 else None
    parts: list[_Part] = []
    checked: dict[wfdb_header.Segment, _Part] = {}
    frames = 0
    for segment in header.segments:
        if segment.n_frames and segment.name != GAP:
            if segment not in checked:
                checked[segment] = _part(segment, header, known, layout, folder)
            parts.append(replace(checked[segment], first_frame=frames))
        frames += segment.n_frames
    if not parts:
        raise FormatError(f"record {header.name} has no segment that holds samples")
    if header.n_frames not in (None, frames):
        raise FormatError(f"the segments of {header.name} add up to {frames} samples, but its header promises {header.n_frames}")
    distinct = {part.header.name: part.n_frames for part in parts}
    check_extent(frames * header.n_signals, sum(distinct.values()) * header.n_signals, f"record {header.name}")
    if gap := frames - sum(part.n_frames for part in parts):
        notes.append(f"{gap} samples between segments are missing")
    return parts, frames


def _part(segment: wfdb_header.Segment, master: Header, known: dict[str, Header], layout: Header | None, folder: Folder) -> _Part:
    """One segment, checked against its own header and against the master's."""
    header = known.get(segment.name)
    if header is None:
        raise FormatError(f"the header of {master.name} names segment {segment.name}, whose {segment.name}.hea is missing")
    if header.segments:
        raise FormatError(f"segment {segment.name} of {master.name} has segments itself; WFDB allows one level")
    if header.fs_hz != master.fs_hz:
        raise FormatError(f"segment {segment.name} is at {header.fs_hz:g} Hz but {master.name} at {master.fs_hz:g} Hz")
    n_frames = wfdb_signals.n_frames(header, folder)
    if n_frames != segment.n_frames:
        raise FormatError(f"segment {segment.name} has {n_frames} samples, but {master.name} promises {segment.n_frames}")
    if layout is None:
        if len(header.signals) != master.n_signals:
            raise FormatError(f"segment {segment.name} has {len(header.signals)} signals, but {master.name} promises {master.n_signals}")
        return _Part(0, n_frames, header, {i: i for i in range(master.n_signals)})
    places = {signal.name: i for i, signal in enumerate(header.signals)}
    return _Part(0, n_frames, header, {i: places[t.name] for i, t in enumerate(layout.signals) if t.name in places})


def _tracks(header: Header, parts: list[_Part]) -> list[Signal]:
    """The record's signals: each as the first stretch that has it describes it."""
    first: dict[int, Signal] = {}
    for part in parts:
        for track, column in part.columns.items():
            first.setdefault(track, part.header.signals[column])
    if not first:
        raise FormatError(f"no segment of {header.name} has a signal that its layout names")
    return [first[track] for track in sorted(first)]


def _samples(parts: list[_Part], tracks: list[Signal], choice: Choice, frames_hz: float, total_frames: int, folder: Folder, notes: list[str]) -> NDArray[np.integer[Any]]:
    """All kept leads on one clock, (n_leads, n_samples) int16 or int32; gaps are missing."""
    per_frame = round(choice.fs_hz / frames_hz)
    order = sorted({track for part in parts for track in part.columns})
    rescaled = [_rescaled_parts(parts, order[i], tracks[i]) for i in choice.kept]
    wide = any(rescaled) or any(FORMATS[tracks[i].format].bits > 16 for i in choice.kept)
    dtype = np.dtype(np.int32 if wide else np.int16)
    adc = np.empty((len(choice.kept), total_frames * per_frame), dtype)
    targets = [adc[row] if tracks[i].per_frame == per_frame else np.empty(total_frames * tracks[i].per_frame, dtype) for row, i in enumerate(choice.kept)]
    for target in targets:
        if len(parts) > 1 or parts[0].n_frames < total_frames:
            target[:] = missing_code(dtype)
    for part in parts:
        wanted = {}
        for target, i in zip(targets, choice.kept, strict=True):
            if (column := part.columns.get(order[i])) is not None:
                spf = tracks[i].per_frame
                if part.header.signals[column].per_frame != spf:
                    raise FormatError(f"segment {part.header.name}: {tracks[i].name} has {part.header.signals[column].per_frame} samples a frame, elsewhere {spf}")
                wanted[column] = target[part.first_frame * spf : (part.first_frame + part.n_frames) * spf]
        if damaged := wfdb_signals.decode_into(part.header, folder, wanted):
            notes.append(f"checksum of {', '.join(damaged)} in {part.header.name} differs from the header's; the samples may be damaged")
        _rescale(part, wanted, {part.columns[order[i]]: tracks[i] for i in choice.kept if order[i] in part.columns})
    for row, i in enumerate(choice.kept):
        if rescaled[row]:
            notes.append(f"{tracks[i].name}: segments {', '.join(rescaled[row])} were brought to the gain and baseline of the first")
        if tracks[i].per_frame != per_frame:
            adc[row] = resample(targets[row], tracks[i].per_frame, per_frame, adc.shape[1])
    return narrowed(adc) if adc.dtype == np.int32 else adc


def _rescaled_parts(parts: list[_Part], track: int, like: Signal) -> list[str]:
    """Names of the stretches in which a track has another gain, baseline or unit than in the first."""
    found = ((part.header.name, part.header.signals[part.columns[track]]) for part in parts if track in part.columns)
    return list(dict.fromkeys(name for name, s in found if (s.gain, s.baseline, s.units) != (like.gain, like.baseline, like.units)))


def _rescale(part: _Part, targets: dict[int, NDArray[np.integer[Any]]], like: dict[int, Signal]) -> None:
    """Bring freshly decoded samples to the gain and baseline of their track."""
    for column, target in targets.items():
        own, track = part.header.signals[column], like[column]
        if (own.gain, own.baseline, own.units) == (track.gain, track.baseline, track.units):
            continue
        own_mv, track_mv = mv_per_unit(own.units), mv_per_unit(track.units)
        if own_mv is None or track_mv is None:
            raise FormatError(f"segment {part.header.name}: {own.name} is in {own.units}, elsewhere in {track.units}")
        code = missing_code(target.dtype)
        factor = (own_mv / own.gain) / (track_mv / track.gain)
        info = np.iinfo(target.dtype)
        values = np.clip(np.rint((target.astype(np.float64) - own.baseline) * factor + track.baseline), info.min + 1, info.max)
        target[:] = np.where(target == code, code, values)


def _annotations(main: Blob, header: Header, folder: Folder, fs_hz: float, n_samples: int, notes: list[str]) -> tuple[list[Blob], tuple[Annotation, ...]]:
    """The annotation files beside the header, by annotator."""
    taken = {signal.file_name for signal in header.signals} | {main.name}
    beside = {blob.name: blob for stem in dict.fromkeys((main.stem, header.name)) for blob in folder.beside(stem)}
    files, found = [], []
    for name, blob in beside.items():
        if name in taken or not _may_be_annotations(blob):
            continue
        try:
            marks = wfdb_annotations.decode(blob.data(), name)
        except FormatError as error:
            notes.append(f"left out: {error}")
            continue
        files.append(blob)
        found.append(wfdb_annotations.annotation(marks, name.rpartition(".")[2], fs_hz, header.fs_hz, n_samples, notes))
    return files, tuple(found)


def may_be_called_annotations(name: str) -> bool:
    """Whether a file of this name may hold annotations: its extension is not that of another kind of file."""
    return name.rpartition(".")[2].lower() not in _NOT_ANNOTATORS


def _may_be_annotations(blob: Blob) -> bool:
    """Whether a file beside a header may hold annotations: neither of another kind nor text, and of a size that can be."""
    if not may_be_called_annotations(blob.name) or not 1 < blob.size <= MAX_ANNOTATION_BYTES:
        return False
    head = blob.head(1024)
    printable = head.decode("latin-1").replace("\t", " ").replace("\r", " ").replace("\n", " ").isprintable()
    return not printable
