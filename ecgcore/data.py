"""The public data sets: where they lie, who is in which split, and what their labels say.

A split is by patient. DS2 is for the final figure only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import settings
from ecgcore.errors import DataError, InputError
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT
from ecgcore.record import Record

# de Chazal, O'Dwyer & Reilly (2004). 201 (DS1) and 202 (DS2) are one patient.
DS1: Final = tuple("101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split())
DS2: Final = tuple("100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split())
PACED: Final = ("102", "104", "107", "217")
# Every fifth of the svdb records at hand: what is trained on the Admin page leaves them to be compared on. The shipped models learned from them.
SVDB_HELD_OUT: Final = tuple("800 808 822 840 847 855 862 870 877 885 892".split())
COUNTS: Final = {
    DS1: {"N": 45_866, "S": 944, "V": 3_788, "F": 415, "Q": 8},
    DS2: {"N": 44_259, "S": 1_837, "V": 3_221, "F": 388, "Q": 7},
}
PHYSIONET: Final = {"mitdb": "mitdb", "svdb": "svdb", "cinc2017": "challenge-2017", "ptbxl": "ptb-xl", "ludb": "ludb", "nstdb-noise": "nstdb"}


@dataclass(frozen=True, eq=False)
class LabelledBeats:
    """A record and its reference beats: R peaks (n_beats,) at the record's own rate, AAMI class and MIT code of each."""

    record: Record
    samples: NDArray[np.int64]
    labels: tuple[str, ...]
    codes: tuple[str, ...]


def locate(name: str) -> Path:
    """The folder of a data set. Raises DataError that says how to get it."""
    for folder in settings.data_folders():
        if (folder / name).is_dir():
            return folder / name
    looked = ", ".join(str(folder) for folder in settings.data_folders())
    raise DataError(f"no data set {name!r} in {looked}; get it with: python -m ecgcore data get {name}")


def record_ids(folder: Path) -> tuple[str, ...]:
    """Names of the WFDB records in a folder that have reference beats, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.hea") if path.with_suffix(".atr").is_file()))


def select_records(folder: Path, wanted: str, without: str = "") -> tuple[str, ...]:
    """Record ids for "all", "ds1", "ds2" or "100,101", less those in `without`; paced records are in "all" only. Raises InputError for one that is not there."""
    there = record_ids(folder)
    named = {"all": there, "ds1": DS1, "ds2": DS2}.get(wanted.lower(), tuple(part.strip() for part in wanted.split(",") if part.strip()))
    left_out = {part.strip() for part in without.split(",") if part.strip()}
    absent = [name for name in named if name not in there] + sorted(left_out - set(named))
    if absent or not named:
        raise InputError(f"no record {', '.join(absent) or wanted!r} with reference beats in {folder}; it has {', '.join(there[:8]) or 'none'}{' …' if len(there) > 8 else ''}")
    return tuple(name for name in named if name not in left_out)


def load_beats(folder: Path, name: str) -> LabelledBeats:
    """One record with its reference beats; marks that are no beats are left out."""
    from ecgcore.readers import read

    return beats_of(read(folder / name))


def beats_of(record: Record) -> LabelledBeats:
    """A record with its reference beats, which are those of its annotation "atr"."""
    reference = record.annotation("atr")
    beats = [i for i, symbol in enumerate(reference.symbols) if symbol in AAMI_OF_MIT]
    codes = tuple(reference.symbols[i] for i in beats)
    return LabelledBeats(record, reference.samples[beats], tuple(AAMI_OF_MIT[code] for code in codes), codes)


def load_all(folder: Path, names: Iterable[str]) -> Iterator[LabelledBeats]:
    """Records with their reference beats, one at a time. Raises DataError at the end of DS1 or DS2 when their beats are not those published."""
    names, counts = tuple(names), dict.fromkeys(AAMI_CLASSES, 0)
    for name in names:
        labelled = load_beats(folder, name)
        for label in AAMI_CLASSES:
            counts[label] += labelled.labels.count(label)
        yield labelled
    if names in COUNTS and counts != COUNTS[names]:
        raise DataError(f"these records should hold the beats {COUNTS[names]}, those in {folder} hold {counts}")


def rhythm_labels(folder: Path) -> dict[str, str]:
    """Label ("N", "A", "O" or "~") by record of a CinC 2017 folder, in the order of its REFERENCE-v3.csv. Raises DataError where it is not there."""
    path = folder / "REFERENCE-v3.csv"
    if not path.is_file():
        raise DataError(f"no REFERENCE-v3.csv in {folder}; get the data set with: python -m ecgcore data get cinc2017")
    return dict(line.split(",") for line in path.read_text().split())


def fetch(name: str) -> Path:
    """Download a public set from PhysioNet into the cache folder. Needs a network. Raises DataError for an unknown name or a failed download."""
    import wfdb

    if name not in PHYSIONET:
        raise DataError(f"no data set {name!r} to fetch; there are: {', '.join(PHYSIONET)}")
    target = settings.data_cache() / name
    try:
        wfdb.dl_database(PHYSIONET[name], str(target))
    except (OSError, ValueError) as error:
        raise DataError(f"could not fetch {name} from PhysioNet: {str(error).splitlines()[0]}") from error
    return target
