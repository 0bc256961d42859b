"""Training of HADLN and of what it is measured against: a table by a random split, one by patient, and the model by patient to ship."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgcore.evaluation.tables import Arm, Comparison, Published, Run, Table, compare, write_table
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.leads import LEAD_II
from ecgcore.models.baselines import BiRcnn, Cblstm, FullyConnected
from ecgcore.models.hadln import Hadln
from ecgcore.training import attention_checks, loop
from ecgcore.training.altered import Altered
from ecgcore.training.beat_sets import BeatSet
from ecgcore.training.export import export, git_commit
from ecgcore.training.focal import FocalLoss
from ecgcore.training.kachuee_set import RR_AROUND, RhythmicBeats, five_classes, split
from ecgcore.training.recipes import HadlnRecipe, WindowInput, WindowOptimisation
from ecgcore.training.window_runs import ByPatient, Contender, Setting, by_chance, by_patient, calibrated

SHIPPED: Final = "HADLN, self attention"
RHYTHMIC: Final = "BiRCNN"  # the arm that also sees RR intervals
COMPARED: Final = ("accuracy", "macro F1", "weighted F1")
ON_CARD: Final = ("accuracy", "macro F1", "weighted F1", *(f"{name} {what}" for name in "SV" for what in ("sensitivity", "PPV", "F1")))
WEIGHTED: Final = ("weighted precision", "weighted recall", "weighted F1", "accuracy")
PUBLISHED: Final = (
    *(
        Published(name=name, figures=dict(zip(WEIGHTED, row, strict=True)))
        for name, row in {
            "HADLN (Gritton & Thio, 2021)": (92.23, 93.97, 92.86, 94.00),
            "fully connected (Gritton & Thio, 2021)": (88.80, 89.38, 89.08, 88.41),
            "convolution and BLSTM (Gritton & Thio, 2021)": (91.61, 91.99, 91.79, 92.98),
        }.items()
    ),
    Published(name="ECGTransForm (2024)", figures={"accuracy": 99.35, "macro F1": 94.26}),
    Published(name="BiRCNN (Xie et al., 2018), windows of 361 samples", figures={"accuracy": 99.60}),
)
BY_CHANCE: Final = (
    "beats of mitdb after Kachuee et al. (2018), without the last of each record; a fifth by chance within each class for testing, as many a class as in the published files; "
    "epoch and calibration chosen on a tenth of the training beats; most probable class; the same patients are in training and test"
)
TO_OTHERS: Final = "learned from DS1 without 201; epochs, calibration and thresholds chosen on {folds} folds of its patients; DS2 asked once"
LIMITS: Final = (
    "Shown for comparison with the paper; the default model reads S and V better.",
    "Looks at lead II alone, and at one beat from its R peak on: it knows neither what came before nor the patient's other beats.",
    "Five classes by a random split are no measure of new patients: see the table by patient.",
    "F and Q are not established by patient: Q has 8 beats in DS1.",
    "Paced rhythm, children and other leads than MLII: not established.",
)


@dataclass(frozen=True, eq=False)
class Trained:
    """The network that is shipped, windows → probabilities and attention, and the tables that go beside it by name."""

    net: nn.Module
    tables: dict[str, Table]


def parts(recipe: HadlnRecipe) -> int:
    """How many trainings there are."""
    return sum(recipe.arms.values()) + recipe.by_patient.seeds * (recipe.by_patient.patient_folds + 1)


def train(recipe: HadlnRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Run both tables in the folder `run`; the network that learned by patient, with its card (without the hash of its weights)."""
    begun, device = time.monotonic(), loop.accelerator(device)
    limit = minutes / parts(recipe) if minutes else None
    chance = random_split(recipe, run, device, limit, resume)
    between = time.monotonic()
    patients, runs = split_by_patient(recipe, run, device, limit, resume)
    tables = {
        "random": _table(recipe, "random split", chance, (between - begun) / 60, device),
        "by-patient": _table(recipe, "by patient", [Arm(name=SHIPPED, runs=tuple(one.run for one in runs))], (time.monotonic() - between) / 60, device),
    }
    first = runs[0]
    card = _card(recipe, first, patients, tables, device, (time.monotonic() - begun) / 60)
    return Trained(calibrated(bare(first.net), first.calibration), tables), card


def random_split(recipe: HadlnRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> list[Arm]:
    """Every arm of the recipe on the same split, as often as the recipe says, with seeds one after the other."""
    rhythmic = five_classes(recipe.data.everyone, recipe.input)
    test = split(rhythmic.beats, recipe.optimisation.seed)
    training, tested = np.flatnonzero(~test), np.flatnonzero(test)
    arms: dict[str, list[Run]] = {name: [] for name in recipe.arms}
    for turn in range(max(recipe.arms.values())):
        for name in (name for name, count in recipe.arms.items() if turn < count):
            beats = with_rr(rhythmic) if name == RHYTHMIC else rhythmic.beats
            setting = _setting(recipe, recipe.optimisation, beats, run, device, minutes, resume)
            contender = contenders(recipe, recipe.input, rhythmic.beats.windows[training])[name]
            arms[name].append(by_chance(setting, contender, training, tested, recipe.optimisation.seed + turn))
    return [Arm(name=name, runs=tuple(runs)) for name, runs in arms.items()]


def split_by_patient(recipe: HadlnRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[BeatSet, list[ByPatient]]:
    """The shipped arm from the patients learned from to those tested, once a seed; with their beats."""
    named = {name: (*recipe.data.trained[name], *recipe.data.tested[name]) for name in recipe.data.trained}
    beats = five_classes(named, recipe.input_by_patient).beats
    (trained,), (tested,) = recipe.data.trained.values(), recipe.data.tested.values()
    setting = _setting(recipe, recipe.by_patient, beats, run, device, minutes, resume)
    contender = contenders(recipe, recipe.input_by_patient, beats.windows[beats.of(trained)])[SHIPPED]
    seeds = range(recipe.by_patient.seed, recipe.by_patient.seed + recipe.by_patient.seeds)
    return beats, [by_patient(setting, contender, trained, tested, seed) for seed in seeds]


def contenders(recipe: HadlnRecipe, spec: WindowInput, windows: NDArray[np.float32]) -> dict[str, Contender]:
    """All arms by name, standardised by these windows (n_beats, samples) of training beats."""
    how, n_classes = recipe.network, len(recipe.classes)
    mean, deviation = float(windows.mean()), float(windows.std())

    def hadln(attention: str) -> nn.Module:
        return Hadln(spec.samples, n_classes, patch=how.patch, hidden=how.hidden, channels=how.channels, kernel=how.kernel, dropout=how.dropout, attention=attention)

    def ready(make: Callable[[], Any]) -> Callable[[], nn.Module]:
        def fresh() -> nn.Module:
            net = make()
            net.standardise.take(mean, deviation)
            return Altered(net, spec.samples, recipe.augmentation.shift_samples, recipe.augmentation.scale, recipe.bfloat16)

        return fresh

    nets: dict[str, Callable[[], Any]] = {
        SHIPPED: lambda: hadln("self"),
        "HADLN, channel attention": lambda: hadln("channel"),
        "fully connected": lambda: FullyConnected(spec.samples, n_classes, dropout=how.dropout),
        "convolution and BLSTM": lambda: Cblstm(n_classes, hidden=how.hidden, stride=how.patch, dropout=how.dropout),
        RHYTHMIC: lambda: BiRcnn(2 * RR_AROUND, n_classes, hidden=how.hidden, stride=how.patch, dropout=how.dropout),
    }
    return {name: Contender(name, ready(make), lambda weights: FocalLoss(weights, recipe.gamma)) for name, make in nets.items()}


def with_rr(rhythmic: RhythmicBeats) -> BeatSet:
    """The beats with the RR intervals around each of them at the end of its window."""
    beats = rhythmic.beats
    return BeatSet(beats.classes, beats.records, np.concatenate([beats.windows, rhythmic.rr_s], axis=1), beats.targets, beats.patients)


def bare(net: nn.Module) -> nn.Module:
    """The network without what altered its windows in training."""
    return net.net if isinstance(net, Altered) else net


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors, card and tables into a folder; the card with the hash of the weights."""
    example = (torch.randn(2, card.input.samples),)  # a length of 1 would be baked in
    card = export(trained.net, example, ("beats",), ("probabilities", "attention"), ({0: "batch"},), card, folder)
    for name, table in trained.tables.items():
        write_table(table, folder, name)
    return card


def comparisons(arms: Sequence[Arm], classes: Sequence[str]) -> tuple[Comparison, ...]:
    """The shipped arm against each other one, over the seeds that both ran."""
    first, *others = arms
    pairs = [(Arm(name=first.name, runs=first.runs[: len(other.runs)]), other) for other in others if len(other.runs) <= len(first.runs)]
    return tuple(one for ours, theirs in pairs for one in compare(ours, theirs, classes, COMPARED))


def _setting(recipe: HadlnRecipe, how: WindowOptimisation, beats: BeatSet, run: Path, device: str, minutes: float | None, resume: bool) -> Setting:
    return Setting(beats=beats, how=how, floors=recipe.floors.sensitivity, folder=run, device=device, minutes=minutes, resume=resume)


def _table(recipe: HadlnRecipe, kind: Any, arms: Sequence[Arm], minutes: float, device: str) -> Table:
    chance = kind == "random split"
    data, everyone = recipe.data, recipe.data.everyone
    used = everyone if chance else {name: (*data.trained[name], *data.tested[name]) for name in data.trained}
    return Table(
        model=f"{recipe.name}@{recipe.version}", title="HADLN and its baselines on beats of 187 samples" if chance else "HADLN on patients it has not seen", split=kind,
        protocol=BY_CHANCE if chance else TO_OTHERS.format(folds=recipe.by_patient.patient_folds),
        records=used, trained=everyone if chance else data.trained, tested=everyone if chance else data.tested, classes=recipe.classes,
        arms=tuple(arms), published=PUBLISHED if chance else (), comparisons=comparisons(arms, recipe.classes),
        command=_command(recipe), git_commit=git_commit(), device=device, minutes=round(minutes, 1),
    )  # fmt: skip


def _card(recipe: HadlnRecipe, shipped: ByPatient, patients: BeatSet, tables: Mapping[str, Table], device: str, minutes: float) -> Card:
    spec, how = recipe.input_by_patient, recipe.by_patient
    protocol = f"{TO_OTHERS.format(folds=how.patient_folds)}; {shipped.run.epochs} epochs"
    return Card(
        name=recipe.name, version=recipe.version, task="beat windows",
        input=InputSpec(
            leads=LEAD_II, fs_hz=spec.fs_hz, samples=spec.samples, before_samples=spec.before_samples, units="mV",
            scaling="0 to 1 over each part of 10 s, zeros after 1.2 of its median RR interval", band_hz=spec.band_hz, windowing=spec.windowing,
        ),
        classes=recipe.classes, thresholds=shipped.thresholds,
        training=TrainingData(
            trained=recipe.data.trained, held_out=recipe.data.trained, left_out=recipe.data.left_out, protocol=protocol,
            augmentation=recipe.augmentation.model_dump_json(), seed=how.seed,
        ),
        figures=(*(figure for table in tables.values() for figure in _figures(table)), *_checks(recipe, shipped, patients)),
        sha256="0" * 64, git_commit=git_commit(), device=device, minutes=round(minutes, 1), limits=LIMITS,
        intended_use="Beats as HADLN reads them, beside the default model, for a physician who wants to compare. Probabilities are calibrated on unseen patients of DS1.",
    )  # fmt: skip


def _figures(table: Table) -> list[Figure]:
    """The shipped arm, as shares of 1."""
    arm = next(arm for arm in table.arms if arm.name == SHIPPED)
    split = "mitdb, random split" if table.split == "random split" else "mitdb ds2, by patient"
    return [
        Figure(name=name, value=_share(mean), spread=_share(spread), n=len(arm.runs), protocol=table.protocol, split=split, command=table.command)
        for name, (mean, spread) in arm.summary(table.classes).items()
        if name in ON_CARD
    ]


def _checks(recipe: HadlnRecipe, shipped: ByPatient, beats: BeatSet) -> tuple[Figure, ...]:
    """Attention checks on the ectopic beats of held-out patients, each by the fold network that has not seen him."""
    torch.manual_seed(recipe.by_patient.seed)
    fresh = bare(contenders(recipe, recipe.input_by_patient, beats.windows)[SHIPPED].make()).eval()
    checks = [
        attention_checks.check(calibrated(bare(net), shipped.calibration), fresh, beats.windows[places[beats.targets[places] > 0]], recipe.by_patient.seed)
        for net, places in shipped.folds
    ]
    return attention_checks.card_figures(checks, f"by patient, {recipe.by_patient.patient_folds} folds of the trained records", _command(recipe))


def _command(recipe: HadlnRecipe) -> str:
    return f"python -m ecgcore train {recipe.name}"


def _share(percent: float) -> float | None:
    return round(percent / 100, 5) if np.isfinite(percent) else None
