"""The rhythm model for any leads end to end: learned from the open mixture, measured on every fifth of its patients in turn, shipped with one fifth never seen."""

import copy
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from ecgcore.evaluation.measures import Measures, write_measures
from ecgcore.inference.cards import Card
from ecgcore.rhythm import STEP
from ecgcore.signals import segments
from ecgcore.training import loop, rhythm_sources, universal_card, universal_figures
from ecgcore.training.export import FreeAxes, export
from ecgcore.training.recipes import AnyLeadRecipe, AnyLeadStage
from ecgcore.training.universal_data import SUBSETS, Batch, Drawn, Piece, batch, one_lead, prepare, some_leads
from ecgcore.training.universal_figures import Answers, Judged
from ecgcore.training.universal_module import Asked, Control, Make, Net, learn, network

INPUTS: Final = ("signals", "beats", "lead_ids", "present")
OUTPUTS: Final = ("probabilities", "challenge", "weights")
FOLLOWED: Final = 64  # recordings whose loss is told after each epoch


@dataclass(frozen=True, eq=False)
class Mixture:
    """The recordings by what they are used for: of one hand-held lead, of mitdb to learn from and to test, of twelve leads."""

    handheld: list[Piece]
    spans: list[Piece]
    tested: list[Piece]
    twelve: list[Piece]


@dataclass(frozen=True, eq=False)
class Trained:
    """The network that is shipped, others with random weights, and the tables that go beside it by name."""

    net: Asked
    control: Control
    tables: dict[str, Measures]


def parts(recipe: AnyLeadRecipe) -> int:
    """How many trainings there are."""
    return 1 + rhythm_sources.FIFTHS * (1 + len(recipe.specialists))


def train(recipe: AnyLeadRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Learn in the folder `run`; the network that has not seen the fifth held out, with its card (without the hash of its weights)."""
    begun, device = time.monotonic(), loop.accelerator(device)
    found = mixture(recipe)
    share = minutes / parts(recipe) if minutes else None
    first = learned_first(recipe, found, run, device, share, resume)
    nets = [learned_second(recipe, found, first, fifth, run, device, share, resume) for fifth in range(rhythm_sources.FIFTHS)]
    answers = [answers_of(net, found, fifth, recipe.held_out) for fifth, net in enumerate(nets)]
    specialists = {name: [alone(recipe, found, first, fifth, name, run, device, share, resume) for fifth in range(rhythm_sources.FIFTHS)] for name in recipe.specialists}
    settled = universal_figures.settle([one for fifth, one in enumerate(answers) if fifth != recipe.held_out])
    spent = (time.monotonic() - begun) / 60
    tables = universal_card.tables(recipe, answers, specialists, settled, nets[recipe.held_out], device, spent)
    shipped = Asked(nets[recipe.held_out], settled.scale).eval()
    torch.manual_seed(recipe.optimisation.seed + 1)
    control = Control([network(recipe) for _ in range(recipe.network.controls)]).eval()
    return Trained(shipped, control, tables), universal_card.card(recipe, [*found.twelve, *found.handheld, *found.spans], answers, settled, device, spent)


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, safetensors, card and tables into a folder; the card with the hash of the weights."""
    n, leads = card.input.samples, 3  # lengths that nothing else has, so that none is baked in
    example = (torch.randn(2, leads, n), torch.randn(2, segments.CHANNELS - 1, n), torch.randint(0, 12, (2, leads)), torch.ones(2, leads, dtype=torch.bool))
    along = ("quarters", STEP)
    free: tuple[FreeAxes, ...] = ({0: "batch", 1: "leads", 2: along}, {0: "batch", 2: along}, {0: "batch", 1: "leads"}, {0: "batch", 1: "leads"})
    card = export(trained.net.cpu(), example, INPUTS, OUTPUTS, free, card, folder, control=trained.control)
    for name, table in trained.tables.items():
        write_measures(table, folder, name)
    return card


def mixture(recipe: AnyLeadRecipe) -> Mixture:
    """The recordings of the recipe's sets; of mitdb those learned from share no patient with those tested."""
    from ecgcore.data import DS1

    same = {rhythm_sources.SAME_PATIENT.get(record) for record in recipe.tested}
    learned = [record for record in DS1 if record not in same]
    pieces = prepare(rhythm_sources.load_all(recipe.sets, learned), recipe.input.band_hz)
    tested = prepare(rhythm_sources.load_all(("mitdb",), recipe.tested), recipe.input.band_hz) if "mitdb" in recipe.sets else []
    return Mixture(
        handheld=[piece for piece in pieces if piece.source == "cinc2017"],
        spans=[piece for piece in pieces if piece.source == "mitdb"],
        tested=tested,
        twelve=[piece for piece in pieces if len(piece.lead_ids) == len(SUBSETS["12 leads"])],
    )


def learned_first(recipe: AnyLeadRecipe, found: Mixture, run: Path, device: str, minutes: float | None, resume: bool) -> Net:
    """A network that learned on one lead at a time."""
    torch.manual_seed(recipe.optimisation.seed)
    make = partial(step, recipe, recipe.optimisation.first, drawn(recipe, found, None))
    return learn(network(recipe), make, recipe.optimisation.first, recipe, run / "first", device, minutes, resume, followed(recipe, found, None))


def learned_second(recipe: AnyLeadRecipe, found: Mixture, first: Net, fifth: int, run: Path, device: str, minutes: float | None, resume: bool, only: str | None = None) -> Net:
    """The network of the first stage taught twelve leads and fewer, or `only` one subset of them, by the patients of four fifths."""
    make: Make = partial(step, recipe, recipe.optimisation.second, drawn(recipe, found, fifth), only=only)
    folder = run / (f"second{fifth}" if only is None else f"only {only}{fifth}")
    unseen = followed(recipe, found, fifth, "12 leads" if only is None else only)
    return learn(copy.deepcopy(first).train(), make, recipe.optimisation.second, recipe, folder, device, minutes, resume, unseen)


def alone(recipe: AnyLeadRecipe, found: Mixture, first: Net, fifth: int, only: str, run: Path, device: str, minutes: float | None, resume: bool) -> Judged:
    """What a network taught one subset of leads alone says on it of the patients it has not seen."""
    net = learned_second(recipe, found, first, fifth, run, device, minutes, resume, only)
    twelve = [piece for piece in found.twelve if piece.fold == fifth and piece.allowed.any()]
    return Judged.of(twelve, universal_figures.softmax(asked(net, twelve, [SUBSETS[only]] * len(twelve))[0]))


def drawn(recipe: AnyLeadRecipe, found: Mixture, fifth: int | None) -> dict[str, Drawn]:
    """What is drawn from: hand-held recordings without the fifth held out, and twelve-lead ones without the fifth asked about."""
    how = recipe.optimisation
    out = {"handheld": Drawn([piece for piece in found.handheld if piece.fold != recipe.held_out], how.kind_power, by_kind=True), "spans": Drawn(found.spans, how.power)}
    if fifth is not None:
        out["twelve"] = Drawn([piece for piece in found.twelve if piece.fold != fifth], how.power)
    return out


def followed(recipe: AnyLeadRecipe, found: Mixture, fifth: int | None, subset: str = "12 leads") -> tuple[Batch, ...]:
    """Recordings of the fifths that `drawn` leaves out, at most FOLLOWED of each kind and the same after every epoch: the loss on them is watched."""
    rng, fs_hz = np.random.default_rng(recipe.optimisation.seed), recipe.input.fs_hz
    handheld = [piece for piece in found.handheld if piece.fold == recipe.held_out]
    twelve = [piece for piece in found.twelve if piece.fold == fifth]
    seconds = recipe.optimisation.first.handheld_s
    out = []
    for pieces, rows, n in ((handheld, (0,), round(seconds * fs_hz)), (twelve, SUBSETS[subset], recipe.input.samples)):
        chosen = [pieces[place] for place in rng.permutation(len(pieces))[:FOLLOWED]]
        out += [batch(chosen, [rows] * len(chosen), n, rng)] if chosen else []
    return tuple(out)


def step(recipe: AnyLeadRecipe, stage: AnyLeadStage, sources: Mapping[str, Drawn], rng: Generator, only: str | None = None) -> tuple[Batch, ...]:
    """The batches of one step; of twelve leads all and fewer, or `only` one subset."""
    fs_hz, samples, how = recipe.input.fs_hz, recipe.input.samples, recipe.optimisation
    handheld, spans = sources["handheld"].draw(stage.handheld, rng), sources["spans"].draw(stage.spans, rng)
    batches = [
        batch(handheld, [(0,)] * len(handheld), round(stage.handheld_s * fs_hz), rng, invert=how.invert),
        batch(spans, one_lead(spans, rng), round(rhythm_sources.WINDOW_S * fs_hz), rng, how.span_weight, how.invert),
    ]
    if "twelve" in sources and stage.twelve:
        twelve = sources["twelve"].draw(stage.twelve, rng)
        rows = some_leads(len(twelve), recipe.augmentation.lead_dropout, rng) if only is None else [SUBSETS[only]] * len(twelve)
        batches.append(batch(twelve, rows, samples, rng))
    return tuple(batches)


def answers_of(net: Net, found: Mixture, fifth: int, held_out: int) -> Answers:
    """What a network says of the patients it has not seen: twelve-lead ones by subset of leads, hand-held ones, and those of mitdb's test."""
    twelve = [piece for piece in found.twelve if piece.fold == fifth and piece.allowed.any()]
    handheld = [piece for piece in found.handheld if piece.fold == held_out]
    handheld_rhythm, kinds = asked(net, handheld, [(0,)] * len(handheld))
    tested = found.tested if fifth == held_out else []
    return Answers(
        twelve=tuple(twelve),
        by_subset={name: asked(net, twelve, [rows] * len(twelve))[0] for name, rows in SUBSETS.items()},
        weights=np.concatenate([one[2] for one in _each(net, twelve, [SUBSETS["12 leads"]] * len(twelve))]),
        handheld=tuple(handheld),
        kinds=kinds,
        handheld_rhythm=handheld_rhythm,
        tested=tuple(tested),
        tested_rhythm=asked(net, tested, [tuple(range(len(piece.lead_ids))) for piece in tested])[0] if tested else None,
    )


def asked(net: Net, pieces: Sequence[Piece], rows: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of the rhythms (n, 8) and of the kinds (n, 4), each piece as a whole."""
    answers = list(_each(net, pieces, rows))
    return np.concatenate([one[0] for one in answers]), np.concatenate([one[1] for one in answers])


def _each(net: Net, pieces: Sequence[Piece], rows: Sequence[tuple[int, ...]]) -> Iterable[tuple[NDArray[np.float32], ...]]:
    where = next(net.parameters()).device
    with torch.no_grad():
        for piece, chosen in zip(pieces, rows, strict=True):
            signals, beats = piece.seen(chosen)
            n = signals.shape[1] // STEP * STEP
            ids = torch.from_numpy(piece.lead_ids[list(chosen)])[None]
            given = (torch.from_numpy(signals[None, :, :n]), torch.from_numpy(beats[None, :, :n]), ids, torch.ones_like(ids, dtype=torch.bool))
            yield tuple(part.cpu().numpy() for part in net(*(x.to(where) for x in given)))
