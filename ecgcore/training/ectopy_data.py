"""What the segmenter at large learns from: windows of one lead at random offsets, of which only the classes of their segments are told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ecgcore import data
from ecgcore.findings import AAMI_CLASSES
from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.signals import detection, peaks, segments
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample
from ecgcore.training.beat_sets import check_counts
from ecgcore.training.recipes.segmenting import EctopyAugmentation, EctopyInput

LABELS: Final = ("V", "S")
NO_LABEL: Final = -1.0  # a segment with a fusion beat and no V tells nothing of V
RATIOS_TO_LOCAL: Final = np.array([{"local_to_reference": -1.0}.get(name, float(name.endswith("to_local"))) for name in segments.TIMING], np.float32)
OFF_BEAT: Final = 0.12  # s from the nearest beat, from which on the map should be empty


@dataclass(frozen=True, eq=False)
class Patient:
    """One record ready to learn from.

    leads    (n_leads, n) scaled; found, timing: by lead the beats detected in it, and what `segments.timing` says of each
    peaks_s  by lead the R peaks of those beats
    at       (n_beats,) reference beats at segments.FS_HZ, and their AAMI labels
    rhythm   "" where beats are marked; else "A" or "N" of a recording of which only that is known: no S in either, and no V in N
    corrected  at segments.FS_HZ the beats that a reader corrected; a window that holds one is drawn `weight` times as often as another
    times    how often the record is cut into windows, in an epoch
    """

    name: str
    leads: NDArray[np.float32]
    found: tuple[NDArray[np.int64], ...]
    timing: tuple[NDArray[np.float32], ...]
    peaks_s: tuple[NDArray[np.float64], ...]
    at: NDArray[np.int64]
    labels: NDArray[np.str_]
    rhythm: str = ""
    corrected: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    weight: float = 1.0
    times: int = 1

    def weighs(self, start: int, stop: int) -> bool:
        """Whether a beat that a reader corrected is between these samples."""
        return bool(((self.corrected >= start) & (self.corrected < stop)).any())


class Batch(NamedTuple):
    """Inputs (batch, channels, n); where beats were detected and where the map should be empty, both (batch, n / step).

    targets  (batch, n_segments, n_labels), NO_LABEL where not told
    """

    x: Tensor
    beats: Tensor
    empty: Tensor
    targets: Tensor


def prepare(labelled: data.LabelledBeats, spec: EctopyInput, rhythm: str = "") -> Patient:
    """A record with reference beats, each lead with the beats that the detector finds in it alone."""
    record = labelled.record
    raw = [resample(filled(lead), record.fs_hz, segments.FS_HZ) for lead in record.mv()]
    leads = np.stack([segments.scaled(band_pass(lead, spec.band_hz, segments.FS_HZ)) for lead in raw])
    envelopes = [detection.envelope(lead) for lead in raw]
    found = tuple(detection.pick(detection.fuse([envelope])) for envelope in envelopes)
    timing = tuple(segments.timing(beats) for beats in found)
    refined = tuple(_peaks_s(record, lead, envelope, beats) for lead, envelope, beats in zip(record.leads, envelopes, found, strict=True))
    at = np.round(labelled.samples * segments.FS_HZ / record.fs_hz).astype(np.int64)
    return Patient(record.name, leads, found, timing, refined, at, np.array(labelled.labels, "<U1"), rhythm)


def _peaks_s(record: Record, lead: str, envelope: detection.LeadEnvelope, found: NDArray[np.int64]) -> NDArray[np.float64]:
    """R peaks of the beats found in a lead."""
    at = peaks.refine(partial(record.mv, (lead,)), record.n_samples, record.fs_hz, found / segments.FS_HZ, envelope.clarity.background_at(found)[None])
    return np.asarray(at / record.fs_hz, np.float64)


def prepare_all(sets: Mapping[str, Sequence[str]], spec: EctopyInput) -> list[Patient]:
    """All records of a split, by data set name and record id. Raises DataError where DS1 or DS2 does not hold the beats it should."""
    found = []
    for name, records in sets.items():
        part = [prepare(data.load_beats(data.locate(name), record), spec) for record in records]
        check_counts(name, records, {label: sum(int((one.labels == label).sum()) for one in part) for label in AAMI_CLASSES})
        found += part
    return found


def without_marks(spec: EctopyInput, counts: Mapping[str, int]) -> list[Patient]:
    """The first so many recordings of CinC 2017 of each rhythm ("A", "N"), which have no beats marked."""
    rhythms = rhythm_ids(counts)
    return [prepare(one, spec, rhythm) for one, rhythm in zip(unmarked(rhythms), rhythms.values(), strict=True)]


def unmarked(names: Iterable[str]) -> Iterator[data.LabelledBeats]:
    """Recordings of CinC 2017, which have no beats marked."""
    folder, none = data.locate("cinc2017"), np.zeros(0, np.int64)
    return (data.LabelledBeats(read(folder / name), none, (), ()) for name in names)


def rhythm_ids(counts: Mapping[str, int]) -> dict[str, str]:
    """Rhythm by record id of the first so many recordings of CinC 2017 of each."""
    labels = data.rhythm_labels(data.locate("cinc2017"))
    return {name: rhythm for rhythm, count in counts.items() for name in [name for name, label in labels.items() if label == rhythm][:count]}


def noise_leads(spec: EctopyInput) -> list[NDArray[np.float32]]:
    """Baseline wander and muscle artefact of nstdb at the model's rate, each scaled to a standard deviation of 1."""
    rows = []
    for name in ("bw", "ma"):
        record = read(data.locate("nstdb-noise") / name)
        rows += [band_pass(resample(filled(lead), record.fs_hz, segments.FS_HZ), spec.band_hz, segments.FS_HZ) for lead in record.mv()]
    return [np.asarray(row / row.std(), np.float32) for row in rows]


def told(patient: Patient, start: int, length: int, count: int) -> NDArray[np.float32]:
    """Targets (count, n_labels) of segments one after the other from `start` on: whether each label occurs in it."""
    out = np.zeros((count, len(LABELS)), np.float32)
    if patient.rhythm == "A":
        out[:, LABELS.index("V")] = NO_LABEL
    segment = (patient.at - start) // length
    for k, label in enumerate(LABELS):
        inside = segment[(patient.labels == label) & (segment >= 0) & (segment < count)]
        out[inside, k] = 1.0
    fused = segment[(patient.labels == "F") & (segment >= 0) & (segment < count)]
    v = LABELS.index("V")
    out[fused, v] = np.where(out[fused, v] == 1.0, 1.0, NO_LABEL)
    return out


class Windows(Dataset[Batch]):
    """Whole batches of windows of `spec.segments` segments each, cut at offsets that depend on seed and epoch alone."""

    def __init__(self, patients: Sequence[Patient], noise: Sequence[NDArray[np.float32]], spec: EctopyInput, how: EctopyAugmentation, batch: int, seed: int) -> None:
        self.patients, self.noise, self.spec, self.how, self.batch, self.seed = patients, noise, spec, how, batch, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Cut anew; windows without any ectopic beat are drawn from."""
        rng = np.random.default_rng((self.seed, epoch))
        size, chosen = self.spec.segments * self.spec.samples, []
        for index, patient in enumerate(self.patients):
            n = patient.leads.shape[1]
            for start in range(int(rng.integers(size)), n - size + 1, size):
                targets = told(patient, start, self.spec.samples, self.spec.segments)
                chosen += [(index, start, targets)] * self._count(patient, start, bool((targets > 0).any()), rng)
        order = rng.permutation(len(chosen))
        full = max(1, len(order) // self.batch)
        self.epoch = epoch
        self.places = [[chosen[i] for i in part] for part in np.array_split(order[: full * self.batch], full)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: int) -> Batch:
        """One batch; the same numbers give the same batch."""
        rng = np.random.default_rng((self.seed, self.epoch, item))
        cut_out = [self._window(self.patients[index], start, rng) for index, start, _ in self.places[item]]
        targets = np.stack([targets for *_, targets in self.places[item]])
        return batch_of(np.stack([x for x, _ in cut_out]), np.stack([away for _, away in cut_out]), targets, self.spec.step)

    def _count(self, patient: Patient, start: int, ectopic: bool, rng: np.random.Generator) -> int:
        """How often this epoch has a window; a share of one by chance."""
        corrected = patient.weighs(start, start + self.spec.segments * self.spec.samples)
        share = self.how.share_of_rhythm if patient.rhythm else self.how.share_of_normal
        whole, rest = divmod(patient.times * (patient.weight if corrected else 1.0) * (1.0 if ectopic else share), 1.0)
        return int(whole) + int(rest > 0 and rng.random() < rest)

    def _window(self, patient: Patient, start: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Input (channels, n) altered at random, and how far each sample is from the nearest beat detected."""
        n = self.spec.segments * self.spec.samples
        lead = int(rng.integers(len(patient.leads)))
        signal = patient.leads[lead, start : start + n]
        if len(patient.leads) > 1 and rng.random() < self.how.mix_leads:
            a, b = rng.normal(size=2)
            signal = (a * signal + b * patient.leads[1 - lead, start : start + n]) / np.hypot(a, b)
        signal = signal * np.float32((-1 if rng.random() < self.how.invert else 1) * np.exp(self.how.scale * rng.normal()))
        if rng.random() < self.how.noise:
            row = self.noise[int(rng.integers(len(self.noise)))]
            begin = int(rng.integers(max(1, row.size - n)))
            amplitude = signal.std() * 10 ** (-rng.uniform(*self.how.noise_db) / 20)
            signal = signal + np.float32(amplitude) * np.resize(row[begin:], n).astype(np.float32)
        return cut(signal, patient.found[lead], self._timing(patient.timing[lead], rng), start)

    def _timing(self, timing: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Timing as if the usual interval were another, or none."""
        if rng.random() < self.how.untimed:
            return np.zeros_like(timing)
        return timing + np.float32(self.how.timing * rng.normal()) * RATIOS_TO_LOCAL


def cut(signal: NDArray[np.float32], found: NDArray[np.int64], timing: NDArray[np.float32], start: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Input (channels, n) of a window that begins at `start`, and how far each of its samples is from the nearest of the beats found in the whole lead."""
    x = np.zeros((segments.CHANNELS, signal.size), np.float32)
    x[0] = signal
    first, last = np.searchsorted(found, [start - signal.size, start + 2 * signal.size])
    near = found[first:last] - start
    if near.size == 0:
        return x, np.full(signal.size, signal.size)
    beat = segments.nearest(near, signal.size)
    away = np.abs(np.arange(signal.size) - near[beat])
    x[1], x[2:] = segments.marks(away), timing[first + beat].T
    return x, away


def batch_of(x: NDArray[np.float32], away: NDArray[np.int64], targets: NDArray[np.float32], step: int) -> Batch:
    """A batch of windows; a step that holds a beat is that beat's place."""
    nearest = away.reshape(len(away), -1, step).min(axis=2)
    return Batch(torch.from_numpy(x), torch.from_numpy(nearest == 0).float(), torch.from_numpy(nearest > OFF_BEAT * segments.FS_HZ).float(), torch.from_numpy(targets))
