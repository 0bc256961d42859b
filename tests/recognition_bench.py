"""How surely patients of the test splits are known again: python -m tests.recognition_bench

Prints, for pieces cut from their recordings, how many are missed; for copies in other formats, how many fingerprints are left; and for all
other recordings of the data folder, how many hold any fingerprint of a test patient.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgcore import data, readers, writers
from ecgcore.errors import DataError, EcgError
from ecgcore.fingerprints import NEEDED, Fingerprints, signal_sha256
from ecgcore.known_patients import SHIPPED, TEST_RECORDS
from ecgcore.record import Record

EVERY_S = 14.3  # a piece begins so often: at no multiple of what a fingerprint is kept for
OTHERS = {"mitdb": "*.hea", "svdb": "*.hea", "nstdb-noise": "*.hea", "ptbxl": "**/*.hea", "ludb": "**/*.hea", "cinc2021-samples": "*.hea", "cinc2017": "*.hea", "formats": "*"}


def part(record: Record, rows: list[int], start: int, n_samples: int) -> Record:
    """Some leads of a stretch, under other names."""
    adc = np.ascontiguousarray(record.adc[rows, start : start + n_samples])
    return replace(record, name="x", adc=adc, gain=record.gain[rows], baseline=record.baseline[rows], leads=("I", "II")[: len(rows)])


def pieces(shipped: Fingerprints, tested: dict[str, Record], seconds: float, leads: list[list[int]]) -> str:
    """How many pieces of so many seconds are missed."""
    least, missed, wrong, n = 10**6, 0, 0, 0
    for place, record in enumerate(tested.values()):
        n_samples = round(seconds * record.fs_hz)
        for rows in leads:
            for start in range(0, record.n_samples - n_samples, round(EVERY_S * record.fs_hz)):
                hits = shipped.hits(part(record, rows, start, n_samples))
                least, n = min(least, int(hits[place])), n + 1
                missed += int(hits[place] < NEEDED)
                wrong += int(np.delete(hits, place).any())
    return f"{missed} of {n} missed, the least has {least} fingerprints; {wrong} hold one of another patient"


def copies(shipped: Fingerprints, tested: dict[str, Record], extension: str) -> str:
    """How much is left in another format, leads swapped and renamed; the first five minutes."""
    share, same = 1.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for place, record in enumerate(tested.values()):
            before = part(record, [1, 0], 0, round(300 * record.fs_hz))
            writers.write(before, Path(folder) / f"x{extension}", ())
            back = readers.read(Path(folder) / f"x{extension}")
            share = min(share, shipped.hits(back)[place] / shipped.hits(before)[place])
            same += signal_sha256(back) == signal_sha256(before)
    return f"{share:.0%} of the fingerprints left at least; {same} of {len(tested)} have the same signal_sha256"


def others(name: str, pattern: str) -> Iterator[Record]:
    """The recordings of a data set that are of no test patient; those in formats that are not read are left out."""
    try:
        folder = data.locate(name)
    except DataError as error:
        print(error)
        return
    for path in sorted(folder.glob(pattern)):
        if (name, path.stem) not in TEST_RECORDS:
            try:
                yield readers.read(path)
            except EcgError:
                continue


def main() -> None:
    """Print all."""
    shipped = Fingerprints.load(SHIPPED)
    print(f"{len(shipped.names)} recordings, {len(shipped.hashes)} fingerprints, {SHIPPED.stat().st_size} bytes")
    tested = {f"{database} {name}": readers.read(data.locate(database) / name) for database, name in TEST_RECORDS}
    for seconds in (30, 20, 15):
        print(f"{seconds} s of one lead: {pieces(shipped, tested, seconds, [[0], [1]])}")
        print(f"{seconds} s of both leads: {pieces(shipped, tested, seconds, [[1, 0]])}")
    for extension in (".edf", ".csv", ".hea"):
        print(f"as {extension}: {copies(shipped, tested, extension)}")
    for name, pattern in OTHERS.items():
        hits = [int(shipped.hits(record).max()) for record in others(name, pattern)]
        print(f"{name}: {sum(hit > 0 for hit in hits)} of {len(hits)} other recordings hold a fingerprint, the most {max(hits, default=0)}")


if __name__ == "__main__":
    main()
