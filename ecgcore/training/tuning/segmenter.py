"""Fine-tuning of the segmenter at large, from a version's weights on: windows that hold a corrected beat are drawn the more often."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import InputError
from ecgcore.inference.cards import Card, read_card
from ecgcore.models.ectopy import EctopyNet
from ecgcore.progress import watch
from ecgcore.signals import segments
from ecgcore.site import HELD_OUT
from ecgcore.training import ectopy_runs, loop, segmenter
from ecgcore.training.ectopy_data import Patient, noise_leads, prepare, rhythm_ids, unmarked
from ecgcore.training.recipes.segmenting import EctopyInput, EctopyPart, SegmenterRecipe
from ecgcore.training.tuning import Retraining, loaded, public_records, repeats, without_own
from ecgcore.training.tuning.card import Told, card_of

EPOCHS: Final = 3
SLOWER: Final = 0.1  # of the recipe's learning rate
INPUTS: Final = ("segments",)
UNMARKED: Final = "cinc2017"  # whose recordings have a rhythm and no beats
save = segmenter.save


class Onward(ectopy_runs.EctopyModule):
    """Goes on from a network, for as many steps as its epochs have: corrected beats change how many windows they hold."""

    def __init__(self, before: EctopyNet, how: EctopyPart, patients: Sequence[Patient], followed: Sequence[Patient], noise: Sequence[NDArray[np.float32]], seed: int) -> None:
        super().__init__(how, patients, noise, seed, followed)
        for net in (self.net, self.averaged.module):
            net.load_state_dict(before.state_dict())
        self.steps = 0
        for epoch in reversed(range(how.optimisation.epochs)):
            self.windows.set_epoch(epoch)
            if not all(self.windows.places):
                raise InputError("there is too little to learn from: an epoch would have no window; choose a public data set, or more signed readings")
            self.steps += len(self.windows)


def tune(recipe: SegmenterRecipe, start: Path, how: Retraining) -> tuple[segmenter.Trained, Card]:
    """From a version's weights: a few epochs at a tenth of the recipe's learning rate, its limits as they were."""
    begun, device, parent = time.monotonic(), loop.accelerator(how.device), read_card(start)
    watch().plan(1)
    large, seed = _slower(recipe), recipe.optimisation.seed
    before = ectopy_runs.network(large)
    loaded(before, start, (torch.randn(2, segments.CHANNELS, parent.input.samples),), INPUTS)
    public = _public(large, how)
    theirs = [one for patients in public.values() for one in patients]
    own = own_patients(how, large.input, theirs)
    long_enough = large.input.segments * large.input.samples
    taught = [one for one in own if one.leads.shape[1] >= long_enough]
    if not theirs and not taught:
        raise InputError(f"there is nothing to learn from; choose a public data set, or signed readings of at least {long_enough / segments.FS_HZ:g} s")
    module = Onward(before, large, [*theirs, *taught], _followed(large, how), noise_leads(large.input), seed)
    state = ectopy_runs.fit(module, how.run, device, how.minutes, how.resume)
    net = ectopy_runs.averaged(large, state)
    names = {name: [one.name for one in patients] for name, patients in public.items()}
    more = ["for corrected beats, the windows that hold one are drawn so many times as often"] if own else []
    more += [f"{len(own) - len(taught)} of this site's recordings are shorter than {long_enough / segments.FS_HZ:g} s and taught nothing"] if len(taught) < len(own) else []
    steps = int(state["averaged.n_averaged"])
    told = Told(begun, device, EPOCHS, steps, large.optimisation.learning_rate, large.augmentation.model_dump_json(), seed, tuple(more))
    return segmenter.Trained(net, ectopy_runs.by_chance(large), {}), card_of(parent, names, large.data.left_out, told, how)


def _slower(recipe: SegmenterRecipe) -> EctopyPart:
    how = recipe.at_large.optimisation
    return recipe.at_large.model_copy(update={"optimisation": how.model_copy(update={"epochs": EPOCHS, "learning_rate": how.learning_rate * SLOWER})})


def _public(large: EctopyPart, how: Retraining) -> dict[str, list[Patient]]:
    """By data set, the recordings without marks among them."""
    found = {
        name: [prepare(one, large.input) for one in without_own((data.load_beats(data.locate(name), record) for record in records), how)]
        for name, records in public_records(large.data.trained, how).items()
    }
    if large.rhythms and (how.public is None or UNMARKED in how.public):
        rhythms = rhythm_ids(large.rhythms)
        found[UNMARKED] = [prepare(one, large.input, rhythms[one.record.name]) for one in without_own(unmarked(rhythms), how)]
    return found


def own_patients(how: Retraining, spec: EctopyInput, public: Iterable[Patient]) -> list[Patient]:
    """This site's records, cut so often that they make up their share of an epoch beside the public ones."""
    own = []
    for record in how.own:
        one = prepare(record.labelled, spec)
        own.append(replace(one, corrected=one.at[record.corrected], weight=how.weight))
    theirs, ours = (sum(one.leads.shape[1] for one in patients) for patients in (public, own))
    return [replace(one, times=repeats(theirs, ours)) for one in own]


def _followed(large: EctopyPart, how: Retraining) -> list[Patient]:
    """Those of svdb and of this site that are never learned from."""
    chosen = how.public is None or "svdb" in how.public
    public = [data.load_beats(data.locate("svdb"), record) for record in data.SVDB_HELD_OUT if chosen and record in large.data.trained.get("svdb", ())]
    return [prepare(one, large.input) for one in (*public, *(record.labelled for record in (how.site.of(HELD_OUT) if how.site else ())))]
