"""How much room is taken on the disk by what Leadwise keeps in its folder."""

import os
from pathlib import Path
from typing import Final

from ecgcore.errors import StoreError
from ecgcore.store import database

PARTS: Final = {  # what it is, and where in the folder
    "uploads": ("blobs",),
    "cache of decoded signals": ("cache",),
    "models trained here": ("models",),
    "runs of trainings": ("runs",),
    "database": ("leadwise.db", "leadwise.db-wal", "leadwise.db-shm"),
    "queue": ("queue.db", "queue.db-wal", "queue.db-shm"),
}


def taken(home: Path) -> dict[str, int]:
    """Bytes by what it is; 0 for what is not there. Raises StoreError for a folder that cannot be read."""
    with database.as_store_errors():
        return {what: sum(size(home / name) for name in names) for what, names in PARTS.items()}


def free(home: Path) -> int:
    """Bytes that are left on the disk of a folder. Raises StoreError."""
    import shutil

    with database.as_store_errors():
        return shutil.disk_usage(home).free


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; what goes meanwhile counts for nothing."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as found:
            return sum(entry.stat().st_size if entry.is_file(follow_symlinks=False) else size(Path(entry.path)) for entry in found if not entry.is_symlink())
    except FileNotFoundError:
        return 0


def remove(path: Path) -> int:
    """Remove a folder with all in it; the bytes that this gives back. Raises StoreError where it cannot be removed."""
    import shutil

    given_back = size(path)
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise StoreError(f"{path.name} cannot be removed: {error.strerror or error}") from error
    return given_back
