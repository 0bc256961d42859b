"""Decoded samples on disk, as a memory map, so that a day-long record opens at once. May be deleted at any time."""

import json
import shutil
import time
import uuid
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgcore.errors import FormatError
from ecgcore.record import Annotation, Patient, Record, Source
from ecgcore.store.blobs import STALE_S

# Raised by one whenever what is written here changes its meaning; older caches are then rebuilt.
VERSION: Final = 1
_SAMPLES: Final = "samples.npy"
_HEADER: Final = "record.json"

Stamps = dict[str, tuple[int, int]]


def write(folder: Path, record: Record, stamps: Stamps) -> None:
    """Write a record's samples and header. `stamps` are of the blobs it was decoded from.

    Written beside its place and renamed into it; where another process came first, its cache stays.
    """
    partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        _write_samples(partial / _SAMPLES, record)
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
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        if header["version"] != VERSION or header["blobs"] != {digest: list(stamp) for digest, stamp in stamps.items()}:
            return None
        samples = np.load(folder / _SAMPLES, mmap_mode="r", allow_pickle=False)
        return _record(header, samples)
    except (FileNotFoundError, EOFError, KeyError, TypeError, ValueError, FormatError):
        return None


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
