"""The 14 clinical features of Chapman-Shaoxing, as its Diagnostics.xlsx states them (Zheng et al., 2020)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import DataError
from ecgcore.training.chapman_records import TABLE

GENDERS: Final = {"Female": "FEMALE", "Male": "MALE"}  # feature → word in the column Gender
MEASURED: Final = (
    "VentricularRate", "AtrialRate", "QRSDuration", "QTInterval", "QTCorrected", "RAxis", "TAxis", "QRSCount", "QOnset", "QOffset", "TOffset",
)  # fmt: skip
DEMOGRAPHICS: Final = ("PatientAge", *GENDERS)
METADATA: Final = (*DEMOGRAPHICS, *MEASURED)
ABOVE_ZERO: Final = ("PatientAge", *(name for name in MEASURED if name not in ("RAxis", "TAxis")))  # where 0 stands for a value that is not known


def metadata(folder: Path, names: Sequence[str]) -> NDArray[np.float64]:
    """Features (n, 14) of the records of these names in the order of METADATA, bpm, ms, degrees and samples as the table has them; NaN where it has none.

    A rate or duration of 0 is none; nor is a gender other than the two. Raises DataError for a table that is not there, lacks a column or a record.
    """
    import pandas as pd

    path = folder / TABLE
    if not path.is_file():
        raise DataError(f"no {TABLE} in {folder}; it holds the clinical features of Chapman-Shaoxing")
    table = pd.read_excel(path)
    absent = sorted({"FileName", "PatientAge", "Gender", *MEASURED} - set(table.columns))
    if absent:
        raise DataError(f"{TABLE} in {folder} has no column {', '.join(absent)}")
    rows = table.drop_duplicates("FileName").set_index("FileName")
    unknown = [name for name in names if name not in rows.index]
    if unknown:
        raise DataError(f"{TABLE} in {folder} has no row for {', '.join(unknown[:3])}{' …' if len(unknown) > 3 else ''}")
    rows = rows.loc[list(names)]
    gender = rows["Gender"].astype(str).str.strip().str.upper().to_numpy()
    columns = {name: pd.to_numeric(rows[name], errors="coerce").to_numpy(np.float64) for name in ("PatientAge", *MEASURED)}
    columns = {name: np.where(values <= 0, np.nan, values) if name in ABOVE_ZERO else values for name, values in columns.items()}
    stated = np.isin(gender, list(GENDERS.values()))
    columns |= {name: np.where(stated, gender == word, np.nan) for name, word in GENDERS.items()}
    return np.stack([columns[name] for name in METADATA], axis=1)
