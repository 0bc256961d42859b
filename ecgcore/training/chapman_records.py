"""The recordings of Chapman-Shaoxing (Zheng et al., 2020) as figshare publishes them: a file of 5,000 samples of twelve leads in µV each, and a workbook.

`ECGDataDenoised/*.csv` or `ECGData/*.csv`, with a line of lead names or without, or `ECGDataDenoisedMat/*.mat`; a row of `Diagnostics.xlsx` a patient.
The WFDB form numbers the patients JS00001, JS00002 … in the order of those rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import DataError
from ecgcore.leads import STANDARD, normalise
from ecgcore.readers.sources import Blob
from ecgcore.record import Record, Source, missing_code

FS_HZ: Final = 500.0
PER_MV: Final = 1_000.0  # samples are stored to 1 µV; the recorder's own step was 4.88 µV
TABLE: Final = "Diagnostics.xlsx"
LAYOUTS: Final = (("ECGDataDenoised", ".csv"), ("ECGDataDenoisedMat", ".mat"), ("ECGData", ".csv"))


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient: the id that the WFDB form gives (JS00001 …), the recording, and the column Rhythm."""

    id: str
    record: Record
    rhythm: str


def load(folder: Path) -> Iterator[Patient]:
    """The patients of the workbook whose recordings are there, in its order, one at a time. Raises DataError for a folder that does not hold the set."""
    import pandas as pd

    found = {path.stem: path for place, suffix in reversed(LAYOUTS) for path in (folder / place).glob(f"*{suffix}")}
    if not (folder / TABLE).is_file() or not found:
        raise DataError(f"no {TABLE} with files in {', '.join(place for place, _ in LAYOUTS)} in {folder}")
    table = pd.read_excel(folder / TABLE, usecols=["FileName", "Rhythm"], dtype=str, na_filter=False)
    if strange := sorted(found.keys() - set(table["FileName"])):
        raise DataError(f"{TABLE} in {folder} has no row for {', '.join(strange[:3])}{' …' if len(strange) > 3 else ''}")
    for number, (name, rhythm) in enumerate(zip(table["FileName"], table["Rhythm"], strict=True), start=1):
        if name in found:
            yield Patient(f"JS{number:05}", record_of(found[name]), rhythm.strip())


def record_of(path: Path) -> Record:
    """The twelve leads in one file. Raises DataError where it is none of the set's."""
    leads, microvolts = _from_mat(path) if path.suffix == ".mat" else _from_csv(path)
    known = np.isfinite(microvolts)
    steps = np.where(known, np.round(microvolts), 0.0)
    if np.abs(steps).max(initial=0) > np.iinfo(np.int16).max:
        raise DataError(f"{path.name} reaches {np.abs(steps).max():.0f} µV; a recording of this set stays below {np.iinfo(np.int16).max}")
    adc = np.where(known, steps, missing_code(np.dtype(np.int16))).astype(np.int16)
    return Record(
        name=path.stem, adc=adc, gain=np.full(12, PER_MV), baseline=np.zeros(12), fs_hz=FS_HZ, leads=leads,
        source=Source("Chapman-Shaoxing", path.name, Blob(path.name, path).sha256(), path.suffix[1:]),
    )  # fmt: skip


def _from_mat(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values = loadmat(path).get("val")
    except (MatReadError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path.name} is no MATLAB file: {error}") from error
    return STANDARD, _checked(path, values)


def _from_csv(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
        leads = tuple(normalise(name.strip()) for name in first.split(","))
        named = set(leads) == set(STANDARD)
        if not named:
            file.seek(0)
        try:
            values = np.genfromtxt(file, delimiter=",", encoding="utf-8-sig")
        except ValueError as error:
            raise DataError(f"{path.name} is no table of twelve columns of numbers: {str(error).splitlines()[0]}") from error
    return leads if named else STANDARD, _checked(path, values)


def _checked(path: Path, values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """(12, n) in µV from (n, 12)."""
    if values is None or values.ndim != 2 or values.shape[1] != len(STANDARD) or not np.isfinite(values).any():
        raise DataError(f"{path.name} should hold samples by {len(STANDARD)} leads, it holds {'nothing' if values is None else values.shape}")
    return np.asarray(values.T, np.float64)
