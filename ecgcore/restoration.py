"""Fill what is missing in a lead, foresee what comes: a window of the record → a Reconstruction beside it.

Nothing is stored and the record is not changed. What lies in the gap is never read, be it there or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.findings import QualityMark, Reconstruction
from ecgcore.inference.wonhee import GapFiller, load
from ecgcore.record import Record, missing_code
from ecgcore.signals.quality import FLAT_RANGE_MV, RAIL_RUN
from ecgcore.signals.resampling import filled, resample

LEAST_FS_HZ: Final = 50.0
MARGIN_S: Final = 1.0  # read on either side of the window, for the filter
JOIN_S: Final = 0.04  # over which the step at an end of a gap fades
HIGHEST_HZ: Final = 40.0  # of what is filled
MERGED_S: Final = 0.3  # bad stretches nearer than this are one gap
WIDENED_S: Final = 0.02  # beyond either end of a bad stretch
STILL_S: Final = 0.2  # one value for so long is no heart
STEP_S: Final = 0.5  # noise is judged by parts of this length …
NOISE_RATIO: Final = 3.0  # … against the usual one …
AROUND_S: Final = 30.0  # … of so much on either side


@dataclass(frozen=True)
class Gap:
    """A stretch that could be filled, at the record's own rate, and why it is offered."""

    start_sample: int
    stop_sample: int
    reason: str


@dataclass(frozen=True, eq=False)
class _Window:
    """What the model is shown: from sample `first` of the record, (samples,) in mV at its rate, and whether each is observed."""

    first: int
    mv: NDArray[np.float32]
    observed: NDArray[np.bool_]


def fill(record: Record, lead: str, start_sample: int, stop_sample: int, *, model: str = "wonhee") -> Reconstruction:
    """What the model takes samples start ≤ i < stop of a lead to be, from what is observed around them.

    What is stored there is not looked at, so that a noisy stretch may be filled as well as a missing one; other missing
    samples around it are treated as missing too. The signal is band-limited as the card says, on the lead's own slow
    baseline, and begins and ends where the observed samples do.
    Raises LeadError, and InputError for a gap that is empty, outside the record or too long, a rate below 50 Hz,
    a lead that is flat, and too little observed around the gap.
    """
    filler, (name,) = load(model), record.select([lead])
    if not 0 <= start_sample < stop_sample <= record.n_samples:
        raise InputError(f"a gap from sample {start_sample} to {stop_sample} is empty or not within the record's 0 to {record.n_samples}")
    _check(record, (stop_sample - start_sample) / record.fs_hz, filler.longest_gap_s, "a gap")
    return _reconstructed(filler, record, name, start_sample, stop_sample, "gap")


def forecast(record: Record, lead: str, at_sample: int, seconds: float, *, model: str = "wonhee") -> Reconstruction:
    """What the model expects of a lead in the seconds after at_sample, which may be the end of the record; what is stored from there on is not looked at.

    Raises LeadError, and InputError for a place outside the record, a time that is not positive or too long, and as `fill`.
    """
    filler, (name,) = load(model), record.select([lead])
    if not 0 < at_sample <= record.n_samples:
        raise InputError(f"sample {at_sample} is not within the record's 1 to {record.n_samples}; a forecast needs something before it")
    if not seconds > 0:
        raise InputError(f"a forecast of {seconds:g} s is none; ask for more than 0 s")
    _check(record, seconds, filler.longest_forecast_s, "a forecast")
    return _reconstructed(filler, record, name, at_sample, at_sample + max(1, round(seconds * record.fs_hz)), "forecast")


def proposed_gaps(record: Record, quality_marks: Sequence[QualityMark], lead: str, *, model: str = "wonhee") -> tuple[Gap, ...]:
    """Stretches of a lead that the model can fill: missing samples, and within the quality marks of that lead what is clipped, still or noisy; in time order.

    Raises LeadError, and InputError for a rate below 50 Hz.
    """
    filler, (name,) = load(model), record.select([lead])
    _check(record, 0, filler.longest_gap_s, "a gap")
    bad = [*_missing(record, name), *(stretch for mark in quality_marks if mark.lead == name for stretch in _bad(record, mark))]
    merged: list[Gap] = []
    for start, stop, reason in sorted(bad):
        last = merged[-1] if merged else None
        if last and start - last.stop_sample <= MERGED_S * record.fs_hz:
            reasons = last.reason if reason in last.reason else f"{last.reason}; {reason}"
            merged[-1] = Gap(last.start_sample, max(stop, last.stop_sample), reasons)
        else:
            merged.append(Gap(start, stop, reason))
    return tuple(gap for gap in merged if _fillable(filler, record, name, gap))


def _check(record: Record, seconds: float, longest_s: float, what: str) -> None:
    if record.fs_hz < LEAST_FS_HZ:
        raise InputError(f"a rate of {record.fs_hz:g} Hz is too low to reconstruct a lead; it takes {LEAST_FS_HZ:g} Hz or more")
    if seconds > longest_s:
        raise InputError(f"{what} of {seconds:.3g} s is too long; the model can do up to {longest_s:g} s")


def _fillable(filler: GapFiller, record: Record, lead: str, gap: Gap) -> bool:
    if gap.stop_sample - gap.start_sample > filler.longest_gap_s * record.fs_hz:
        return False
    try:
        _window(filler, record, lead, gap.start_sample, gap.stop_sample, "gap")
    except InputError:
        return False
    return True


def _reconstructed(filler: GapFiller, record: Record, lead: str, start: int, stop: int, kind: Literal["gap", "forecast"]) -> Reconstruction:
    window = _window(filler, record, lead, start, stop, kind)
    completed = filler.complete(window.mv[None], window.observed[None])
    inside = slice(start - window.first, stop - window.first)

    def own(values: NDArray[np.float32]) -> NDArray[np.float32]:
        """At the record's own rate, within the gap."""
        return resample(values[0], filler.card.input.fs_hz, record.fs_hz)[inside]

    signal = own(completed.signal_mv)
    shift = _join(record, lead, start, stop if kind == "gap" else record.n_samples, signal)
    low, high = own(completed.low_mv) + shift, own(completed.high_mv) + shift
    signal = signal + shift
    return Reconstruction(
        model=filler.card.id, lead=lead, kind=kind, start_sample=start, stop_sample=stop, fs_hz=record.fs_hz,
        signal_mv=signal, low_mv=np.minimum(low, signal), high_mv=np.maximum(high, signal),
    )  # fmt: skip


def _window(filler: GapFiller, record: Record, lead: str, start: int, stop: int, kind: Literal["gap", "forecast"]) -> _Window:
    """The stretch around a gap, or that which ends with a forecast, at the model's rate. Raises InputError where too little of it is observed, or it is flat."""
    spec, fs = filler.card.input, record.fs_hz
    length = int(np.ceil(spec.samples / spec.fs_hz * fs))
    first = _first(record.n_samples, length, start, stop) if kind == "gap" else stop - length
    margin = round(MARGIN_S * fs)
    left, right = first - margin, first + length + margin
    inside = max(0, left), min(record.n_samples, right if kind == "gap" else start)
    mv = np.full(right - left, np.nan, np.float32)
    mv[inside[0] - left : inside[1] - left] = record.mv([lead], *inside)[0]
    mv[start - left : stop - left] = np.nan
    known = mv[margin : margin + length]
    seconds = np.isfinite(known).sum() / fs
    if seconds < filler.least_observed_s:
        raise InputError(f"only {seconds:.1f} s of lead {lead} are observed around the gap; the model needs {filler.least_observed_s:g} s within {spec.samples / spec.fs_hz:g} s")
    spread = float(np.nanmax(known) - np.nanmin(known))
    if spread < FLAT_RANGE_MV:
        raise InputError(f"lead {lead} is flat around the gap: its range is {spread:.3f} mV, and a beat has more than {FLAT_RANGE_MV:g} mV")
    at = np.minimum(np.round(np.arange(spec.samples) / spec.fs_hz * fs).astype(np.int64), length - 1)
    slow = _low_passed(filled(mv), fs)
    return _Window(first, _at_rate(slow, margin, fs, spec.fs_hz, spec.samples), np.isfinite(known)[at])


def _first(n_samples: int, length: int, start: int, stop: int) -> int:
    """Where a window with the gap in its middle begins; moved into the record where the record is long enough, else about its middle."""
    if n_samples <= length:
        return (n_samples - length) // 2
    return int(np.clip((start + stop - length) // 2, 0, n_samples - length))


def _at_rate(mv: NDArray[np.float32], first: int, fs_hz: float, to_hz: float, samples: int) -> NDArray[np.float32]:
    """`samples` samples at to_hz, the first at sample `first` of mv (n,)."""
    from scipy.interpolate import CubicSpline

    at = first + np.arange(samples) / to_hz * fs_hz  # the signal holds nothing above 40 Hz: between its samples a spline is as good as a filter
    return np.asarray(CubicSpline(np.arange(mv.size), mv)(np.minimum(at, mv.size - 1)), np.float32)


def _low_passed(mv: NDArray[np.float32], fs_hz: float) -> NDArray[np.float32]:
    """Without what is above HIGHEST_HZ, where the rate carries so much."""
    from scipy.signal import butter, sosfiltfilt

    if fs_hz <= 2.2 * HIGHEST_HZ:
        return mv
    sections = butter(2, HIGHEST_HZ, "lowpass", fs=fs_hz, output="sos")
    return np.asarray(sosfiltfilt(sections, mv, padlen=min(mv.size - 1, round(fs_hz))), np.float32)


def _join(record: Record, lead: str, start: int, stop: int, signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to add to a fill so that it meets the samples observed next to it; nothing at an end where none is."""
    shift = np.zeros(signal.size, np.float32)
    fade = np.exp(-np.arange(signal.size) / (JOIN_S * record.fs_hz))
    if start > 0 and np.isfinite(before := float(record.mv([lead], start - 1, start)[0, 0])):
        shift += ((before - signal[0]) * fade).astype(np.float32)
    if stop < record.n_samples and np.isfinite(after := float(record.mv([lead], stop, stop + 1)[0, 0])):
        shift += ((after - signal[-1]) * fade[::-1]).astype(np.float32)
    return shift


def _missing(record: Record, lead: str) -> Iterator[tuple[int, int, str]]:
    """Runs of missing samples."""
    parts = [lead] if lead in record.leads else ["I", "II"]
    code = missing_code(record.adc.dtype)
    missing = np.any([record.adc[record.leads.index(part)] == code for part in parts], axis=0)
    for start, stop in _runs(missing):
        yield start, stop, f"{(stop - start) / record.fs_hz:.2f} s are missing"


def _bad(record: Record, mark: QualityMark) -> Iterator[tuple[int, int, str]]:
    """What in a marked stretch is clipped, still or noisy."""
    fs = record.fs_hz
    start, stop = max(0, round(mark.start_s * fs)), min(record.n_samples, round(mark.stop_s * fs))
    mv = record.mv([mark.lead], start, stop)[0]
    wide = round(WIDENED_S * fs)
    if mark.kind == "noise":
        runs, reason = _noisy(record, mark.lead, start, mv), "noise above 3 times the usual"
    elif mark.kind == "clipped":
        rail = np.isclose(mv, np.nanmax(mv)) | np.isclose(mv, np.nanmin(mv))
        runs, reason = [(a, b) for a, b in _runs(rail) if b - a >= RAIL_RUN], "clipped"
    elif mark.kind == "flat":
        runs, reason = [(a, b + 1) for a, b in _runs(np.diff(mv) == 0) if b - a >= STILL_S * fs], "one value throughout"
    else:
        return
    for a, b in runs:
        yield max(0, start + a - wide), min(record.n_samples, start + b + wide), reason


def _noisy(record: Record, lead: str, start: int, mv: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Parts of mv, which begins at sample `start`, whose fast activity is far above the usual around it."""
    fs = record.fs_hz
    step = max(4, round(STEP_S * fs))
    around = record.mv([lead], max(0, start - round(AROUND_S * fs)), min(record.n_samples, start + mv.size + round(AROUND_S * fs)))[0]
    usual = float(np.median(_activity(around, step)))
    return [(a * step, min(b * step, mv.size)) for a, b in _runs(_activity(mv, step) > NOISE_RATIO * max(usual, 1e-6))]


def _activity(mv: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Median size of the second difference in parts of `step` samples: a QRS is too short to raise it, muscle noise is not."""
    bends = np.abs(np.diff(filled(mv), 2, prepend=0, append=0))[: max(1, mv.size // step) * step]
    return np.asarray(np.median(bends.reshape(-1, min(step, bends.size)), axis=1), np.float32)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of True as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
