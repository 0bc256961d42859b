"""The default beat model with this site's signed readings: trained from scratch, or gone on from the weights of a version."""

import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgcore import data
from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.cards import Card, read_card
from ecgcore.models.beats import BeatNet, CalibratedBeatNet
from ecgcore.progress import watch
from ecgcore.signals.features import RR_FEATURES
from ecgcore.site import HELD_OUT, SiteRecord
from ecgcore.training import beats, loop
from ecgcore.training.beats_data import Prepared, noise_leads, prepare
from ecgcore.training.recipes import Recipe
from ecgcore.training.tuning import Retraining, loaded, public_records, records_of, repeats, said, without_own
from ecgcore.training.tuning.card import Told, card_of

EPOCHS: Final = 6
SLOWER: Final = 0.1  # of the recipe's learning rate
KEPT: Final = 0.5  # of what was learned; the rest is kept of what was known
save = beats.save


def anew(recipe: Recipe, how: Retraining) -> tuple[BeatNet, Card]:
    """From scratch: the recipe's folds, patients and epochs, with this site's patients among them."""
    public = public_records(recipe.data.trained, how)
    read = _public(public, recipe, how)
    own = _own(how.own, recipe, how.weight)
    names = {name: tuple(record.name for record in records) for name, records in read.items()}
    trained = {**{name: kept for name, kept in names.items() if kept}, **({how.site.name: tuple(record.name for record in own)} if how.site and own else {})}
    left_out = {**recipe.data.left_out, "svdb": data.SVDB_HELD_OUT}
    changed = recipe.model_copy(update={"data": recipe.data.model_copy(update={"trained": trained, "left_out": left_out})})
    patients = [[record] for records in read.values() for record in records] + _by_patient(own, how.own)
    watch().plan(beats.parts(changed))
    net, card = beats.train(changed, how.run, how.device, how.minutes, how.resume, patients)
    figures = tuple(figure.model_copy(update={"command": how.command}) for figure in card.figures)
    training = card.training.model_copy(update={"trained": records_of(names, how), "held_out": records_of(names, how), "protocol": f"{card.training.protocol}; {said(how)}"})
    return net, card.model_copy(update={"training": training, "figures": figures})


def tune(recipe: Recipe, start: Path, how: Retraining) -> tuple[BeatNet, Card]:
    """From a version's weights: a few epochs at a tenth of the recipe's learning rate, its calibration and thresholds as they were.

    The averaged weights of the last epoch are taken, half-way back to those gone on from: nothing is chosen on the patients whose loss is shown as
    the validation loss.
    """
    begun, device, parent = time.monotonic(), loop.accelerator(how.device), read_card(start)
    watch().plan(1)
    wrapped = CalibratedBeatNet(BeatNet(len(RR_FEATURES), len(AAMI_CLASSES), recipe.network.channels, recipe.network.hidden, recipe.network.dropout))
    before = loaded(wrapped, start, beats.example(parent), beats.INPUTS).state_dict()
    public = public_records(recipe.data.trained, how)
    read = _public(public, recipe, how)
    everyone = [record for records in read.values() for record in records]
    own = _repeated(_own(how.own, recipe, how.weight), everyone)
    rate = recipe.optimisation.learning_rate * SLOWER
    slower = recipe.model_copy(update={"optimisation": recipe.optimisation.model_copy(update={"epochs": EPOCHS, "learning_rate": rate})})
    module = beats.BeatModule(slower, [*everyone, *own], _validation(recipe, how), noise_leads(recipe.input), how.run)
    for net in (module.net, module.averaged.module):
        net.load_state_dict({key.removeprefix("net."): value for key, value in before.items()})
    state = beats.fit(module, EPOCHS, device, how.minutes, how.resume)
    names = {name: [record.name for record in records] for name, records in read.items()}
    more = (f"its weights and those gone on from, {KEPT:g} to {1 - KEPT:g} (Wortsman et al., 2022)",)
    seed, steps = slower.optimisation.seed, int(state["averaged.n_averaged"])
    told = Told(begun, device, EPOCHS, steps, rate, recipe.augmentation.model_dump_json(), seed, more)
    return _between(before, beats.averaged(recipe, state)), card_of(parent, names, recipe.data.left_out, told, how)


def _between(before: dict[str, Tensor], after: BeatNet) -> BeatNet:
    """The network whose weights lie so far between two (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models"): what was learned before is kept."""
    state = after.state_dict()
    mixed = {key: torch.lerp(before[f"net.{key}"], value, KEPT) if value.is_floating_point() else value for key, value in state.items()}
    after.load_state_dict(mixed)
    return after


def _public(public: dict[str, tuple[str, ...]], recipe: Recipe, how: Retraining) -> dict[str, list[Prepared]]:
    read = {name: [data.load_beats(data.locate(name), record) for record in records] for name, records in public.items()}
    return {name: [prepare(one, recipe.input) for one in without_own(labelled, how)] for name, labelled in read.items()}


def _own(records: Iterable[SiteRecord], recipe: Recipe, weight: float) -> list[Prepared]:
    """This site's records, each under a name that no public record has."""
    own = []
    for number, record in enumerate(records):
        prepared = prepare(record.labelled, recipe.input)
        weights = np.where(record.corrected, weight, 1.0).astype(np.float32)
        own.append(replace(prepared, name=f"site-{number}", weights=weights))
    return own


def _by_patient(own: list[Prepared], records: Iterable[SiteRecord]) -> list[list[Prepared]]:
    pairs = sorted(zip((record.patient for record in records), own, strict=True), key=lambda pair: pair[0])
    return [[record for _, record in group] for _, group in groupby(pairs, key=lambda pair: pair[0])]


def _repeated(own: list[Prepared], public: list[Prepared]) -> list[Prepared]:
    """This site's records, cut so often that they make up their share of an epoch beside the public ones."""
    theirs, ours = (sum(record.at.size for record in records) for records in (public, own))
    times = repeats(theirs, ours)
    return [replace(record, times=times) for record in own]


def _validation(recipe: Recipe, how: Retraining) -> list[Prepared]:
    """Patients whose loss is followed: those of svdb and of this site that are never learned from."""
    chosen = how.public is None or "svdb" in how.public
    public = [prepare(data.load_beats(data.locate("svdb"), record), recipe.input) for record in data.SVDB_HELD_OUT if chosen and record in recipe.data.trained.get("svdb", ())]
    held_out = how.site.of(HELD_OUT) if how.site else ()
    return [*public, *(replace(record, name=f"held-out-{number}") for number, record in enumerate(_own(held_out, recipe, 1.0)))]
