"""What WonHEE learns from and is measured on: leads at 128 Hz, and windows of them."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.readers import read
from ecgcore.signals.fills import FS_HZ
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample

CLASSES: Final = ("N", "S", "V", "F", "Q", "/")  # of the paper: normal, supraventricular, ventricular, fusion, unclassifiable, paced
CLASS_OF_MIT: Final = {**dict.fromkeys("NLRejBn", "N"), **dict.fromkeys("AaJS", "S"), **dict.fromkeys("VE", "V"), "F": "F", **dict.fromkeys("fQ?", "Q"), "/": "/"}
FOLD: Final = "fold "  # of PTB-XL's official split
LEAST_DEVIATION_MV: Final = 0.01  # a window with less is flat: there is nothing to learn or to measure


@dataclass(frozen=True, eq=False)
class Lead:
    """One lead of one record at FS_HZ, in mV.

    band    (n,) float32 within the band learned from, filtered whole
    whole   (n,) float32 with its baseline wander, below the upper cut-off only
    peaks   (n_beats,) annotated R peaks, empty where there are none; targets (n_beats,) index in CLASSES
    """

    data_set: str
    record: str
    name: str
    band: NDArray[np.float32]
    whole: NDArray[np.float32]
    peaks: NDArray[np.int64]
    targets: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cut:
    """Windows (n, samples) float32 in mV; `peaks` marks annotated R peaks (n, samples); `records` names the record of each, `data_set/record`."""

    windows: NDArray[np.float32]
    peaks: NDArray[np.bool_]
    records: tuple[str, ...]


def leads_of(sets: Mapping[str, Iterable[str]], band_hz: tuple[float, float]) -> list[Lead]:
    """All leads of the records named, by data set."""
    return [lead for name, records in sets.items() for record in records for lead in leads_in(name, record, with_beats(name, record), band_hz)]


def with_beats(data_set: str, name: str) -> data.LabelledBeats:
    """A record of a data set with the beats marked in it, which may be none."""
    folder = data.locate(data_set)
    record = read(folder / "data" / name if data_set == "ludb" and (folder / "data").is_dir() else folder / name)
    if not any(annotation.annotator == "atr" for annotation in record.annotations):
        return data.LabelledBeats(record, np.zeros(0, np.int64), (), ())
    return data.beats_of(record)


def leads_in(data_set: str, name: str, labelled: data.LabelledBeats, band_hz: tuple[float, float]) -> Iterator[Lead]:
    """The leads of a record, which goes by this name."""
    record = labelled.record
    peaks = np.round(labelled.samples * FS_HZ / record.fs_hz).astype(np.int64)
    targets = np.array([CLASSES.index(CLASS_OF_MIT[code]) for code in labelled.codes], np.int64)
    for row, lead in zip(record.mv(), record.leads, strict=True):
        mv = resample(filled(row), record.fs_hz, FS_HZ)
        yield Lead(data_set, name, lead, band_pass(mv, band_hz, FS_HZ), _below(mv, band_hz[1]), peaks, targets)


def ptbxl_folds(folds: Iterable[int]) -> tuple[str, ...]:
    """Records of PTB-XL that are there and in these folds of its official split, as paths in its folder. Raises DataError."""
    folder, wanted = data.locate("ptbxl"), {str(fold) for fold in folds}
    with (folder / "ptbxl_database.csv").open(newline="") as file:
        named = [row["filename_hr"] for row in csv.DictReader(file) if row["strat_fold"].removesuffix(".0") in wanted]
    there = tuple(name for name in named if (folder / f"{name}.hea").is_file())
    if not there:
        raise DataError(f"no record of the folds {', '.join(sorted(wanted))} in {folder}")
    return there


def with_folds(sets: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Records by data set, with those of a fold in the place of "fold 3"."""
    return {name: tuple(record for part in records for record in (ptbxl_folds([int(part[len(FOLD) :])]) if part.startswith(FOLD) else (part,))) for name, records in sets.items()}


def evenly(leads: Iterable[Lead], samples: int, each: int) -> Cut:
    """Up to `each` windows of each lead, evenly over it; flat ones are left out."""
    windows, peaks, records = [], [], []
    for lead in leads:
        for start in np.linspace(0, lead.band.size - samples, each).astype(np.int64) if lead.band.size >= samples else ():
            window = lead.band[start : start + samples]
            if window.std() >= LEAST_DEVIATION_MV:
                windows.append(window)
                peaks.append(_marked(lead.peaks - start, samples))
                records.append(f"{lead.data_set}/{lead.record}")
    return Cut(np.stack(windows), np.stack(peaks), tuple(records))


class Drawn:
    """Windows drawn at random: a data set by its share, a lead of it, a place; some upside down, some with their baseline wander."""

    def __init__(self, leads: Iterable[Lead], shares: Mapping[str, float], samples: int, *, wander: float, invert: float) -> None:
        by_set: dict[str, list[Lead]] = {}
        for lead in leads:
            if lead.band.size >= samples:
                by_set.setdefault(lead.data_set, []).append(lead)
        self.by_set, self.samples, self.wander, self.invert = list(by_set.values()), samples, wander, invert
        weights = np.array([shares[name] for name in by_set])
        self.shares = weights / weights.sum()

    def windows(self, n: int, rng: Generator) -> NDArray[np.float32]:
        """(n, samples) in mV."""
        return np.stack([self._one(rng) for _ in range(n)])

    def _one(self, rng: Generator) -> NDArray[np.float32]:
        while True:
            leads = self.by_set[rng.choice(len(self.by_set), p=self.shares)]
            lead = leads[rng.integers(len(leads))]
            start = rng.integers(lead.band.size - self.samples + 1)
            window = (lead.whole if rng.random() < self.wander else lead.band)[start : start + self.samples]
            if window.std() >= LEAST_DEVIATION_MV:
                return np.asarray(-window if rng.random() < self.invert else window, np.float32)


def around_beats(leads: Iterable[Lead], samples: int) -> Iterator[tuple[Lead, NDArray[np.int64], NDArray[np.bool_]]]:
    """Each lead with the first samples of the windows about those of its beats that have one within it, and which beats (n_beats,) these are."""
    for lead in leads:
        starts = lead.peaks - samples // 2
        inside = (starts >= 0) & (starts + samples <= lead.band.size)
        yield lead, starts[inside], inside


def _below(mv: NDArray[np.float32], cut_hz: float) -> NDArray[np.float32]:
    from scipy.signal import butter, sosfiltfilt

    return np.asarray(sosfiltfilt(butter(2, cut_hz, "lowpass", fs=FS_HZ, output="sos"), mv, padlen=min(mv.size - 1, round(FS_HZ))), np.float32)


def _marked(at: NDArray[np.int64], samples: int) -> NDArray[np.bool_]:
    out = np.zeros(samples, bool)
    out[at[(at >= 0) & (at < samples)]] = True
    return out
