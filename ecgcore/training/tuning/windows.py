"""Fine-tuning of the classifiers of single beats, the neural flow and HADLN: from a model's weights on, under the loss of their recipes."""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgcore import data
from ecgcore.errors import InputError
from ecgcore.inference.cards import Card, read_card
from ecgcore.models.beat_windows import CalibratedWindowNet
from ecgcore.progress import watch
from ecgcore.site import HELD_OUT, SiteRecord
from ecgcore.training import hadln, loop, neural_flow
from ecgcore.training import window_classifiers as windows
from ecgcore.training.beat_sets import BeatSet, known, of_records
from ecgcore.training.focal import FocalLoss
from ecgcore.training.recipes import HadlnRecipe, NeuralFlowRecipe, WindowOptimisation
from ecgcore.training.tuning import Retraining, loaded, public_records, repeats, without_own
from ecgcore.training.tuning.card import Told, card_of

EPOCHS: Final = 4
SLOWER: Final = 0.1  # of the recipe's learning rate
INPUTS: Final = ("beats",)

WindowRecipe = NeuralFlowRecipe | HadlnRecipe


@dataclass(frozen=True, eq=False)
class Learned:
    """What is learned from.

    beats     of all records, this site's after the public ones, those whose loss is followed last
    weights   (n_beats,) of each in the loss
    training  (n,) places learned from, this site's as often as they are repeated; held: (m,) places whose loss is followed
    left_out  this site's beats of classes that the model does not have
    """

    beats: BeatSet
    weights: NDArray[np.float32]
    training: NDArray[np.int64]
    held: NDArray[np.int64]
    left_out: int


def tune(recipe: WindowRecipe, start: Path, how: Retraining) -> tuple[CalibratedWindowNet, Card]:
    """From a version's weights: a few epochs at a tenth of the recipe's learning rate, its calibration and thresholds as they were."""
    begun, device, parent = time.monotonic(), loop.accelerator(how.device), read_card(start)
    watch().plan(1)
    optimisation = slower(recipe)
    fresh = network(recipe)
    before = CalibratedWindowNet(hadln.bare(fresh), 1.0, torch.zeros(len(parent.classes)))
    loaded(before, start, (torch.randn(2, parent.input.samples),), INPUTS)
    public = [one for name, records in public_records(recipe.data.trained, how).items() for one in _public(name, records, how)]
    learned = learned_from(public, how, parent)
    task = windows.Task(
        learned.beats, learned.training, learned.held, partial(_again, fresh), loss(recipe, learned, optimisation), optimisation, optimisation.seed, learned.weights, chooses=False
    )  # fmt: skip
    after = windows.learn(task, how.run, device, how.minutes, how.resume)
    net = CalibratedWindowNet(hadln.bare(after.net), float(before.scale), before.bias).eval()
    names = {name: [one.record.name for one in public if one.record.name in records] for name, records in recipe.data.trained.items()}
    steps = after.epochs * len(windows.Batches(task))
    told = Told(begun, device, EPOCHS, steps, optimisation.learning_rate, _augmentation(recipe), optimisation.seed, _more(learned, parent))
    return net, card_of(parent, names, recipe.data.left_out, told, how)


def save(net: CalibratedWindowNet, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors and card into a folder; the card with the hash of the weights."""
    return neural_flow.save(neural_flow.Trained(net, {}), card, folder)


def network(recipe: WindowRecipe) -> nn.Module:
    """The network that ships as it learns, with any weights."""
    if isinstance(recipe, HadlnRecipe):
        return hadln.contenders(recipe, recipe.input_by_patient, np.zeros((1, 1), np.float32))[hadln.SHIPPED].make()
    return neural_flow.network(recipe, neural_flow.ARMS[neural_flow.SHIPPED])


def slower(recipe: WindowRecipe) -> WindowOptimisation:
    """How the recipe learns by patient, for a few epochs at a lower rate."""
    how = recipe.by_patient if isinstance(recipe, HadlnRecipe) else recipe.optimisation
    return how.model_copy(update={"epochs": EPOCHS, "learning_rate": how.learning_rate * SLOWER, "seed": recipe.optimisation.seed})


def loss(recipe: WindowRecipe, learned: Learned, how: WindowOptimisation) -> FocalLoss:
    """The recipe's loss, in which beats have weights of their own; with γ = 0 it is the neural flow's cross-entropy."""
    return FocalLoss(windows.class_weights(learned.beats, learned.training, how), recipe.gamma if isinstance(recipe, HadlnRecipe) else 0.0)


def learned_from(public: Iterable[data.LabelledBeats], how: Retraining, parent: Card) -> Learned:
    """The beats of these public records and of this site, cut as the parent's card says. Raises InputError where none is of its classes."""
    held_out = how.site.of(HELD_OUT) if how.site else ()
    named = [*((one.record.name, one) for one in public), *((f"site-{k}", one.labelled) for k, one in enumerate((*how.own, *held_out)))]
    if not named:
        raise InputError("there is nothing to learn from; choose a public data set or signed readings")
    beats = of_records(named, parent.classes, parent.input)
    first_own, first_held = len(named) - len(how.own) - len(held_out), len(named) - len(held_out)
    theirs, held = (np.flatnonzero(chosen) for chosen in (beats.patients < first_own, beats.patients >= first_held))
    own = np.flatnonzero((beats.patients >= first_own) & (beats.patients < first_held))
    weights = np.ones(beats.targets.size, np.float32)
    weights[own] = _weights(how.own, parent, how.weight)
    own = own[weights[own] > 0]
    training = np.concatenate([theirs, np.tile(own, repeats(theirs.size, own.size))])
    if not training.size:
        raise InputError(f"there is nothing to learn from: no beat of the records chosen is one of {', '.join(parent.classes)}")
    left_out = sum(int((~known(record.labelled, parent.classes)).sum()) for record in how.own)
    return Learned(beats, weights, training, held, left_out)


def _public(name: str, records: Iterable[str], how: Retraining) -> list[data.LabelledBeats]:
    return without_own((data.load_beats(data.locate(name), record) for record in records), how)


def _again(fresh: nn.Module) -> nn.Module:
    return copy.deepcopy(fresh).train()


def _weights(own: Iterable[SiteRecord], parent: Card, weight: float) -> NDArray[np.float32]:
    """Of the beats that the model has a class for, one record after the other."""
    parts = [np.where(record.corrected[known(record.labelled, parent.classes)], weight, 1.0) for record in own]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def _augmentation(recipe: WindowRecipe) -> str:
    return recipe.augmentation.model_dump_json() if isinstance(recipe, HadlnRecipe) else "none"


def _more(learned: Learned, parent: Card) -> tuple[str, ...]:
    return (f"{learned.left_out} of this site's beats were left out, being none of {', '.join(parent.classes)}",) if learned.left_out else ()
