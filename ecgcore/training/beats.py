"""Training of the default beat model: a network for each fold of the patients, thresholds from what they say of those unseen, then export."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.beats import decide
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.models.beats import CHANNELS, BeatEnsemble, BeatNet
from ecgcore.signals.features import RR_FEATURES
from ecgcore.signals.windows import beside_usual
from ecgcore.training import loop
from ecgcore.training.beats_data import NO_BEAT, NOT_S, Prepared, Shuffled, Stretches, noise_leads, prepare_all, prepare_weak
from ecgcore.training.calibration import (
    ALL_LEADS,
    FIRST_LEAD,
    PRIOR,
    S,
    Scored,
    Unseen,
    V,
    calibrate,
    choose_thresholds,
    expected_calibration_error,
    flagging,
    gross_f1,
    patient_f1,
    reliability,
)
from ecgcore.training.export import export, git_commit
from ecgcore.training.recipes import Optimisation, Recipe

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


class BeatModule(LightningModule):
    """BeatNet under weighted cross-entropy; beats known only not to be S are pushed away from S, and a little from V."""

    def __init__(self, recipe: Recipe, training: list[Prepared], unseen: list[Prepared], noise: list[NDArray[np.float32]], run: Path) -> None:
        super().__init__()
        self.recipe, self.unseen, self.run = recipe, unseen, run
        self.stretches = stretches = Stretches(training, recipe, noise)
        most = len(stretches) + sum(record.whole for record in training)  # an epoch has a stretch a whole record more or less, by its random offset
        self.steps = recipe.optimisation.epochs * (most // recipe.optimisation.batch)
        torch.manual_seed(recipe.optimisation.seed)
        self.net = _network(recipe)
        average = get_ema_multi_avg_fn(1 - recipe.optimisation.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.register_buffer("weights", class_weights([record for record in training if record.whole]))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Loss of one batch of stretches."""
        beats, rr, targets = batch
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.optimisation.bfloat16):
            logits = self.net(beats, rr).flatten(0, 1)
        loss = beat_loss(logits.float(), targets.flatten(), self.weights, self.recipe.optimisation)  # type: ignore[arg-type]
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Cut the stretches anew; chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.stretches.set_epoch(self.current_epoch)
        torch.manual_seed(self.recipe.optimisation.seed + 1000 * (self.current_epoch + 1))

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        how = self.recipe.optimisation
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def beat_loss(logits: Tensor, targets: Tensor, weights: Tensor, how: Optimisation) -> Tensor:
    """Loss of beats: logits (n, n_classes), targets (n,), of which NO_BEAT counts for nothing and NOT_S for what it says; weights (n_classes,)."""
    known = torch.where(targets >= 0, targets, NO_BEAT)
    loss = nn.functional.cross_entropy(logits, known, weights, ignore_index=NO_BEAT, label_smoothing=how.label_smoothing)
    weak = torch.log_softmax(logits[targets == NOT_S], dim=1)
    if len(weak):
        others = torch.arange(weak.shape[1], device=weak.device)
        not_s, not_v = (torch.logsumexp(weak[:, others != k], dim=1) for k in (S, V))
        loss = loss - (not_s + how.weak_not_v * not_v).mean()
    return loss


def train(recipe: Recipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[BeatEnsemble, Card]:
    """Train by the recipe, in the folder `run`; the networks together and their card (without the hash of the weights).

    Each network learns from all patients but a fold; calibration and thresholds are chosen on what each patient's network,
    which has not seen him, says. What is shipped is all of them together. `minutes` are shared out evenly.
    """
    begun, device = time.monotonic(), loop.accelerator(device)
    patients, weak = prepare_all(recipe.data.trained, recipe.input), prepare_weak(recipe.data.weak, recipe.input)
    noise, folds = noise_leads(recipe.input), recipe.optimisation.folds
    nets: list[BeatNet] = []
    said: dict[str, Unseen] = {}
    for fold in range(folds):
        unseen = patients[fold::folds]
        training = [record for record in patients if record not in unseen] + weak
        nets.append(fit(BeatModule(recipe, training, unseen, noise, run / f"fold{fold}"), device, minutes / folds if minutes else None, resume))
        said |= {record.name: Unseen(logits_of(nets[-1], record).numpy(), record.targets) for record in unseen}
    card = finish(nets, recipe, said, device, (time.monotonic() - begun) / 60)
    return BeatEnsemble(nets).eval(), card.model_copy(update={"training": card.training.model_copy(update={"weak": _ids(weak, recipe)})})


def fit(module: BeatModule, device: str, minutes: float | None, resume: bool) -> BeatNet:
    """Train one module in its own folder; the network with its averaged weights."""
    how = module.recipe.optimisation
    own = torch.Generator().manual_seed(how.seed)  # else the loader draws from the chance of the network, at another time where a run is resumed
    loader = DataLoader(module.stretches, how.batch, sampler=Shuffled(module.stretches), drop_last=True, generator=own)
    state = loop.fit(module, loader, module.run, how.epochs, device, minutes, resume)
    net = _network(module.recipe).eval()
    net.load_state_dict({key.removeprefix("averaged.module."): value for key, value in state.items() if key.startswith("averaged.module.")})
    return net


def finish(nets: Sequence[BeatNet], recipe: Recipe, said: dict[str, Unseen], device: str, minutes: float) -> Card:
    """Calibrate on what was said of unseen patients, choose thresholds there, and measure there."""
    calibration = calibrate(list(said.values()))
    for net in nets:
        net.scale.fill_(calibration.scale)
        net.bias.copy_(torch.from_numpy(calibration.bias))
    thresholds = choose_thresholds(Scored.of(list(said.values()), calibration))
    by_set = {name: [said[record] for record in records] for name, records in recipe.data.trained.items()}
    figures = [
        figure
        for name, patients in by_set.items()
        for leads in (FIRST_LEAD, ALL_LEADS)
        for figure in _figures(name, leads, Scored.of(patients, calibration, (leads,)), thresholds, recipe)
    ]
    everyone = Scored.of(list(said.values()), calibration, (ALL_LEADS,))
    flags = flagging(everyone, decide(everyone.probabilities, AAMI_CLASSES, thresholds))
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
            protocol=f"{len(nets)} networks together, each trained without a fold of the patients; calibration and thresholds by what each patient's unseeing network says",
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


def save(net: BeatEnsemble, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors and card into a folder; the card with the hash of the weights."""
    spec = card.input
    example = (torch.randn(2, 4, CHANNELS, spec.samples), torch.randn(2, 4, len(spec.features)))  # a length of 1 would be baked in
    return export(net, example, ("beats", "rr"), ("probabilities",), ({0: "batch", 1: "time"}, {0: "batch", 1: "time"}), card, folder)


def class_weights(records: list[Prepared]) -> Tensor:
    """Weight by class: the inverse square root of its share, 1 on average over beats, with a ceiling."""
    counts = np.bincount(np.concatenate([record.targets for record in records]), minlength=len(AAMI_CLASSES))
    weights = np.sqrt(counts.sum() / np.maximum(counts, RARE))
    weights *= counts.sum() / (weights * counts).sum()
    return torch.tensor(np.minimum(weights, GREATEST_WEIGHT), dtype=torch.float32)


def logits_of(net: nn.Module, record: Prepared) -> Tensor:
    """Logits (n_leads, n_beats, n_classes) of one record, each lead alone."""
    rr = torch.from_numpy(record.rr)[None]
    inputs = [beside_usual(lead, record.at, usual, record.before_samples) for lead, usual in zip(record.leads, record.usual, strict=True)]
    with torch.no_grad():
        return torch.cat([net(torch.from_numpy(beats)[None], rr) for beats in inputs])


def _network(recipe: Recipe) -> BeatNet:
    return BeatNet(len(RR_FEATURES), len(AAMI_CLASSES), recipe.network.channels, recipe.network.hidden, recipe.network.dropout)


def _ids(weak: Sequence[Prepared], recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Names of the weakly labelled recordings, by data set; of one data set only."""
    return dict.fromkeys(recipe.data.weak, tuple(record.name for record in weak))


def _figures(name: str, leads: str, scored: Scored, thresholds: dict[str, float], recipe: Recipe) -> list[Figure]:
    protocol = f"reference beats, {leads}, each patient by the network of the {recipe.optimisation.folds} that has not seen him; calibration and thresholds were chosen on these"
    found = decide(scored.probabilities, AAMI_CLASSES, thresholds)
    measured: dict[str, float] = {}
    for k in (S, V):
        measured[f"{AAMI_CLASSES[k]} F1, gross"] = gross_f1(found == k, scored.targets == k)
        measured[f"{AAMI_CLASSES[k]} F1, mean over patients, {PRIOR} right beats added to each"] = patient_f1(found == k, scored.targets == k, scored.patients)
    measured["calibration error (ECE), gross"] = expected_calibration_error(scored)
    return [
        Figure(
            name=what, value=round(float(value), 4), spread=None, n=1, protocol=protocol,
            split=f"by patient, {name}, {len(recipe.data.trained[name])} records", command=f"python -m ecgcore train {recipe.name}",
        )
        for what, value in measured.items()
    ]  # fmt: skip
