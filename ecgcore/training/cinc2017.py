"""HADLN on the set it was first made for: the recordings of the PhysioNet/CinC challenge of 2017, each one rhythm."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.evaluation.tables import Arm, Published, Run, Table, write_table
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.models.hadln import Hadln
from ecgcore.readers import read
from ecgcore.signals.filters import band_pass
from ecgcore.signals.resampling import filled, resample
from ecgcore.signals.windows import LEAST_RANGE_MV
from ecgcore.training import loop
from ecgcore.training.altered import Altered
from ecgcore.training.beat_sets import BeatSet, stratified_folds
from ecgcore.training.calibration import Unseen, calibrate
from ecgcore.training.export import export, git_commit
from ecgcore.training.focal import FocalLoss
from ecgcore.training.recipes import Cinc2017Input, HadlnCinc2017Recipe
from ecgcore.training.window_classifiers import logits_of
from ecgcore.training.window_runs import HELD_OUT, Contender, Setting, calibrated

FOLDER: Final = "cinc2017"
COUNTS: Final = {"N": 5_076, "A": 758, "O": 2_415, "~": 279}  # of the third version of the labels
ARM: Final = "HADLN"
PUBLISHED: Final = (Published(name="HADLN (Jiang et al., 2021), 10 folds", figures={"macro F1": 88.0, "accuracy": 86.7}),)
ON_CARD: Final = ("accuracy", "macro F1", "N F1", "A F1", "O F1", "~ F1")
LIMITS: Final = (
    "For comparison with the paper alone: it is no part of the app, and knows one rhythm a recording.",
    "Recordings of a handheld device, one lead of the hands; learned and measured on the same source.",
    "The labels of the challenge's hidden test set are not public; this is a part of its training set.",
)


@dataclass(frozen=True, eq=False)
class Trained:
    """A network of one fold, recordings → probabilities and attention, and the table."""

    net: nn.Module
    table: Table


def parts(recipe: HadlnCinc2017Recipe) -> int:
    """How many trainings there are."""
    return recipe.run


def train(recipe: HadlnCinc2017Recipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Run the recipe's folds in the folder `run`; the network of the last of them, with its card (without the hash of its weights)."""
    begun, device = time.monotonic(), loop.accelerator(device)
    recordings = recording_set(data.locate(FOLDER), recipe.classes, recipe.input)
    folds = stratified_folds(recordings.targets, recipe.optimisation.folds, recipe.optimisation.seed)
    setting = Setting(recordings, recipe.optimisation, {}, run, device, minutes / parts(recipe) if minutes else None, resume)
    answers = [one_fold(recipe, setting, folds, fold) for fold in range(recipe.run)]
    spent = round((time.monotonic() - begun) / 60, 1)
    table = _table(recipe, recordings, [answer for answer, _ in answers], device, spent)
    return Trained(answers[-1][1], table), _card(recipe, table, device, spent)


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors, card and table into a folder; the card with the hash of the weights."""
    example = (torch.randn(2, card.input.samples),)
    card = export(trained.net, example, ("beats",), ("probabilities", "attention"), ({0: "batch"},), card, folder)
    write_table(trained.table, folder, "cinc2017")
    return card


def references(folder: Path) -> dict[str, str]:
    """The label of each recording by its name. Raises DataError for labels that are not there or not those of the third version."""
    labels = data.rhythm_labels(folder)
    counts = Counter(labels.values())
    if dict(counts) != COUNTS:
        raise DataError(f"the labels in {folder} should count {COUNTS}, they count {dict(counts)}")
    return labels


def recording_set(folder: Path, classes: Sequence[str], spec: Cinc2017Input) -> BeatSet:
    """Every recording as one window, cut or filled with zeros at its end; each is a record of its own."""
    labels = references(folder)
    windows = np.stack([window_of(record.mv()[0], record.fs_hz, spec) for record in (read(folder / name) for name in labels)])
    targets = np.array([classes.index(label) for label in labels.values()], np.int64)
    return BeatSet(tuple(classes), tuple(labels), windows, targets, np.arange(targets.size))


def window_of(lead: NDArray[np.float32], fs_hz: float, spec: Cinc2017Input) -> NDArray[np.float32]:
    """A lead (n,) in mV as the network sees it (samples,): filtered, median taken off, divided by its standard deviation."""
    x = band_pass(resample(filled(lead), fs_hz, spec.fs_hz), spec.band_hz, spec.fs_hz)
    x = (x - np.median(x)) / max(float(x.std()), LEAST_RANGE_MV / 4)
    return np.pad(x[: spec.samples], (0, max(0, spec.samples - x.size))).astype(np.float32)


def network(recipe: HadlnCinc2017Recipe) -> nn.Module:
    """A fresh HADLN of the recipe's sizes, altered in training."""
    how = recipe.network
    net = Hadln(
        recipe.input.samples, len(recipe.classes), patch=how.patch, hidden=how.hidden, channels=how.channels, kernel=how.kernel, dropout=how.dropout, attention=recipe.attention
    )
    return Altered(net, recipe.input.samples, recipe.augmentation.shift_samples, recipe.augmentation.scale, recipe.bfloat16)


def one_fold(recipe: HadlnCinc2017Recipe, setting: Setting, folds: NDArray[np.int64], fold: int) -> tuple[Run, nn.Module]:
    """Learn from nine tenths of the other folds, choose epoch and calibration on the last, answer this one; the network calibrated."""
    recordings, seed = setting.beats, recipe.optimisation.seed
    training, tested = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    tenths = stratified_folds(recordings.targets[training], HELD_OUT, seed)
    held = training[tenths == 0]
    contender = Contender(ARM, lambda: network(recipe), lambda weights: FocalLoss(weights, recipe.gamma))
    learned = setting.learn(contender, training[tenths != 0], held, seed, setting.folder / f"fold{fold}")
    net = learned.net.net if isinstance(learned.net, Altered) else learned.net
    calibration = calibrate([Unseen(learned.held[learned.epochs - 1][None], recordings.targets[held])])
    said = calibration.probabilities(Unseen(logits_of(net, recordings.windows[tested])[None], recordings.targets[tested]))
    size = len(recipe.classes)
    matrix = np.bincount(recordings.targets[tested] * size + said.argmax(axis=1), minlength=size**2).reshape(size, size)
    run = Run(arm=ARM, fold=fold, seed=seed, n=tested.size, epochs=learned.epochs, confusion=tuple(map(tuple, matrix.tolist())))
    return run, calibrated(net, calibration)


def _table(recipe: HadlnCinc2017Recipe, recordings: BeatSet, runs: Sequence[Run], device: str, minutes: float) -> Table:
    everyone = {FOLDER: recordings.records}
    return Table(
        model=f"{recipe.name}@{recipe.version}", title="HADLN on the recordings of the 2017 challenge", split="random split",
        protocol=f"{_split(recipe)}; epoch and calibration chosen on a tenth of the training recordings; most probable class",
        records=everyone, trained=everyone, tested=everyone, classes=recipe.classes, arms=(Arm(name=ARM, runs=tuple(runs)),),
        published=PUBLISHED, comparisons=(), command=f"python -m ecgcore train {recipe.name}", git_commit=git_commit(), device=device, minutes=minutes,
    )  # fmt: skip


def _card(recipe: HadlnCinc2017Recipe, table: Table, device: str, minutes: float) -> Card:
    spec, arm = recipe.input, table.arms[0]
    return Card(
        name=recipe.name, version=recipe.version, task="rhythm of a recording",
        input=InputSpec(
            leads="any", fs_hz=spec.fs_hz, samples=spec.samples, before_samples=0, units="mV",
            scaling="whole recording: median taken off, divided by its standard deviation", band_hz=spec.band_hz,
        ),
        classes=recipe.classes, thresholds={},
        training=TrainingData(
            trained={FOLDER: ("a stratified part of all recordings",)}, held_out={FOLDER: ("the rest",)}, protocol=table.protocol,
            augmentation=recipe.augmentation.model_dump_json(), seed=recipe.optimisation.seed,
        ),
        figures=tuple(
            Figure(name=name, value=_share(mean), spread=_share(spread), n=len(arm.runs), protocol=table.protocol, split=_split(recipe), command=table.command)
            for name, (mean, spread) in arm.summary(recipe.classes).items() if name in ON_CARD
        ),
        sha256="0" * 64, git_commit=git_commit(), device=device, minutes=minutes, limits=LIMITS,
        intended_use="To compare with the published HADLN on its own data; not for reading.",
    )  # fmt: skip


def _split(recipe: HadlnCinc2017Recipe) -> str:
    return f"{recipe.run} of {recipe.optimisation.folds} folds by chance within each class"


def _share(percent: float) -> float | None:
    return round(percent / 100, 5) if np.isfinite(percent) else None
