"""Uploads, byte for byte, each file under the sha256 of its content."""

import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ecgcore.errors import StoreError

# A file that nobody has written to for so long belongs to a process that died.
STALE_S: Final = 600


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_files(files: Mapping[str, bytes]) -> str:
    """That of the one file, or for several of their sorted "sha256  name" lines, as in `record.Source`."""
    if len(files) == 1:
        return sha256(next(iter(files.values())))
    lines = sorted(f"{sha256(data)}  {name}\n" for name, data in files.items())
    return sha256("".join(lines).encode())


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Blobs:
    """A folder of files named by their content.

    A blob is written beside its place and then renamed into it, so that it is there whole or not at all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staging = folder / "staging"
        self._staging.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob of that sha256 is, or would be."""
        return self._folder / digest[:2] / digest

    def stamp(self, digest: str) -> tuple[int, int]:
        """Size and time of last change: whether a blob is still the one that was verified. Raises StoreError."""
        try:
            found = self.path(digest).stat()
        except FileNotFoundError as error:
            raise StoreError(f"the stored file {digest[:12]}… is missing from {self._folder}; upload the recording again") from error
        return found.st_size, found.st_mtime_ns

    def read(self, digest: str) -> bytes:
        """The bytes of a blob, verified. Raises StoreError for a missing or altered one."""
        self.stamp(digest)
        data = self.path(digest).read_bytes()
        if sha256(data) != digest:
            raise StoreError(f"the stored file {digest[:12]}… is damaged: its content has sha256 {sha256(data)[:12]}…; delete the record and upload it again")
        return data

    @contextmanager
    def staged(self, contents: Iterable[bytes]) -> Iterator[dict[str, Path]]:
        """Files on the disk, not yet in their place, by sha256; those not kept by the end are removed."""
        paths: dict[str, Path] = {}
        try:
            for data in contents:
                path = paths.setdefault(sha256(data), self._staging / uuid.uuid4().hex)
                with path.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            yield paths
        finally:
            for path in paths.values():
                path.unlink(missing_ok=True)

    def keep(self, digest: str, staged: Path) -> None:
        """Put a staged file in its place; one that is there already and whole stays."""
        target = self.path(digest)
        if target.exists() and _sha256_of(target) == digest:
            return
        target.parent.mkdir(exist_ok=True)
        staged.replace(target)

    def remove(self, digest: str) -> None:
        """Remove a blob, if it is there."""
        self.path(digest).unlink(missing_ok=True)

    def all(self) -> set[str]:
        """The sha256 of every blob."""
        return {path.name for path in self._folder.glob("??/*")}

    def sweep_staging(self) -> None:
        """Remove what processes that died left half-written."""
        for path in self._staging.iterdir():
            try:
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()
            except FileNotFoundError:  # its writer finished meanwhile
                continue
