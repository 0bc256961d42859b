"""What all trainings have in common: a step of the optimiser on one batch, whole, in pieces that fit into memory, or shared by several processes."""

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ecgcore.errors import InputError
from ecgcore.progress import watch
from ecgcore.training import processes

B = TypeVar("B")


class TooLargeError(Exception):
    """A step did not fit into the GPU's memory; `whole` items were in its batch, `piece` at most in one of its pieces, which may be the `smallest`."""

    def __init__(self, whole: int, piece: int, smallest: bool) -> None:
        super().__init__(f"{piece} of {whole} items at once are too many for the GPU's memory")
        self.whole, self.piece, self.smallest = whole, piece, smallest


class Learner(LightningModule):
    """A network that learns on the one training loop. A kind of training says what its loss is, and what is asked after each epoch.

    With `n_pieces` above 1 each process passes its part of a batch in so many pieces, one after the other. Their gradients add up before the
    optimiser steps, so that steps, learning rates and averaged weights are those of whole batches. The loss is a mean; so is that of a piece,
    weighted by its share (`count`). What depends on a batch as a whole differs: batch norm sees a piece, and chance falls otherwise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.n_pieces = 1

    def loss_of(self, batch: Any, number: int) -> Tensor:
        """Mean loss of a batch, or of a piece of one; no two of an epoch have the same number."""
        raise NotImplementedError

    def losses(self, batch: Any, number: int) -> Iterator[Tensor]:
        """Losses that count as their sum; the graphs of several need not stand in memory together."""
        yield self.loss_of(batch, number)

    def cut(self, batch: Any, n: int) -> list[Any]:
        """A batch in n pieces, or in as many as can be made of it."""
        return pieces(batch, n)

    def count(self, batch: Any) -> float:
        """How much a batch, or a piece of one, weighs in the mean that is its loss."""
        return items(batch)

    def ask(self) -> None:
        """After each epoch, in the first process alone: what the network says of patients it does not learn from."""

    def ended(self) -> bool:
        """Whether there is no use in another epoch."""
        return False

    def tell(self, name: str, value: float) -> None:
        """A figure of the epoch that ends, into the log and to whoever follows the training."""
        self.log(name, value)
        watch().point(name, self.current_epoch + 1, value)

    def training_step(self, batch: Any, number: int) -> Tensor:
        """One step of the optimiser; the loss of the whole batch. Raises TooLargeError, and InputError for a batch too small to share."""
        if number == 0 and processes.world() > 1:
            processes.level(self)
            torch.manual_seed(torch.initial_seed() + processes.rank())  # else dropout would be alike in all pieces
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        ran_out, loss = False, torch.zeros((), device=self.device)
        try:
            loss = self._backward(batch, number)
        except torch.OutOfMemoryError:
            ran_out = True
            optimizer.zero_grad()
        learned = [one for group in optimizer.param_groups for one in group["params"]]
        loss, ran_out = processes.summed(learned, loss, ran_out)
        if ran_out:
            n = self.n_pieces * processes.world()
            raise TooLargeError(items(batch), -(-items(batch) // len(self.cut(batch, n))), len(self.cut(batch, 2 * n)) <= n)
        optimizer.step()
        self._reschedule("step")
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=items(batch))
        return loss

    def _backward(self, batch: Any, number: int) -> Tensor:
        """The loss of this process's pieces of a batch, weighted; their gradients lie in the parameters."""
        n, rank = self.n_pieces * processes.world(), processes.rank()
        if items(batch) < processes.world():
            raise InputError(f"a batch of {items(batch)} cannot be shared by {processes.world()} processes; start fewer (--nproc-per-node), or use a larger batch")
        whole, total = self.count(batch) if n > 1 else 1.0, torch.zeros((), device=self.device)
        for place, piece in enumerate(self.cut(batch, n) if n > 1 else [batch]):
            share = self.count(piece) / whole if n > 1 and whole else 1.0
            if place % processes.world() != rank or not share:
                continue
            for loss in self.losses(piece, number + place * int(self.trainer.num_training_batches)):
                with torch.autocast(self.device.type, enabled=False):  # a step as a whole runs under it on a GPU; backward must not
                    self.manual_backward(share * loss)
                total += share * loss.detach()
        return total

    def _reschedule(self, interval: str) -> None:
        for config in self.trainer.lr_scheduler_configs:
            if config.interval == interval:
                config.scheduler.step()  # type: ignore[call-arg] # the one kind that wants a metric is not used

    def on_fit_start(self) -> None:
        """A run that had ended, by its time or by itself, and is resumed, has nothing left to learn."""
        self.trainer.should_stop = processes.of_first(self.trainer.should_stop or self.ended())

    def on_train_epoch_end(self) -> None:
        """Ask, and agree whether to go on."""
        self._reschedule("epoch")
        if processes.first():
            self.ask()
        self.trainer.should_stop = processes.of_first(self.trainer.should_stop or self.ended())


def pieces(batch: B, n: int) -> list[B]:
    """A batch cut along axis 0 of all its tensors into n parts as even as may be, or into as many as it has items; what is no tensor is in each.

    Tuples, named or not, lists and dicts of tensors are cut as they are nested. Raises InputError where tensors differ in length.
    """
    lengths = {len(one) for one in _tensors(batch)}
    if len(lengths) != 1:
        raise InputError(f"a batch whose tensors have {', '.join(map(str, sorted(lengths))) or 'no'} items cannot be cut into pieces")
    return [_piece(batch, min(n, *lengths), place) for place in range(min(n, *lengths))]


def items(batch: Any) -> int:
    """How many items a batch holds: those of its first tensor."""
    return len(next(_tensors(batch)))


def _piece(batch: Any, n: int, place: int) -> Any:
    if isinstance(batch, Tensor):
        return batch.tensor_split(n)[place]
    if isinstance(batch, dict):
        return {name: _piece(one, n, place) for name, one in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_piece(one, n, place) for one in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(_piece(one, n, place) for one in batch)
    return batch


def _tensors(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, tuple | list | dict):
        for one in batch.values() if isinstance(batch, dict) else batch:
            yield from _tensors(one)
