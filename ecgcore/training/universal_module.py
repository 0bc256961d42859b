"""How the rhythm model for any leads learns: a loss that knows what a source cannot tell, averaged weights."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own usage
from numpy.random import Generator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from ecgcore.models.universal import AnyLeadNet, UniversalRhythmNet
from ecgcore.signals import segments
from ecgcore.training import loop
from ecgcore.training.learner import Learner, items, pieces
from ecgcore.training.recipes import AnyLeadRecipe, AnyLeadStage
from ecgcore.training.rhythm_augmentation import altered
from ecgcore.training.universal_data import KINDS, NO_KIND, Batch

Net: TypeAlias = AnyLeadNet | UniversalRhythmNet
Make: TypeAlias = Callable[[Generator], tuple[Batch, ...]]
CLIP = 1.0  # greatest norm of the gradient


class Batches(Dataset[tuple[Batch, ...]]):
    """`steps` steps an epoch, each drawn by seed, epoch and number alone."""

    def __init__(self, make: Make, steps: int, seed: int) -> None:
        self.make, self.steps, self.seed, self.epoch = make, steps, seed, 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, item: int) -> tuple[Batch, ...]:
        """The batches of one step."""
        if item >= self.steps:
            raise IndexError(item)
        return self.make(np.random.default_rng((self.seed, self.epoch, item)))


def network(recipe: AnyLeadRecipe) -> Net:
    """A fresh network of the recipe's sizes."""
    how = recipe.network
    if how.design == "universal":
        return UniversalRhythmNet(len(recipe.classes), len(KINDS), how.widths, how.dropout)
    return AnyLeadNet(len(recipe.classes), len(KINDS), segments.CHANNELS - 1, how.widths, how.kernel, how.size, how.lead_size, how.reduction, how.dropout)


def allowed_loss(logits: Tensor, allowed: Tensor, smoothing: float) -> Tensor:
    """Mean of -log of the probability of all that is allowed, over rows (n, classes) that allow anything; 0 where none does.

    A source that cannot tell two rhythms apart so teaches nothing about that pair. `smoothing` is the share of an even distribution.
    """
    teaches = allowed.sum(dim=1) > 0
    if not bool(teaches.any()):
        return logits.sum() * 0
    logs = torch.log_softmax(logits[teaches], dim=1)
    right = torch.logsumexp(logs.masked_fill(allowed[teaches] == 0, float("-inf")), dim=1)
    return -((1 - smoothing) * right + smoothing * logs.mean(dim=1)).mean()


def both_losses(rhythm: Tensor, kind: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """The loss of the rhythm, and of the kind where there is one, from their logits (batch, n_classes)."""
    said = allowed_loss(rhythm, batch.allowed, smoothing)
    if bool((batch.kinds != NO_KIND).any()):
        said = said + F.cross_entropy(kind, batch.kinds, ignore_index=NO_KIND, label_smoothing=smoothing)
    return said


class AnyLeadModule(Learner):
    """The network under the sum of its losses on the batches of a step; its weights are averaged exponentially.

    `followed` is of patients who are not learned from, and chooses nothing: the mean loss on it, unaltered, is told after each epoch.
    """

    def __init__(self, net: Net, batches: Batches, stage: AnyLeadStage, recipe: AnyLeadRecipe, followed: Sequence[Batch] = ()) -> None:
        super().__init__()
        self.net, self.batches, self.stage, self.recipe, self.followed = net, batches, stage, recipe, followed
        average = get_ema_multi_avg_fn(1 - recipe.optimisation.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(net, multi_avg_fn=average, use_buffers=True)

    def losses(self, step: tuple[Batch, ...], number: int) -> Iterator[Tensor]:
        """The batches of a step pass one after the other: their graphs never stand in memory together."""
        chance = torch.Generator(self.device).manual_seed(hash((self.batches.seed, self.current_epoch, number)))
        for place, batch in enumerate(step):
            loss = self.loss(batch, chance)
            self.log(f"loss {place}", loss.detach(), on_step=False, on_epoch=True, batch_size=1)
            yield batch.weight * loss

    def cut(self, step: tuple[Batch, ...], n: int) -> list[tuple[Batch, ...]]:
        """Each batch of a step is cut; a piece of one weighs by its part of the whole."""
        n = min(n, *(items(batch) for batch in step))
        cut = [[piece._replace(weight=batch.weight * items(piece) / items(batch)) for piece in pieces(batch, n)] for batch in step]
        return list(zip(*cut, strict=True))

    def count(self, _step: tuple[Batch, ...]) -> float:
        """The batches of a piece carry their weights themselves."""
        return 1.0

    def on_before_optimizer_step(self, *_: Any) -> None:
        """No gradient longer than CLIP."""
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def loss(self, batch: Batch, chance: torch.Generator) -> Tensor:
        """Of the rhythm, and of the kind where there is one."""
        how = self.recipe.optimisation
        signals = altered(batch.signals, self.recipe.input.fs_hz, self.recipe.augmentation, chance)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=how.bfloat16):
            rhythm, kind, _ = self.net(signals, batch.beats, batch.lead_ids, torch.ones_like(batch.lead_ids, dtype=torch.bool))
        return both_losses(rhythm.float(), kind.float(), batch, how.label_smoothing)

    def ask(self) -> None:
        """Tell the loss on the patients followed."""
        net = self.averaged.module.eval()
        with torch.no_grad():
            batches: list[Batch] = [self.transfer_batch_to_device(batch, self.device, 0) for batch in self.followed]
            answers = [net(batch.signals, batch.beats, batch.lead_ids, torch.ones_like(batch.lead_ids, dtype=torch.bool)) for batch in batches]
            losses = [float(both_losses(rhythm, kind, batch, 0.0)) for (rhythm, kind, _), batch in zip(answers, batches, strict=True)]
        if losses:
            self.tell("validation loss", float(np.mean(losses)))

    def on_train_epoch_start(self) -> None:
        """Chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.batches.epoch = self.current_epoch
        torch.manual_seed(hash((self.batches.seed, self.current_epoch)))  # for dropout

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        optimizer = torch.optim.AdamW(self.net.parameters(), self.stage.learning_rate, weight_decay=self.stage.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.stage.learning_rate, total_steps=self.stage.epochs * self.stage.steps, pct_start=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learn(net: Net, make: Make, stage: AnyLeadStage, recipe: AnyLeadRecipe, run: Path, device: str, minutes: float | None, resume: bool, followed: Sequence[Batch] = ()) -> Net:
    """Train in the folder `run`; the network with its averaged weights."""
    module = AnyLeadModule(net, Batches(make, stage.steps, recipe.optimisation.seed), stage, recipe, followed)
    loader = DataLoader(module.batches, batch_size=None, shuffle=False, generator=torch.Generator())
    state = loop.fit(module, loader, run, stage.epochs, device, minutes, resume)
    net.load_state_dict({key.removeprefix("averaged.module."): value for key, value in state.items() if key.startswith("averaged.module.")})
    return net.eval()


class Asked(nn.Module):
    """A network as it is shipped: probabilities of the rhythms, sharpened or softened as calibration asks, of the kinds, and the weights of the leads."""

    def __init__(self, net: Net, scale: float) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, signals: Tensor, beats: Tensor, lead_ids: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of the rhythms and of the kinds, and weights."""
        rhythm, kind, weights = self.net(signals, beats, lead_ids, present)
        return (self.scale * rhythm).softmax(dim=1), kind.softmax(dim=1), weights


class Control(nn.Module):
    """Networks with random weights, for the randomisation check: the same answers, (batch, n_networks, …)."""

    def __init__(self, nets: list[Net]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, signals: Tensor, beats: Tensor, lead_ids: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The answers of all networks."""
        answers = [net(signals, beats, lead_ids, present) for net in self.nets]
        return tuple(torch.stack(part, dim=1) for part in zip(*answers, strict=True))  # type: ignore[return-value] # three
