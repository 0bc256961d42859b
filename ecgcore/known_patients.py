"""Patients of the public test splits, known again by the signal: none of them may be learned from, under whatever name he comes.

Beside this file lie the fingerprints of their recordings. They are made anew with `build().save(SHIPPED)`, which needs mitdb and svdb.
"""

from functools import cache
from pathlib import Path
from typing import Final

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.fingerprints import Fingerprints
from ecgcore.record import Record

SHIPPED: Final = Path(__file__).with_suffix(".npz")
# 201 stands in DS1, but is of the patient of 202, which stands in DS2.
TEST_RECORDS: Final = (*(("mitdb", name) for name in sorted([*data.DS2, "201"])), *(("svdb", name) for name in data.SVDB_HELD_OUT))


def known_test_patient(record: Record) -> str:
    """The recording of a test split of which a record is a copy or a part, such as "mitdb 100"; "" where it is none.

    Recognised are DS2 of mitdb, its record 201, and the svdb records held out, by 30 s of one lead or more; see
    `Fingerprints.whose` for what is not recognised. Raises DataError where the fingerprints are missing or of other records.
    """
    return _shipped(SHIPPED).whose(record)


def build() -> Fingerprints:
    """The fingerprints that are shipped, made from the recordings. Raises DataError where mitdb or svdb is not there."""
    from ecgcore.readers import read

    return Fingerprints.of({f"{name} {record}": read(data.locate(name) / record) for name, record in TEST_RECORDS})


@cache
def _shipped(path: Path) -> Fingerprints:
    found, expected = Fingerprints.load(path), tuple(map(" ".join, TEST_RECORDS))
    if found.names != expected:
        odd = sorted(set(found.names) ^ set(expected))
        raise DataError(f"{path.name} is of other recordings than those of the test splits: {', '.join(odd[:5])}; make it anew with ecgcore.known_patients.build")
    return found
