"""Runs of window classifiers for the tables of the papers: by a random split, and by patient from DS1 to DS2.

Each run ends as a JSON file in the run's folder; one that is there is not run again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.evaluation.tables import Run
from ecgcore.inference.beats import decide
from ecgcore.models.beat_windows import CalibratedWindowNet
from ecgcore.training import loop, processes
from ecgcore.training import window_classifiers as windows
from ecgcore.training.beat_sets import BeatSet, patient_folds, stratified_folds
from ecgcore.training.calibration import Calibration, Scored, Unseen, best_threshold, calibrate
from ecgcore.training.recipes import WindowOptimisation

HELD_OUT: Final = 10  # one in so many training beats is held out to choose by, in a random split
HELD_OUT_SEED: Final = 100  # with one seed for all folds, nearly the same beats would be held out in each, and thresholds err the same way
OTHERS: Final = 0.5  # threshold by patient of classes other than S and V
TRIED: Final = np.round(1 / (1 + np.exp(-np.linspace(-5.0, 3.0, 41))), 4)  # thresholds tried with floors


@dataclass(frozen=True, eq=False)
class Contender:
    """A network under test: `make` builds it, `loss` takes the class weights (n_classes,)."""

    name: str
    make: windows.Make
    loss: Callable[[Tensor], nn.Module]


@dataclass(frozen=True, eq=False)
class Setting:
    """What all runs of a table share. `minutes` is the limit of one training; `floors` are sensitivities asked for."""

    beats: BeatSet
    how: WindowOptimisation
    floors: dict[str, float]
    folder: Path
    device: str
    minutes: float | None
    resume: bool

    def learn(self, contender: Contender, training: NDArray[np.int64], held: NDArray[np.int64], seed: int, folder: Path, epochs: int | None = None) -> windows.Learned:
        """One training of a contender."""
        loss = contender.loss(windows.class_weights(self.beats, training, self.how))
        task = windows.Task(self.beats, training, held, contender.make, loss, self.how, seed)
        return windows.learn(task, folder, self.device, self.minutes, self.resume, epochs)


@dataclass(frozen=True, eq=False)
class ByPatient:
    """A network that learned from all patients given, and what led to it.

    said   logits (n, n_classes) of their beats, each from the fold network that has not seen the patient; `places` are the beats
    folds  those networks, each with the places (n,) of the beats it has not seen
    """

    run: Run
    net: nn.Module
    calibration: Calibration
    thresholds: dict[str, float]
    places: NDArray[np.int64]
    said: NDArray[np.float32]
    folds: tuple[tuple[nn.Module, NDArray[np.int64]], ...]


def by_chance(setting: Setting, contender: Contender, training: NDArray[np.int64], tested: NDArray[np.int64], seed: int, fold: int | None = None) -> Run:
    """Learn from nine tenths of the training beats; epoch, calibration and thresholds come from the last; one answer to the tested ones."""
    folder = setting.folder / "random split" / contender.name / (f"seed{seed}" if fold is None else f"fold{fold}")
    done = folder.with_suffix(".json")
    if setting.resume and done.is_file():
        loop.over(folder)
        return Run.model_validate_json(done.read_bytes())
    beats = setting.beats
    tenths = stratified_folds(beats.targets[training], HELD_OUT, seed if fold is None else HELD_OUT_SEED * seed + fold)
    held = training[tenths == 0]
    learned = setting.learn(contender, training[tenths != 0], held, seed, folder)
    said = Unseen(learned.held[learned.epochs - 1][None], beats.targets[held])
    calibration = calibrate([said])
    thresholds = floored_thresholds(calibration.probabilities(said), said.targets, beats.classes, setting.floors)
    run = _tested(setting, contender, learned, calibration, thresholds, tested, seed, fold)
    processes.write_text(done, run.model_dump_json(indent=1) + "\n")
    processes.remove(folder)
    return run


def by_patient(setting: Setting, contender: Contender, trained: Sequence[str], tested: Sequence[str], seed: int) -> ByPatient:
    """Folds by patient choose epochs, calibration and thresholds; then learn from all trained records; one answer to the tested ones."""
    beats, folder = setting.beats, setting.folder / "by patient" / contender.name / f"seed{seed}"
    everyone = beats.of(trained)
    networks, said = [], []
    for number, unseen in enumerate(patient_folds(beats, trained, setting.how.patient_folds)):
        held = beats.of(unseen)
        learned = setting.learn(contender, np.setdiff1d(everyone, held), held, seed, folder / f"fold{number}")
        networks.append((learned.net, held))
        said.append(learned.held)
    places = np.concatenate([held for _, held in networks])
    targets = beats.targets[places]
    pooled = {epoch: np.concatenate([fold[epoch] for fold in said]) for epoch in sorted(set.intersection(*(set(fold) for fold in said)))}
    chosen = max(pooled, key=lambda epoch: windows.ranking(pooled[epoch], targets))
    calibration, thresholds = patient_choice(pooled[chosen], targets, beats.patients[places], beats.classes)
    final = setting.learn(contender, everyone, np.array([], np.int64), seed, folder / "all", chosen + 1)
    run = _tested(setting, contender, final, calibration, thresholds, beats.of(tested), seed, None)
    processes.write_text(folder.with_suffix(".json"), run.model_dump_json(indent=1) + "\n")
    return ByPatient(run, final.net, calibration, thresholds, places, pooled[chosen], tuple(networks))


def floored_thresholds(probabilities: NDArray[np.float32], targets: NDArray[np.int64], classes: Sequence[str], floors: dict[str, float]) -> dict[str, float]:
    """Thresholds of S and V with the best mean F1 among those that reach the floors, else those that miss them by least; none without floors."""
    if not floors:
        return {}

    def worth(thresholds: dict[str, float]) -> tuple[float, float]:
        found = decide(probabilities, classes, thresholds)
        hits, claims, facts = (np.bincount(x, minlength=len(classes)) for x in (found[found == targets], found, targets))
        short = sum(max(0.0, floor - hits[classes.index(name)] / max(1, facts[classes.index(name)])) for name, floor in floors.items())
        return -short, float(np.mean(2 * hits[1:] / np.maximum(1, claims + facts)[1:]))

    tried = ({"S": float(s), "V": float(v)} for s in TRIED for v in TRIED)
    return max(tried, key=worth)


def patient_choice(logits: NDArray[np.float32], targets: NDArray[np.int64], patients: NDArray[np.int64], classes: Sequence[str]) -> tuple[Calibration, dict[str, float]]:
    """Calibration of logits (n, n_classes) of unseen patients, and thresholds with the best mean F1 by patient, V asked first."""
    said = Unseen(logits[None], targets)
    calibration = calibrate([said])
    scored = Scored(calibration.probabilities(said), targets, np.unique(patients, return_inverse=True)[1])
    v, s = classes.index("V"), classes.index("S")
    called_v, _ = best_threshold(scored, v)
    called_s, _ = best_threshold(scored, s, scored.probabilities[:, v] < called_v)
    return calibration, {"S": called_s, "V": called_v, **{name: OTHERS for name in classes if name not in ("N", "S", "V")}}


def _tested(
    setting: Setting, contender: Contender, learned: windows.Learned, calibration: Calibration, thresholds: dict[str, float], tested: NDArray[np.int64], seed: int, fold: int | None
) -> Run:
    beats = setting.beats
    said = Unseen(windows.logits_of(learned.net, beats.windows[tested])[None], beats.targets[tested])
    found = decide(calibration.probabilities(said), beats.classes, thresholds)
    size = len(beats.classes)
    matrix = np.bincount(said.targets * size + found, minlength=size**2).reshape(size, size)
    return Run(arm=contender.name, fold=fold, seed=seed, n=tested.size, epochs=learned.epochs, confusion=tuple(map(tuple, matrix.tolist())))


def calibrated(net: nn.Module, calibration: Calibration) -> CalibratedWindowNet:
    """The network with its calibration, as it is exported: windows → probabilities, attention."""
    return CalibratedWindowNet(net, calibration.scale, torch.from_numpy(calibration.bias)).eval()
