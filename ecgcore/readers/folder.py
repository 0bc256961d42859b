"""A folder of many recordings: which files are one, which belong to one, and which are none."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ecgcore.errors import InputError
from ecgcore.readers import wfdb
from ecgcore.readers.archive import is_side_file, is_zip
from ecgcore.readers.sources import Blob, Format


@dataclass(frozen=True)
class Found:
    """One recording.

    path     of its file, for WFDB of its header, within the folder
    n_bytes  of all its files together
    stamp    digest of their names, sizes and times of change: another when one of them was changed
    """

    path: str
    n_bytes: int
    stamp: str

    @property
    def shown(self) -> str:
        """The path as text; bytes in it that are none are spelt out."""
        return self.path.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True)
class Listing:
    """What lies in a folder and the folders within: recordings by path, and the files that are none and belong to none."""

    recordings: tuple[Found, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Names:
    """A folder whose file names are known, in which a header finds its companions."""

    path: Path
    by_stem: dict[str, list[str]]

    @classmethod
    def of(cls, path: Path, names: Collection[str]) -> "_Names":
        by_stem: dict[str, list[str]] = {}
        for name in names:
            by_stem.setdefault(name.rpartition(".")[0], []).append(name)
        return cls(path, by_stem)

    def get(self, name: str) -> Blob | None:
        """The file of that name."""
        return Blob(name, self.path / name) if name in self.by_stem.get(name.rpartition(".")[0], ()) else None

    def beside(self, stem: str) -> tuple[Blob, ...]:
        """The files called `stem`.extension, by name."""
        return tuple(Blob(name, self.path / name) for name in self.by_stem.get(stem, ()))


def listing(root: Path, format_of: Callable[[Blob], Format | None], without: Collection[Path] = ()) -> Listing:
    """The recordings in a folder and all folders within, but for the paths in `without`.

    A WFDB record stands once, by its header. What may be a recording is one, also where reading it will fail: a table of
    something else, a file that cannot be opened. Raises InputError for a folder that is none, or cannot be opened.
    """
    recordings: list[Found] = []
    skipped: list[str] = []
    for path, names in _walk(root, without):
        within = path.relative_to(root)
        groups = _groups(_Names.of(path, names), names, format_of)
        taken = set[str]().union(*groups.values())
        recordings.extend(_found((within / main).as_posix(), [path / name for name in sorted(files)]) for main, files in groups.items())
        skipped.extend((within / name).as_posix() for name in names if name not in taken)
    return Listing(tuple(sorted(recordings, key=lambda found: found.path)), tuple(sorted(skipped)))


def _walk(root: Path, without: Collection[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Every folder with the names of its files, sorted; not those hidden, nor what desktops leave."""
    if not root.is_dir():
        raise InputError(f"no folder at {root}")
    left_out = {path.resolve() for path in without}

    def refuse(error: OSError) -> None:
        raise InputError(f"cannot open folder {error.filename}: {error.strerror}") from error

    for at, folders, names in os.walk(root, onerror=refuse):
        path = Path(at)
        folders[:] = sorted(name for name in folders if not is_side_file(name) and path / name not in left_out)
        yield path, sorted(name for name in names if path / name not in left_out and (path / name).is_file())


def _groups(folder: _Names, names: list[str], format_of: Callable[[Blob], Format | None]) -> dict[str, set[str]]:
    """The recordings of one folder: main file → all its files."""
    headers = {name: _companions(Blob(name, folder.path / name), folder) for name in names if name.endswith(".hea") and not is_side_file(name)}
    segments = {other for name, files in headers.items() for other in files if other in headers and other != name}
    groups = {name: files for name, files in headers.items() if name not in segments}
    taken = set[str]().union(*groups.values())
    for name in names:
        if name not in taken and not is_side_file(name) and _may_be_recording(Blob(name, folder.path / name), format_of):
            groups[name] = {name}
    return groups


def _companions(header: Blob, folder: _Names) -> set[str]:
    """The files of a WFDB record; only its header where that is broken. A table or the like that is only called as the record is not its own."""
    try:
        if not wfdb.matches(header.head()):
            return {header.name}
        parsed = wfdb.parse(header)
        named = wfdb.companions(parsed, folder)
    except InputError:
        return {header.name}
    beside = {blob.name for stem in (header.stem, parsed.name) for blob in folder.beside(stem)}
    foreign = {name for name in beside if not wfdb.may_be_called_annotations(name)} - {signal.file_name for signal in parsed.signals}
    return {name for name in (named | beside) - foreign if folder.get(name) is not None} | {header.name}


def _may_be_recording(blob: Blob, format_of: Callable[[Blob], Format | None]) -> bool:
    try:
        return is_zip(blob.head()) or format_of(blob) is not None
    except InputError:  # it cannot be opened: reading it says why
        return True


def _found(path: str, files: list[Path]) -> Found:
    lines, n_bytes = [], 0
    for file in files:
        stat = file.stat()
        n_bytes += stat.st_size
        lines.append(f"{file.name} {stat.st_size} {stat.st_mtime_ns}")
    return Found(path, n_bytes, hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:24])
