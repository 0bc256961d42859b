"""Bytes or a path → Record: the content is sniffed here and handed to the module of its format."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ecgcore.errors import FormatError, InputError
from ecgcore.readers import archive, dicom, edf, folder, tabular, wfdb
from ecgcore.readers.extent import at_most
from ecgcore.readers.sources import Blob, DiskFolder, Facts, Format, MemoryFolder
from ecgcore.record import Record

__all__ = ["bundles", "read", "recordings"]

# Sniffed in this order: what has a signature first, text last. A new format is one module and one entry here.
FORMATS: Final[tuple[Format, ...]] = (dicom, edf, wfdb, tabular)


def read(
    source: str | Path | bytes | Mapping[str, bytes],
    *,
    fs_hz: float | None = None,
    units: str | None = None,
    leads: Sequence[str] | None = None,
    name: str | None = None,
    most_samples: int | None = None,
) -> Record:
    """The recording in a file, in bytes, or in several uploaded files (name → bytes; zips are unpacked).

    A WFDB record may be named without extension or by any of its files. `fs_hz`, `units` and `leads` are facts that a
    table leaves out; `name` names the record, or for bytes the file; of more than `most_samples`, all leads together, nothing is read.
    Raises InputError: FormatError, UnsafeFileError, MissingFactError naming the facts wanted.
    """
    facts = Facts(fs_hz, units, tuple(leads) if leads is not None else None)
    with at_most(most_samples):
        if isinstance(source, bytes):
            return _read_upload({name or "recording": source}, facts)
        record = _read_path(Path(source), facts) if isinstance(source, str | Path) else _read_upload(source, facts)
    return replace(record, name=name) if name else record


def bundles(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], ...]:
    """An upload of several files or zips split into one mapping a recording, each for `read`.

    Raises FormatError naming a file that belongs to no recording, UnsafeFileError for a zip that must not be unpacked.
    """
    return tuple(group.files for group in archive.group(files, _format_of))


def recordings(root: str | Path, without: Collection[Path] = ()) -> folder.Listing:
    """The recordings in a folder and all folders within, each for `read`; nothing in the paths of `without`.

    Raises InputError for a folder that is none, or cannot be opened.
    """
    return folder.listing(Path(root).resolve(), _format_of, without)


def _read_path(path: Path, facts: Facts) -> Record:
    if path.is_file():
        blob = Blob(path.name, path)
        if archive.is_zip(blob.head()):
            return _read_upload({path.name: blob.data()}, facts)
        if (found := _format_of(blob)) is not None:
            return found.read(blob, DiskFolder(path.parent), facts)
    for header in (path.with_name(f"{path.name}.hea"), path.with_suffix(".hea")):
        if header.is_file():
            return wfdb.read(Blob(header.name, header), DiskFolder(header.parent), facts)
    if path.is_file():
        raise FormatError(archive.unknown(Blob(path.name, path), [found.NAME for found in FORMATS]))
    raise InputError(f"no recording at {path}: there is {'a folder' if path.is_dir() else 'no such file, nor a header of that name'}")


def _read_upload(files: Mapping[str, bytes], facts: Facts) -> Record:
    groups = archive.group(files, _format_of)
    if len(groups) != 1:
        raise FormatError(f"{len(groups)} recordings in one upload, where one is wanted: {', '.join(group.main.name for group in groups)}")
    group = groups[0]
    return group.format.read(group.main, MemoryFolder.of(Blob(name, data) for name, data in group.files.items()), facts)


def _format_of(blob: Blob) -> Format | None:
    """The first format that knows how the file begins."""
    head = blob.head()
    return next((found for found in FORMATS if found.matches(head)), None)
