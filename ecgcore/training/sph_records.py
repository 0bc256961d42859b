"""The recordings of the Shandong set (Liu et al., 2022): twelve leads in mV at 500 Hz, an `.h5` file each, and `metadata.csv` with the patients and codes."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from ecgcore.errors import DataError
from ecgcore.leads import STANDARD
from ecgcore.readers.sources import Blob
from ecgcore.record import Record, Source

FS_HZ: Final = 500.0
PER_MV: Final = 1_000.0
TABLE: Final = "metadata.csv"
COLUMNS: Final = ("ECG_ID", "Patient_ID", "SNOMEDCTCode")


def load(folder: Path) -> Iterator[tuple[str, tuple[str, ...], Record]]:
    """Patient, SNOMED CT codes and recording of each row of the table, one at a time. Raises DataError where a column or a file is missing."""
    with (folder / TABLE).open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    absent = [column for column in COLUMNS if lines and column not in lines[0]]
    if absent:
        raise DataError(f"{TABLE} in {folder} has no column {', '.join(absent)}")
    for line in lines:
        yield line["Patient_ID"], tuple(code.strip() for code in line["SNOMEDCTCode"].split(",")), record_of(folder / line["ECG_ID"])


def record_of(path: Path) -> Record:
    """The twelve leads in one file. Raises DataError where it is none of the set's."""
    import h5py

    try:
        with h5py.File(path) as file:
            mv = np.asarray(file["ecg"], np.float64)
    except (OSError, KeyError) as error:
        raise DataError(f"{path.name} is no recording of the Shandong set: {error}") from error
    if mv.ndim != 2 or mv.shape[0] != len(STANDARD) or not np.isfinite(mv).all() or np.abs(mv).max() * PER_MV > np.iinfo(np.int16).max:
        raise DataError(f"{path.name} should hold {len(STANDARD)} leads in mV, it holds {mv.shape}")
    return Record(
        name=path.stem, adc=np.round(mv * PER_MV).astype(np.int16), gain=np.full(12, PER_MV), baseline=np.zeros(12), fs_hz=FS_HZ, leads=STANDARD,
        source=Source("Shandong", path.name, Blob(path.name, path).sha256(), "h5"),
    )  # fmt: skip
