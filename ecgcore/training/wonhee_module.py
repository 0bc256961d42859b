"""How WonHEE learns: batches of all three tasks, the sum of their losses, averaged weights."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own usage
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from ecgcore.models.wonhee import BAND, Reconstructed, Wonhee
from ecgcore.signals import fills
from ecgcore.training import gaps, loop
from ecgcore.training.learner import Learner
from ecgcore.training.recipes import WonheeNetwork, WonheeOptimisation
from ecgcore.training.wonhee_data import Drawn

LOW: Final = 0.05  # the band's ends as quantiles: between them lie nine tenths
ENVELOPE_STEPS: Final = 25  # samples: slopes are compared by their root mean square over a fifth of a second


class Batch(NamedTuple):
    """Windows of all tasks: those to classify first, then to impute, then to forecast.

    values, truth (n, samples); observed (n, samples) bool; candidates (n, c, samples); weights (n,) of each in the loss of what it hides;
    targets (k,) of those to classify
    """

    values: Tensor
    observed: Tensor
    candidates: Tensor
    truth: Tensor
    weights: Tensor
    targets: Tensor


class Cut(NamedTuple):
    """A batch, or a piece of one, and how many of its windows are to impute."""

    batch: Batch
    to_impute: int


Shares = tuple[int, int, int]  # windows of a batch to classify, to impute, to forecast


class Batches(Dataset[Batch]):
    """`steps` batches an epoch, each drawn by seed, epoch and number alone."""

    def __init__(self, make: Callable[[Generator], Batch], steps: int, seed: int) -> None:
        self.make, self.steps, self.seed, self.epoch = make, steps, seed, 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, item: int) -> Batch:
        """One batch."""
        if item >= self.steps:
            raise IndexError(item)
        return self.make(np.random.default_rng((self.seed, self.epoch, item)))


class Labelled(NamedTuple):
    """Windows about beats to classify, in mV (n, samples), targets (n,), and how likely each is to be drawn."""

    windows: NDArray[np.float32]
    targets: NDArray[np.int64]
    chances: NDArray[np.float64]


def labelled(windows: NDArray[np.float32], targets: NDArray[np.int64], power: float) -> Labelled:
    """Drawn by class: its share to the power -power; with 1 all classes are drawn as often."""
    counts = np.bincount(targets).astype(np.float64)
    chances = counts[targets] ** -power
    return Labelled(windows, targets, chances / chances.sum())


def of_patients(drawn: Drawn, beats: Labelled, shares: Shares) -> Callable[[Generator], Batch]:
    """Batches of any lead in windows without their level, with candidates; a window counts by its scale, since the error that matters is in mV."""

    def make(rng: Generator) -> Batch:
        to_classify, to_impute, to_forecast = shares
        chosen = rng.choice(beats.targets.size, to_classify, p=beats.chances)
        windows = np.concatenate([beats.windows[chosen], drawn.windows(to_impute + to_forecast, rng)])
        n = windows.shape[1]
        hidden = [gaps.imputed(to_impute, n, rng, fills.FS_HZ), gaps.foreseen(to_forecast, n, rng, fills.FS_HZ)]
        observed = np.concatenate([np.ones((to_classify, n), bool), *hidden])
        scaled = fills.scaled(windows, observed)
        truth = (windows - scaled.level_mv) / scaled.scale_mv
        weights = scaled.scale_mv[:, 0] / np.median(scaled.scale_mv)
        given = (scaled.values, observed, fills.candidates(scaled.values, observed), truth.clip(-30, 30), weights.clip(0.2, 3))
        values, known, beside, true, counted = map(torch.from_numpy, given)
        return Batch(values, known, beside, true, counted, torch.from_numpy(beats.targets[chosen]))

    return make


def of_paper(beats: Labelled, mean_mv: float, deviation_mv: float, shares: Shares) -> Callable[[Generator], Batch]:
    """Batches after the paper: windows about beats, standardised by the whole training set, 200 to 540 points hidden at random or at the end."""

    def make(rng: Generator) -> Batch:
        to_classify, to_impute, to_forecast = shares
        chosen = rng.choice(beats.targets.size, sum(shares), p=beats.chances)
        truth = ((beats.windows[chosen] - mean_mv) / deviation_mv).astype(np.float32)
        n = truth.shape[1]
        longest = tuple(points / fills.FS_HZ for points in gaps.POINTS)
        hidden = [gaps.random_points(to_impute, n, rng), gaps.forecast(to_forecast, n, rng, fills.FS_HZ, (longest[0], longest[1]))]
        observed = np.concatenate([np.ones((to_classify, n), bool), *hidden])
        given = (np.where(observed, truth, np.float32(0)), observed, np.zeros((len(truth), 0, n), np.float32), truth, np.ones(len(truth), np.float32))
        values, known, beside, true, counted = map(torch.from_numpy, given)
        return Batch(values, known, beside, true, counted, torch.from_numpy(beats.targets[chosen[:to_classify]]))

    return make


def network(samples: int, n_classes: int, how: WonheeNetwork, candidates: int) -> Wonhee:
    """A fresh network of a recipe's sizes."""
    return Wonhee(
        samples, n_classes, patch_samples=how.patch_samples, size=how.size, heads=how.heads, inner=how.inner,
        blocks=how.blocks, head_blocks=how.head_blocks, experts=how.experts, candidates=candidates,
    )  # fmt: skip


class WonheeModule(Learner):
    """The network under the sum of its losses; its weights are averaged exponentially.

    `followed` is of patients who are not learned from, and chooses nothing: the mean loss on it is told after each epoch.
    """

    def __init__(self, net: Wonhee, batches: Batches, how: WonheeOptimisation, followed: Sequence[Batch] = ()) -> None:
        super().__init__()
        self.net, self.batches, self.how, self.followed = net, batches, how, followed
        average = get_ema_multi_avg_fn(1 - how.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(net, multi_avg_fn=average, use_buffers=True)

    def loss_of(self, batch: Batch | Cut, number: int) -> Tensor:  # noqa: ARG002 - nothing is left to chance
        """Loss of one batch, all tasks of which pass the encoder together."""
        losses = self.each_loss(self.net, *(batch if isinstance(batch, Cut) else Cut(batch, self.how.shares[1])))
        self.log_dict({name: float(loss.detach()) for name, loss in losses.items()}, on_step=False, on_epoch=True, batch_size=1)
        return torch.stack(list(losses.values())).sum()

    def each_loss(self, net: Wonhee, batch: Batch, to_impute: int) -> dict[str, Tensor]:
        """Losses of a batch by name."""
        k = len(batch.targets)
        parts = [slice(k, k + to_impute), slice(k + to_impute, None)]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.how.bfloat16):
            tokens = net.encode(batch.values, batch.observed, batch.candidates)
            logits = net.classify(tokens[:k]).float()
            said = [head(tokens[part], batch.candidates[part]) for head, part in zip((net.imputer, net.forecaster), parts, strict=True)]
        losses = {"classification": F.cross_entropy(logits, batch.targets)} if k else {}
        for name, answer, part, envelope in zip(("imputation", "forecast"), said, parts, self.how.envelope, strict=True):
            losses |= fill_losses(name, answer, batch.truth[part], ~batch.observed[part], batch.weights[part], envelope)
        return losses

    def ask(self) -> None:
        """Tell the loss on the patients followed."""
        net: Any = self.averaged.module.eval()
        with torch.no_grad():
            batches = (Batch(*(part.to(self.device) for part in batch)) for batch in self.followed)
            losses = [float(torch.stack(list(self.each_loss(net, batch, self.how.shares[1]).values())).sum()) for batch in batches]
        if losses:
            self.tell("validation loss", float(np.mean(losses)))

    def cut(self, batch: Batch, n: int) -> list[Cut]:
        """Each piece holds its part of the windows of each task, one of each at least."""
        k, to_impute = len(batch.targets), self.how.shares[1]
        tasks = [slice(k), slice(k, k + to_impute), slice(k + to_impute, None)]
        windows = torch.arange(len(batch.values), device=batch.values.device)
        n = min(n, *(len(windows[task]) for task in tasks if len(windows[task])))
        dealt = zip(*(torch.tensor_split(windows[task], n) for task in tasks), strict=True)
        return [Cut(_only(batch, torch.cat(each), each[0]), len(each[1])) for each in dealt]

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.batches.epoch = self.current_epoch

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        how = self.how
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=how.epochs * len(self.batches), pct_start=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _only(batch: Batch, rows: Tensor, to_classify: Tensor) -> Batch:
    """Some windows of a batch, of which these are to classify."""
    values, observed, candidates, truth, weights, targets = batch
    return Batch(values[rows], observed[rows], candidates[rows], truth[rows], weights[rows], targets[to_classify])


def fill_losses(name: str, said: Reconstructed, truth: Tensor, hidden: Tensor, weights: Tensor, envelope: float) -> dict[str, Tensor]:
    """Of the hidden samples: mean square error, pinball loss of the band's ends, and `envelope` times the square error of the slope's size.

    The last makes a beat that is sure to come, at a time that is not, cost less where it is drawn than where it is smeared flat.
    """
    if not len(truth):
        return {}
    share = hidden * weights[:, None]
    share = share / share.sum()
    error = truth - said.signal
    away = truth - said.signal.detach()
    band = pinball(away + said.down, LOW) + pinball(away - said.up, 1 - LOW)
    losses = {name: (share * error**2).sum(), f"{name} band": (share * band).sum() * BAND}
    if envelope:
        drawn = slope_size(torch.where(hidden, said.signal, truth)) - slope_size(truth)
        losses[f"{name} slope"] = envelope * (share * drawn**2).sum()
    return losses


def pinball(away: Tensor, quantile: float) -> Tensor:
    """Loss that is least where the quantile of `away` is 0."""
    return torch.maximum(quantile * away, (quantile - 1) * away)


def slope_size(x: Tensor) -> Tensor:
    """Root mean square of the steps between samples, over ENVELOPE_STEPS, (n, samples) → the same."""
    square = F.pad((x[:, 1:] - x[:, :-1]) ** 2, (1, 0))
    return torch.sqrt(F.avg_pool1d(square[:, None], ENVELOPE_STEPS, 1, ENVELOPE_STEPS // 2)[:, 0] + 1e-4)


Make = Callable[[Generator], Batch]


def learn(net: Wonhee, make: Make, how: WonheeOptimisation, run: Path, device: str, minutes: float | None, resume: bool, followed: Sequence[Batch] = ()) -> Wonhee:
    """Train in the folder `run`; the network with its averaged weights."""
    return averaged(net, fit(net, make, how, run, device, minutes, resume, followed))


def fit(net: Wonhee, make: Make, how: WonheeOptimisation, run: Path, device: str, minutes: float | None, resume: bool, followed: Sequence[Batch] = ()) -> dict[str, Any]:
    """Train in the folder `run`; the last state."""
    module = WonheeModule(net, Batches(make, how.steps, how.seed), how, followed)
    loader = DataLoader(module.batches, batch_size=None, shuffle=False, generator=torch.Generator())
    return loop.fit(module, loader, run, how.epochs, device, minutes, resume)


def averaged(net: Wonhee, state: dict[str, Any]) -> Wonhee:
    """The network with the averaged weights of a state."""
    net.load_state_dict({key.removeprefix("averaged.module."): value for key, value in state.items() if key.startswith("averaged.module.")})
    return net.eval()
