"""How the seven configurations learn: weighted cross-entropy, cosine restarts, and an end when macro F1 on the records held out stays behind."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own usage
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ecgcore.evaluation.rhythms import Judged, measured
from ecgcore.models.rhythm_standardised import StandardisedSeResNet18, StandardisedUniversal
from ecgcore.models.universal import LEAD_IDS, SeResNet18, UniversalECGNet, lead_dropout
from ecgcore.training import loop
from ecgcore.training.chapman_set import ChapmanSet
from ecgcore.training.learner import Learner
from ecgcore.training.recipes import ChapmanRecipe
from ecgcore.training.rhythm_augmentation import altered

EVERY_LEAD: Final = tuple(range(LEAD_IDS))
LEAST: Final = 1e-12  # of a probability, so that its logarithm is finite
STEPS_AN_EPOCH: Final = 100_000  # more than there are: no two batches share a seed

RhythmNet = StandardisedSeResNet18 | StandardisedUniversal


class Batch(NamedTuple):
    """signals (batch, 12, n) in mV, features (batch, k), targets (batch,)."""

    signals: Tensor
    features: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class Learned:
    """A network with the weights of its best epoch, which that was and how many it took, both counted from 1."""

    net: RhythmNet
    best_epoch: int
    epochs: int


class Batches(Dataset[Batch]):
    """The records learned from, in an order that depends on seed and epoch alone, in batches as even as may be."""

    def __init__(self, records: ChapmanSet, size: int, seed: int) -> None:
        self.records, self.size, self.seed = records, size, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew."""
        order = np.random.default_rng((self.seed, epoch)).permutation(self.records.split.trained)
        self.places = np.array_split(order, -(-order.size // self.size))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: int) -> Batch:
        """One batch."""
        return batch_of(self.records, self.places[item])


class RhythmModule(Learner):
    """One configuration; after each epoch it is asked about the records held out, and its best weights are kept."""

    best: Tensor
    best_epoch: Tensor
    seen: Tensor
    weights: Tensor

    def __init__(self, recipe: ChapmanRecipe, records: ChapmanSet) -> None:
        super().__init__()
        self.recipe, self.records = recipe, records
        self.batches = Batches(records, recipe.optimisation.batch, recipe.optimisation.seed)
        torch.manual_seed(recipe.optimisation.seed)
        self.net = network(recipe, records)
        self.kept = copy.deepcopy(self.net).requires_grad_(False)
        self.register_buffer("weights", class_weights(records.targets[records.split.trained], len(recipe.classes)))
        self.register_buffer("best", torch.tensor(-1.0, dtype=torch.float64))  # in float32 an equal score may look better
        self.register_buffer("best_epoch", torch.tensor(0))
        self.register_buffer("seen", torch.tensor(0))

    def loss_of(self, batch: Batch, number: int) -> Tensor:
        """Loss of one batch, altered; of a universal network with all leads or some."""
        how = self.recipe.optimisation
        signals = altered(batch.signals, self.recipe.input.fs_hz, self.recipe.augmentation, self._chance(number, self.device))
        if isinstance(self.net, StandardisedUniversal):
            present = lead_dropout((len(signals), LEAD_IDS), self._chance(number, torch.device("cpu")), self.recipe.augmentation.lead_dropout)
            logits = self.net(*only(signals, present.to(self.device)))[0]
        else:
            logits = self.net(signals, batch.features)
        return F.cross_entropy(logits.float(), batch.targets, self.weights, label_smoothing=how.label_smoothing)

    def count(self, batch: Batch) -> float:
        """The weight of the classes of its records."""
        return float(self.weights[batch.targets].sum())

    def on_before_optimizer_step(self, *_: Any) -> None:
        """No gradient longer than the recipe's."""
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.optimisation.clip)

    def on_train_epoch_start(self) -> None:
        """Chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.batches.set_epoch(self.current_epoch)
        torch.manual_seed(self.recipe.optimisation.seed + 1000 * (self.current_epoch + 1))

    def ask(self) -> None:
        """Ask about the records held out; keep the weights if none were better."""
        held = self.records.split.held_out
        said = Judged(self.recipe.classes, probabilities(self.net.eval(), self.records, held, self.recipe.optimisation.batch), self.records.targets[held])
        self.net.train()
        score = measured(said)["macro F1"]
        self.tell("macro_f1", score)
        self.tell("validation loss", log_loss(said))
        self.seen.fill_(self.current_epoch + 1)
        if score > float(self.best):
            self.kept.load_state_dict(self.net.state_dict())
            self.best.fill_(score)
            self.best_epoch.fill_(self.current_epoch)

    def ended(self) -> bool:
        """Whether no weights have been better for as long as the recipe is patient."""
        return int(self.seen) > int(self.best_epoch) + self.recipe.optimisation.patience

    def configure_optimizers(self) -> Any:
        """AdamW, cosine with warm restarts."""
        how = self.recipe.optimisation
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, how.restart_epochs, how.restart_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def _chance(self, number: int, device: torch.device) -> torch.Generator:
        return torch.Generator(device).manual_seed((self.recipe.optimisation.seed * STEPS_AN_EPOCH + self.current_epoch) * STEPS_AN_EPOCH + number)


def learn(recipe: ChapmanRecipe, records: ChapmanSet, run: Path, device: str, minutes: float | None, resume: bool) -> Learned:
    """One training in the folder `run`."""
    module = RhythmModule(recipe, records)
    chance = torch.Generator()  # the loader draws a seed at times of its own; from the common generator, dropout would differ after a resumption
    loader = DataLoader(module.batches, batch_size=None, shuffle=False, generator=chance)
    state = loop.fit(module, loader, run, recipe.optimisation.epochs, device, minutes, resume)
    net = module.kept.cpu()
    net.load_state_dict({key.removeprefix("kept."): value for key, value in state.items() if key.startswith("kept.")})
    return Learned(net.eval(), int(state["best_epoch"]) + 1, int(state["seen"]))


def network(recipe: ChapmanRecipe, records: ChapmanSet) -> RhythmNet:
    """A fresh network of a configuration, standardised by the records learned from."""
    how, learned = recipe.network, records.split.trained
    mean, deviation = zip(*(_level(records.signals[learned, lead]) for lead in range(LEAD_IDS)), strict=True)
    if recipe.configuration == "universal":
        universal = StandardisedUniversal(UniversalECGNet(len(recipe.classes), how.widths, recompute=how.recompute))
        universal.signals.take(mean, deviation)
        return universal
    size = len(records.columns)
    net = StandardisedSeResNet18(SeResNet18(len(recipe.classes), metadata=size, widths=how.widths), size)
    net.signals.take(mean, deviation)
    known = records.features[learned]
    net.features.take([_of_known(column, np.mean) for column in known.T], [_of_known(column, np.std) for column in known.T])
    return net


def class_weights(targets: NDArray[np.int64], n_classes: int) -> Tensor:
    """By inverse frequency, 1 for a class of mean size; 0 for one without a record."""
    counts = np.bincount(targets, minlength=n_classes)
    there = counts > 0
    weights = np.where(there, targets.size / (np.count_nonzero(there) * np.maximum(counts, 1)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


def batch_of(records: ChapmanSet, places: NDArray[np.int64]) -> Batch:
    """The records at these places."""
    return Batch(torch.from_numpy(records.signals[places]), torch.from_numpy(records.features[places].astype(np.float32)), torch.from_numpy(records.targets[places]))


def only(signals: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The leads that are there, equally many in each record: signals (batch, k, n) and their ids (batch, k).

    The others are left out, not set to zero as in the paper: they weigh nothing either way, but here neither cost time nor enter the batch norm.
    """
    ids = present.nonzero()[:, 1].reshape(len(signals), -1)
    return signals.gather(1, ids[:, :, None].expand(-1, -1, signals.shape[2])), ids


def probabilities(net: RhythmNet, records: ChapmanSet, places: NDArray[np.int64], size: int, leads: Sequence[int] = EVERY_LEAD) -> NDArray[np.float64]:
    """Probabilities (n, n_classes) for these records, by `size` at once; `leads` are ids of those that a universal network sees."""
    where, out = next(net.parameters()).device, []
    ids = torch.tensor(leads, device=where)
    with torch.no_grad():
        for at in range(0, places.size, size):
            batch = batch_of(records, places[at : at + size])
            signals = batch.signals.to(where)
            universal = isinstance(net, StandardisedUniversal)
            logits = net(signals[:, ids], ids.expand(len(signals), -1))[0] if universal else net(signals, batch.features.to(where))
            out.append(logits.double().softmax(dim=1).cpu())
    return np.asarray(torch.cat(out).numpy(), np.float64)


def log_loss(said: Judged) -> float:
    """Mean of -log of the probability of the right class."""
    right = said.probabilities[np.arange(len(said.targets)), said.targets]
    return float(-np.log(np.maximum(right, LEAST)).mean())


def parts(net: RhythmNet) -> dict[str, nn.Module]:
    """The parts of a network by name, without what standardises its inputs."""
    return {name: part for name, part in net.net.named_children() if part is not None}


def _level(lead_mv: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and deviation of one lead of many records; lead by lead, since all at once would double the memory of the set."""
    return float(lead_mv.mean(dtype=np.float64)), float(lead_mv.std(dtype=np.float64))


def _of_known(column: NDArray[np.float64], measure: Any) -> float:
    """Of the values that are known; 0 where none is."""
    known = column[np.isfinite(column)]
    return float(measure(known)) if known.size else 0.0
