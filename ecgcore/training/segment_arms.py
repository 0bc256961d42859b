"""The paper's experiment: four arms on segments with PVC against segments with APB, by folds at random and by folds of patients."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.evaluation.measures import Measure, Measured
from ecgcore.models.segmenter import Segmenter
from ecgcore.training import loop, processes
from ecgcore.training import window_classifiers as windows
from ecgcore.training.beat_sets import stratified_folds
from ecgcore.training.recipes.segmenting import SegmenterRecipe
from ecgcore.training.segments import SegmentSet

HELD_OUT: Final = 10  # one in so many training segments is held out to choose the epoch by
HELD_OUT_SEED: Final = 100
PVC: Final = 0
MEASURES: Final = (
    Measure(name="accuracy", unit="%", better="higher", digits=1),
    Measure(name="specificity", unit="%", better="higher", digits=1),
    Measure(name="sensitivity", unit="%", better="higher", digits=1),
    Measure(name="AUC", unit="", better="higher", digits=3),
)
PUBLISHED: Final = {
    "classifier only (the paper)": (98.1, 98.9, 94.9, 0.988),
    "cascaded (the paper)": (88.1, 96.3, 60.4, 0.928),
    "ReLU and max (the paper)": (98.8, 99.4, 93.0, 0.990),
    "L2 norm (the paper)": (98.8, 99.6, 93.4, 0.993),
}


class Varied(nn.Module):
    """A network that sees segments shifted and each lead rescaled while it learns, in bfloat16; as they are once it has learned."""

    def __init__(self, net: nn.Module, shift_samples: int, scale: float) -> None:
        super().__init__()
        self.net, self.shift_samples, self.scale = net, shift_samples, scale

    def forward(self, segments: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the network says of segments (batch, n_leads, n)."""
        if not self.training:
            return cast(Tensor, self.net(segments))
        with torch.autocast(segments.device.type, torch.bfloat16):
            return cast(Tensor, self.net(self.altered(segments)))

    def altered(self, segments: Tensor) -> Tensor:
        """Segments moved by some samples, all leads alike, zeros coming in; and each lead by some part larger or smaller."""
        n = segments.shape[-1]
        shift = torch.randint(-self.shift_samples, self.shift_samples + 1, (len(segments), 1, 1), device=segments.device)
        places = torch.arange(n, device=segments.device) + shift
        moved = segments.gather(2, places.clamp(0, n - 1).expand_as(segments)) * ((places >= 0) & (places < n))
        return moved * (1 + self.scale * torch.randn(*segments.shape[:2], 1, device=segments.device))


@dataclass(frozen=True)
class FoldRun:
    """One tested fold of one arm: probability of PVC and truth of each segment tested, by place."""

    arm: str
    fold: int
    epochs: int
    places: tuple[int, ...]
    scores: tuple[float, ...]


def network(recipe: SegmenterRecipe, arm: str, n_leads: int) -> Segmenter:
    """A fresh network of one arm."""
    how = recipe.network
    return Segmenter(arm, n_leads, 2, widths=how.widths, strides=how.strides, kernel=how.kernel, pool=how.pool, dropout=how.dropout)


def folds_by_chance(found: SegmentSet, recipe: SegmenterRecipe) -> NDArray[np.int64]:
    """Fold of each segment, classes shared out evenly."""
    return stratified_folds(found.targets, recipe.optimisation.folds, recipe.optimisation.seed)


def folds_by_patient(found: SegmentSet, recipe: SegmenterRecipe) -> NDArray[np.int64]:
    """Fold of each segment, no patient in two: patients by falling number of APB segments, then of PVC, to and fro."""
    n_folds = recipe.optimisation.folds
    table = np.zeros((len(found.records), len(found.classes)), np.int64)
    np.add.at(table, (found.patients, found.targets), 1)
    ranked = sorted(np.unique(found.patients).tolist(), key=lambda patient: (*(-table[patient, ::-1]).tolist(), patient))
    turn = [*range(n_folds), *reversed(range(n_folds))]
    fold_of = {patient: turn[place % len(turn)] for place, patient in enumerate(ranked)}
    return np.array([fold_of[patient] for patient in found.patients.tolist()], np.int64)


def run_arms(
    recipe: SegmenterRecipe, arms: Sequence[str], found: SegmentSet, folds: NDArray[np.int64], folder: Path, device: str, minutes: float | None, resume: bool
) -> tuple[FoldRun, ...]:
    """Every arm on every fold."""
    return tuple(_one(recipe, found, folds, arm, fold, folder, device, minutes, resume) for fold in range(recipe.optimisation.folds) for arm in arms)


def measured(runs: Sequence[FoldRun], targets: NDArray[np.int64]) -> tuple[Measured, ...]:
    """A row for each arm, a run for each fold."""
    return tuple(
        Measured(name=arm, runs=tuple(figures(np.array(run.scores), targets[np.array(run.places)]) for run in runs if run.arm == arm))
        for arm in dict.fromkeys(run.arm for run in runs)
    )


def published() -> tuple[Measured, ...]:
    """What the paper states of its arms."""
    return tuple(Measured(name=name, runs=(row,), published=True) for name, row in PUBLISHED.items())


def figures(scores: NDArray[np.float64], targets: NDArray[np.int64]) -> tuple[float | None, ...]:
    """Accuracy, specificity and sensitivity in percent, AUC, in the order of MEASURES, from the probability of PVC (n,) and the classes (n,).

    The paper names PVC as the class that sensitivity is of. Its figures say the contrary: with 2,627 PVC and 356 APB segments an accuracy of 98.8
    comes from 99.6 and 93.4 only where 99.6 is the share of PVC segments found. So here, as in its table, specificity is the share of PVC
    segments found, and sensitivity that of APB segments.
    """
    pvc, right = targets == PVC, (scores >= 0.5) == (targets == PVC)
    shares = [float(100 * right[chosen].mean()) if chosen.any() else None for chosen in (np.ones_like(pvc), pvc, ~pvc)]
    return (*shares, auc(scores, pvc))


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve; None where a class is missing."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores)) if 0 < positive.sum() < positive.size else None


def _one(recipe: SegmenterRecipe, found: SegmentSet, folds: NDArray[np.int64], arm: str, fold: int, folder: Path, device: str, minutes: float | None, resume: bool) -> FoldRun:
    """One arm on one fold; with `resume` a run that is there is not run again."""
    run, kept = folder / f"{arm.replace(' ', '-')}-{fold}", folder / f"{arm.replace(' ', '-')}-{fold}.json"
    if resume and kept.is_file():
        loop.over(run)
        read = json.loads(kept.read_text())
        return FoldRun(**{**read, "places": tuple(read["places"]), "scores": tuple(read["scores"])})
    training, tested = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    held = stratified_folds(found.targets[training], HELD_OUT, HELD_OUT_SEED + fold) == 0
    loss = nn.CrossEntropyLoss(weight=windows.class_weights(found, training[~held], recipe.optimisation))

    def make() -> nn.Module:
        return Varied(network(recipe, arm, found.windows.shape[1]), recipe.variation.shift_samples, recipe.variation.scale)

    task = windows.Task(found, training[~held], training[held], make, loss, recipe.optimisation, recipe.optimisation.seed + fold)
    learned = windows.learn(task, run, device, minutes, resume)
    scores = torch.softmax(torch.from_numpy(windows.logits_of(learned.net, found.windows[tested])), dim=1)[:, PVC].numpy()
    result = FoldRun(arm, fold, learned.epochs, tuple(tested.tolist()), tuple(scores.astype(float).tolist()))
    processes.write_text(kept, json.dumps(result.__dict__))
    processes.remove(run)
    return result
