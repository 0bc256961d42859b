"""A recording known again by its samples, whatever its name, format, lead names or length.

The differences of neighbouring samples in steps of 1/200 mV are what a fingerprint is made of, so that neither the baseline
nor how a format stores a sample matters. A fingerprint is the hash of 64 differences in a row; nobody gets them back from it.
After Karp & Rabin (1987), doi:10.1147/rd.312.0249: of what is to be recognised few places are kept, and every place of
another recording is looked up.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import DataError
from ecgcore.record import Record

STEP_MV: Final = 1 / 200  # of the MIT-BIH converters
WINDOW: Final = 64  # differences in a fingerprint; a power of two
EVERY_S: Final = 6.0  # one fingerprint is kept in so many seconds of a lead
NEEDED: Final = 2  # fingerprints of one patient in a recording
MIN_ACTIVITY: Final = 96  # steps: sum of a window's differences, each counted up to MAX_ACTIVITY
MAX_ACTIVITY: Final = 8  # steps: no jump of an electrode outweighs a QRS
_PIECE: Final = 1 << 19  # samples looked at in one go
# Values lie on multiples of a step's simple fractions: the limit between two numbers of steps lies beside those, so that an error of a format's last digit moves none across.
_LIMIT: Final = 0.5123
_FAR: Final = 2**30  # steps: in place of a difference to or from a missing sample
_BASE: Final = 0x9E3779B97F4A7C15
_MIXED: Final = 0xBF58476D1CE4E5B9
_SIEVE_BITS: Final = 20


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What some patients' recordings are known by.

    names   of the recordings
    counts  (n_names,) how many of the hashes are of each
    hashes  (n,) uint64, those of the first recording first
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, records: Mapping[str, Record]) -> "Fingerprints":
        """The fingerprints of recordings by name: of every six seconds of each lead the busiest place."""
        kept = [_kept(record) for record in records.values()]
        return cls(tuple(records), np.array([len(hashes) for hashes in kept], np.int64), np.concatenate([*kept, np.empty(0, np.uint64)]))

    def whose(self, record: Record) -> str:
        """The name of the recording that a record is a copy or a part of; "" where it is none.

        30 s of one lead will do, whichever it is. Not known again: a record that was resampled, filtered, turned upside down or
        scaled by another factor, one that is flat, and a part shorter than some 20 s. Two leads of 30 minutes take 0.05 s.
        """
        found = self.hits(record)
        return self.names[int(found.argmax())] if found.max(initial=0) >= NEEDED else ""

    def hits(self, record: Record) -> NDArray[np.int64]:
        """How many fingerprints of each recording are in a record, (n_names,)."""
        owners = np.repeat(np.arange(len(self.names)), self.counts)
        order = np.argsort(self.hashes, kind="stable")
        ordered = self.hashes[order]
        sieve = np.zeros(1 << _SIEVE_BITS, bool)
        sieve[_top(ordered)] = True
        met = np.zeros(len(ordered), bool)
        for lead in record.leads if len(ordered) else ():
            for steps in _pieces(record, lead, WINDOW - 1):
                hashes = _rolling(steps)
                hashes = hashes[sieve[_top(hashes)]]
                places = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
                met[places[ordered[places] == hashes]] = True
        return np.bincount(owners[order[met]], minlength=len(self.names))

    def save(self, path: Path) -> None:
        """Write to an .npz file, which holds nothing but names, counts and hashes."""
        np.savez(path, names=np.array(self.names), counts=self.counts, hashes=self.hashes)

    @classmethod
    def load(cls, path: Path) -> "Fingerprints":
        """Those that `save` wrote. Raises DataError for a file that is not there or no such file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                names, counts, hashes = tuple(file["names"].tolist()), file["counts"].astype(np.int64), file["hashes"]
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"no fingerprints can be read from {path}: {error}") from error
        if hashes.dtype != np.uint64 or len(names) != len(counts) or counts.sum() != len(hashes):
            raise DataError(f"{path} holds {len(hashes)} hashes of {hashes.dtype} and {len(counts)} counts for {len(names)} names; they do not fit")
        return cls(names, counts, hashes)


def signal_sha256(record: Record) -> str:
    """One and the same for the same signal in any format and under any lead names: of rate, length, and each lead's differences in steps of 1/200 mV.

    A part of a recording, or one with fewer leads, is another signal.
    """
    leads = []
    for lead in record.leads:
        digest = hashlib.sha256()
        for steps in _pieces(record, lead, 0):
            digest.update(steps.astype("<i4").tobytes())
        leads.append(digest.hexdigest())
    return hashlib.sha256("\n".join([f"{record.fs_hz:.3f} {record.n_samples}", *sorted(leads)]).encode()).hexdigest()


def _pieces(record: Record, lead: str, overlap: int) -> Iterator[NDArray[np.int64]]:
    """Differences of neighbouring samples of a lead in steps, int64, piece by piece; each begins with the last `overlap` of the one before."""
    n_differences = record.n_samples - 1
    for first in range(0, max(n_differences - overlap, 0), _PIECE):
        stop = min(first + _PIECE + overlap, n_differences)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a broken gain makes infinities
            steps = np.diff(record.mv((lead,), first, stop + 1)[0]) / np.float32(STEP_MV)
            steps = np.floor(np.clip(np.nan_to_num(steps, nan=_FAR), -_FAR, _FAR) + np.float32(_LIMIT))
        yield steps.astype(np.int64)


def _rolling(steps: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash of each window of differences, (n - WINDOW + 1,) uint64: sums of powers, doubled from one difference to WINDOW."""
    if len(steps) < WINDOW:
        return np.empty(0, np.uint64)
    hashes = steps.astype(np.uint64) * np.uint64(_MIXED)  # the low bits of such a sum depend on those of its terms alone: mix them first
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(_BASE)
    hashes ^= hashes >> np.uint64(32)
    length, power = 1, _MIXED
    while length < WINDOW:
        hashes = hashes[:-length] * np.uint64(power) + hashes[length:]
        length, power = 2 * length, power * power % 2**64
    return hashes


def _kept(record: Record) -> NDArray[np.uint64]:
    """The hashes by which a recording will be known, n uint64: of each EVERY_S of each lead that of the busiest window, if it is busy enough."""
    kept = []
    for lead in record.leads:
        steps = np.concatenate([*_pieces(record, lead, 0), np.empty(0, np.int64)])
        hashes = _rolling(steps)
        busy = np.concatenate([[0], np.cumsum(np.minimum(np.abs(steps), MAX_ACTIVITY))])
        far = np.concatenate([[0], np.cumsum(np.abs(steps) >= _FAR)])
        activity = np.where(far[WINDOW:] > far[:-WINDOW], 0, busy[WINDOW:] - busy[:-WINDOW])[: len(hashes)]
        span = round(EVERY_S * record.fs_hz)
        for first in range(0, len(hashes), span):
            best = first + int(activity[first : first + span].argmax())
            if activity[best] >= MIN_ACTIVITY:
                kept.append(hashes[best])
    return np.array(kept, np.uint64)


def _top(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The first bits of hashes."""
    return (hashes >> np.uint64(64 - _SIEVE_BITS)).astype(np.int64)
