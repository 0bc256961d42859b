"""Minimum and maximum of ever longer runs of samples, so that any length of record is drawn at once and no spike is lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.leads import LIMB_FROM_I_II, derive

FACTOR: Final = 4  # a bucket of level L holds 4**L samples
LOWEST: Final = 2  # levels 0 and 1 are made from the samples when asked for: kept, they would be as large as the samples
MOST_BUCKETS: Final = 2048  # the top level is the first with no more: about a screen's width of pixels
MISSING: Final = -32768  # every sample of the bucket is missing
GREATEST: Final = 32767
LEAST_STEP_MV: Final = 1e-6  # a flat lead needs a step too; no recorder resolves this one
_BLOCK: Final = FACTOR**9  # samples reduced at a time; small enough to stay in the processor's cache

ReadMv = Callable[[Sequence[str], int, int], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Scaled:
    """Integers that stand for mV: value · step_mv + offset_mv, MISSING where there is none. The step is positive."""

    values: NDArray[np.int16]
    step_mv: float
    offset_mv: float

    def turned_over(self) -> "Scaled":
        """Minus the signal, for values (…, 2) of minimum and maximum."""
        return Scaled(np.negative(self.values[..., ::-1]), self.step_mv, 0.0 - self.offset_mv)  # MISSING stays MISSING, by wrapping


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Minimum and maximum in mV of every bucket, by lead and level. Immutable: a caller may keep it.

    leads                rows of `values`: the recorded leads, then those that follow from I and II
    values               (n_leads, buckets of all levels, 2) int16, perhaps a memory map, the lowest level first
    step_mv, offset_mv   one a lead
    """

    leads: tuple[str, ...]
    n_samples: int
    values: NDArray[np.int16]
    step_mv: tuple[float, ...]
    offset_mv: tuple[float, ...]

    @property
    def top(self) -> int:
        """The highest level there is."""
        return top_level(self.n_samples)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return _starts(self.n_samples)

    def read(self, lead: str, level: int, start: int, stop: int) -> Scaled:
        """Buckets start ≤ b < stop of a level from LOWEST to top: values (n, 2), minimum and maximum in mV in this order."""
        if lead == "-aVR" and lead not in self.leads:
            return self.read("aVR", level, start, stop).turned_over()
        row, low = self.leads.index(lead), self._starts[level - LOWEST]
        return Scaled(self.values[row, low + start : low + stop], self.step_mv[row], self.offset_mv[row])


def bucket_samples(level: int) -> int:
    """Samples in a bucket of a level."""
    return int(FACTOR**level)


def n_buckets(n_samples: int, level: int) -> int:
    """Buckets of a level; the last may be shorter than the others."""
    return -(-n_samples // bucket_samples(level))


def top_level(n_samples: int) -> int:
    """The highest level of a record of this length: the first kept one with no more than MOST_BUCKETS."""
    level = LOWEST
    while n_buckets(n_samples, level) > MOST_BUCKETS:
        level += 1
    return level


def kept_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """The leads a pyramid keeps: those recorded, then those that I and II give.

    −aVR is aVR turned over and kept only where aVR was recorded, for then it still follows from I and II.
    """
    if "I" not in leads or "II" not in leads:
        return tuple(leads)
    derived = [name for name in LIMB_FROM_I_II if name not in leads]
    if "aVR" in derived and "-aVR" in derived:
        derived.remove("-aVR")
    return (*leads, *derived)


def shape(n_leads: int, n_samples: int) -> tuple[int, int, int]:
    """Shape of the values of a pyramid that keeps so many leads."""
    return n_leads, _starts(n_samples)[-1], 2


def build(
    adc: NDArray[np.integer[Any]], gain: NDArray[np.float64], baseline: NDArray[np.float64], leads: Sequence[str], read_mv: ReadMv, out: NDArray[np.int16] | None = None
) -> Pyramid:
    """The pyramid of samples (n_leads, n) int16 or int32, whose least value stands for a missing one; read block by block.

    read_mv  gives leads in mV, (n_leads, n) from start to stop, NaN where missing; asked for I and II only
    out      filled and kept as the values, such as a memory map; of the `shape` of kept_leads(leads)
    int16 samples keep their ADC units, turned over where the gain is negative; the others have a step from their own range.
    """
    names, n_samples = kept_leads(leads), adc.shape[1]
    values = np.empty(shape(len(names), n_samples), np.int16) if out is None else out
    recorded = (_lowest(adc[row], float(gain[row]), float(baseline[row])) for row in range(len(leads)))
    derived = map(quantised, _lowest_derived(names[len(leads) :], n_samples, read_mv))
    scales = []
    for row, lowest in zip(values, chain(recorded, derived), strict=True):
        _fill(row, lowest.values)
        scales.append((lowest.step_mv, lowest.offset_mv))
    return Pyramid(names, n_samples, values, tuple(step for step, _ in scales), tuple(offset for _, offset in scales))


def min_max(x: NDArray[Any], size: int) -> NDArray[Any]:
    """(n,) → (ceil(n / size), 2): least and greatest known value of each run of `size`, in x's own type.

    Missing is NaN, for integers their least value; a run is missing where all of it is. The last run may be shorter.
    """
    floats = x.dtype.kind == "f"
    missing = np.nan if floats else np.iinfo(x.dtype).min
    if short := -len(x) % size:
        x = np.concatenate([x, np.full(short, missing, x.dtype)])
    columns = np.ascontiguousarray(x.reshape(-1, size).T)  # numpy reduces long rows many times faster than runs of 16
    if floats:
        return np.stack([np.fmin.reduce(columns), np.fmax.reduce(columns)], axis=1)
    low = columns.min(axis=0)
    if (low == missing).any():
        low = (columns - 1).min(axis=0) + 1  # one less wraps the missing code from the least value to the greatest
    return np.stack([low, columns.max(axis=0)], axis=1)


def in_adc_units(raw: NDArray[Any], gain: float, baseline: float) -> Scaled:
    """Samples (n,) as they were recorded, turned over where the gain is negative, so that a greater value is a greater voltage."""
    upright = raw if gain > 0 else np.negative(raw)  # the missing code stays what it is, by wrapping
    return Scaled(upright, 1 / abs(gain), 0.0 - baseline / gain)


def quantised(mv: NDArray[np.floating[Any]], least_step_mv: float = LEAST_STEP_MV) -> Scaled:
    """mV of any shape, NaN where missing, as int16 on the finest step that covers their range, within half a step."""
    low, high = float(np.fmin.reduce(mv, axis=None)), float(np.fmax.reduce(mv, axis=None))
    if np.isnan(low):
        return Scaled(np.full(mv.shape, MISSING, np.int16), least_step_mv, 0.0)
    # Step and offset are what float32 can say, for so they travel; rounding the step up keeps both ends of the range inside.
    offset = float(np.float32((low + high) / 2))
    step = float(np.nextafter(np.float32(max((high - offset) / GREATEST, (offset - low) / GREATEST, least_step_mv)), np.float32(np.inf)))
    values = np.rint((mv.astype(np.float64) - offset) / step)
    return Scaled(np.where(np.isnan(values), MISSING, values).astype(np.int16), step, offset)


def _lowest(raw: NDArray[np.integer[Any]], gain: float, baseline: float) -> Scaled:
    """The lowest kept level of a recorded lead (n,): values (buckets, 2)."""
    blocks = (in_adc_units(np.asarray(raw[start : start + _BLOCK]), gain, baseline) for start in range(0, len(raw), _BLOCK))
    buckets = np.concatenate([min_max(block.values, bucket_samples(LOWEST)) for block in blocks])
    units = in_adc_units(raw[:0], gain, baseline)
    if buckets.dtype == np.int16:
        return Scaled(buckets, units.step_mv, units.offset_mv)
    missing = buckets == np.iinfo(buckets.dtype).min
    return quantised(np.where(missing, np.nan, buckets * units.step_mv + units.offset_mv))


def _lowest_derived(names: Sequence[str], n_samples: int, read_mv: ReadMv) -> list[NDArray[np.float32]]:
    """The lowest kept level of leads that follow from I and II, each (buckets, 2) in mV. It does not follow from that of I and II."""
    if not names:
        return []
    parts: list[list[NDArray[np.float32]]] = [[] for _ in names]
    for start in range(0, n_samples, _BLOCK):
        lead_i, lead_ii = read_mv(("I", "II"), start, min(start + _BLOCK, n_samples))
        for name, part in zip(names, parts, strict=True):
            part.append(min_max(derive(name, lead_i, lead_ii), bucket_samples(LOWEST)))
    return [np.concatenate(part) for part in parts]


def _fill(row: NDArray[np.int16], buckets: NDArray[np.int16]) -> None:
    """Write a lead's lowest level and all above it into its row (buckets of all levels, 2)."""
    start = 0
    while True:
        row[start : start + len(buckets)] = buckets
        start += len(buckets)
        if start == len(row):
            return
        buckets = min_max(buckets.reshape(-1), 2 * FACTOR)  # of minima and maxima alike: the least is a minimum, the greatest a maximum


def _starts(n_samples: int) -> tuple[int, ...]:
    """Where each level begins in a row of values; last, where the row ends."""
    sizes = [n_buckets(n_samples, level) for level in range(LOWEST, top_level(n_samples) + 1)]
    return tuple(int(start) for start in np.cumsum([0, *sizes]))
