"""Where bytes come from: one file on disk or in memory, and the folder it lies in."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.record import Record

HEAD_BYTES: Final = 8192


@dataclass(frozen=True)
class Facts:
    """What the user says of a file that leaves it out: rate, one unit for all leads, lead names; None where not said."""

    fs_hz: float | None = None
    units: str | None = None
    leads: tuple[str, ...] | None = None

    def stated(self) -> tuple[str, ...]:
        """Names of the facts given."""
        return tuple(name for name in ("fs_hz", "units", "leads") if getattr(self, name) is not None)

    def refuse(self, format_name: str) -> None:
        """Raise InputError if any is given: a format that states them itself is not to be overruled."""
        if stated := self.stated():
            raise InputError(f"{', '.join(stated)} cannot be given for {format_name}, which states them itself; they are for tables that do not")


@dataclass(frozen=True, eq=False)
class Blob:
    """One file: its name, and its bytes or the path at which they lie."""

    name: str
    content: bytes | Path

    @property
    def stem(self) -> str:
        """The file name without folders and without its last extension."""
        return PurePosixPath(self.name).stem

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def head(self, n_bytes: int = HEAD_BYTES) -> bytes:
        """The first bytes, at most `n_bytes`. Raises InputError when the file cannot be opened."""
        if isinstance(self.content, bytes):
            return self.content[:n_bytes]
        try:
            with self.content.open("rb") as file:
                return file.read(n_bytes)
        except OSError as error:
            raise InputError(f"cannot open {self.content}: {error.strerror}") from error

    def data(self) -> bytes:
        """All bytes. Raises InputError when the file cannot be opened."""
        if isinstance(self.content, bytes):
            return self.content
        try:
            return self.content.read_bytes()
        except OSError as error:
            raise InputError(f"cannot open {self.content}: {error.strerror}") from error

    def array(self) -> NDArray[np.uint8]:
        """All bytes as uint8, (size,), read only; of a file on disk a memory map."""
        if isinstance(self.content, bytes) or self.size == 0:
            return np.frombuffer(self.data(), np.uint8)
        return np.memmap(self.content, np.uint8, mode="r")

    def sha256(self) -> str:
        """Hexadecimal digest of the bytes."""
        return hashlib.sha256(self.array().data).hexdigest()


class Folder(Protocol):
    """The files among which a header finds its companions."""

    def get(self, name: str) -> Blob | None:
        """The file of that name."""

    def beside(self, stem: str) -> tuple[Blob, ...]:
        """The files called `stem`.extension, by name."""


@dataclass(frozen=True)
class DiskFolder:
    """A folder on disk."""

    path: Path

    def get(self, name: str) -> Blob | None:
        """The file of that name."""
        path = self.path / name
        return Blob(name, path) if path.is_file() else None

    def beside(self, stem: str) -> tuple[Blob, ...]:
        """The files called `stem`.extension, by name."""
        return tuple(Blob(name, self.path / name) for name in _listing(self.path).get(stem, ()) if (self.path / name).is_file())


# A folder that changed this lately may change again within the same tick of the file system's clock.
_SETTLED_S: Final = 2.0
_listings: dict[Path, tuple[int, dict[str, list[str]]]] = {}


def _listing(folder: Path) -> dict[str, list[str]]:
    """Names in a folder by stem, sorted. The last folder's is kept: a data set is thousands of records in one."""
    changed_ns = folder.stat().st_mtime_ns
    known = _listings.get(folder)
    if known is not None and known[0] == changed_ns:
        return known[1]
    by_stem: dict[str, list[str]] = {}
    for name in sorted(path.name for path in folder.iterdir()):
        by_stem.setdefault(name.rpartition(".")[0], []).append(name)
    _listings.clear()
    if time.time() - changed_ns / 1e9 > _SETTLED_S:
        _listings[folder] = (changed_ns, by_stem)
    return by_stem


@dataclass(frozen=True)
class MemoryFolder:
    """Uploaded files, by name without folders."""

    files: Mapping[str, Blob]

    @classmethod
    def of(cls, blobs: Iterable[Blob]) -> "MemoryFolder":
        """A folder of these files; folders in their names do not matter."""
        return cls({PurePosixPath(blob.name).name: Blob(PurePosixPath(blob.name).name, blob.content) for blob in blobs})

    def get(self, name: str) -> Blob | None:
        """The file of that name."""
        return self.files.get(name)

    def beside(self, stem: str) -> tuple[Blob, ...]:
        """The files called `stem`.extension, by name."""
        names = sorted(name for name in self.files if name.startswith(stem + ".") and name.count(".") == stem.count(".") + 1)
        return tuple(self.files[name] for name in names)


def digest(blobs: Iterable[Blob]) -> str:
    """SHA-256 of one file, or for several of their sorted "sha256  name" lines."""
    parts = sorted({(blob.sha256(), blob.name) for blob in blobs})
    if len(parts) == 1:
        return parts[0][0]
    return hashlib.sha256("".join(f"{sha}  {name}\n" for sha, name in parts).encode()).hexdigest()


class Format(Protocol):
    """What each file format's module offers; a module that has these three is a reader."""

    NAME: str

    def matches(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (up to `HEAD_BYTES`) is of this format."""

    def read(self, main: Blob, folder: Folder, facts: Facts) -> Record:
        """The Record in `main` and the companions it names in `folder`."""
