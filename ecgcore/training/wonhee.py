"""WonHEE end to end: the paper's random split for the class of a beat, and by patient for all three tasks on any lead."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ecgcore.evaluation import reconstruction as measured
from ecgcore.evaluation.measures import Measures, write_measures
from ecgcore.inference.cards import Card
from ecgcore.inference.wonhee import INPUTS, OUTPUTS, Completed
from ecgcore.models.wonhee import Restorer, Wonhee
from ecgcore.signals import fills
from ecgcore.training import gaps, loop, wonhee_card
from ecgcore.training.export import export
from ecgcore.training.recipes import WonheeRecipe
from ecgcore.training.wonhee_data import Cut, Drawn, Lead, around_beats, evenly, leads_of, with_folds
from ecgcore.training.wonhee_module import Batch, Labelled, labelled, learn, network, of_paper, of_patients

NET: Final = "WonHEE"
MLII: Final = "MLII"  # the lead of the paper's split, where a record has it
TESTED: Final = 5  # one window in so many is for testing, in the paper's split
FOLLOWED: Final = 4  # batches of those held out, whose loss is told after each epoch
CHUNK: Final = 256  # windows answered at once
EVERY: Final = 4  # of the beats of the tested patients, one in so many is classified


@dataclass(frozen=True, eq=False)
class Trained:
    """The network that is shipped, and the tables that go beside it by name."""

    net: Restorer
    tables: dict[str, Measures]


@dataclass(frozen=True, eq=False)
class Asked:
    """Windows of one data set with one kind of gap: what the network says of them, and what every method does, in mV."""

    cut: Cut
    observed: NDArray[np.bool_]
    said: Completed

    @property
    def coverage(self) -> float:
        """Share of the hidden samples within the band."""
        return measured.coverage(self.said.low_mv, self.said.high_mv, self.cut.windows, self.observed)

    def nearness(self) -> dict[str, measured.Nearness]:
        """By method, the network first."""
        fills_mv = {NET: self.said.signal_mv, **measured.baselines(self.cut.windows, self.observed)}
        return {name: measured.nearness(filled, self.cut.windows, self.observed, self.cut.peaks) for name, filled in fills_mv.items()}


def parts(_recipe: WonheeRecipe) -> int:
    """How many trainings there are."""
    return 2


def train(recipe: WonheeRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Learn by the random split and by patient, in the folder `run`; the network by patient with its card (without the hash of its weights)."""
    begun, device = time.monotonic(), loop.accelerator(device)
    half = minutes / parts(recipe) if minutes else None
    chance = random_split(recipe, run / "random split", device, half, resume)
    by_patient = time.monotonic()
    net = learned_by_patient(recipe, run / "by patient", device, half, resume)
    learned = time.monotonic()
    held = asked_of(net, recipe, recipe.held_out)
    net = calibrated(net, held, recipe.leaning)
    asked = asked_of(net, recipe, recipe.data.tested)
    tables = {
        "classes-random": wonhee_card.classes(recipe, {"random split": chance}, device, (by_patient - begun) / 60),
        "classes-by-patient": wonhee_card.classes(recipe, {"by patient": classified(net.net, recipe)}, device, (learned - by_patient) / 60),
        **wonhee_card.reconstructions(recipe, {kind: {name: one.nearness() for name, one in sets.items()} for kind, sets in asked.items()}, device, (learned - by_patient) / 60),
        "band": wonhee_card.band(recipe, {kind: {name: one.coverage for name, one in sets.items()} for kind, sets in asked.items()}, device, (learned - by_patient) / 60),
    }
    return Trained(net, tables), wonhee_card.card(recipe, tables, device, (time.monotonic() - begun) / 60)


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors, card and tables into a folder; the card with the hash of the weights."""
    samples = card.input.samples
    example = (torch.randn(2, samples), torch.ones(2, samples), torch.randn(2, len(card.input.features), samples))  # a length of 1 would be baked in
    card = export(trained.net.eval(), example, INPUTS, OUTPUTS, ({0: "batch"}, {0: "batch"}, {0: "batch"}), card, folder)
    for name, table in trained.tables.items():
        write_measures(table, folder, name)
    return card


def random_split(recipe: WonheeRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> NDArray[np.int64]:
    """The paper's network on windows about beats of all records, four fifths of them by chance to learn from; confusion (true, said) of the others."""
    how, spec = recipe.paper, recipe.input
    leads = leads_of({"mitdb": wonhee_card.all_records(recipe)}, spec.band_hz)
    windows, targets = beat_windows([_first(leads, record) for record in dict.fromkeys(lead.record for lead in leads)], spec.samples, whole=True)
    order = np.random.default_rng(how.seed).permutation(targets.size)
    tested, learned = order[: targets.size // TESTED], order[targets.size // TESTED :]
    mean, deviation = float(windows[learned].mean()), float(windows[learned].std())
    torch.manual_seed(how.seed)
    net = network(spec.samples, len(recipe.classes), recipe.network, 0)
    net = learn(net, of_paper(labelled(windows[learned], targets[learned], how.sampler_power), mean, deviation, how.shares), how, run, device, minutes, resume)
    said = class_probabilities(net, ((windows[tested] - mean) / deviation).astype(np.float32)).argmax(axis=1)
    return confusion(targets[tested], said, len(recipe.classes))


def learned_by_patient(recipe: WonheeRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> Restorer:
    """A network that learned all three tasks from the patients to learn from."""
    torch.manual_seed(recipe.optimisation.seed)
    net = network(recipe.input.samples, len(recipe.classes), recipe.network, len(fills.CANDIDATES))
    held_out = batches(recipe, recipe.held_out)
    followed = [held_out(np.random.default_rng((recipe.measured.seed, number))) for number in range(FOLLOWED)]
    return Restorer(learn(net, batches(recipe, recipe.data.trained), recipe.optimisation, run, device, minutes, resume, followed)).eval()


def batches(recipe: WonheeRecipe, sets: Mapping[str, Sequence[str]]) -> Callable[[Generator], Batch]:
    """What is learned from by patient, or watched, of these records."""
    leads, samples, how = leads_of(with_folds(sets), recipe.input.band_hz), recipe.input.samples, recipe.augmentation
    drawn = Drawn(leads, how.shares, samples, wander=how.wander, invert=how.invert)
    beats: Labelled = labelled(*beat_windows([lead for lead in leads if lead.data_set == "mitdb"], samples), recipe.optimisation.sampler_power)
    return of_patients(drawn, beats, recipe.optimisation.shares)


def asked_of(net: Restorer, recipe: WonheeRecipe, sets: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Asked]]:
    """By kind of gap and data set, what a network says of windows of these records; each kind hides the same of the same windows at every call."""
    leads = leads_of(with_folds(sets), recipe.input.band_hz)
    cuts = {name: evenly((lead for lead in leads if lead.data_set == name), recipe.input.samples, recipe.measured.windows[name]) for name in sets}
    out: dict[str, dict[str, Asked]] = {}
    for number, (kind, hide) in enumerate(gaps.tested(recipe.input.fs_hz).items()):
        for name, cut in cuts.items():
            observed = hide(len(cut.windows), recipe.input.samples, np.random.default_rng((recipe.measured.seed, number)))
            out.setdefault(kind, {})[name] = Asked(cut, observed, completed(net, cut.windows, observed))
    return out


def completed(net: Restorer, windows_mv: NDArray[np.float32], observed: NDArray[np.bool_]) -> Completed:
    """Windows in mV as the network completes them, as `inference.wonhee` does with the exported one."""
    scaled = fills.scaled(windows_mv, observed)
    parts = []
    with torch.no_grad():
        for at in range(0, len(windows_mv), CHUNK):
            known = observed[at : at + CHUNK]
            values = scaled.values[at : at + CHUNK]
            given = (values, known.astype(np.float32), fills.candidates(values, known))
            parts.append(net(*(torch.from_numpy(x).to(net.factors.device) for x in given)))
    said = [torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True)]
    signal, low, high = (np.where(observed, windows_mv, scaled.mv(part)) for part in said[:3])
    return Completed(signal, low, high, said[3])


def calibrated(net: Restorer, held: Mapping[str, Mapping[str, Asked]], leaning: float = 0.0) -> Restorer:
    """The network with its band widened so that it holds its share on these patients, and leaning in its forecasts; kinds of gap and data sets count alike."""
    factors = []
    for forecast in (False, True):
        kinds = [sets for kind, sets in held.items() if kind.startswith("forecast") == forecast]
        each = [measured.conformal(one.said.signal_mv, one.said.low_mv, one.said.high_mv, one.cut.windows, one.observed) for sets in kinds for one in sets.values()]
        factors.append(float(np.mean(each)))
    return Restorer(net.net, (factors[0], factors[1]), leaning).eval()


def classified(net: Wonhee, recipe: WonheeRecipe) -> NDArray[np.int64]:
    """Confusion (true, said) of one beat in EVERY of the tested patients, first lead."""
    leads = leads_of({"mitdb": recipe.data.tested["mitdb"]}, recipe.input.band_hz)
    windows, targets = beat_windows([_first(leads, record) for record in recipe.data.tested["mitdb"]], recipe.input.samples)
    windows, targets = windows[::EVERY], targets[::EVERY]
    everything = np.ones(windows.shape, bool)
    scaled = fills.scaled(windows, everything)
    parts = [slice(at, at + CHUNK) for at in range(0, len(windows), CHUNK)]
    said = [class_probabilities(net, scaled.values[part], fills.candidates(scaled.values[part], everything[part])) for part in parts]
    return confusion(targets, np.concatenate(said).argmax(axis=1), len(recipe.classes))


def class_probabilities(net: Wonhee, values: NDArray[np.float32], candidates: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Probabilities (n, n_classes) for windows all of which is observed, on the network's own scale."""
    out: list[Tensor] = []
    where = net.positions.device
    with torch.no_grad():
        for at in range(0, len(values), CHUNK):
            part = torch.from_numpy(values[at : at + CHUNK]).to(where)
            beside = None if candidates is None else torch.from_numpy(candidates[at : at + CHUNK]).to(where)
            out.append(net.classify(net.encode(part, torch.ones_like(part, dtype=torch.bool), beside)).softmax(dim=1).cpu())
    return np.asarray(torch.cat(out).numpy(), np.float32)


def beat_windows(leads: Sequence[Lead], samples: int, *, whole: bool = False) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Windows (n, samples) in mV with a beat in the middle of each, within the band or `whole`, and its class (n,)."""
    windows, targets = [], []
    for lead, starts, inside in around_beats(leads, samples):
        signal = lead.whole if whole else lead.band
        windows.append(np.lib.stride_tricks.sliding_window_view(signal, samples)[starts])
        targets.append(lead.targets[inside])
    return np.concatenate(windows), np.concatenate(targets)


def confusion(true: NDArray[np.int64], said: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """(n_classes, n_classes) counts, true by row."""
    return np.bincount(true * n_classes + said, minlength=n_classes**2).reshape(n_classes, n_classes)


def _first(leads: Sequence[Lead], record: str) -> Lead:
    """MLII of a record, or its first lead."""
    own = [lead for lead in leads if lead.record == record]
    return next((lead for lead in own if lead.name == MLII), own[0])
