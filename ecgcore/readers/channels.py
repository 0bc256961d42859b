"""From the channels a file holds to the leads of one record: units, names, one rate.

Every choice made here is told in the record's notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import leads as lead_names
from ecgcore.errors import FormatError
from ecgcore.readers.extent import check_samples
from ecgcore.record import MAX_FS_HZ, MIN_FS_HZ, missing_code

_MV_PER_UNIT: Final[dict[str, float]] = {
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-6),
    **dict.fromkeys(("uv", "microvolt", "microvolts", "mcv"), 1e-3),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1.0),
    **dict.fromkeys(("v", "volt", "volts"), 1e3),
}
VOLTAGE_UNITS: Final = ("nV", "uV", "mV", "V")
MAX_RATIO_TERM: Final = 10_000


def mv_per_unit(units: str) -> float | None:
    """Millivolts in one of the unit named, in any case and either µ; None for what is no voltage.

    >>> mv_per_unit("µV"), mv_per_unit("mmHg")
    (0.001, None)
    """
    return _MV_PER_UNIT.get(units.strip().casefold().replace("\N{GREEK SMALL LETTER MU}", "u").replace("\N{MICRO SIGN}", "u"))


def check_rate(fs_hz: float, said_by: str) -> float:
    """The rate if a signal can have it. Raises FormatError quoting it and who stated it."""
    if not MIN_FS_HZ <= fs_hz <= MAX_FS_HZ:
        raise FormatError(f"sampling rate {fs_hz:g} Hz in {said_by} is not between {MIN_FS_HZ:g} and {MAX_FS_HZ:g} Hz")
    return fs_hz


@dataclass(frozen=True)
class Choice:
    """Which channels become leads.

    kept   positions of the channels kept, in the file's order
    leads  their names, normalised and each once
    fs_hz  the rate of the record; a channel kept at another rate is to be brought to it
    """

    kept: tuple[int, ...]
    leads: tuple[str, ...]
    fs_hz: float
    notes: tuple[str, ...]


def choose(names: Sequence[str], units: Sequence[str], rates_hz: Sequence[float]) -> Choice:
    """The voltage channels at the rate of the ECG leads, and slower ECG leads.

    The record's rate is the highest of a recognised ECG lead, else of any voltage channel.
    Raises FormatError when no channel is a voltage.
    """
    voltage = [i for i, unit in enumerate(units) if mv_per_unit(unit) is not None]
    if not voltage:
        raise FormatError(f"no channel is a voltage: {_with(names, units, range(len(names)))}; units must be one of {', '.join(VOLTAGE_UNITS)}")
    normalised = [lead_names.normalise(name) for name in names]
    ecg = [i for i in voltage if lead_names.is_ecg(normalised[i])]
    fs_hz = max(rates_hz[i] for i in ecg or voltage)
    kept = [i for i in voltage if rates_hz[i] == fs_hz or i in ecg]
    rates = [f"{rate:g} Hz" for rate in rates_hz]
    notes = []
    if other := [i for i in range(len(names)) if i not in voltage]:
        notes.append(f"left out, no voltage: {_with(names, units, other)}")
    if other := [i for i in voltage if i not in kept]:
        notes.append(f"left out, at another rate than the leads' {fs_hz:g} Hz: {_with(names, rates, other)}")
    if slower := [i for i in kept if rates_hz[i] != fs_hz]:
        notes.append(f"resampled to {fs_hz:g} Hz: {_with(names, rates, slower)}")
    if ecg and (other := [i for i in kept if i not in ecg]):
        notes.append(f"kept, though not known as ECG leads: {', '.join(names[i] for i in other)}")
    leads, renamed = unique_leads([normalised[i] for i in kept])
    return Choice(tuple(kept), leads, fs_hz, (*notes, *renamed))


def unique_leads(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lead names each once, and a note where repeats had to be told apart. An empty name becomes its number."""
    named = [name or f"channel {position}" for position, name in enumerate(names, 1)]
    unique = lead_names.unique(named)
    changed = [f"{old} → {new}" for old, new in zip(named, unique, strict=True) if old != new]
    return unique, (f"lead names that repeat were told apart: {', '.join(changed)}",) if changed else ()


def _with(names: Sequence[str], details: Sequence[str], positions: Sequence[int] | range) -> str:
    return ", ".join(f"{names[i] or i + 1} ({details[i] or 'no unit'})" for i in positions)


def narrowed(adc: NDArray[np.int32]) -> NDArray[np.integer[Any]]:
    """The samples as int16 where all fit beside the missing code, else as they are; missing stays missing."""
    absent = adc == missing_code(adc.dtype)
    info = np.iinfo(np.int16)
    fits = ((adc > info.min) & (adc <= info.max)) | absent
    if not fits.all():
        return adc
    small = adc.astype(np.int16)
    small[absent] = info.min
    return small


def resample(adc: NDArray[np.integer[Any]], from_hz: float, to_hz: float, n_samples: int) -> NDArray[np.integer[Any]]:
    """One lead (n,) brought to another rate, (n_samples,) of the same type; polyphase, zero phase.

    A stretch of missing samples stays missing; what the new length reaches beyond the old signal is missing too.
    """
    from scipy.signal import resample_poly

    ratio = Fraction(to_hz / from_hz).limit_denominator(MAX_RATIO_TERM)
    code = missing_code(adc.dtype)
    absent = adc == code
    out = np.full(n_samples, code, adc.dtype)
    if absent.all():
        return out
    positions = np.arange(len(adc))
    filled = np.interp(positions, positions[~absent], adc[~absent]) if absent.any() else adc.astype(np.float64)
    values = resample_poly(filled, ratio.numerator, ratio.denominator, padtype="line")[:n_samples]
    nearest = np.minimum(np.rint(np.arange(len(values)) * from_hz / to_hz).astype(np.int64), len(adc) - 1)
    info = np.iinfo(adc.dtype)
    out[: len(values)] = np.where(absent[nearest], code, np.clip(np.rint(values), info.min + 1, info.max))
    return out


FREE_SAMPLES: Final = 1 << 27
MAX_EXPANSION: Final = 20


def check_extent(promised: int, present: int, what: str) -> None:
    """Refuse gaps and repeats that would make a record vastly larger than what is there (256 MiB are always free).

    Both are samples, all leads together. Raises FormatError quoting them.
    """
    check_samples(promised, what)
    if promised > max(FREE_SAMPLES, MAX_EXPANSION * present):
        raise FormatError(f"{what} spans {promised} samples but holds only {present}; more than {MAX_EXPANSION} times as many is taken for an error")
