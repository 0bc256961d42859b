"""The public set of ventricular arrhythmias by their origin (Zheng et al., 2020): 334 patients, 12 leads at 2,000 Hz, the origin found by ablation.

In the folder lie one CSV file a patient, `ECGs/<name>.csv` or beside the table, twelve columns named as leads, in µV; and `Diagnosis.xlsx` or `Diagnosis.csv`
with a row a patient: the file's name, and the origin in words, such as "RVOT septum" or "LVOT: left coronary cusp".
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import DataError
from ecgcore.leads import STANDARD, normalise
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample
from ecgcore.training.segments import SegmentSet

FS_HZ: Final = 2_000.0
UV_PER_MV: Final = 1_000.0
TABLES: Final = ("Diagnosis.xlsx", "Diagnosis.csv")
TASKS: Final = {"side": ("RV", "LV"), "outflow tract": ("RVOT", "LVOT")}
NAME_COLUMNS: Final = ("filename", "file name", "file", "patient id", "id")
ORIGIN_COLUMNS: Final = ("origin", "diagnosis", "label", "site of origin", "type", "chamber")
# How the origin is written out, first match wins: outflow tracts before chambers; the aortic cusps and the summit are reached from the left.
SITES: Final = (
    ("RVOT", ("rvot", "right ventricular outflow", "right ventricle outflow")),
    ("LVOT", ("lvot", "left ventricular outflow", "left ventricle outflow", "coronary cusp", "aortic cusp", "lcc", "rcc", "amc", "summit", "commissure")),
    ("RV", ("right ventric", "rv", "tricuspid")),
    ("LV", ("left ventric", "lv", "mitral", "papillary", "fascic")),
)


@dataclass(frozen=True, eq=False)
class Origin:
    """A patient: leads (12, n) in mV at FS_HZ in the order of STANDARD, and where the ectopic beats come from, one of RVOT, LVOT, RV, LV."""

    name: str
    mv: NDArray[np.float32]
    site: str

    def classed(self, task: str) -> int | None:
        """Place in TASKS[task]; None where the task is not about this site."""
        names = TASKS[task]
        said = self.site[:2] if task == "side" else self.site
        return names.index(said) if said in names else None


def load(folder: Path) -> Iterator[Origin]:
    """All patients of the table whose origin is one of SITES, one at a time. Raises DataError for a folder that does not hold the set."""
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is None:
        raise DataError(f"no {' or '.join(TABLES)} in {folder}; the set is at figshare under 'idiopathic ventricular arrhythmia containing 334 patients'")
    for name, said in _labels(table):
        site = site_of(said)
        if site is not None:
            yield Origin(name, _signals(_file(folder, name)), site)


def site_of(said: str) -> str | None:
    """The site that an origin in words names; None for another, such as one that was not found."""
    words = said.strip().lower()
    return next((site for site, spellings in SITES if any(spelling in words for spelling in spellings)), None)


def segment_set(patients: Iterable[Origin], task: str, fs_hz: float, samples: int, band_hz: tuple[float, float]) -> SegmentSet:
    """One segment a patient, its twelve leads filtered, at another rate, each over its own deviation, and cut or padded with zeros to so many samples."""
    rows, targets, names = [], [], []
    for one in patients:
        target = one.classed(task)
        if target is None:
            continue
        leads = np.stack([band_pass(resample(filled(lead), FS_HZ, fs_hz), band_hz, fs_hz) for lead in one.mv])[:, :samples]
        scaled = leads / np.maximum(leads.std(axis=1, keepdims=True), 1e-6)
        rows.append(np.pad(scaled, ((0, 0), (0, samples - scaled.shape[1]))).astype(np.float32))
        targets.append(target)
        names.append(one.name)
    if not rows:
        raise DataError(f"no patient whose origin is {' or '.join(TASKS[task])}")
    return SegmentSet(TASKS[task], tuple(names), np.stack(rows), np.array(targets, np.int64), np.arange(len(names)))


def _labels(table: Path) -> list[tuple[str, str]]:
    """File name and origin in words, a row a patient. Raises DataError where the columns are not there."""
    rows = _rows(table)
    columns = {name.strip().lower(): name for name in (rows[0] if rows else {})}
    name, origin = (next((columns[wanted] for wanted in candidates if wanted in columns), None) for candidates in (NAME_COLUMNS, ORIGIN_COLUMNS))
    if name is None or origin is None:
        raise DataError(f"{table.name} has the columns {', '.join(columns) or 'none'}; wanted are one of {', '.join(NAME_COLUMNS)} and one of {', '.join(ORIGIN_COLUMNS)}")
    return [(row[name].strip(), row[origin]) for row in rows]


def _rows(table: Path) -> list[Mapping[str, str]]:
    if table.suffix == ".csv":
        with table.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    import pandas as pd

    try:
        sheet = pd.read_excel(table, dtype=str, na_filter=False)
    except (BadZipFile, ValueError, KeyError) as error:
        raise DataError(f"{table.name} is no Excel workbook with a first sheet: {error}") from error
    return [{str(name): str(value) for name, value in row.items()} for row in sheet.to_dict("records")]


def _file(folder: Path, name: str) -> Path:
    stem = name.removesuffix(".csv")
    paths = [*folder.glob(f"{stem}.csv"), *folder.glob(f"*/{stem}.csv")]
    if not paths:
        raise DataError(f"no {stem}.csv in {folder}, which its table names")
    return paths[0]


def _signals(path: Path) -> NDArray[np.float32]:
    """Twelve leads (12, n) in mV. Raises DataError where one is missing."""
    with path.open(encoding="utf-8-sig") as file:
        header = [normalise(name) for name in file.readline().strip().split(",")]
        absent = [lead for lead in STANDARD if lead not in header]
        if absent:
            raise DataError(f"{path.name} has no lead {', '.join(absent)}; wanted are {', '.join(STANDARD)}")
        microvolts = np.loadtxt(file, np.float32, delimiter=",", ndmin=2)
    return np.ascontiguousarray(microvolts.T[[header.index(lead) for lead in STANDARD]] / np.float32(UV_PER_MV))
