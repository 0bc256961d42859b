"""28 features of lead II by NeuroKit2, in the groups of Kisialeu & Nedzved: R peaks, wave positions, RR intervals, heart rate variability.

The paper names the groups, not the features. A feature that NeuroKit2 does not find is NaN here: a fallback, counted as such,
never a number made up. What replaces it is the mean of the training records, when features are standardised.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.progress import Progress, silent
from ecgcore.signals.resampling import filled

VERSION: Final = "1"  # of these features: a change of what one means is a change of this
R_PEAKS: Final = ("R amplitude mean", "R amplitude SD", "R amplitude min", "R amplitude max", "first R peak", "last R peak")  # mV, then s
MARKS: Final = {  # feature, the median of ms after the R peak → NeuroKit2's list
    "P onset": "ECG_P_Onsets", "P peak": "ECG_P_Peaks", "P offset": "ECG_P_Offsets", "QRS onset": "ECG_R_Onsets", "Q peak": "ECG_Q_Peaks",
    "S peak": "ECG_S_Peaks", "QRS offset": "ECG_R_Offsets", "T onset": "ECG_T_Onsets", "T peak": "ECG_T_Peaks", "T offset": "ECG_T_Offsets",
}  # fmt: skip
RR: Final = ("RR mean", "RR median", "RR SD", "RR min", "RR max")  # ms
HRV: Final = {  # feature → NeuroKit2's column; ms, but for CV (shares) and pNN (percent)
    "RMSSD": "HRV_RMSSD", "SDSD": "HRV_SDSD", "CVNN": "HRV_CVNN", "CVSD": "HRV_CVSD", "MadNN": "HRV_MadNN", "pNN20": "HRV_pNN20", "pNN50": "HRV_pNN50",
}  # fmt: skip
NEUROKIT: Final = (*R_PEAKS, *MARKS, *RR, *HRV)
GREATEST_FALLBACK: Final = 0.05  # of the training records; columns above it are left out where features are filtered

LEAST_BEATS: Final = 4  # with fewer NeuroKit2's delineation ends in an error of its own, a NaN that is to be a sample number
LEAST_RR: Final = 2  # R peaks: HRV with fewer ends in an error
NEAREST_S: Final = 0.6  # a mark further from every R peak than this belongs to none
CHATTER: Final = (  # warnings of NeuroKit2 that say no more than the NaN it gives
    "Too few peaks detected to compute the rate", "Mean of empty slice", "Degrees of freedom <= 0 for slice", "invalid value encountered in scalar divide",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Extracted:
    """Features (n, 28) in the order of NEUROKIT, NaN where there was a fallback, and by record what NeuroKit2 gave up on ("" for nothing)."""

    values: NDArray[np.float64]
    failures: tuple[str, ...]

    def fallback_rates(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of these records that have no value, by feature (28,)."""
        return np.asarray(np.isnan(self.values[places]).mean(axis=0), np.float64)

    def kept(self, places: NDArray[np.int64]) -> tuple[str, ...]:
        """Names of the features that at most GREATEST_FALLBACK of these records lack."""
        return tuple(name for name, rate in zip(NEUROKIT, self.fallback_rates(places), strict=True) if rate <= GREATEST_FALLBACK)


def extracted(names: Sequence[str], leads_mv: NDArray[np.float32], fs_hz: float, folder: Path, progress: Progress = silent) -> Extracted:
    """Features of lead II of each record, (n, samples) in mV, from a CSV file in `folder` where it is there, else made and written there.

    The file's name holds a hash of signals, names, rate, NeuroKit2's version and VERSION: what differs in any of them is made anew.
    """
    import pandas as pd

    path = folder / f"neurokit2-{_hash(names, leads_mv, fs_hz)}.csv"
    if path.is_file():
        table = pd.read_csv(path, index_col="record", keep_default_na=False, na_values={name: [""] for name in NEUROKIT}, dtype={"failure": str}, float_precision="round_trip")
        return Extracted(table[list(NEUROKIT)].to_numpy(np.float64), tuple(table["failure"]))
    values, failures = np.full((len(names), len(NEUROKIT)), np.nan), []
    for i, lead in enumerate(leads_mv):
        progress(i / len(names), f"NeuroKit2 features of {names[i]}")
        values[i], failure = of_lead(lead, fs_hz)
        failures.append(failure)
    table = pd.DataFrame(values, index=pd.Index(names, name="record"), columns=list(NEUROKIT)).assign(failure=failures)
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    table.to_csv(draft)
    draft.replace(path)
    return Extracted(values, tuple(failures))


def of_lead(lead_mv: NDArray[np.float32], fs_hz: float) -> tuple[NDArray[np.float64], str]:
    """Features (28,) of one lead (samples,) in mV, NaN where there is none, and what NeuroKit2 gave up on: "" for nothing."""
    import neurokit2

    found, failures = dict.fromkeys(NEUROKIT, np.nan), []
    rate = round(fs_hz)
    with _quiet():
        try:
            cleaned = neurokit2.ecg_clean(filled(lead_mv), sampling_rate=rate)
            peaks = np.asarray(neurokit2.ecg_peaks(cleaned, sampling_rate=rate)[1]["ECG_R_Peaks"], np.int64)
        except (TypeError, ValueError) as error:  # a lead shorter than its smoothing, or than its filter
            return np.array(list(found.values())), f"R peaks: {_words(error)}"
        if peaks.size:
            found |= dict(zip(R_PEAKS, _peak_features(np.asarray(cleaned, np.float64), peaks, fs_hz), strict=True))
        if peaks.size >= LEAST_RR:
            rr_ms = np.diff(peaks) * 1000 / fs_hz
            found |= dict(zip(RR, (rr_ms.mean(), np.median(rr_ms), _deviation(rr_ms), rr_ms.min(), rr_ms.max()), strict=True))
            table = neurokit2.hrv_time(peaks, sampling_rate=rate)
            found |= {name: float(table[column].iloc[0]) for name, column in HRV.items()}
        if peaks.size >= LEAST_BEATS:
            try:
                marks = neurokit2.ecg_delineate(cleaned, peaks, sampling_rate=rate, method="dwt")[1]
                found |= {name: _median_after_r(marks[column], peaks, fs_hz) for name, column in MARKS.items()}
            except ValueError as error:  # beats too close together to be cut apart
                failures.append(f"waves: {_words(error)}")
        else:
            failures.append(f"{peaks.size} R peaks, no waves looked for")
    return np.array([found[name] for name in NEUROKIT]), "; ".join(failures)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for said in CHATTER:
            warnings.filterwarnings("ignore", message=re.escape(said))
        yield


def _peak_features(cleaned_mv: NDArray[np.float64], peaks: NDArray[np.int64], fs_hz: float) -> tuple[float, ...]:
    heights = cleaned_mv[peaks]
    return float(heights.mean()), _deviation(heights), float(heights.min()), float(heights.max()), peaks[0] / fs_hz, peaks[-1] / fs_hz


def _deviation(values: NDArray[np.float64]) -> float:
    """Standard deviation (n - 1); NaN for fewer than two."""
    return float(values.std(ddof=1)) if values.size > 1 else np.nan


def _median_after_r(marks: Sequence[Any], peaks: NDArray[np.int64], fs_hz: float) -> float:
    """Median in ms of marks after the R peak nearest to each; NaN where there is none. NeuroKit2's lists leave out beats, so that place in them says nothing."""
    at = np.asarray(marks, np.float64)
    at = at[np.isfinite(at)]
    if not at.size:
        return np.nan
    away = at[:, None] - peaks[None]
    nearest = away[np.arange(at.size), np.abs(away).argmin(axis=1)] / fs_hz
    near = nearest[np.abs(nearest) <= NEAREST_S]
    return float(1000 * np.median(near)) if near.size else np.nan


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _hash(names: Sequence[str], leads_mv: NDArray[np.float32], fs_hz: float) -> str:
    from importlib.metadata import version

    told = hashlib.sha256(repr((VERSION, NEUROKIT, version("neurokit2"), float(fs_hz), tuple(names), leads_mv.shape)).encode())
    told.update(np.ascontiguousarray(leads_mv).tobytes())
    return told.hexdigest()[:16]
