"""The tables of the neural flow, with attention and without, and the model shipped: the one with attention, by patient."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from ecgcore.evaluation.tables import Arm, Published, Run, Table, class_figures, compare, write_table
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.leads import LEAD_II
from ecgcore.models.beat_windows import CalibratedWindowNet
from ecgcore.models.neural_flow import NeuralFlowNet
from ecgcore.training import attention_checks, loop
from ecgcore.training.beat_sets import BeatSet, beat_set, stratified_folds
from ecgcore.training.export import export, git_commit
from ecgcore.training.recipes import NeuralFlowRecipe
from ecgcore.training.window_runs import ByPatient, Contender, Setting, by_chance, by_patient, calibrated

ARMS: Final = {"attention": True, "no attention": False}
SHIPPED: Final = "attention"
COMPARED: Final = ("accuracy", "sensitivity", "specificity", "PPV", "F1")
PAPER: Final = {  # Woo, tables II and III: accuracy, sensitivity, specificity, PPV
    "neural flow with attention (Woo)": {"N": (97.46, 98.15, 96.72, 99.21), "S": (98.12, 94.67, 98.21, 71.58), "V": (99.05, 96.12, 99.23, 92.84)},
    "neural flow (Woo)": {"N": (87.25, 97.46, 96.98, 98.95), "S": (97.63, 94.22, 97.45, 64.31), "V": (98.94, 96.32, 98.02, 85.42)},
}
LIMITS: Final = (
    "Knows N, S and V alone; fusion beats and paced beats are called one of the three.",
    "Trained on the lead MLII of two-lead ambulatory recordings of adults; never measured on children or on other leads.",
    "S is weak on patients it has not learned from: see the table by patient before relying on a count of S.",
    "It sees one and a half seconds around a beat, so that prematurity shows only against the beat before.",
    "The figures of the random split flatter: beats of one patient are on both sides. They are there to compare with the paper.",
    "Attention shows where the states that decide were taken from, not why; see the deletion and randomisation figures.",
)


@dataclass(frozen=True, eq=False)
class Trained:
    """What comes of the recipe: the calibrated network, and its tables by file name."""

    net: CalibratedWindowNet
    tables: dict[str, Table]


def parts(recipe: NeuralFlowRecipe) -> int:
    """How many trainings there are."""
    return len(ARMS) * (recipe.optimisation.folds + recipe.optimisation.seeds * (recipe.optimisation.patient_folds + 1))


def train(recipe: NeuralFlowRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Run both tables in the folder `run`, and make the card of the network shipped (without the hash of its weights).

    Finished folds stay in `run` as JSON, and with `resume` are not run again. `minutes` are shared out evenly over all trainings.
    """
    begun, device = time.monotonic(), loop.accelerator(device)
    how = recipe.optimisation
    beats = beat_set(recipe.data.everyone, recipe.classes, recipe.input)
    setting = Setting(beats, how, recipe.floors.sensitivity, run, device, minutes / parts(recipe) if minutes else None, resume)
    contenders = [Contender(name, partial(network, recipe, attention), partial(_loss, how.label_smoothing)) for name, attention in ARMS.items()]
    chance = _chance_table(recipe, setting, contenders)
    patients, shipped = _patient_table(recipe, setting, contenders)
    spent = round((time.monotonic() - begun) / 60, 1)
    tables = {name: table.model_copy(update={"minutes": spent, "device": device}) for name, table in (("random", chance), ("by-patient", patients))}
    net = calibrated(shipped.net, shipped.calibration)
    return Trained(net, tables), _card(recipe, shipped, tables, beats, device, spent)


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors, card and tables into a folder; the card with the hash of the weights."""
    example = (torch.randn(2, card.input.samples),)  # a batch of 1 would be baked in
    card = export(trained.net.eval(), example, ("beats",), ("probabilities", "attention"), ({0: "batch"},), card, folder)
    for name, table in trained.tables.items():
        write_table(table, folder, name)
    return card


def network(recipe: NeuralFlowRecipe, attention: bool) -> NeuralFlowNet:
    """A fresh network of the recipe's sizes."""
    how, spec = recipe.network, recipe.input
    return NeuralFlowNet(spec.samples, spec.fs_hz, len(recipe.classes), patch=how.patch, hidden=how.hidden, flow=how.flow, phi=how.phi, attention=attention, dropout=how.dropout)


def _chance_table(recipe: NeuralFlowRecipe, setting: Setting, contenders: Sequence[Contender]) -> Table:
    """Ten folds by chance, the same for both arms."""
    how, everyone = recipe.optimisation, recipe.data.everyone
    folds = stratified_folds(setting.beats.targets, how.folds, how.seed)
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for fold in range(how.folds):
        for contender in contenders:
            runs[contender.name].append(by_chance(setting, contender, np.flatnonzero(folds != fold), np.flatnonzero(folds == fold), how.seed, fold))
    protocol = (
        f"{how.folds}-fold cross-validation, beats split by chance within each class; a tenth of the training beats chose epoch, calibration and thresholds "
        f"(sensitivities of at least {', '.join(f'{name} {100 * floor:g} %' for name, floor in recipe.floors.sensitivity.items()) or 'none'} there); one lead"
    )
    return _table(recipe, "random split", protocol, runs, (everyone, everyone), tuple(_published()), 1 / (how.folds - 1))


def _patient_table(recipe: NeuralFlowRecipe, setting: Setting, contenders: Sequence[Contender]) -> tuple[Table, ByPatient]:
    """DS1 to DS2 with several seeds, and the run that is shipped."""
    how, data = recipe.optimisation, recipe.data
    trained, tested = (tuple(record for records in part.values() for record in records) for part in (data.trained, data.tested))
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    first: dict[str, ByPatient] = {}
    for seed in range(how.seed, how.seed + how.seeds):
        for contender in contenders:
            result = by_patient(setting, contender, trained, tested, seed)
            first.setdefault(contender.name, result)
            runs[contender.name].append(result.run)
    protocol = f"learned from DS1 without 201, measured once on DS2, seeds {how.seed} to {how.seed + how.seeds - 1}; {_choice(recipe)}; reference beats, one lead"
    return _table(recipe, "by patient", protocol, runs, (data.trained, data.tested), (), 0.0), first[SHIPPED]


def _table(
    recipe: NeuralFlowRecipe, split: str, protocol: str, runs: dict[str, list[Run]], parts: tuple[dict[str, tuple[str, ...]], ...],
    published: tuple[Published, ...], test_to_train: float,
) -> Table:  # fmt: skip
    arms = tuple(Arm.model_validate({"name": name, "runs": tuple(of_arm)}) for name, of_arm in runs.items())
    names = (*class_figures(recipe.classes, COMPARED), "accuracy", "macro F1")
    return Table.model_validate(
        {
            "model": f"{recipe.name}@{recipe.version}", "title": f"Neural flow, {split}", "split": split, "protocol": protocol, "records": recipe.data.everyone,
            "trained": parts[0], "tested": parts[1], "classes": recipe.classes, "arms": arms, "published": published,
            "comparisons": compare(arms[0], arms[1], recipe.classes, names, test_to_train),
            "command": _command(recipe), "git_commit": git_commit(), "device": "", "minutes": 0.0,
        }
    )  # fmt: skip


def _published() -> list[Published]:
    order = ("accuracy", "sensitivity", "specificity", "PPV")
    rows = {row: {f"{name} {figure}": value for name, values in classes.items() for figure, value in zip(order, values, strict=True)} for row, classes in PAPER.items()}
    return [Published(name=name, figures=dict(row)) for name, row in rows.items()]


def _card(recipe: NeuralFlowRecipe, shipped: ByPatient, tables: dict[str, Table], beats: BeatSet, device: str, minutes: float) -> Card:
    spec, how = recipe.input, recipe.optimisation
    return Card(
        name=recipe.name,
        version=recipe.version,
        task="beat windows",
        input=InputSpec(
            leads=LEAD_II, fs_hz=spec.fs_hz, samples=spec.samples, before_samples=spec.before_samples, units="mV",
            scaling="each window: median taken off, divided by its standard deviation", band_hz=spec.band_hz, windowing=spec.windowing,
        ),
        classes=recipe.classes,
        thresholds=shipped.thresholds,
        training=TrainingData(
            trained=recipe.data.trained, held_out=recipe.data.trained, left_out=recipe.data.left_out,
            protocol=f"{_choice(recipe)}, {shipped.run.epochs} epochs; then trained on all of them", augmentation="none", seed=how.seed,
        ),
        figures=(*(figure for table in tables.values() for figure in _figures(table)), *_checks(recipe, shipped, beats)),
        sha256="0" * 64,
        git_commit=git_commit(),
        device=device,
        minutes=minutes,
        limits=LIMITS,
        intended_use="A reading of beats as N, S or V with a map of where the network looked, to compare with other models. Probabilities are calibrated on unseen patients.",
    )  # fmt: skip


def _figures(table: Table) -> list[Figure]:
    """The arm shipped, as shares of 1."""
    arm = next(arm for arm in table.arms if arm.name == SHIPPED)
    split = f"mitdb, {table.split}" if table.split == "random split" else "mitdb ds2, by patient"
    return [
        Figure(name=name, value=_share(mean), spread=_share(spread), n=len(arm.runs), protocol=table.protocol, split=split, command=table.command)
        for name, (mean, spread) in arm.summary(table.classes).items()
        if name in (*class_figures(table.classes), "accuracy", "macro F1")
    ]


def _checks(recipe: NeuralFlowRecipe, shipped: ByPatient, beats: BeatSet) -> tuple[Figure, ...]:
    """Attention checks on the ectopic beats of held-out patients, each by the fold network that has not seen him."""
    torch.manual_seed(recipe.optimisation.seed)
    fresh = network(recipe, True).eval()
    checks = [
        attention_checks.check(calibrated(net, shipped.calibration), fresh, beats.windows[places[beats.targets[places] > 0]], recipe.optimisation.seed)
        for net, places in shipped.folds
    ]
    return attention_checks.card_figures(checks, f"by patient, {recipe.optimisation.patient_folds} folds of the trained records", _command(recipe))


def _choice(recipe: NeuralFlowRecipe) -> str:
    return f"{recipe.optimisation.patient_folds} folds by patient chose epochs, calibration and thresholds"


def _command(recipe: NeuralFlowRecipe) -> str:
    return f"python -m ecgcore train {recipe.name}"


def _loss(label_smoothing: float, weights: torch.Tensor) -> nn.Module:
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=label_smoothing)


def _share(percent: float) -> float | None:
    return round(percent / 100, 5) if np.isfinite(percent) else None
