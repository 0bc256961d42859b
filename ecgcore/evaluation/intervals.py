"""Intervals measured against those marked by hand on LUDB, and beside NeuroKit2's.

The reference is one number a record and interval. Over all leads: of each beat the quartile of the leads' onsets and of their ends,
then the median over beats. The very first onset and last end of twelve marks drawn by hand are farther out than any eye would put them:
their scatter widens the QRS of the even records without conduction disorder by 16 ms (median) against the quartiles.
Source: Kalyakulina et al., "LUDB: A New Open-Access Validation Tool for Electrocardiogram Delineation Algorithms", IEEE Access 2020;8:186181.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.analysis import analyze
from ecgcore.errors import InputError
from ecgcore.intervals import Intervals, measure
from ecgcore.leads import normalise
from ecgcore.record import Annotation, Record
from ecgcore.signals import delineation

PROTOCOL: Final = "one value a record: per beat the quartile over leads of onsets and of ends marked by hand, median over beats; beats found and classified by Leadwise"
INTERVALS: Final = ("p", "pr", "qrs", "qt")
# IEC 60601-2-51:2003, clause 50: greatest mean difference and standard deviation in ms of global intervals, there on the CSE records.
TOLERANCES_MS: Final = {"p": (10.0, 15.0), "pr": (10.0, 10.0), "qrs": (10.0, 10.0), "qt": (25.0, 30.0)}
GLOBAL: Final = "global"
ONE_LEAD: Final = "II"
QUARTILE: Final = 0.25
SAME_BEAT_MS: Final = 150.0  # QRS marks of two leads no farther apart than this are of one beat
P_BEFORE_MS: Final = 600.0  # a P belongs to the next QRS, a T to the one before, no farther than this
T_AFTER_MS: Final = 800.0
MARKS: Final = ("p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_offset")
_ENDS: Final = {"p": (0, 1), "pr": (0, 2), "qrs": (2, 3), "qt": (2, 4)}
_WAVES: Final = {"p": (0, 1), "N": (2, 3), "t": (None, 4)}
Values = dict[str, float]  # interval → ms, NaN where there is none


@dataclass(frozen=True, eq=False)
class Errors:
    """Measured minus reference in ms, (n_records,); NaN where either is missing, which `known` and `measured` tell apart."""

    error_ms: NDArray[np.float64]
    known: NDArray[np.bool_]
    measured: NDArray[np.bool_]

    def as_dict(self, interval: str, tolerance: bool) -> dict[str, Any]:
        """Figures in plain values, None where there is no record to take them from; `tolerance` says whether that of IEC 60601-2-51 applies."""
        errors = self.error_ms[self.known & self.measured]
        some, several = errors.size > 0, errors.size > 1
        mean = round(float(errors.mean()), 1) if some else None
        sd = round(float(errors.std(ddof=1)), 1) if several else None
        most_mean, most_sd = TOLERANCES_MS[interval]
        held = {"within_tolerance": None if mean is None or sd is None else abs(mean) <= most_mean and sd <= most_sd} if tolerance else {}
        return {
            "n": int(errors.size),
            "share_not_measured": round(float(1 - self.measured[self.known].mean()), 4) if self.known.any() else None,
            "measured_without_reference": int((self.measured & ~self.known).sum()),
            "mean_error_ms": mean,
            "sd_ms": sd,
            "median_absolute_error_ms": round(float(np.median(np.abs(errors))), 1) if some else None,
            **held,
        }


@dataclass(frozen=True)
class IntervalTable:
    """Errors by method, by leads (GLOBAL or one lead), by interval."""

    data_set: str
    n_records: int
    results: dict[str, dict[str, dict[str, Errors]]]
    records: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Figures by method, and for each record what ours measured over all leads beside the reference."""
        table = {
            method: {where: {interval: errors.as_dict(interval, where == GLOBAL) for interval, errors in by.items()} for where, by in wheres.items()}
            for method, wheres in self.results.items()
        }
        tolerances = {interval: {"mean_error_ms": mean, "sd_ms": sd} for interval, (mean, sd) in TOLERANCES_MS.items()}
        return {
            "records_of": self.data_set,
            "protocol": PROTOCOL,
            "n_records": self.n_records,
            "tolerances_iec_60601_2_51": tolerances,
            "methods": table,
            "records": self.records,
        }


def select(folder: Path, wanted: str) -> tuple[Path, ...]:
    """Records, without ending, for "all", "odd", "even" or "1,2,3". Raises InputError for one that is not there."""
    there = {path.stem: path.with_suffix("") for path in folder.rglob("*.hea") if path.stem.isdigit()}
    names = sorted(there, key=int)
    kept = {"all": names, "odd": [name for name in names if int(name) % 2], "even": [name for name in names if not int(name) % 2]}
    named = kept.get(wanted.lower(), [part.strip() for part in wanted.split(",") if part.strip()])
    absent = [name for name in named if name not in there]
    if absent or not named:
        raise InputError(f"no record {', '.join(absent) or wanted!r} in {folder}; for intervals write all, odd, even or numbers of LUDB such as 1,2")
    return tuple(there[name] for name in named)


def evaluate(folder: Path, names: Iterable[Path], against: tuple[str, ...] = (), tell: Callable[[str], None] | None = None) -> IntervalTable:
    """Measure each record as a user would, from its samples, over all leads and in lead II alone; likewise by the methods of RIVALS named.

    Raises InputError for a method not known, or a record without marks by hand.
    """
    from ecgcore.readers import read

    unknown = [name for name in against if name not in RIVALS]
    if unknown:
        raise InputError(f"no method {', '.join(unknown)}; there are: {', '.join(RIVALS)}")
    rows: dict[tuple[str, str], list[tuple[Values, Values]]] = {}
    records = {}
    for path in names:
        record = read(path)
        marks = by_hand(record)
        beats = analyze(record).beats
        truth = {GLOBAL: over_leads(marks), ONE_LEAD: of_lead(marks, record.leads.index(ONE_LEAD))}
        ours = {where: measure(record, beats.samples, beats.labels, leads) for where, leads in ((GLOBAL, None), (ONE_LEAD, (ONE_LEAD,)))}
        found = {delineation.NAME: {where: _values(one) for where, one in ours.items()}}
        for name in against:
            theirs = RIVALS[name](record, beats.samples)
            found[name] = {GLOBAL: over_leads(theirs), ONE_LEAD: of_lead(theirs, record.leads.index(ONE_LEAD))}
        for method, wheres in found.items():
            for where, values in wheres.items():
                rows.setdefault((method, where), []).append((values, truth[where]))
        records[record.name] = _told(ours[GLOBAL], truth[GLOBAL])
        if tell:
            tell(f"{record.name}: {records[record.name]}")
    results: dict[str, dict[str, dict[str, Errors]]] = {}
    for (method, where), pairs in rows.items():
        results.setdefault(method, {})[where] = {interval: _errors([(one[interval], other[interval]) for one, other in pairs]) for interval in INTERVALS}
    return IntervalTable(folder.name, len(records), results, records)


def by_hand(record: Record) -> NDArray[np.float64]:
    """What readers marked, in ms from the record's start: (n_beats, n_leads, 5) in the order of MARKS, NaN where they marked nothing.

    Raises InputError for a record without an annotation file for each lead and lead II.
    """
    annotations = {normalise(one.annotator): one for one in record.annotations}
    if absent := [lead for lead in (*record.leads, ONE_LEAD) if lead not in annotations]:
        raise InputError(f"record {record.name} has no marks by hand for {', '.join(absent)}")
    waves = [_waves(annotations[lead], record.fs_hz) for lead in record.leads]
    centres = _beats(np.sort([peak for lead in waves for kind, peak, *_ in lead if kind == "N"]))
    out = np.full((len(centres), len(record.leads), len(MARKS)), np.nan)
    for row, lead in enumerate(waves):
        for kind, peak, onset, offset in lead:
            beat = _beat_of(kind, peak, centres)
            if beat is not None:
                first, last = _WAVES[kind]
                if first is not None:
                    out[beat, row, first] = onset
                out[beat, row, last] = offset
    return out


def _waves(marks: Annotation, fs_hz: float) -> list[tuple[str, float, float, float]]:
    """Kind, peak, onset and end in ms of each wave of one lead; NaN for a bracket that is not there."""
    found: list[tuple[str, float, float, float]] = []
    onset = np.nan
    for sample, symbol in zip(marks.samples / fs_hz * 1000, marks.symbols, strict=True):
        if symbol == "(":
            onset = float(sample)
        elif symbol in _WAVES:
            found.append((symbol, float(sample), onset, np.nan))
            onset = np.nan
        elif symbol == ")" and found and np.isnan(found[-1][3]):
            found[-1] = (*found[-1][:3], float(sample))
    return found


def _beats(peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The beats that QRS peaks of all leads, ascending in ms, belong to: the median of each cluster."""
    if not peaks.size:
        return np.zeros(0)
    return np.array([np.median(part) for part in np.split(peaks, np.flatnonzero(np.diff(peaks) > SAME_BEAT_MS) + 1)])


def _beat_of(kind: str, peak: float, centres: NDArray[np.float64]) -> int | None:
    """The beat that a wave belongs to."""
    after = int(np.searchsorted(centres, peak))
    if kind == "N":
        nearest = int(np.abs(centres - peak).argmin())
        return nearest if abs(centres[nearest] - peak) <= SAME_BEAT_MS else None
    if kind == "p":
        return after if after < len(centres) and centres[after] - peak <= P_BEFORE_MS else None
    return after - 1 if after > 0 and peak - centres[after - 1] <= T_AFTER_MS else None


def over_leads(marks: NDArray[np.float64], share: float = QUARTILE) -> Values:
    """Intervals over all leads of marks (n_beats, n_leads, 5): a share of the leads has begun at the onset, and as few have not ended at the end."""
    shares = np.array([share, 1 - share, share, 1 - share, 1 - share])
    whole = np.full((len(marks), len(MARKS)), np.nan)
    for beat, leads in enumerate(marks):
        for mark, values in enumerate(leads.T):
            known = values[np.isfinite(values)]
            if known.size * 2 >= values.size:
                whole[beat, mark] = np.quantile(known, shares[mark])
    return _intervals(whole)


def of_lead(marks: NDArray[np.float64], row: int) -> Values:
    """Intervals of one lead of marks (n_beats, n_leads, 5)."""
    return _intervals(marks[:, row])


def _intervals(marks: NDArray[np.float64]) -> Values:
    """The median over beats of marks (n_beats, 5); NaN where fewer than half of the beats with a QRS have it."""
    n_beats = int(np.isfinite(marks[:, 2:4]).all(axis=1).sum())
    values = {}
    for interval, (start, stop) in _ENDS.items():
        lengths = marks[:, stop] - marks[:, start]
        known = lengths[np.isfinite(lengths)]
        values[interval] = float(np.median(known)) if known.size and 2 * known.size >= n_beats else np.nan
    return values


def _values(found: Intervals) -> Values:
    measured = {"p": found.p_ms, "pr": found.pr_ms, "qrs": found.qrs_ms, "qt": found.qt_ms}
    return {interval: np.nan if value is None else value for interval, value in measured.items()}


def _told(found: Intervals, truth: Mapping[str, float]) -> dict[str, Any]:
    """One record: measured and reference in ms, None for what is not there, and the reasons."""
    values = _values(found)
    both = {interval: [_plain(values[interval]), _plain(truth[interval])] for interval in INTERVALS}
    return {**both, "not_measured": found.not_measured, "n_beats": found.n_beats}


def _plain(value: float) -> float | None:
    return round(value, 1) if np.isfinite(value) else None


def _errors(pairs: list[tuple[float, float]]) -> Errors:
    values = np.asarray(pairs, np.float64).reshape(-1, 2)
    return Errors(values[:, 0] - values[:, 1], np.isfinite(values[:, 1]), np.isfinite(values[:, 0]))


def _neurokit2(method: str) -> Callable[[Record, NDArray[np.int64]], NDArray[np.float64]]:
    """NeuroKit2's delineation of each beat and lead as marks (n_beats, n_leads, 5) in ms.

    Its lists leave out beats, so that a mark is given to the beat it lies beside, as the marks by hand are.
    """
    names = (("p", "ECG_P_Onsets"), ("p", "ECG_P_Offsets"), ("N", "ECG_R_Onsets"), ("N", "ECG_R_Offsets"), ("t", "ECG_T_Offsets"))

    def marks(record: Record, beats: NDArray[np.int64]) -> NDArray[np.float64]:
        import neurokit2

        centres = beats / record.fs_hz * 1000
        out = np.full((len(beats), len(record.leads), len(MARKS)), np.nan)
        for row, mv in enumerate(record.mv()):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of its own dependencies
                try:
                    cleaned = neurokit2.ecg_clean(mv, sampling_rate=int(record.fs_hz))
                    found = neurokit2.ecg_delineate(cleaned, beats, sampling_rate=int(record.fs_hz), method=method)[1]
                except (IndexError, KeyError, ValueError, ZeroDivisionError):  # some leads are too much for it: not measured
                    continue
            for column, (kind, name) in enumerate(names):
                times = np.asarray(found.get(name, []), np.float64) / record.fs_hz * 1000
                for time in times[np.isfinite(times)]:
                    beat = _beat_of(kind, float(time), centres)
                    if beat is not None:
                        out[beat, row, column] = time
        return out

    return marks


RIVALS: Final = {f"neurokit2-{method}": _neurokit2(method) for method in ("dwt", "cwt")}  # its method "peak" marks no QRS, so gives no interval
