"""How the rhythm model for any leads learns: a loss that knows what a source cannot tell, averaged weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own usage
from lightning.pytorch import LightningModule
from numpy.random import Generator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from ecgcore.models.universal import AnyLeadNet, UniversalRhythmNet
from ecgcore.signals import segments
from ecgcore.training import loop
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


class AnyLeadModule(LightningModule):
    """The network under the sum of its losses on the batches of a step; its weights are averaged exponentially."""

    def __init__(self, net: Net, batches: Batches, stage: AnyLeadStage, recipe: AnyLeadRecipe) -> None:
        super().__init__()
        self.net, self.batches, self.stage, self.recipe = net, batches, stage, recipe
        average = get_ema_multi_avg_fn(1 - recipe.optimisation.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(net, multi_avg_fn=average, use_buffers=True)
        self.automatic_optimization = False  # the batches of a step pass one after the other: their graphs never stand in memory together

    def training_step(self, step: tuple[Batch, ...], item: int) -> None:
        """One step on all its batches."""
        chance = torch.Generator(self.device).manual_seed(hash((self.batches.seed, self.current_epoch, item)))
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        for number, batch in enumerate(step):
            loss = self.loss(batch, chance)
            self.manual_backward(batch.weight * loss)
            self.log(f"loss {number}", loss.detach(), on_step=False, on_epoch=True, batch_size=1)
        self.clip_gradients(optimizer, CLIP, "norm")
        optimizer.step()
        schedule: Any = self.lr_schedulers()
        schedule.step()
        self.averaged.update_parameters(self.net)

    def loss(self, batch: Batch, chance: torch.Generator) -> Tensor:
        """Of the rhythm, and of the kind where there is one."""
        how = self.recipe.optimisation
        signals = altered(batch.signals, self.recipe.input.fs_hz, self.recipe.augmentation, chance)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=how.bfloat16):
            rhythm, kind, _ = self.net(signals, batch.beats, batch.lead_ids, torch.ones_like(batch.lead_ids, dtype=torch.bool))
        said = allowed_loss(rhythm.float(), batch.allowed, how.label_smoothing)
        if bool((batch.kinds != NO_KIND).any()):
            said = said + F.cross_entropy(kind.float(), batch.kinds, ignore_index=NO_KIND, label_smoothing=how.label_smoothing)
        return said

    def on_train_epoch_start(self) -> None:
        """Chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.batches.epoch = self.current_epoch
        torch.manual_seed(hash((self.batches.seed, self.current_epoch)))  # for dropout

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        optimizer = torch.optim.AdamW(self.net.parameters(), self.stage.learning_rate, weight_decay=self.stage.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.stage.learning_rate, total_steps=self.stage.epochs * self.stage.steps, pct_start=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learn(net: Net, make: Make, stage: AnyLeadStage, recipe: AnyLeadRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> Net:
    """Train in the folder `run`; the network with its averaged weights."""
    module = AnyLeadModule(net, Batches(make, stage.steps, recipe.optimisation.seed), stage, recipe)
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
