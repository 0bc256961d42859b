"""Tiles of the strip: the samples or the min/max buckets that one request of the viewer asks for, as int16."""

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.record import Record
from ecgcore.signals import filters
from ecgcore.signals.pyramid import LOWEST, Pyramid, Scaled, bucket_samples, in_adc_units, min_max, n_buckets, quantised

BUCKETS: Final = 2048  # in a tile, or samples at level 0: about a screen's width of pixels
LEAST_STEP_MV: Final = 0.0005  # of derived and filtered values: a tenth of the step of a usual recorder
MOST_FILTERED_S: Final = 600.0  # the longest tile that is filtered: ten minutes filter in well under a second
BLOCK_S: Final = 60.0  # filtered at once, whatever the tile, so that neighbours agree and a drag costs one filtering a minute
# A high-pass at 0.05 Hz forgets by a factor of e in 4.5 s. Against one filtering of the whole record, the worst of mitdb and svdb
# is off by 4.7 µV with 30 s of context on either side, by 0.2 µV with 45 s.
CONTEXT_S: Final = 45.0
_UNFILTERED: Final = "unfiltered"
MOST_KEPT_BYTES: Final = 64 * 2**20  # filtered minutes kept: 6 hours of three leads at 250 Hz


@dataclass(frozen=True, eq=False)
class Tile:
    """Values of the leads asked for, in the order they were asked for. mV = value · step_mv + offset_mv; −32768 is missing.

    first_sample         sample of the record at which the tile begins
    per                  1: samples; 2: minimum and maximum in mV of a bucket
    step_mv, offset_mv   (n_leads,) float32, steps positive
    values               (n_leads, n, per) int16
    """

    first_sample: int
    per: int
    step_mv: NDArray[np.float32]
    offset_mv: NDArray[np.float32]
    values: NDArray[np.int16]

    def to_bytes(self) -> bytes:
        """Little-endian: uint32 n_leads, n, per, first_sample; float32 step and offset of each lead; the values."""
        n_leads, n, per = self.values.shape
        scales = np.stack([self.step_mv, self.offset_mv], axis=1).astype("<f4")
        return struct.pack("<4I", n_leads, n, per, self.first_sample) + scales.tobytes() + self.values.astype("<i2").tobytes()


def tile(record: Record, pyramid: Pyramid, leads: Iterable[str], level: int, index: int, filter_name: str | None = None, notch_hz: float | None = None) -> Tile:
    """Tile `index` of a level: of buckets of 4**level samples, those from index · 2048 to the next tile or the record's end.

    pyramid      that of the record
    filter_name  one of FILTERS, unfiltered for None; minimum and maximum are taken after filtering
    Raises LeadError, or InputError for a level, tile, filter or notch that there is not, and for a filter over more than 600 s.
    """
    chosen = record.select(leads)
    first, last = _buckets(pyramid, level, index)
    start, stop = first * bucket_samples(level), min(last * bucket_samples(level), record.n_samples)
    name = _UNFILTERED if filter_name is None else filter_name
    if _is_filtered(record, level, name, notch_hz):
        parts = [quantised(_reduced(_filtered_mv(record, lead, start, stop, name, notch_hz), level), LEAST_STEP_MV) for lead in chosen]
    elif level >= LOWEST:
        parts = [pyramid.read(lead, level, first, last) for lead in chosen]
    else:
        parts = [_recorded(record, lead, start, stop, level) for lead in chosen]
    values = np.stack([part.values for part in parts])
    steps, offsets = np.array([[part.step_mv, part.offset_mv] for part in parts], np.float32).T
    return Tile(start, values.shape[2], steps, offsets, values)


def taken_mv(record: Record, lead: str, start: int, stop: int, filter_name: str) -> float | None:
    """What a filter takes from the level of a lead over samples start ≤ i < stop, as the strip draws it, in mV; None where no sample is there.

    Raises InputError for a filter that there is not.
    """
    start, stop = (min(max(0, sample), record.n_samples) for sample in (start, stop))
    recorded = record.mv((lead,), start, stop)[0]
    if np.isnan(recorded).all():
        return None
    if filters.effective(filter_name, record.fs_hz) == _UNFILTERED:
        return 0.0
    return float(np.nanmean(recorded - _filtered_mv(record, lead, start, stop, filter_name, None)))


def _buckets(pyramid: Pyramid, level: int, index: int) -> tuple[int, int]:
    """The buckets first ≤ b < last of a tile. Raises InputError for a level or a tile that there is not."""
    if not 0 <= level <= pyramid.top:
        raise InputError(f"no level {level}; this record has 0 to {pyramid.top}")
    there = n_buckets(pyramid.n_samples, level)
    if not 0 <= index * BUCKETS < there:
        raise InputError(f"no tile {index} at level {level}; this record has 0 to {(there - 1) // BUCKETS}")
    return index * BUCKETS, min((index + 1) * BUCKETS, there)


def _is_filtered(record: Record, level: int, name: str, notch_hz: float | None) -> bool:
    """Whether filter and notch do anything at the record's rate. Raises InputError for one that there is not, or a tile too long for it."""
    if notch_hz is not None and notch_hz not in filters.NOTCHES_HZ:
        raise InputError(f"no notch at {notch_hz:g} Hz; there are: {', '.join(f'{hz:g}' for hz in filters.NOTCHES_HZ)}")
    if filters.effective(name, record.fs_hz, notch_hz) == _UNFILTERED:
        return False
    span_s = BUCKETS * bucket_samples(level) / record.fs_hz
    if span_s > MOST_FILTERED_S:
        raise InputError(f"a tile of level {level} spans {span_s:.0f} s; a filter is for tiles of no more than {MOST_FILTERED_S:g} s")
    return True


def _recorded(record: Record, lead: str, start: int, stop: int, level: int) -> Scaled:
    """Level 0 or 1 of a lead: recorded int16 samples in their own units, all else on a step of the tile's own range."""
    if lead not in record.leads or record.adc.dtype != np.int16:
        return quantised(_reduced(record.mv((lead,), start, stop)[0], level), LEAST_STEP_MV)
    row = record.leads.index(lead)
    units = in_adc_units(np.asarray(record.adc[row, start:stop]), float(record.gain[row]), float(record.baseline[row]))
    return Scaled(_reduced(units.values, level), units.step_mv, units.offset_mv)


def _filtered_mv(record: Record, lead: str, start: int, stop: int, name: str, notch_hz: float | None) -> NDArray[np.float32]:
    """Samples start ≤ i < stop of a lead, filtered, in mV: put together from the blocks they lie in."""
    block = round(BLOCK_S * record.fs_hz)
    # The sha256 alone does not tell records apart: rate, units and lead names may be what a user stated.
    identity = (record.source.sha256, record.fs_hz, record.leads, record.gain.tobytes(), record.baseline.tobytes())
    parts = []
    for begin in range(start // block * block, stop, block):
        filtered = partial(_filtered_block, record, lead, begin, block, name, notch_hz)
        mv = _KEPT.get((identity, lead, begin, name, notch_hz), filtered)
        parts.append(mv[max(0, start - begin) : stop - begin])
    return np.concatenate(parts)


def _filtered_block(record: Record, lead: str, begin: int, block: int, name: str, notch_hz: float | None) -> NDArray[np.float32]:
    """One lead of the block that begins at a sample, filtered with its context on either side, in mV."""
    context = round(CONTEXT_S * record.fs_hz)
    low, high = max(0, begin - context), min(record.n_samples, begin + block + context)
    mv = filters.apply(name, record.mv((lead,), low, high), record.fs_hz, notch_hz)
    return mv[0, begin - low : begin - low + block].copy()  # a view would keep the context in memory


def _reduced(x: NDArray[Any], level: int) -> NDArray[Any]:
    """(n,) → (n, 1) at level 0, else minimum and maximum (buckets, 2)."""
    return x[:, None] if level == 0 else min_max(x, bucket_samples(level))


@dataclass
class _Slot:
    """Room for one array; who holds the lock fills it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    mv: NDArray[np.float32] | None = None


class _Kept:
    """The arrays used last, no more than so many bytes of them. Threads that want the same one wait while one of them makes it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._slots: OrderedDict[object, _Slot] = OrderedDict()

    def get(self, key: object, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """The array of a key; made where it is not there."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            mv = slot.mv
            if mv is None:
                mv = make()
                self._keep(key, slot, mv)
            return mv

    def _keep(self, key: object, slot: _Slot, mv: NDArray[np.float32]) -> None:
        with self._lock:
            slot.mv = mv
            if self._slots.get(key) is slot:  # else it was let go while it was made
                self._bytes += mv.nbytes
            while self._bytes > self._most_bytes:
                _, oldest = self._slots.popitem(last=False)
                self._bytes -= 0 if oldest.mv is None else oldest.mv.nbytes


_KEPT: Final = _Kept(MOST_KEPT_BYTES)
