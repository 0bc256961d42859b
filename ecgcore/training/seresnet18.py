"""SE-ResNet18 in six configurations and UniversalECGNet on Chapman-Shaoxing, after Kisialeu & Nedzved, end to end."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ecgcore.evaluation.measures import Measures, write_measures
from ecgcore.evaluation.rhythms import Judged
from ecgcore.inference.cards import Card
from ecgcore.leads import STANDARD
from ecgcore.models.rhythm_standardised import FromAll, FromTwelve, StandardisedUniversal
from ecgcore.training import chapman_set, loop, seresnet18_card
from ecgcore.training.export import FreeAxes, export
from ecgcore.training.recipes import ChapmanRecipe
from ecgcore.training.seresnet18_module import RhythmNet, learn, probabilities


@dataclass(frozen=True, eq=False)
class Trained:
    """The network, and the tables that go beside it by name."""

    net: RhythmNet
    tables: dict[str, Measures]


def parts(_recipe: ChapmanRecipe) -> int:
    """How many trainings there are."""
    return 1


def train(recipe: ChapmanRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Learn in the folder `run`, choose the epoch on the records held out, answer the tested ones; the network and its card (without the hash of its weights)."""
    begun, device = time.monotonic(), loop.accelerator(device)
    records = chapman_set.load(recipe, _tell)
    learned = learn(recipe, records, run, device, minutes, resume)
    tested = records.split.tested
    subsets = seresnet18_card.SUBSETS if recipe.configuration == "universal" else {"12 leads": STANDARD}
    answers = {}
    for name, leads in subsets.items():
        said = probabilities(learned.net, records, tested, recipe.optimisation.batch, [STANDARD.index(lead) for lead in leads])
        answers[name] = Judged(recipe.classes, said, records.targets[tested])
    told = seresnet18_card.Told(recipe, records, learned, answers, device, (time.monotonic() - begun) / 60)
    return Trained(learned.net, seresnet18_card.tables(told)), seresnet18_card.card(told)


def _tell(share: float, what: str) -> None:
    """Where somebody watches: the features of all of Chapman-Shaoxing take minutes."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{share:4.0%} {what}")


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors, card and tables into a folder; the card with the hash of the weights."""
    net, leads = trained.net, len(STANDARD)
    signals = torch.randn(2, leads, card.input.samples)  # a batch of 1 would be baked in
    free: FreeAxes = {0: "batch"}
    if isinstance(net, StandardisedUniversal):
        card = export(FromTwelve(net).eval(), (signals, torch.ones(2, leads)), ("signals", "present"), ("probabilities", "lead_weights"), (free, free), card, folder)
    elif card.input.features:
        card = export(FromAll(net).eval(), (signals, torch.randn(2, len(card.input.features))), ("signals", "features"), ("probabilities",), (free, free), card, folder)
    else:
        card = export(FromAll(net).eval(), (signals,), ("signals",), ("probabilities",), (free,), card, folder)
    for name, table in trained.tables.items():
        write_measures(table, folder, name)
    return card
