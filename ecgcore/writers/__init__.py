"""Record and annotations → file, the format chosen by the extension of the path."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ecgcore.errors import InputError
from ecgcore.reconstructed import Accepted, standing
from ecgcore.record import Annotation, Record
from ecgcore.writers import csv, edf, reconstructed, wfdb
from ecgcore.writers.files import whole

__all__ = ["write"]

WRITERS: Final[dict[str, Callable[[Record, Path, Sequence[Annotation], Sequence[Accepted]], tuple[Path, ...]]]] = {
    "": wfdb.write,
    ".hea": wfdb.write,
    ".edf": edf.write,
    ".csv": csv.write,
}


def write(record: Record, out: Path, annotations: Sequence[Annotation] | None = None, reconstructions: Sequence[Accepted] = ()) -> tuple[Path, ...]:
    """Write a record as WFDB (.hea or no extension), EDF+ (.edf) or CSV (.csv); the paths written.

    `annotations` are the record's own for None; WFDB and EDF+ hold them, CSV does not. Nothing half-written stays.
    `reconstructions` that stand beside the record are told of in the file, whose samples stay those recorded; their values
    go into <name>.reconstructed.csv beside it.
    Raises InputError for another extension, for what the format cannot hold, and rather than overwrite the source.
    """
    out = Path(out)
    writer = WRITERS.get(out.suffix.lower())
    if writer is None:
        raise InputError(f"cannot write {out.name}: the extension {out.suffix!r} is none of {', '.join(repr(known) for known in WRITERS)}")
    target = out.with_suffix(".hea") if out.suffix == "" else out
    if _is_source(record, target):
        raise InputError(f"{target} is the recording itself, or one of its name; choose another name or folder")
    stand = standing(reconstructions)
    paths = writer(record, out, record.annotations if annotations is None else annotations, stand)
    if not stand:
        return paths
    about = (f"record: {record.name}", f"sha256: {record.source.sha256}", *(f"reconstructed: {' '.join(one.said.split())}" for one in stand))
    values = out.with_name(f"{out.stem if out.suffix else out.name}{reconstructed.SUFFIX}")
    with whole([values]) as (temporary,):
        temporary.write_text(reconstructed.reconstructed_csv(stand, about), "utf-8", newline="\n")
    return (*paths, values)


def _is_source(record: Record, target: Path) -> bool:
    """Whether a target holds the recording. A WFDB record is known by its name alone, for annotations come and go beside it."""
    if not target.is_file():
        return False
    if record.source.format == "WFDB" and target.name == record.source.file_name:
        return True
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == record.source.sha256
