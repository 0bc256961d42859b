"""What the beat model learns from: stretches of consecutive beats of one lead, altered at random."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ecgcore import data
from ecgcore.evaluation.noise import KINDS, TRAINED_SHARE
from ecgcore.findings import AAMI_CLASSES
from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.signals import detection, peaks
from ecgcore.signals.features import LIMIT, RR_FEATURES, late_beats, rr_features, rr_s
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample
from ecgcore.signals.windows import beside_usual, dominant, usual_beats
from ecgcore.training.recipes import Input, Recipe

SHORT_BEATS: Final = (6, 20)  # as many as ten seconds hold
NO_BEAT: Final = -1  # target of the padding at the end of a short stretch
NOT_S: Final = -2  # target of a beat of which no more is known
FEWEST_BEATS: Final = 8  # a recording with fewer teaches nothing of its rhythm
FEWEST_S: Final = 20  # that make a usual beat of their own
N, S = AAMI_CLASSES.index("N"), AAMI_CLASSES.index("S")
WEAK_TARGETS: Final = {"N": N, "A": NOT_S}  # by the label of a whole CinC 2017 recording: normal rhythm, atrial fibrillation
GREATEST_SHIFT: Final = 0.7


@dataclass(frozen=True, eq=False)
class Prepared:
    """One record ready to learn from.

    leads (n_leads, n) in mV at the model's rate, filtered; usual (n_leads, 2, width) as `usual_beats`, of which
    before_samples precede the R peak; at, targets (n_beats,); rr (n_beats, n_features); s_usual (n_leads, width) the dominant
    one of the S beats, and s_shift what it does to the logarithm of a ratio when their interval is taken for the median, None for too few;
    `whole` is False for a weakly labelled recording, whose every stretch is itself
    """

    name: str
    before_samples: int
    leads: NDArray[np.float32]
    usual: NDArray[np.float32]
    at: NDArray[np.int64]
    rr: NDArray[np.float32]
    targets: NDArray[np.int64]
    s_usual: NDArray[np.float32] | None
    s_shift: float
    whole: bool = True


def prepare(record: Record, samples: NDArray[np.int64], targets: NDArray[np.int64], spec: Input, *, whole: bool = True) -> Prepared:
    """A record with its beats in the shape the network wants; samples (n_beats,) at the record's rate, targets (n_beats,)."""
    at = np.round(samples * spec.fs_hz / record.fs_hz).astype(np.int64)
    before, after = spec.before_samples, spec.samples - spec.before_samples
    leads, late = _at_rate(record.mv(), record.fs_hz, spec), late_beats(samples, record.fs_hz)
    usual = np.stack([usual_beats(lead, at, late, before, after) for lead in leads])
    s_beats = np.flatnonzero(targets == S)
    s_usual = np.stack([dominant(lead, at[s_beats], before, after) for lead in leads]) if s_beats.size >= FEWEST_S else None
    pre = rr_s(samples, record.fs_hz)
    shift = float(np.log(np.nanmedian(pre) / np.nanmedian(pre[s_beats]))) if s_usual is not None else 0.0
    return Prepared(record.name, before, leads, usual, at, rr_features(samples, record.fs_hz), targets, s_usual, float(np.clip(shift, -GREATEST_SHIFT, GREATEST_SHIFT)), whole)


def prepare_all(sets: Mapping[str, Iterable[str]], spec: Input) -> list[Prepared]:
    """All records of a split, by data set name and record id, with their reference beats."""
    labelled = (data.load_beats(data.locate(name), record) for name, records in sets.items() for record in records)
    return [prepare(one.record, one.samples, np.array([AAMI_CLASSES.index(label) for label in one.labels], np.int64), spec) for one in labelled]


def prepare_weak(sets: Mapping[str, Mapping[str, int]], spec: Input) -> list[Prepared]:
    """Recordings of which only the rhythm is known, so many of each label and evenly taken, with the beats our detector finds."""
    prepared = []
    for name, wanted in sets.items():
        folder = data.locate(name)
        labels = data.rhythm_labels(folder)
        for label, count in wanted.items():
            ids = [record for record, found in labels.items() if found == label]
            for record in (read(folder / ids[i]) for i in np.unique(np.linspace(0, len(ids) - 1, count).astype(np.int64))):
                samples = _detected(record)
                if samples.size >= FEWEST_BEATS:
                    prepared.append(prepare(record, samples, np.full(samples.size, WEAK_TARGETS[label]), spec, whole=False))
    return prepared


def _detected(record: Record) -> NDArray[np.int64]:
    """R peaks (n_beats,) of the first lead at the record's own rate."""
    lead = record.leads[:1]
    seen = detection.envelope(resample(filled(record.mv(lead)[0]), record.fs_hz, detection.FS_HZ))
    coarse = detection.pick(detection.fuse(iter([seen])))
    return peaks.refine(partial(record.mv, lead), record.n_samples, record.fs_hz, coarse / detection.FS_HZ, seen.clarity.background_at(coarse)[None])


def noise_leads(spec: Input) -> list[NDArray[np.float32]]:
    """Baseline wander and muscle artefact of nstdb at the model's rate, each scaled to a standard deviation of 1; their second half is kept for evaluation."""
    rows: list[NDArray[np.float32]] = []
    for name in KINDS:
        record = read(data.locate("nstdb-noise") / name)
        rows.extend(row / row.std() for row in _at_rate(record.mv(stop=int(TRAINED_SHARE * record.n_samples)), record.fs_hz, spec))
    return rows


class Stretches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Stretches of `context_beats` beats: (time, 3, width), (time, n_features), targets (time,).

    Each epoch cuts anew, takes a lead or a mixture of two at random, and adds noise; `set_epoch` seeds it.
    """

    def __init__(self, records: list[Prepared], recipe: Recipe, noise: list[NDArray[np.float32]]) -> None:
        self.records, self.recipe, self.noise = records, recipe, noise
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Cut the records into stretches with an offset that differs by epoch."""
        self.epoch = epoch
        length = self.recipe.optimisation.context_beats
        rng = np.random.default_rng((self.recipe.optimisation.seed, epoch))
        self.places = [
            (index, max(start, 0), min(start + length, record.at.size))
            for index, record in enumerate(self.records)
            for start in (range(-int(rng.integers(length)), record.at.size, length) if record.whole else (0,))
            if start + length > 0
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor, Tensor]:
        """One stretch, padded to full length; the same numbers give the same stretch."""
        index, first, last = self.places[item]
        record = self.records[index]
        rng = np.random.default_rng((self.recipe.optimisation.seed, self.epoch, item))
        short = not record.whole or rng.random() < self.recipe.augmentation.short
        if short and record.whole:
            last = min(last, first + int(rng.integers(*SHORT_BEATS)))
        turned = not short and record.s_usual is not None and rng.random() < self.recipe.augmentation.s_majority
        beats = self._altered(record, record.at[first:last], short, turned, rng)
        length, count = self.recipe.optimisation.context_beats, last - first
        x = np.zeros((length, *beats.shape[1:]), np.float32)
        rr = np.zeros((length, len(RR_FEATURES)), np.float32)
        targets = np.full(length, NO_BEAT, np.int64)
        x[:count], targets[:count] = beats, record.targets[first:last]
        rr[:count] = rr_features(record.at[first:last], self.recipe.input.fs_hz) if short else record.rr[first:last]
        if turned:
            median = RR_FEATURES.index("pre_to_median")
            rr[:count, median] = np.clip(rr[:count, median] + record.s_shift, -LIMIT, LIMIT)
        return torch.from_numpy(x), torch.from_numpy(rr), torch.from_numpy(targets)

    def _altered(self, record: Prepared, at: NDArray[np.int64], short: bool, turned: bool, rng: np.random.Generator) -> NDArray[np.float32]:
        """Network input of one stretch: another lead, jitter and noise each time; a short one knows no beats but its own.

        In a turned one the S beats are taken for the patient's dominant ones, as where they outnumber the others.
        """
        how, spec = self.recipe.augmentation, self.recipe.input
        left, right = max(0, int(at[0]) - spec.samples), int(at[-1]) + spec.samples
        real = at - left
        at = real + rng.integers(-how.jitter_samples, how.jitter_samples + 1, at.size)
        weights = self._lead_weights(record, rng)
        signal = (weights @ record.leads[:, left:right]).astype(np.float32)
        usual = np.tensordot(weights, record.usual, 1).astype(np.float32)
        if turned and record.s_usual is not None:
            usual[0] = weights @ record.s_usual
        if rng.random() < how.noise:
            noise = self.noise[rng.integers(len(self.noise))]
            begin = int(rng.integers(max(1, noise.size - signal.size)))
            amplitude = np.ptp(usual[0]) / 4 * 10 ** (-rng.uniform(*how.noise_db) / 20)
            signal = signal + np.float32(amplitude) * np.resize(noise[begin:], signal.size)
        if short:
            usual = usual_beats(signal, at, late_beats(real, spec.fs_hz), spec.before_samples, spec.samples - spec.before_samples)
        return beside_usual(signal, at, usual, spec.before_samples)

    def _lead_weights(self, record: Prepared, rng: np.random.Generator) -> NDArray[np.float64]:
        """A lead as it is, upside down, or a mixture of all: a view of the heart from elsewhere."""
        how, count = self.recipe.augmentation, len(record.leads)
        if count > 1 and rng.random() < how.mix_leads:
            direction = rng.normal(size=count)
            return np.asarray(direction / np.maximum(np.ptp(record.usual[:, 0], axis=1), 0.05))
        weights = np.zeros(count)
        weights[rng.integers(count)] = -1.0 if rng.random() < how.invert else 1.0
        return weights


class Shuffled(Sampler[int]):
    """Stretches in an order that depends on seed and epoch alone."""

    def __init__(self, stretches: Stretches) -> None:
        self.stretches = stretches

    def __len__(self) -> int:
        return len(self.stretches)

    def __iter__(self) -> Iterator[int]:
        """Numbers of all stretches, each once."""
        rng = np.random.default_rng((self.stretches.recipe.optimisation.seed, self.stretches.epoch))
        yield from rng.permutation(len(self.stretches)).tolist()


def _at_rate(mv: NDArray[np.float32], fs_hz: float, spec: Input) -> NDArray[np.float32]:
    return np.stack([band_pass(resample(filled(lead), fs_hz, spec.fs_hz), spec.band_hz, spec.fs_hz) for lead in mv])
