"""How a classifier of single windows learns: batches are slices of one tensor, held-out beats are asked after each epoch."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from ecgcore.training import loop
from ecgcore.training.beat_sets import BeatSet
from ecgcore.training.learner import Learner
from ecgcore.training.recipes import WindowOptimisation

CHUNK: Final = 4096  # beats asked about at once
GREATEST_WEIGHT: Final = 20.0

Make = Callable[[], nn.Module]


@dataclass(frozen=True, eq=False)
class Task:
    """What one run learns from.

    training  (n,) places in `beats` learned from
    held      (m,) places asked about after each epoch; none for no choice of an epoch
    chooses   whether they choose the epoch whose weights are kept, or are only followed
    make      gives a fresh network: windows (batch, samples) → logits, or a tuple that begins with them
    loss      of logits (batch, n_classes) and targets (batch,), and of weights (batch,) where beats have some
    weights   (n_beats,) of each beat in the loss, all above 0, or None for none; a beat with another than 1 is in every epoch, whatever its class
    """

    beats: BeatSet
    training: NDArray[np.int64]
    held: NDArray[np.int64]
    make: Make
    loss: nn.Module
    how: WindowOptimisation
    seed: int
    weights: NDArray[np.float32] | None = None
    chooses: bool = True


@dataclass(frozen=True, eq=False)
class Learned:
    """A network after its run.

    net     averaged weights, of the epoch that ranked the held-out beats best; of the last one where none were held out
    epochs  how many it took
    held    by epoch from 0, logits (m, n_classes) of the held-out beats
    """

    net: nn.Module
    epochs: int
    held: dict[int, NDArray[np.float32]]


class Batches(Dataset[tuple[Tensor, ...]]):
    """Whole batches (windows, targets; weights where there are some) in an order that depends on seed and epoch alone; class 0 is drawn from."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.windows, self.targets = torch.from_numpy(task.beats.windows), torch.from_numpy(task.beats.targets)
        self.weights = None if task.weights is None else torch.from_numpy(task.weights)
        common = task.beats.targets[task.training] == 0
        if task.weights is not None:
            common &= task.weights[task.training] == 1
        self.common, self.rare = task.training[common], task.training[~common]
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw and shuffle anew."""
        rng = np.random.default_rng((self.task.seed, epoch))
        drawn = rng.choice(self.common, round(self.task.how.share_of_n * self.common.size), replace=False)
        order = torch.from_numpy(rng.permutation(np.concatenate([drawn, self.rare])))
        full = max(1, order.numel() // self.task.how.batch)
        self.places = torch.split(order[: full * self.task.how.batch], self.task.how.batch)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: int) -> tuple[Tensor, ...]:
        """One batch."""
        chosen = self.places[item]
        given = self.windows[chosen], self.targets[chosen]
        return given if self.weights is None else (*given, self.weights[chosen])


class WindowModule(Learner):
    """A window classifier under a given loss; after each epoch its averaged weights rank the held-out beats, the best are kept."""

    best: Tensor
    best_epoch: Tensor

    def __init__(self, task: Task, run: Path) -> None:
        super().__init__()
        self.task, self.run, self.batches = task, run, Batches(task)
        torch.manual_seed(task.seed)
        self.net = task.make()
        average = get_ema_multi_avg_fn(1 - task.how.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.kept = copy.deepcopy(self.net)
        self.loss = task.loss
        self.register_buffer("best", torch.tensor(-1.0))
        self.register_buffer("best_epoch", torch.tensor(0))

    def loss_of(self, batch: tuple[Tensor, ...], number: int) -> Tensor:  # noqa: ARG002 - chance is the common generator's
        """Loss of one batch."""
        windows, targets, *weights = batch
        loss: Tensor = self.loss(first(self.net(windows)).float(), targets, *weights)
        return loss

    def count(self, batch: tuple[Tensor, ...]) -> float:
        """The weight of the beats, by class and their own."""
        _, targets, *own = batch
        by_class: Any = self.loss.weight if isinstance(self.loss, nn.CrossEntropyLoss) else self.loss.weights
        weights = torch.ones_like(targets, dtype=torch.float32) if by_class is None else by_class[targets]
        return float((weights * own[0] if own else weights).sum())

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.batches.set_epoch(self.current_epoch)
        torch.manual_seed(self.task.seed + 1000 * (self.current_epoch + 1))

    def ask(self) -> None:
        """Ask about the held-out beats, write their logits beside the checkpoint, keep the weights if none were better."""
        score = float(self.current_epoch)
        net = self.averaged.module.eval()
        if self.task.held.size:
            logits = logits_of(net, self.task.beats.windows[self.task.held], self.device)
            np.save(self.run / f"held-{self.current_epoch}.npy", logits)
            targets = self.task.beats.targets[self.task.held]
            ranked = ranking(logits, targets)
            self.tell("ranking", ranked)
            self.tell("validation loss", float(nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))))
            score = ranked if self.task.chooses else score
        if score > float(self.best):
            self.kept.load_state_dict(net.state_dict())
            self.best.fill_(score)
            self.best_epoch.fill_(self.current_epoch)

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        how = self.task.how
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=how.epochs * len(self.batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learn(task: Task, run: Path, device: str, minutes: float | None = None, resume: bool = False, epochs: int | None = None) -> Learned:
    """One run in the folder `run`, on the one training loop; `epochs` ends it early, within the same cycle of learning rates."""
    module = WindowModule(task, run)
    chance = torch.Generator()  # the loader draws a seed at times of its own; from the common generator, dropout would differ after a resumption
    loader = DataLoader(module.batches, batch_size=None, shuffle=False, generator=chance)
    state = loop.fit(module, loader, run, epochs or task.how.epochs, device, minutes, resume)
    net = task.make()
    net.load_state_dict({key.removeprefix("kept."): value for key, value in state.items() if key.startswith("kept.")})
    held = {int(path.stem.removeprefix("held-")): np.load(path) for path in run.glob("held-*.npy")}
    return Learned(net.eval(), int(state["best_epoch"]) + 1, held)


def first(answer: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits of what a network answers."""
    return answer if isinstance(answer, Tensor) else answer[0]


def logits_of(net: nn.Module, windows: NDArray[np.float32], device: torch.device | str = "cpu") -> NDArray[np.float32]:
    """Logits (n, n_classes) of a network in `eval` for windows (n, samples)."""
    with torch.no_grad():
        parts = [first(net(part.to(device))).float().cpu() for part in torch.split(torch.from_numpy(windows), CHUNK)]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def ranking(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Mean average precision of the classes but the first that occur in the targets; no threshold comes into it."""
    from sklearn.metrics import average_precision_score

    scores = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    classes = [k for k in range(1, logits.shape[1]) if (targets == k).any()]
    return float(np.mean([average_precision_score(targets == k, scores[:, k]) for k in classes])) if classes else 0.0


def class_weights(beats: BeatSet, training: NDArray[np.int64], how: WindowOptimisation) -> Tensor:
    """Weight by class for the loss: its share among the beats an epoch draws, to the power -weight_power; 1 on average over them."""
    counts = np.bincount(beats.targets[training], minlength=len(beats.classes)).astype(np.float64)
    counts[0] *= how.share_of_n
    weights = np.maximum(counts, 1.0) ** -how.weight_power
    weights *= counts.sum() / (weights * counts).sum()
    return torch.tensor(np.minimum(weights, GREATEST_WEIGHT), dtype=torch.float32)
