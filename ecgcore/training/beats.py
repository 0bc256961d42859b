"""Training of the default beat model: module, calibration, figures on held-out patients, export."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

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
from ecgcore.models.beats import BeatNet, CalibratedBeatNet
from ecgcore.signals.features import RR_FEATURES
from ecgcore.signals.windows import beside_dominant
from ecgcore.training import loop
from ecgcore.training.beats_data import NO_BEAT, Prepared, Shuffled, Stretches, noise_leads, prepare_all
from ecgcore.training.export import export, git_commit
from ecgcore.training.recipes import Recipe

RARE: Final = 50  # a class with fewer beats weighs no more than one with this many
GREATEST_WEIGHT: Final = 20.0
THRESHOLDS: Final = np.round(np.arange(0.05, 0.96, 0.025), 3)  # tried for S and V
PRIOR: Final = 10
S, V = AAMI_CLASSES.index("S"), AAMI_CLASSES.index("V")
OTHERS: Final = 0.5  # threshold of F and Q, too rare to choose one
LIMITS: Final = (
    "Trained on two-lead ambulatory recordings of adults; never measured on children or on other leads than those of mitdb and svdb.",
    "F and Q are not established: too few beats of either in the training data.",
    "Paced rhythm: not established; paced beats may be called V.",
    "Atrial fibrillation: irregular conducted beats may be called S.",
    "Beats of ventricular flutter or fibrillation are not recognised as such.",
)


@dataclass(frozen=True)
class Scored:
    """Probabilities (n_beats, n_classes), targets and number of the patient (n_beats,)."""

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]
    patients: NDArray[np.int64]

    @classmethod
    def of(cls, parts: list["Scored"]) -> "Scored":
        """Several sets as one; their patients stay apart."""
        starts = np.cumsum([0, *(int(part.patients.max()) + 1 for part in parts)])
        patients = [part.patients + start for part, start in zip(parts, starts[:-1], strict=True)]
        return cls(np.concatenate([p.probabilities for p in parts]), np.concatenate([p.targets for p in parts]), np.concatenate(patients))


class BeatModule(LightningModule):
    """BeatNet under weighted cross-entropy, judged on held-out patients by its averaged weights."""

    def __init__(self, recipe: Recipe, class_weights: Tensor, stretches: Stretches, held_out: dict[str, list[Prepared]]) -> None:
        super().__init__()
        how = recipe.network
        self.recipe, self.stretches, self.held_out = recipe, stretches, held_out
        # An epoch has a stretch a record more or less, by its random offset; the cycle is as long as the longest would be.
        self.steps = recipe.optimisation.epochs * (len(stretches) // recipe.optimisation.batch + len(stretches.records))
        self.net = BeatNet(len(RR_FEATURES), len(AAMI_CLASSES), how.channels, how.hidden, how.dropout)
        average = get_ema_multi_avg_fn(1 - recipe.optimisation.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.loss = nn.CrossEntropyLoss(weight=class_weights, ignore_index=NO_BEAT, label_smoothing=recipe.optimisation.label_smoothing)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Loss of one batch of stretches."""
        beats, rr, targets = batch
        loss: Tensor = self.loss(self.net(beats, rr).flatten(0, 1), targets.flatten())
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Cut the stretches anew; chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.stretches.set_epoch(self.current_epoch)
        torch.manual_seed(self.recipe.optimisation.seed + 1000 * (self.current_epoch + 1))

    def on_train_epoch_end(self) -> None:
        """Score the averaged weights: the mean F1 by patient of S and of V, each at its best threshold."""
        net = cast(BeatNet, self.averaged.module).eval()
        scored = over_leads(net, [record for records in self.held_out.values() for record in records], self.device)
        self.log("score", float(np.mean([best_threshold(scored, k)[1] for k in (S, V)])), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        how = self.recipe.optimisation
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(recipe: Recipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[BeatNet, Card]:
    """Train by the recipe, in the folder `run`; the calibrated network and its card (without the hash of its weights)."""
    begun = time.monotonic()
    torch.manual_seed(recipe.optimisation.seed)
    training = prepare_all(recipe.data.trained, recipe.input)
    held_out = {name: prepare_all({name: records}, recipe.input) for name, records in recipe.data.held_out.items()}
    stretches = Stretches(training, recipe, noise_leads(recipe.input))
    module = BeatModule(recipe, class_weights(training), stretches, held_out)
    loader = DataLoader(stretches, recipe.optimisation.batch, sampler=Shuffled(stretches), drop_last=True)
    best = loop.fit(module, loader, run, recipe.optimisation, device, minutes, resume)
    net = BeatNet(len(RR_FEATURES), len(AAMI_CLASSES), recipe.network.channels, recipe.network.hidden, recipe.network.dropout)
    net.load_state_dict({key.removeprefix("averaged.module."): value for key, value in best.items() if key.startswith("averaged.module.")})
    card = finish(net.eval(), recipe, held_out, str(module.device), (time.monotonic() - begun) / 60)
    return net, card


def finish(net: BeatNet, recipe: Recipe, held_out: dict[str, list[Prepared]], device: str, minutes: float) -> Card:
    """Calibrate on the held-out patients, choose thresholds there, and measure there."""
    calibrate(net, held_out)
    scored = {name: over_leads(net, records, torch.device("cpu")) for name, records in held_out.items()}
    thresholds = choose_thresholds(Scored.of(list(scored.values())))
    figures = [figure for name, beats in scored.items() for figure in _figures(name, beats, thresholds, recipe)]
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
        training=TrainingData(
            trained=recipe.data.trained, held_out=recipe.data.held_out, left_out=recipe.data.left_out,
            augmentation=recipe.augmentation.model_dump_json(), seed=recipe.optimisation.seed,
        ),
        figures=tuple(figures),
        sha256="0" * 64,
        git_commit=git_commit(),
        device=device,
        minutes=round(minutes, 1),
        limits=LIMITS,
        intended_use="A first reading of beats as N, S, V, F or Q for a physician to check. Probabilities are calibrated on the held-out patients.",
    )  # fmt: skip


def save(net: BeatNet, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors and card into a folder; the card with the hash of the weights."""
    spec = card.input
    example = (torch.randn(2, 4, 2, spec.samples), torch.randn(2, 4, len(spec.features)))  # a length of 1 would be baked in
    return export(CalibratedBeatNet(net).eval(), example, ("beats", "rr"), ("probabilities",), ({0: "batch", 1: "time"}, {0: "batch", 1: "time"}), card, folder)


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


def over_leads(net: BeatNet, records: list[Prepared], device: torch.device) -> Scored:
    """Probabilities, the mean over leads as inference takes it, beside targets and patients."""
    scale, bias = net.scale.cpu(), net.bias.cpu()
    probabilities = [torch.softmax(logits_of(net, record, device) * scale + bias, dim=2).mean(dim=0).numpy() for record in records]
    patients = [np.full(record.at.size, number) for number, record in enumerate(records)]
    return Scored(np.concatenate(probabilities), np.concatenate([record.targets for record in records]), np.concatenate(patients))


def calibrate(net: BeatNet, held_out: dict[str, list[Prepared]]) -> None:
    """Find scale and bias by class that make single-lead probabilities fit the held-out beats best (log loss)."""
    records = [record for records in held_out.values() for record in records]
    cpu = torch.device("cpu")
    logits = torch.cat([logits_of(net, record, cpu).flatten(0, 1) for record in records])
    targets = torch.cat([torch.from_numpy(np.tile(record.targets, len(record.leads))) for record in records])
    scale, bias = torch.ones(1, requires_grad=True), torch.zeros(logits.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([scale, bias], max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(logits * scale + bias, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    net.scale.copy_(scale.detach())
    net.bias.copy_(bias.detach())


def patient_f1(found: NDArray[np.bool_], true: NDArray[np.bool_], patients: NDArray[np.int64]) -> float:
    """Mean over patients of one class's F1; PRIOR beats, found rightly, are added to each, so that those with few beats count too.

    A patient with thousands of ectopic beats weighs no more than one with ten.
    """
    hits, claims, facts = (np.bincount(patients, flags) for flags in (found & true, found, true))
    return float(np.mean((2 * hits + PRIOR) / (claims + facts + PRIOR)))


def best_threshold(scored: Scored, k: int, free: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """Threshold of class k with the best mean F1 by patient, and that F1; only `free` beats (n_beats,) can be called k."""
    free = np.ones(len(scored.targets), bool) if free is None else free
    reached = {t: patient_f1(free & (scored.probabilities[:, k] >= t), scored.targets == k, scored.patients) for t in THRESHOLDS}
    best = max(reached, key=reached.__getitem__)
    return float(best), reached[best]


def choose_thresholds(scored: Scored) -> dict[str, float]:
    """Thresholds by class, in the order in which `decide` asks: V first, then S among the beats that are not V."""
    v, _ = best_threshold(scored, V)
    s, _ = best_threshold(scored, S, scored.probabilities[:, V] < v)
    return {"S": s, "V": v, "F": OTHERS, "Q": OTHERS}


def expected_calibration_error(scored: Scored, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over equal bins of confidence, weighted by their beats (Guo et al., 2017)."""
    confidence, right = scored.probabilities.max(axis=1), scored.probabilities.argmax(axis=1) == scored.targets
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts, sums = np.bincount(place, minlength=bins), np.bincount(place, confidence - right, minlength=bins)
    return float(np.abs(sums).sum() / counts.sum())


def _figures(name: str, scored: Scored, thresholds: dict[str, float], recipe: Recipe) -> list[Figure]:
    found = decide(scored.probabilities, AAMI_CLASSES, thresholds)
    measured = {"expected calibration error": expected_calibration_error(scored)}
    for k in (S, V):
        measured[f"{AAMI_CLASSES[k]} F1, gross"] = 2 * ((found == k) & (scored.targets == k)).sum() / max(1, (found == k).sum() + (scored.targets == k).sum())
        measured[f"{AAMI_CLASSES[k]} F1, mean over patients, {PRIOR} right beats added to each"] = patient_f1(found == k, scored.targets == k, scored.patients)
    return [
        Figure(
            name=what, value=round(float(value), 4), spread=None, n=1, protocol="reference beats, both leads, patients that chose epoch, calibration and thresholds",
            split=f"by patient, {name} {', '.join(recipe.data.held_out[name])}", command=f"python -m ecgcore train {recipe.name}",
        )
        for what, value in measured.items()
    ]  # fmt: skip
