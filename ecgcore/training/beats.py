"""Training of the default beat model: by-patient folds to choose from, then all patients, then export."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.beats import decide
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.models.beats import BeatNet, CalibratedBeatNet
from ecgcore.signals.features import RR_FEATURES
from ecgcore.signals.windows import beside_dominant
from ecgcore.training import loop
from ecgcore.training.beats_data import NO_BEAT, Prepared, Shuffled, Stretches, noise_leads, prepare_all
from ecgcore.training.calibration import (
    NONE,
    PRIOR,
    S,
    Scored,
    Unseen,
    V,
    best_threshold,
    calibrate,
    choose_thresholds,
    expected_calibration_error,
    flagging,
    patient_f1,
    reliability,
)
from ecgcore.training.export import export, git_commit
from ecgcore.training.learner import Learner
from ecgcore.training.recipes import Recipe

INPUTS: Final = ("beats", "rr")
RARE: Final = 50  # a class with fewer beats weighs no more than one with this many
GREATEST_WEIGHT: Final = 20.0
LIMITS: Final = (
    "Trained on two-lead ambulatory recordings of adults; never measured on children or on other leads than those of mitdb and svdb.",
    "S is weak: many supraventricular ectopic beats are missed and many called so are none; see SVEB in the figures of DS2 before relying on a count of S.",
    "F and Q are not established: too few beats of either in the training data.",
    "Paced rhythm: not established; paced beats may be called V.",
    "Atrial fibrillation: irregular conducted beats may be called S.",
    "Beats of ventricular flutter or fibrillation are not recognised as such.",
)


class BeatLoss(nn.Module):
    """Cross-entropy, averaged by the weight of each beat and of its class; the padding has no say."""

    by_class: Tensor

    def __init__(self, by_class: Tensor, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("by_class", by_class, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Of logits (n, n_classes), targets (n,) and weights (n,)."""
        each = nn.functional.cross_entropy(logits, targets, self.by_class, ignore_index=NO_BEAT, reduction="none", label_smoothing=self.smoothing)
        return (weights * each).sum() / self.weigh(targets, weights).sum()

    def weigh(self, targets: Tensor, weights: Tensor) -> Tensor:
        """How much each beat counts."""
        return weights * self.by_class[targets.clamp(min=0)] * (targets != NO_BEAT)


class BeatModule(Learner):
    """BeatNet under weighted cross-entropy; after each epoch its averaged weights say what they think of the unseen patients."""

    def __init__(self, recipe: Recipe, training: list[Prepared], unseen: list[Prepared], noise: list[NDArray[np.float32]], run: Path) -> None:
        super().__init__()
        how = recipe.network
        self.recipe, self.unseen, self.run = recipe, unseen, run
        self.stretches = stretches = Stretches(training, recipe, noise)
        # An epoch has a stretch a record more or less, by its random offset; the cycle is as long as the longest would be.
        self.steps = recipe.optimisation.epochs * (len(stretches) // recipe.optimisation.batch + sum(record.times for record in training))
        torch.manual_seed(recipe.optimisation.seed)
        self.net = BeatNet(len(RR_FEATURES), len(AAMI_CLASSES), how.channels, how.hidden, how.dropout)
        average = get_ema_multi_avg_fn(1 - recipe.optimisation.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.loss = BeatLoss(class_weights(training), recipe.optimisation.label_smoothing)

    def loss_of(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], number: int) -> Tensor:  # noqa: ARG002 - chance is dropout's alone
        """Loss of one batch of stretches."""
        beats, rr, targets, weights = batch
        loss: Tensor = self.loss(self.net(beats, rr).flatten(0, 1), targets.flatten(), weights.flatten())
        return loss

    def count(self, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> float:
        """The weight of the beats."""
        *_, targets, weights = batch
        return float(self.loss.weigh(targets, weights).sum())

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Cut the stretches anew; chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.stretches.set_epoch(self.current_epoch)
        torch.manual_seed(self.recipe.optimisation.seed + 1000 * (self.current_epoch + 1))

    def ask(self) -> None:
        """Write the logits of the unseen patients beside the checkpoint, and tell the loss on them."""
        if self.unseen:
            said = {record.name: logits_of(self.averaged.module.eval(), record, self.device) for record in self.unseen}
            np.savez(_logits_file(self.run, self.current_epoch), **{name: logits.numpy() for name, logits in said.items()})  # type: ignore[arg-type] # numpy's stub takes one of them for allow_pickle
            self.tell("validation loss", unseen_loss(said, self.unseen))

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        how = self.recipe.optimisation
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def parts(recipe: Recipe) -> int:
    """How many trainings there are."""
    return recipe.optimisation.folds + 1


def train(recipe: Recipe, run: Path, device: str, minutes: float | None, resume: bool, patients: Sequence[Sequence[Prepared]] | None = None) -> tuple[BeatNet, Card]:
    """Train by the recipe, in the folder `run`; the calibrated network and its card (without the hash of its weights).

    `patients` are the records of each, named as in the recipe's `data.trained`; those are read where none are given, a patient a record.

    By-patient folds come first: epochs, calibration and thresholds are chosen on what each patient's network, which has
    not seen him, says. Then one network learns from all patients for the epochs chosen. `minutes` are shared out evenly.
    """
    begun, device = time.monotonic(), loop.accelerator(device)
    patients = patients or [[record] for record in prepare_all(recipe.data.trained, recipe.input)]
    noise = noise_leads(recipe.input)
    share = minutes / parts(recipe) if minutes else None
    said = []
    for fold in range(recipe.optimisation.folds):
        unseen = _records(patients[fold :: recipe.optimisation.folds])
        training = [record for record in _records(patients) if record not in unseen]
        fit(BeatModule(recipe, training, unseen, noise, run / f"fold{fold}"), recipe.optimisation.epochs, device, share, resume)
        said.append(_said(run / f"fold{fold}", unseen))
    epochs, chosen = choose_epochs(said)
    state = fit(BeatModule(recipe, _records(patients), [], noise, run / "all"), epochs, device, share, resume)
    net = averaged(recipe, state)
    return net, finish(net, recipe, chosen, device, epochs, (time.monotonic() - begun) / 60)


def averaged(recipe: Recipe, state: dict[str, Any]) -> BeatNet:
    """The averaged network of a module's state."""
    net = BeatNet(len(RR_FEATURES), len(AAMI_CLASSES), recipe.network.channels, recipe.network.hidden, recipe.network.dropout).eval()
    net.load_state_dict({key.removeprefix("averaged.module."): value for key, value in state.items() if key.startswith("averaged.module.")})
    return net


def fit(module: BeatModule, epochs: int, device: str, minutes: float | None, resume: bool) -> dict[str, Any]:
    """Train one module for so many epochs in its own folder; its last state."""
    chance = torch.Generator()  # the loader draws a seed at times of its own; from the common generator, dropout would differ after a resumption
    batch = module.recipe.optimisation.batch
    few = len(module.stretches) < 2 * batch  # without the last, smaller batch a single short recording would give none
    loader = DataLoader(module.stretches, batch, sampler=Shuffled(module.stretches), drop_last=not few, generator=chance)
    return loop.fit(module, loader, module.run, epochs, device, minutes, resume)


def choose_epochs(said: Sequence[dict[int, dict[str, Unseen]]]) -> tuple[int, dict[str, Unseen]]:
    """The number of epochs with the best mean F1 by patient of S and V, and what was said of each patient then.

    said  for each fold: by epoch (from 0), by name of the patient's record.
    """
    common = set.intersection(*(set(fold) for fold in said))

    def patients(epoch: int) -> dict[str, Unseen]:
        return {name: unseen for fold in said for name, unseen in fold[epoch].items()}

    def score(epoch: int) -> float:
        scored = Scored.of(list(patients(epoch).values()), NONE)
        return float(np.mean([best_threshold(scored, k)[1] for k in (S, V)]))

    best = max(sorted(common), key=score)
    return best + 1, patients(best)


def finish(net: BeatNet, recipe: Recipe, said: dict[str, Unseen], device: str, epochs: int, minutes: float) -> Card:
    """Calibrate on what was said of unseen patients, choose thresholds there, and measure there."""
    calibration = calibrate(list(said.values()))
    net.scale.fill_(calibration.scale)
    net.bias.copy_(torch.from_numpy(calibration.bias))
    everyone = Scored.of(list(said.values()), calibration)
    thresholds = choose_thresholds(everyone)
    flags = flagging(everyone, decide(everyone.probabilities, AAMI_CLASSES, thresholds))
    by_set = {name: Scored.of([said[record] for record in records], calibration) for name, records in recipe.data.trained.items()}
    figures = [figure for name, scored in by_set.items() for figure in _figures(name, scored, thresholds, recipe)]
    return Card(
        name=recipe.name,
        version=recipe.version,
        task="beats",
        input=InputSpec(
            leads="any", fs_hz=recipe.input.fs_hz, samples=recipe.input.samples, before_samples=recipe.input.before_samples, units="mV",
            scaling="over the range of the patient's dominant beat in that lead, arcsinh", band_hz=recipe.input.band_hz, features=RR_FEATURES,
        ),
        classes=AAMI_CLASSES,
        thresholds=thresholds,
        certain_from=flags.certain_from,
        reliability=reliability(everyone),
        uncertain=flags.shares,
        training=TrainingData(
            trained=recipe.data.trained, held_out=recipe.data.trained, left_out=recipe.data.left_out,
            protocol=f"{recipe.optimisation.folds} folds by patient chose {epochs} epochs, calibration and thresholds; then trained on all of them",
            augmentation=recipe.augmentation.model_dump_json(), seed=recipe.optimisation.seed,
        ),
        figures=tuple(figures),
        sha256="0" * 64,
        git_commit=git_commit(),
        device=device,
        minutes=round(minutes, 1),
        limits=LIMITS,
        intended_use="A first reading of beats as N, S, V, F or Q for a physician to check. Probabilities are calibrated on unseen patients of the folds.",
    )  # fmt: skip


def save(net: BeatNet, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors and card into a folder; the card with the hash of the weights."""
    return export(CalibratedBeatNet(net).eval(), example(card), INPUTS, ("probabilities",), ({0: "batch", 1: "time"}, {0: "batch", 1: "time"}), card, folder)


def example(card: Card) -> tuple[Tensor, Tensor]:
    """Random inputs of the network as it is exported; a length of 1 would be baked in."""
    return torch.randn(2, 4, 2, card.input.samples), torch.randn(2, 4, len(card.input.features))


def class_weights(records: list[Prepared]) -> Tensor:
    """Weight by class: the inverse square root of its share, 1 on average over beats, with a ceiling."""
    counts = np.bincount(np.concatenate([record.targets for record in records]), minlength=len(AAMI_CLASSES))
    weights = np.sqrt(counts.sum() / np.maximum(counts, RARE))
    weights *= counts.sum() / (weights * counts).sum()
    return torch.tensor(np.minimum(weights, GREATEST_WEIGHT), dtype=torch.float32)


def logits_of(net: nn.Module, record: Prepared, device: torch.device) -> Tensor:
    """Logits (n_leads, n_beats, n_classes) of one record, each lead alone, on the CPU."""
    rr = torch.from_numpy(record.rr)[None].to(device)
    inputs = [beside_dominant(lead, record.at, usual, record.before_samples) for lead, usual in zip(record.leads, record.usual, strict=True)]
    with torch.no_grad():
        return torch.cat([net(torch.from_numpy(beats)[None].to(device), rr) for beats in inputs]).cpu()


def unseen_loss(said: Mapping[str, Tensor], unseen: Sequence[Prepared]) -> float:
    """Mean cross-entropy of all beats of these patients in all their leads, from logits (n_leads, n_beats, n_classes) by name."""
    each = [nn.functional.cross_entropy(said[one.name].flatten(0, 1), torch.from_numpy(one.targets).repeat(len(one.leads)), reduction="none") for one in unseen]
    return float(torch.cat(each).mean())


def _records(patients: Sequence[Sequence[Prepared]]) -> list[Prepared]:
    return [record for patient in patients for record in patient]


def _figures(name: str, scored: Scored, thresholds: dict[str, float], recipe: Recipe) -> list[Figure]:
    protocol = f"reference beats, both leads, {recipe.optimisation.folds} folds by patient, which chose epochs, calibration and thresholds"
    found = decide(scored.probabilities, AAMI_CLASSES, thresholds)
    measured: dict[str, float] = {}
    for k in (S, V):
        measured[f"{AAMI_CLASSES[k]} F1, gross"] = 2 * ((found == k) & (scored.targets == k)).sum() / max(1, (found == k).sum() + (scored.targets == k).sum())
        measured[f"{AAMI_CLASSES[k]} F1, mean over patients, {PRIOR} right beats added to each"] = patient_f1(found == k, scored.targets == k, scored.patients)
    measured["calibration error (ECE), gross"] = expected_calibration_error(scored)
    return [
        Figure(
            name=what, value=round(float(value), 4), spread=None, n=1, protocol=protocol,
            split=f"by patient, {name}, {len(recipe.data.trained[name])} records", command=f"python -m ecgcore train {recipe.name}",
        )
        for what, value in measured.items()
    ]  # fmt: skip


def _logits_file(run: Path, epoch: int) -> Path:
    return run / f"unseen-{epoch}.npz"


def _said(run: Path, unseen: list[Prepared]) -> dict[int, dict[str, Unseen]]:
    """What one fold said of its unseen patients, by epoch."""
    by_epoch = {}
    for path in run.glob("unseen-*.npz"):
        with np.load(path) as logits:
            by_epoch[int(path.stem.removeprefix("unseen-"))] = {record.name: Unseen(logits[record.name], record.targets) for record in unseen}
    return by_epoch
