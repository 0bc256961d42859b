"""Trainings of the segmenter at large, and what its maps are worth on patients it has not learned from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Sampler

from ecgcore.evaluation.localisation import Located, located, total
from ecgcore.findings import MapChecks
from ecgcore.inference import map_checks
from ecgcore.inference.segmenter import Answer, strengths
from ecgcore.models.ectopy import EctopyNet, Several
from ecgcore.signals import places, segments
from ecgcore.training import loop
from ecgcore.training.ectopy_data import LABELS, Batch, Patient, Windows, told
from ecgcore.training.ectopy_loss import SegmentLoss
from ecgcore.training.learner import Learner
from ecgcore.training.recipes.segmenting import EctopyPart

ALTERED: Final = ("timing", "untimed", "mix_leads", "invert", "scale", "noise")  # what a window that is asked about is not
TRIED: Final = tuple(round(0.05 * k, 2) for k in range(1, 20))  # limits tried on unseen patients
CONTROL_SEED: Final = 10_000  # far from those that are trained


@dataclass(frozen=True, eq=False)
class Mapped:
    """One lead of a patient as a network maps it: strengths (n_labels, n_steps)."""

    patient: Patient
    lead: int
    strengths: NDArray[np.float32]

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """The R peaks detected in the lead."""
        return self.patient.peaks_s[self.lead]


class EctopyModule(Learner):
    """The network under the loss on segments; its weights averaged over the steps are what counts.

    `followed` are patients who are not learned from, and choose nothing: the loss on their windows, as they are, is told after each epoch.
    """

    def __init__(self, how: EctopyPart, patients: Sequence[Patient], noise: Sequence[NDArray[np.float32]], seed: int, followed: Sequence[Patient] = ()) -> None:
        super().__init__()
        self.how, self.seed = how, seed
        self.windows = Windows(patients, noise, how.input, how.augmentation, how.optimisation.batch, seed)
        self.followed = Windows(followed, noise, how.input, how.augmentation.model_copy(update=dict.fromkeys(ALTERED, 0.0)), how.optimisation.batch, seed)
        self.steps = how.optimisation.epochs * (len(self.windows) + len(patients) // how.optimisation.batch + 2)  # an epoch has a window a record more or less
        torch.manual_seed(seed)
        self.net = network(how)
        average = get_ema_multi_avg_fn(1 - how.optimisation.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.loss = SegmentLoss(torch.tensor(how.optimisation.weights), how.optimisation.classifier, how.optimisation.empty)

    def loss_of(self, batch: Batch, number: int) -> Tensor:  # noqa: ARG002 - nothing is left to chance
        """Loss of one batch."""
        loss: Tensor = self.loss(self.net, batch)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Cut anew; chance depends on seed and epoch alone, so that a resumed run goes on as the unbroken one."""
        self.windows.set_epoch(self.current_epoch)
        torch.manual_seed(self.seed + 1000 * (self.current_epoch + 1))

    def ask(self) -> None:
        """Tell the loss on the patients followed."""
        if not all(self.followed.places):
            return
        net = self.averaged.module.eval()
        with torch.no_grad():
            batches = (Batch(*(part.to(self.device) for part in self.followed[item])) for item in range(len(self.followed)))
            self.tell("validation loss", float(np.mean([float(self.loss(net, batch)) for batch in batches])))

    def configure_optimizers(self) -> Any:
        """AdamW, one cycle."""
        how = self.how.optimisation
        optimizer = torch.optim.AdamW(self.net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _InTurn(Sampler[int]):
    """Batches as the epoch has them: it may hold one more or less than the one before."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[int]:
        """Their numbers."""
        return iter(range(len(self.windows)))


def network(how: EctopyPart) -> EctopyNet:
    """A fresh network."""
    sizes = how.network
    return EctopyNet(
        segments.CHANNELS, len(LABELS), widths=sizes.widths, strides=sizes.strides, kernel=sizes.kernel, pool=sizes.pool, seen=sizes.seen, seen_strides=sizes.seen_strides
    )


def by_chance(how: EctopyPart) -> Several:
    """The networks with random weights that maps are compared with."""
    nets = []
    for k in range(how.network.controls):
        torch.manual_seed(CONTROL_SEED + k)
        nets.append(network(how))
    return Several(nets).eval()


def learn(
    how: EctopyPart, patients: Sequence[Patient], noise: Sequence[NDArray[np.float32]], seed: int,
    run: Path, device: str, minutes: float | None, resume: bool, followed: Sequence[Patient] = (),
) -> EctopyNet:  # fmt: skip
    """One training in the folder `run`; the averaged network."""
    return averaged(how, fit(EctopyModule(how, patients, noise, seed, followed), run, device, minutes, resume))


def fit(module: EctopyModule, run: Path, device: str, minutes: float | None, resume: bool) -> dict[str, Any]:
    """Train one module in the folder `run`; its last state."""
    loader = DataLoader(module.windows, batch_size=None, sampler=_InTurn(module.windows), generator=torch.Generator())
    return loop.fit(module, loader, run, module.how.optimisation.epochs, device, minutes, resume)


def averaged(how: EctopyPart, state: dict[str, Any]) -> EctopyNet:
    """The averaged network of a module's state."""
    net = network(how)
    net.load_state_dict({key.removeprefix("averaged.module."): value for key, value in state.items() if key.startswith("averaged.module.")})
    return net.eval()


def answering(net: nn.Module) -> Answer:
    """A network as maps are drawn and checked with it."""

    def answer(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.no_grad():
            first, second = net(torch.from_numpy(windows))
        return first.float().numpy(), second.float().numpy()

    return answer


def mapped(net: nn.Module, patients: Sequence[Patient], how: EctopyPart, *, first_only: bool) -> tuple[Mapped, ...]:
    """The maps of all patients, of their first lead or of each."""
    answer = answering(net)
    return tuple(
        Mapped(one, lead, strengths(answer, segments.channels(one.leads[lead], one.found[lead]), how.input.samples))
        for one in patients
        for lead in range(1 if first_only else len(one.leads))
    )


def choose_limits(maps: Sequence[Mapped], step_s: float) -> dict[str, float]:
    """The limit of each label with the best F1 over all maps together; V is asked first, as `places.highlighted` does."""
    limits: dict[str, float] = {}
    for label in LABELS:
        tried = {limit: total(score(maps, {**limits, label: limit}, step_s)[label]).f1 for limit in TRIED}
        limits[label] = max(tried, key=lambda limit: (np.nan_to_num(tried[limit]), limit))
    return limits


def score(maps: Sequence[Mapped], limits: Mapping[str, float], step_s: float, *, snapped: bool = True) -> dict[str, list[Located]]:
    """By label of the limits, what each map has located; `snapped`: places set on beats, else where the map itself is highest."""
    found: dict[str, list[Located]] = {label: [] for label in limits}
    for one in maps:
        strong = places.highlighted(one.strengths, list(limits.values()), one.beats_s, step_s)
        for k, label in enumerate(limits):
            at_s = np.sort(np.array([place.at_s if snapped else place.summit_s for place in strong if place.label == k], np.float64))
            found[label].append(located(at_s, one.patient.at / segments.FS_HZ, one.patient.labels, label))
    return found


@dataclass(frozen=True)
class CheckedSegment:
    """A segment that holds an ectopic beat of a label: the checks of the strongest place of that label's map in it, and whether it reaches the limit."""

    label: str
    reached: bool
    checks: MapChecks


def check(net: nn.Module, chance: nn.Module, maps: Sequence[Mapped], limits: Mapping[str, float], how: EctopyPart) -> list[CheckedSegment]:
    """Both checks in every segment with an ectopic beat, of maps that this network drew."""
    answer, spec = answering(net), how.input
    checked: list[CheckedSegment] = []
    for one in maps:
        fed = segments.channels(one.patient.leads[one.lead], one.patient.found[one.lead])
        both = (one.strengths, strengths(answering(chance), fed, spec.samples))
        targets = told(one.patient, 0, spec.samples, fed.shape[1] // spec.samples)
        strongest = [_strongest(one.strengths, int(at), int(k), spec.samples // spec.step, spec.step) for at, k in np.argwhere(targets > 0)]
        among = places.highlighted(one.strengths, [limits[label] for label in LABELS], one.beats_s, spec.step / segments.FS_HZ)
        checks = map_checks.check_places(answer, fed, spec.samples, both, spec.step, strongest, among)
        labels = [LABELS[place.label] for place in strongest]
        checked += [CheckedSegment(label, place.strength >= limits[label], passed) for label, place, passed in zip(labels, strongest, checks, strict=True)]
    return checked


def _strongest(drawn: NDArray[np.float32], segment: int, label: int, steps: int, step: int) -> places.Highlight:
    part = drawn[label, segment * steps : (segment + 1) * steps]
    at_s = (segment * steps + int(part.argmax()) + 0.5) * step / segments.FS_HZ
    return places.Highlight(label, at_s, at_s, float(part.max()))


def folds(patients: Sequence[Patient], n_folds: int) -> tuple[tuple[Patient, ...], ...]:
    """Patients dealt out so that each fold has its part of the rare beats: by falling number of S, then V, to and fro."""

    def count(one: Patient, label: str) -> int:
        return -int((one.labels == label).sum())

    ranked = sorted(patients, key=lambda one: (count(one, "S"), count(one, "V"), one.name))
    turn = [*range(n_folds), *reversed(range(n_folds))]
    return tuple(tuple(one for place, one in enumerate(ranked) if turn[place % len(turn)] == fold) for fold in range(n_folds))
