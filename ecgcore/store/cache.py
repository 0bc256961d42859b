"""Decoded samples and their pyramid on disk, as memory maps, so that a day-long record opens at once. May be deleted at any time."""

import json
import shutil
import time
import uuid
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.record import Annotation, Patient, Record, Source
from ecgcore.signals import pyramid
from ecgcore.signals.pyramid import Pyramid
from ecgcore.store.blobs import STALE_S

# Raised by one whenever what is written here changes its meaning; older caches are then rebuilt.
VERSION: Final = 2
_SAMPLES: Final = "samples.npy"
_HEADER: Final = "record.json"
_PYRAMID: Final = "pyramid.npy"
_SCALES: Final = "pyramid.json"  # apart from the record's header, which names every beat: a tile needs none of them
_UNUSABLE: Final = (FileNotFoundError, EOFError, KeyError, TypeError, ValueError, FormatError)

Stamps = dict[str, tuple[int, int]]


def write(folder: Path, record: Record, stamps: Stamps) -> None:
    """Write a record's samples, pyramid and header. `stamps` are of the blobs it was decoded from.

    Written beside its place and renamed into it; where another process came first, its cache stays.
    """
    partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        _write_samples(partial / _SAMPLES, record)
        _write_pyramid(partial, record, stamps)
        (partial / _HEADER).write_text(json.dumps(_header(record, stamps)), encoding="utf-8")
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read(folder: Path, stamps: Stamps) -> Record | None:
    """The record with its samples mapped, not loaded; None where the cache is absent, broken, old or of other blobs."""
    try:
        if read_pyramid(folder, stamps) is None or (header := _current(folder / _HEADER, stamps)) is None:
            return None
        samples = np.load(folder / _SAMPLES, mmap_mode="r", allow_pickle=False)
        return _record(header, samples)
    except _UNUSABLE:
        return None


def read_pyramid(folder: Path, stamps: Stamps) -> Pyramid | None:
    """The record's pyramid, mapped, without the record; None where `read` gives none for the pyramid's sake."""
    try:
        if (scales := _current(folder / _SCALES, stamps)) is None:
            return None
        values = np.load(folder / _PYRAMID, mmap_mode="r", allow_pickle=False)
        leads, n_samples = tuple(scales["leads"]), int(scales["n_samples"])
        if values.dtype != np.int16 or values.shape != pyramid.shape(len(leads), n_samples):
            return None
        return Pyramid(leads, n_samples, values, tuple(map(float, scales["step_mv"])), tuple(map(float, scales["offset_mv"])))
    except _UNUSABLE:
        return None


def build_pyramid(record: Record, out: NDArray[np.int16] | None = None) -> Pyramid:
    """The pyramid of a record; in memory, unless `out` is elsewhere."""
    return pyramid.build(record.adc, record.gain, record.baseline, record.leads, record.mv, out)


def remove(folder: Path) -> None:
    """Remove a record's cache, if it is there. A map still open elsewhere goes on working where the system allows it."""
    shutil.rmtree(folder, ignore_errors=True)


def folders(parent: Path) -> tuple[Path, ...]:
    """Every cache there is, half-written ones too."""
    return tuple(parent.iterdir())


def sweep(there: tuple[Path, ...], known: set[str]) -> None:
    """Remove the caches of records that are not known, and those that a process that died left half-written."""
    for folder in there:
        record_id, _, partial = folder.name.partition(".")
        stale = partial and folder.exists() and time.time() - folder.stat().st_mtime > STALE_S
        if stale or (record_id not in known and not partial):
            remove(folder)


def _write_samples(path: Path, record: Record) -> None:
    target = np.lib.format.open_memmap(path, "w+", record.adc.dtype, record.adc.shape)
    for row, samples in enumerate(record.adc):  # lead by lead: no second copy of a day in memory
        target[row] = samples
    target.flush()


def _write_pyramid(folder: Path, record: Record, stamps: Stamps) -> None:
    shape = pyramid.shape(len(pyramid.kept_leads(record.leads)), record.n_samples)
    target = np.lib.format.open_memmap(folder / _PYRAMID, "w+", np.int16, shape)
    made = build_pyramid(record, target)
    target.flush()
    scales = {"leads": made.leads, "n_samples": made.n_samples, "step_mv": made.step_mv, "offset_mv": made.offset_mv}
    (folder / _SCALES).write_text(json.dumps({"version": VERSION, "blobs": stamps, **scales}), encoding="utf-8")


def _current(path: Path, stamps: Stamps) -> dict[str, Any] | None:
    """A header; None where it is of another version or of other blobs."""
    header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    is_current = header["version"] == VERSION and header["blobs"] == {digest: list(stamp) for digest, stamp in stamps.items()}
    return header if is_current else None


def _header(record: Record, stamps: Stamps) -> dict[str, Any]:
    return {
        "version": VERSION,
        "blobs": stamps,
        "name": record.name,
        "gain": record.gain.tolist(),
        "baseline": record.baseline.tolist(),
        "fs_hz": record.fs_hz,
        "leads": record.leads,
        "source": asdict(record.source),
        "start": record.start.isoformat() if record.start else None,
        "patient": asdict(record.patient),
        "annotations": [_annotation_to_dict(annotation) for annotation in record.annotations],
        "comments": record.comments,
        "notes": record.notes,
    }


def _record(header: dict[str, Any], samples: Any) -> Record:
    return Record(
        name=header["name"],
        adc=samples,
        gain=np.asarray(header["gain"], np.float64),
        baseline=np.asarray(header["baseline"], np.float64),
        fs_hz=header["fs_hz"],
        leads=tuple(header["leads"]),
        source=Source(**header["source"]),
        start=datetime.fromisoformat(header["start"]) if header["start"] else None,
        patient=Patient(**header["patient"]),
        annotations=tuple(_annotation_from_dict(annotation) for annotation in header["annotations"]),
        comments=tuple(header["comments"]),
        notes=tuple(header["notes"]),
    )


def _annotation_to_dict(annotation: Annotation) -> dict[str, Any]:
    return {
        "annotator": annotation.annotator,
        "samples": annotation.samples.tolist(),
        "symbols": annotation.symbols,
        "notes": annotation.notes,
        "subtypes": annotation.subtypes.tolist(),
        "channels": annotation.channels.tolist(),
        "numbers": annotation.numbers.tolist(),
    }


def _annotation_from_dict(data: dict[str, Any]) -> Annotation:
    return Annotation(
        annotator=data["annotator"],
        samples=np.asarray(data["samples"], np.int64),
        symbols=tuple(data["symbols"]),
        notes=tuple(data["notes"]),
        subtypes=np.asarray(data["subtypes"], np.int16),
        channels=np.asarray(data["channels"], np.int16),
        numbers=np.asarray(data["numbers"], np.int16),
    )
