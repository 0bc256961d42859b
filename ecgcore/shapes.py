"""From a record and its beats to beats grouped by shape, with what they are called."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgcore.errors import InputError
from ecgcore.findings import AAMI_CLASSES
from ecgcore.leads import ecg_leads
from ecgcore.progress import Progress, silent
from ecgcore.record import Record
from ecgcore.signals import filters, resampling, shapes
from ecgcore.signals.detection import FS_HZ

Indices = NDArray[np.int64]
READING: Final = 0.6  # share of the time that goes into reading the leads


@dataclass(frozen=True, eq=False)
class Shapes:
    """All beats of a record by shape.

    groups   the largest first; last, where there are any, the beats like no other (`has_other`)
    samples  (n_beats,) R peaks at the record's own rate; the members of a group are places in it
    labels   (n_beats,) AAMI class of each
    time_ms  (width,) time of the samples of a mean from the R peak
    """

    leads: tuple[str, ...]
    groups: tuple[shapes.Cluster, ...]
    has_other: bool
    samples: Indices
    labels: NDArray[np.str_]
    time_ms: NDArray[np.float64]

    def is_other(self, number: int) -> bool:
        """Whether a group holds the beats like no other, which have no shape in common."""
        return self.has_other and number == len(self.groups) - 1

    def counts(self, number: int) -> dict[str, int]:
        """Beats of a group by class, those that occur, the most frequent first."""
        within = self.labels[self.groups[number].members]
        found = {name: int(np.count_nonzero(within == name)) for name in (*AAMI_CLASSES, *sorted(set(within.tolist()) - set(AAMI_CLASSES)))}
        return dict(sorted(((name, count) for name, count in found.items() if count), key=lambda item: -item[1]))

    def carried(self, samples: ArrayLike, labels: Sequence[str] | NDArray[np.str_]) -> "Shapes":
        """The same shapes after edits: beats that are gone leave their group, beats at new samples go to none until grouped anew.

        Means and misfits stay as they were measured. Errors as `group`.
        """
        now, called = _columns(samples, labels)
        at = np.minimum(np.searchsorted(now, self.samples), max(0, len(now) - 1))
        there = now[at] == self.samples if len(now) else np.zeros(len(self.samples), np.bool_)
        moved = [replace(one, members=at[one.members[there[one.members]]], misfit=one.misfit[there[one.members]]) for one in self.groups]
        kept = [len(one) > 0 for one in moved]
        return replace(
            self, groups=tuple(one for one in moved if len(one)), has_other=self.has_other and kept[-1], samples=now, labels=called,
        )  # fmt: skip


def group(record: Record, samples: ArrayLike, labels: Sequence[str] | NDArray[np.str_], leads: Iterable[str] | None = None, progress: Progress | None = None) -> Shapes:
    """Group the beats whose R peaks (n_beats,) are given at the record's own rate, ascending, on the leads chosen.

    For None these are all leads named as ECG leads. Leads are read one at a time; only the beats' windows are kept.
    Raises LeadError for a lead the record does not have, InputError for beats out of order, outside the record or without a label each.
    """
    at, called = _columns(samples, labels)
    if len(at) and not (at[0] >= 0 and at[-1] < record.n_samples):
        raise InputError(f"beats at samples {at[0]} to {at[-1]} are not within the record's 0 to {record.n_samples - 1}")
    chosen = record.select(ecg_leads(record.leads) if leads is None else leads)
    tell = progress or silent
    before, after, margin = shapes.extent()
    windows = np.empty((len(at), len(chosen), before + after + 2 * margin), np.float32)
    present = np.empty((len(at), len(chosen)), np.bool_)
    for row, lead in enumerate(chosen):
        tell(READING * row / len(chosen), f"reading the beats in {lead}")
        windows[:, row], present[:, row] = _one_lead(record, lead, at)
    tell(READING, "comparing shapes")
    found = shapes.group(windows, present)
    tell(1.0, "done")
    groups = (*found.clusters, found.other) if len(found.other) else found.clusters
    return Shapes(chosen, groups, len(found.other) > 0, at, called, np.arange(-before, after) / FS_HZ * 1000)


def _columns(samples: ArrayLike, labels: Sequence[str] | NDArray[np.str_]) -> tuple[Indices, NDArray[np.str_]]:
    """Beats and their labels as arrays. Raises InputError."""
    at, called = np.asarray(samples, np.int64), np.asarray(labels, "<U1")
    if at.ndim != 1 or at.shape != called.shape:
        raise InputError(f"{at.size} beats, but {called.size} labels")
    back = np.flatnonzero(np.diff(at) < 0)
    if back.size:
        raise InputError(f"beats are not in time order: sample {at[back[0] + 1]} follows {at[back[0]]}")
    return at, called


def _one_lead(record: Record, lead: str, samples: Indices) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Windows (n_beats, width) of one lead, and which of them have all their samples."""
    gaps: list[tuple[int, int]] = []
    x = resampling.resample_blocks(partial(_read, record, lead, gaps), record.n_samples, record.fs_hz, FS_HZ)
    x = filters.band_pass(x, shapes.DEFAULT.band_hz, FS_HZ)
    before, after, _ = shapes.extent()
    starts, stops = np.array(sorted(gaps), np.int64).reshape(-1, 2).T
    first, last = samples - before * record.fs_hz / FS_HZ, samples + after * record.fs_hz / FS_HZ
    whole = np.searchsorted(starts, last) == np.searchsorted(np.sort(stops), first, "right")
    return shapes.around(x, np.round(samples * FS_HZ / record.fs_hz).astype(np.int64)), whole


def _read(record: Record, lead: str, gaps: list[tuple[int, int]], start: int, stop: int) -> NDArray[np.float32]:
    """Samples of one lead in mV; notes where some are missing, from a first to after a last."""
    mv = np.asarray(record.mv((lead,), start, stop)[0])
    missing = np.isnan(mv)
    if missing.any():
        edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8))) + start
        gaps += zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return mv
