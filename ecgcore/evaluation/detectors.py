"""Beat detectors side by side: ours, NeuroKit2, XQRS and SleepECG, on the same records in the same run."""

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import InputError
from ecgcore.evaluation.ec57 import BeatComparison, compare_beats, gross
from ecgcore.record import Annotation
from ecgcore.signals import detection
from ecgcore.signals.resampling import filled, resample

PROTOCOL: Final = "EC57 beat-by-beat, gross, ±150 ms, first 5 minutes and ventricular flutter left out"
Signals = NDArray[np.float32]
Detector = Callable[[Signals, float], NDArray[np.int64]]


@dataclass
class DetectorResult:
    """Comparisons of one detector by record, and the time it took."""

    leads: str
    parts: dict[str, BeatComparison] = field(default_factory=dict)
    seconds: float = 0.0
    lead_hours: float = 0.0


@dataclass(frozen=True)
class DetectorTable:
    """Results by name of detector."""

    data_set: str
    results: dict[str, DetectorResult]

    def as_dict(self) -> dict[str, Any]:
        """Gross figures in percent and seconds for an hour of one lead, by detector; of ours also each record's F1."""
        table = {}
        for name, result in self.results.items():
            total = gross(list(result.parts.values()))
            table[name] = {
                "leads": result.leads,
                "sensitivity": round(total.qrs_sensitivity.percent, 3),
                "positive_predictivity": round(total.qrs_positive_predictivity.percent, 3),
                "f1": round(total.qrs_f1.percent, 3),
                "seconds_per_lead_hour": round(result.seconds / result.lead_hours, 4),
            }
        ours = self.results[detection.NAME]
        records = {name: round(part.qrs_f1.percent, 3) if part.qrs_f1.denominator else None for name, part in ours.parts.items()}
        return {"records_of": self.data_set, "protocol": PROTOCOL, "detectors": table, "f1_by_record": records}


def compare(folder: Path, records: Iterable[str], leads: str | None = None, against: tuple[str, ...] = (), tell: Callable[[str], None] | None = None) -> DetectorTable:
    """Run our detector on the leads named (None for all, "first", or names with commas), the others on the first of them.

    The clock runs from samples in mV at the record's rate to beat positions. Raises InputError for a detector not known.
    """
    unknown = [name for name in against if name not in RIVALS]
    if unknown:
        raise InputError(f"no detector {', '.join(unknown)}; there are: {', '.join(RIVALS)}")
    results = {detection.NAME: DetectorResult(leads or "all"), **{name: DetectorResult("first") for name in against}}
    for name in records:
        record = data.load_beats(folder, name).record
        chosen = record.leads if leads is None else record.leads[:1] if leads == "first" else record.select(leads.split(","))
        mv, reference = record.mv(chosen), record.annotation("atr")
        for detector, result in results.items():
            signals = mv if detector == detection.NAME else mv[:1]
            begun = time.perf_counter()
            found = {detection.NAME: ours, **RIVALS}[detector](signals, record.fs_hz)
            result.seconds += time.perf_counter() - begun
            result.lead_hours += len(signals) * record.duration_s / 3600
            result.parts[name] = compare_beats(reference, Annotation.of(detector, found, "N" * len(found)), record.fs_hz)
        if tell:
            tell(f"{name}: " + ", ".join(f"{detector} {result.parts[name].qrs_f1.percent:.2f}" for detector, result in results.items()))
    return DetectorTable(folder.name, results)


def ours(signals: Signals, fs_hz: float) -> NDArray[np.int64]:
    """Our detector on leads (n_leads, n) in mV at any rate: samples at that rate, without the refinement to the R peak."""
    at_rate = np.stack([resample(filled(lead), fs_hz, detection.FS_HZ) for lead in signals])
    return np.round(detection.detect(at_rate) * fs_hz / detection.FS_HZ).astype(np.int64)


def _neurokit2(signals: Signals, fs_hz: float) -> NDArray[np.int64]:
    import neurokit2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own dependencies
        cleaned = neurokit2.ecg_clean(signals[0], sampling_rate=int(fs_hz))
        return np.asarray(neurokit2.ecg_peaks(cleaned, sampling_rate=int(fs_hz))[1]["ECG_R_Peaks"], np.int64)


def _xqrs(signals: Signals, fs_hz: float) -> NDArray[np.int64]:
    from wfdb.processing import XQRS

    detector = XQRS(sig=signals[0].astype(np.float64), fs=fs_hz)
    detector.detect(verbose=False)
    return np.asarray(detector.qrs_inds, np.int64)


def _sleepecg(signals: Signals, fs_hz: float) -> NDArray[np.int64]:
    from sleepecg.heartbeats import detect_heartbeats

    return np.asarray(detect_heartbeats(signals[0].astype(np.float64), fs_hz), np.int64)


RIVALS: Final[dict[str, Detector]] = {"neurokit2": _neurokit2, "xqrs": _xqrs, "sleepecg": _sleepecg}
