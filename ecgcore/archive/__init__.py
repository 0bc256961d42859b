"""A folder of thousands of recordings → one table with a row for each: found, analysed by many processes, kept as it grows."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ecgcore.archive.parts import Parts
from ecgcore.archive.rows import Asked, Row
from ecgcore.errors import InputError
from ecgcore.progress import Progress, silent
from ecgcore.readers.folder import Found, Listing
from ecgcore.readers.sources import Facts

__all__ = ["Archive", "analyze_folder", "versions"]

KEEP_EVERY_S: Final = 5.0  # so much work is lost at most when the process is killed


@dataclass(frozen=True)
class Archive:
    """What became of a folder.

    table       the Parquet file with a row for each recording; its columns are `archive.rows.COLUMNS`
    recordings  rows in it
    made        rows made by this run; the others were there and nothing they hang on has changed
    errors      rows with an error in place of an analysis
    skipped     files that are no recording and belong to none, within the folder
    seconds     taken
    """

    table: Path
    recordings: int
    made: int
    errors: int
    skipped: tuple[str, ...]
    seconds: float


def analyze_folder(
    folder: str | Path,
    out: str | Path,
    leads: Iterable[str] | None = None,
    *,
    model: str = "beats",
    rhythm_model: str = "universal",
    scheduler: str | None = None,
    workers: int | None = None,
    restart: bool = False,
    fs_hz: float | None = None,
    units: str | None = None,
    lead_names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Archive:
    """Every recording in a folder, and the folders within, analysed as by `analyze`: a row each in the Parquet file `out`.

    scheduler  address of a Dask scheduler whose workers share the work, such as tcp://host:8786; None for processes of this machine
    workers    how many of those; None for one a core
    restart    make all rows anew; else those stay whose files and models are unchanged, also of a run that was stopped
    fs_hz, units, lead_names  for tables that leave them out
    progress   told of each batch; what it raises ends the run, and what was done is kept

    A recording that cannot be read or analysed is a row with its error. A script that calls this guards its own start with
    `if __name__ == "__main__":`, as the processes of this machine import it. Raises InputError for a folder without recordings or
    a file that is no such table, ModelError, ClusterError where the workers are not there.
    """
    from ecgcore import readers
    from ecgcore.inference import cards

    begun, tell, root = time.perf_counter(), progress or silent, Path(folder).resolve()
    facts = Facts(fs_hz, units, tuple(lead_names) if lead_names else None)
    beats, rhythm = (cards.read_card(cards.find(one)).id for one in (model, rhythm_model))
    asked = Asked(tuple(leads) if leads is not None else None, beats, rhythm, facts)
    expected = versions(asked)
    parts = Parts(Path(out).resolve(), json.dumps([str(root), asdict(asked), expected]))
    parts.check()
    tell(0.0, "looking for recordings")
    listing = readers.recordings(root, without=(parts.table, parts.folder))
    if not listing.recordings:
        raise InputError(f"no recording in {folder}; {len(listing.skipped)} files there are none")
    if restart:
        parts.clear()
    left = _left(listing, parts)
    if left:
        _make(root, left, asked, expected, parts, (scheduler, workers), tell)
    table = parts.finish(listing.recordings)
    errors = table.num_rows - table.column("error").null_count
    tell(1.0, "done")
    return Archive(Path(out), table.num_rows, len(left), errors, listing.skipped, round(time.perf_counter() - begun, 2))


def versions(asked: Asked) -> str:
    """What a row hangs on besides its recording: Leadwise, the detector, and the models by name, version and weights, which are opened. Raises ModelError."""
    import ecgcore
    from ecgcore.inference import beats, rhythm
    from ecgcore.signals import detection

    cards = (beats.load(asked.model).card, rhythm.load(asked.rhythm_model).card)
    return ", ".join((f"leadwise {ecgcore.__version__}", detection.NAME, *(f"{card.id} {card.sha256[:12]}" for card in cards)))


def _left(listing: Listing, parts: Parts) -> list[Found]:
    """The recordings whose rows are to be made."""
    done = parts.done()
    return [found for found in listing.recordings if done.get(found.shown) != found.stamp]


def _make(root: Path, left: list[Found], asked: Asked, expected: str, parts: Parts, where: tuple[str | None, int | None], tell: Progress) -> None:
    """Make rows and keep them, a part every few seconds; what is made when the run ends early is kept too."""
    from ecgcore.archive import workers

    fresh: list[Row] = []
    done = 0
    try:
        tell(0.0, "starting processes" if where[0] is None else f"connecting to {where[0]}")
        with workers.clients(*where) as client:
            workers.check(client, root, asked, expected)
            begun, kept = time.perf_counter(), -KEEP_EVERY_S  # the first rows at once: where they cannot be written, it shows at once
            for rows in workers.Sharing(client, root, asked).rows(workers.batches(left)):
                fresh += rows
                done += len(rows)
                if time.perf_counter() - kept > KEEP_EVERY_S:
                    parts.add(fresh)
                    fresh, kept = [], time.perf_counter()
                tell(done / len(left), f"{done:,} of {len(left):,} recordings, {done / (time.perf_counter() - begun):.0f}/s")
    finally:
        if fresh:
            parts.add(fresh)
