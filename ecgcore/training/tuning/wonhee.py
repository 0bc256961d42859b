"""Fine-tuning of WonHEE, from a version's weights on: this site's signals are drawn from beside the public ones, and its beats to classify."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgcore.errors import InputError
from ecgcore.inference.cards import Card, read_card
from ecgcore.inference.wonhee import INPUTS
from ecgcore.models.wonhee import Restorer
from ecgcore.progress import watch
from ecgcore.signals import fills
from ecgcore.training import loop, wonhee
from ecgcore.training.recipes import WonheeOptimisation, WonheeRecipe
from ecgcore.training.tuning import MOST_TIMES, OWN_SHARE, Retraining, loaded, public_records, repeats, without_own
from ecgcore.training.tuning.card import Told, card_of
from ecgcore.training.wonhee_data import Drawn, Lead, around_beats, leads_in, with_beats, with_folds
from ecgcore.training.wonhee_module import Labelled, averaged, fit, labelled, network, of_patients

EPOCHS: Final = 6
STEPS: Final = 100  # an epoch: fewer than the recipe's, since a time limit and a resumption count whole epochs
SLOWER: Final = 0.1  # of the recipe's learning rate
OWN: Final = "site"  # in the place of a data set
CLASSIFIED: Final = "mitdb"  # the public set whose beats are classified
save = wonhee.save


@dataclass(frozen=True, eq=False)
class Own:
    """This site's leads, and by record how much more likely each of its beats (n_beats,) is to be drawn than another."""

    leads: list[Lead]
    weights: dict[str, NDArray[np.float64]]


def tune(recipe: WonheeRecipe, start: Path, how: Retraining) -> tuple[wonhee.Trained, Card]:
    """From a version's weights: a few epochs at a tenth of the recipe's learning rate; its band and what a forecast leans on as they were."""
    begun, device, parent = time.monotonic(), loop.accelerator(how.device), read_card(start)
    watch().plan(1)
    slower = recipe.optimisation.model_copy(update={"epochs": EPOCHS, "steps": STEPS, "learning_rate": recipe.optimisation.learning_rate * SLOWER})
    before = Restorer(network(recipe.input.samples, len(recipe.classes), recipe.network, len(fills.CANDIDATES)))
    loaded(before, start, example(recipe.input.samples), INPUTS)
    public, own = _public(recipe, how), own_leads(recipe, how)
    leads = [lead for records in public.values() for found in records.values() for lead in found]
    shares, augmentation = _shares(recipe, leads, own.leads, slower), recipe.augmentation
    if not shares:
        raise InputError(f"there is nothing to learn from: no lead of the records chosen is as long as a window, {recipe.input.samples / recipe.input.fs_hz:g} s")
    drawn = Drawn([*leads, *own.leads], shares, recipe.input.samples, wander=augmentation.wander, invert=augmentation.invert)
    batches = of_patients(drawn, to_classify(leads, own, recipe), slower.shares)
    state = fit(before.net.train(), batches, slower, how.run, device, how.minutes, how.resume)
    net = Restorer(averaged(before.net, state), (float(before.factors[0]), float(before.factors[1])), float(before.leaning)).eval()
    said = (f"{shares[OWN] / sum(shares.values()):.0%} of the windows with gaps are this site's; corrected beats weigh in the classes alone",) if OWN in shares else ()
    told = Told(begun, device, EPOCHS, int(state["averaged.n_averaged"]), slower.learning_rate, augmentation.model_dump_json(), slower.seed, said)
    return wonhee.Trained(net, {}), card_of(parent, {name: list(found) for name, found in public.items()}, recipe.data.left_out, told, how)


def example(samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random inputs of the network as it is exported, with a gap in one window and the end missing in the other: what is observed is handed back as it was."""
    observed = torch.ones(2, samples)
    observed[0, samples // 3 : samples // 2], observed[1, samples // 2 :] = 0, 0
    return torch.randn(2, samples), observed, torch.randn(2, len(fills.CANDIDATES), samples)


def to_classify(public: Sequence[Lead], own: Own, recipe: WonheeRecipe) -> Labelled:
    """Beats to classify, those of this site drawn as often as they are repeated and weigh. Raises InputError where there are none."""
    theirs, ours = ([lead for lead in leads if lead.peaks.size] for leads in ([lead for lead in public if lead.data_set == CLASSIFIED], own.leads))
    if not theirs and not ours:
        raise InputError(f"WonHEE learns classes of beats too, and there are none; choose {CLASSIFIED} or signed readings")
    beats = labelled(*wonhee.beat_windows([*theirs, *ours], recipe.input.samples), recipe.optimisation.sampler_power)
    weights = [own.weights[lead.record][inside] for lead, _, inside in around_beats(ours, recipe.input.samples)]
    n_ours = sum(one.size for one in weights)
    n_theirs = beats.targets.size - n_ours
    chances = beats.chances * np.concatenate([np.ones(n_theirs), *(repeats(n_theirs, n_ours) * one for one in weights)])
    if not chances.sum() > 0:
        raise InputError("WonHEE learns classes of beats too, and none of those chosen has a weight and lies in the middle of a whole window")
    return beats._replace(chances=chances / chances.sum())


def _public(recipe: WonheeRecipe, how: Retraining) -> dict[str, dict[str, list[Lead]]]:
    """Leads by data set and record."""
    found: dict[str, dict[str, list[Lead]]] = {}
    for data_set, records in with_folds(public_records(recipe.data.trained, how)).items():
        read = {name: with_beats(data_set, name) for name in records}
        kept = {id(one) for one in without_own(read.values(), how)}
        found[data_set] = {name: list(leads_in(data_set, name, one, recipe.input.band_hz)) for name, one in read.items() if id(one) in kept}
    return found


def own_leads(recipe: WonheeRecipe, how: Retraining) -> Own:
    """This site's records that are learned from."""
    named = {f"{OWN}-{k}": record for k, record in enumerate(how.own)}
    leads = [lead for name, record in named.items() for lead in leads_in(OWN, name, record.labelled, recipe.input.band_hz)]
    return Own(leads, {name: np.where(record.corrected, how.weight, 1.0) for name, record in named.items()})


def _shares(recipe: WonheeRecipe, public: Iterable[Lead], own: Iterable[Lead], how: WonheeOptimisation) -> dict[str, float]:
    """How often a window is drawn from each data set, and from this site: its share, as far as none of its seconds comes oftener in an epoch than is allowed."""
    samples = recipe.input.samples
    shares = {name: recipe.augmentation.shares[name] for name in dict.fromkeys(lead.data_set for lead in public if lead.band.size >= samples)}
    ours = sum(lead.band.size / samples for lead in own if lead.band.size >= samples)
    if ours:
        part = min(OWN_SHARE, MOST_TIMES * ours / (how.steps * sum(how.shares[1:])))
        shares[OWN] = part / (1 - part) * sum(shares.values()) if shares else 1.0
    return shares
