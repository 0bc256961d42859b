"""The paper's segments of mitdb: whole beats one after the other until the next would exceed 2,000 samples, then zeros; normal with PVC against normal with APB."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled
from ecgcore.training.beat_sets import ALL, BeatSet
from ecgcore.training.recipes.segmenting import SegmentInput

CLASSES: Final = ("PVC", "APB")
NORMAL: Final = frozenset("N")  # the paper's counts come out nearest with these codes alone
ECTOPIC: Final = {"PVC": frozenset("V"), "APB": frozenset("A")}
COUNTS: Final = {"PVC": 2_638, "APB": 467}  # of all 48 records; the paper has 2,627 and 356
ONE_PATIENT: Final = {"202": "201"}  # two records of one patient


@dataclass(frozen=True, eq=False)
class SegmentSet(BeatSet):
    """Segments in the place of beats, each of one class or the other.

    windows   (n, n_leads, samples) float32, each lead over its own deviation in the record, zeros after the last whole beat
    targets   (n,) places in `classes`
    patients  (n,) places in `records`; records of one patient have the place of the first
    """


def cuts(at: NDArray[np.int64], n_samples: int, longest: int) -> tuple[tuple[int, int, int, int], ...]:
    """Segments of whole beats: (first beat, beat after the last, first sample, sample after the last), none longer than `longest`.

    A beat reaches from the middle between its R peak and the one before to the middle to the next; one that is longer by itself is left out.
    """
    edges = np.concatenate([[0], (at[1:] + at[:-1]) // 2, [n_samples]])[: len(at) + 1]
    found, first = [], 0
    while first < len(at):
        stop = max(first + 1, int(np.searchsorted(edges, edges[first] + longest, "right")) - 1)
        stop = min(stop, len(at))
        if edges[stop] - edges[first] <= longest:
            found.append((first, stop, int(edges[first]), int(edges[stop])))
        first = stop
    return tuple(found)


def class_of(codes: Sequence[str]) -> int | None:
    """Place in CLASSES of a segment with beats of these codes: normal ones, and ectopic ones of one class; None for any other."""
    others = set(codes) - NORMAL
    return next((k for k, name in enumerate(CLASSES) if others and others <= ECTOPIC[name]), None)


def segment_set(records: Sequence[str], spec: SegmentInput) -> SegmentSet:
    """The segments of these records of mitdb. Raises DataError where all of mitdb does not hold those it should."""
    rows, targets, patients = [], [], []
    for name in records:
        labelled = data.load_beats(data.locate("mitdb"), name)
        leads = prepared(labelled.record.mv(), labelled.record.fs_hz, spec)
        for first, stop, start, end in cuts(labelled.samples, leads.shape[1], spec.samples):
            target = class_of(labelled.codes[first:stop])
            if target is None:
                continue
            rows.append(padded(leads[:, start:end], spec.samples))
            targets.append(target)
            patients.append(records.index(ONE_PATIENT[name] if ONE_PATIENT.get(name) in records else name))
    found = SegmentSet(CLASSES, tuple(records), np.stack(rows), np.array(targets, np.int64), np.array(patients, np.int64))
    if frozenset(records) == frozenset(ALL) and found.counts != COUNTS:
        raise DataError(f"mitdb should hold the segments {COUNTS}, it holds {found.counts}")
    return found


def prepared(mv: NDArray[np.float32], fs_hz: float, spec: SegmentInput) -> NDArray[np.float32]:
    """Leads (n_leads, n), filtered, each from its own samples and over its own deviation."""
    leads = np.stack([band_pass(filled(lead), spec.band_hz, fs_hz) for lead in mv])
    return np.asarray(leads / np.maximum(leads.std(axis=1, keepdims=True), 1e-6), np.float32)


def padded(leads: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Leads (n_leads, n) with zeros after them, (n_leads, samples)."""
    return np.pad(leads, ((0, 0), (0, samples - leads.shape[1])))
