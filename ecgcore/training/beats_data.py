"""What the beat model learns from: stretches of consecutive beats of one lead, altered at random."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ecgcore import data
from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.cards import InputSpec
from ecgcore.readers import read
from ecgcore.signals.features import RR_FEATURES, rr_features
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample
from ecgcore.signals.windows import beside_dominant, dominant
from ecgcore.training.recipes import Input, Recipe

SHORT_BEATS = (6, 20)  # as many as ten seconds hold
NO_BEAT = -1  # target of the padding at the end of a short stretch


@dataclass(frozen=True, eq=False)
class Prepared:
    """One record ready to learn from.

    leads (n_leads, n) in mV at the model's rate, filtered; usual (n_leads, width) dominant beats, of which
    before_samples precede the R peak; at, targets (n_beats,); rr (n_beats, n_features); weights (n_beats,) in the loss
    and how often an epoch cuts the record into stretches
    """

    name: str
    before_samples: int
    leads: NDArray[np.float32]
    usual: NDArray[np.float32]
    at: NDArray[np.int64]
    rr: NDArray[np.float32]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    times: int = 1


def prepare(labelled: data.LabelledBeats, spec: Input | InputSpec) -> Prepared:
    """A record with reference beats in the shape the network wants."""
    record = labelled.record
    at = np.round(labelled.samples * spec.fs_hz / record.fs_hz).astype(np.int64)
    leads = _at_rate(record.mv(), record.fs_hz, spec)
    usual = np.stack([dominant(lead, at, spec.before_samples, spec.samples - spec.before_samples) for lead in leads])
    targets = np.array([AAMI_CLASSES.index(label) for label in labelled.labels], np.int64)
    return Prepared(record.name, spec.before_samples, leads, usual, at, rr_features(labelled.samples, record.fs_hz), targets, np.ones(len(targets), np.float32))


def prepare_all(sets: Mapping[str, Iterable[str]], spec: Input | InputSpec) -> list[Prepared]:
    """All records of a split, by data set name and record id."""
    return [prepare(data.load_beats(data.locate(name), record), spec) for name, records in sets.items() for record in records]


def noise_leads(spec: Input) -> list[NDArray[np.float32]]:
    """Baseline wander and muscle artefact of nstdb at the model's rate, each scaled to a standard deviation of 1."""
    rows: list[NDArray[np.float32]] = []
    for name in ("bw", "ma"):
        record = read(data.locate("nstdb-noise") / name)
        rows.extend(row / row.std() for row in _at_rate(record.mv(), record.fs_hz, spec))
    return rows


class Stretches(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Stretches of `context_beats` beats: (time, 2, width), (time, n_features), targets and weights (time,).

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
            for _ in range(record.times)
            for start in range(-int(rng.integers(length)), record.at.size, length)
            if start + length > 0
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One stretch, padded to full length; the same numbers give the same stretch."""
        index, first, last = self.places[item]
        record = self.records[index]
        rng = np.random.default_rng((self.recipe.optimisation.seed, self.epoch, item))
        short = rng.random() < self.recipe.augmentation.short
        if short:
            last = min(last, first + int(rng.integers(*SHORT_BEATS)))
        beats = self._altered(record, record.at[first:last], short, rng)
        length, count = self.recipe.optimisation.context_beats, last - first
        x = np.zeros((length, *beats.shape[1:]), np.float32)
        rr = np.zeros((length, len(RR_FEATURES)), np.float32)
        targets, weights = np.full(length, NO_BEAT, np.int64), np.zeros(length, np.float32)
        x[:count], targets[:count], weights[:count] = beats, record.targets[first:last], record.weights[first:last]
        rr[:count] = rr_features(record.at[first:last], self.recipe.input.fs_hz) if short else record.rr[first:last]
        return torch.from_numpy(x), torch.from_numpy(rr), torch.from_numpy(targets), torch.from_numpy(weights)

    def _altered(self, record: Prepared, at: NDArray[np.int64], short: bool, rng: np.random.Generator) -> NDArray[np.float32]:
        """Network input of one stretch: another lead, jitter and noise each time; a short one knows no beats but its own."""
        how, spec = self.recipe.augmentation, self.recipe.input
        left, right = max(0, int(at[0]) - spec.samples), int(at[-1]) + spec.samples
        at = at + rng.integers(-how.jitter_samples, how.jitter_samples + 1, at.size) - left
        weights = self._lead_weights(record, rng)
        signal = (weights @ record.leads[:, left:right]).astype(np.float32)
        usual = (weights @ record.usual).astype(np.float32)
        if rng.random() < how.noise:
            noise = self.noise[rng.integers(len(self.noise))]
            begin = int(rng.integers(max(1, noise.size - signal.size)))
            amplitude = np.ptp(usual) / 4 * 10 ** (-rng.uniform(*how.noise_db) / 20)
            signal = signal + np.float32(amplitude) * np.resize(noise[begin:], signal.size)
        if short:
            usual = dominant(signal, at, spec.before_samples, spec.samples - spec.before_samples)
        return beside_dominant(signal, at, usual, spec.before_samples)

    def _lead_weights(self, record: Prepared, rng: np.random.Generator) -> NDArray[np.float64]:
        """A lead as it is, upside down, or a mixture of all: a view of the heart from elsewhere."""
        how, count = self.recipe.augmentation, len(record.leads)
        if count > 1 and rng.random() < how.mix_leads:
            direction = rng.normal(size=count)
            return np.asarray(direction / np.maximum(np.ptp(record.usual, axis=1), 0.05))
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


def _at_rate(mv: NDArray[np.float32], fs_hz: float, spec: Input | InputSpec) -> NDArray[np.float32]:
    return np.stack([band_pass(resample(filled(lead), fs_hz, spec.fs_hz), spec.band_hz, spec.fs_hz) for lead in mv])
