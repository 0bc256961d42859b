"""The tables and the card of the rhythm model for any leads: what was measured, on whom, and where it ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from torch import nn

from ecgcore.evaluation.measures import Measure, Measured, Measures
from ecgcore.evaluation.rhythms import LEAST_PATIENTS
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.inference.rhythm import TASK
from ecgcore.leads import STANDARD
from ecgcore.models.universal import UniversalECGNet, parameters
from ecgcore.rhythm_findings import RHYTHM_NAMES, RHYTHMS
from ecgcore.signals import segments
from ecgcore.training import universal_figures as figures
from ecgcore.training.chapman_published import PARAMETERS
from ecgcore.training.export import git_commit
from ecgcore.training.recipes import AnyLeadRecipe
from ecgcore.training.rhythm_sources import FIFTHS
from ecgcore.training.universal_data import KINDS, Piece
from ecgcore.training.universal_figures import Answers, Judged, Settled

WHOLE: Final = "12 leads"
MITDB: Final = "mitdb"
PAPER: Final = "Kisialeu & Nedzved"
WINNERS: Final = ("winners of the 2017 challenge (hidden test set)", 0.83)
PAPER_WEIGHTS: Final = {"II": 0.165, "V1": 0.12, "aVF": 0.105}  # middles of the ranges it gives
PROTOCOL: Final = (
    "learned first on one lead at a time (2017 challenge without a fifth, mitdb's DS1 without 201), then on twelve leads and subsets of them; "
    "five networks, each asked about the fifth of the twelve-lead patients that it has not seen, PTB-XL by its official folds two by two, the others by their id; "
    "scale and threshold chosen on the four fifths that the shipped network is not measured on"
)
CONTESTED: Final = (
    "sinus rhythms whose rate is not that of the class their source names (PTB-XL calls many below 60/min no bradycardia) are left out here, and counted as stated where it says so"
)
CHALLENGE: Final = "the fifth of the 2017 challenge's recordings that no network has seen, each as a whole; five networks that share their first stage; epochs chosen beforehand"
LIMITS: Final = (
    "Eight rhythms: it calls no paced, junctional or ventricular rhythm, and no block; these may be called one of the eight. Paced rhythm mostly is: five of PTB-XL's six.",
    "AF is atrial flutter. Flutter, supraventricular and atrial tachycardia had too few patients to be established, and are not called.",
    "Learned from the open mixture: parts of PTB-XL, LUDB and samples of the 2020/2021 challenges with twelve leads, the 2017 challenge with one.",
    "Chapman-Shaoxing as a whole was not at hand: of its 10,646 records it saw some forty.",
    "Sinus bradycardia and tachycardia are told by the rate: below 60, above 100 per minute.",
    "The weight of a lead says which leads the answer was made of, not where the disease is; see its checks.",
    "Children and pacemakers: not established.",
)


def tables(
    recipe: AnyLeadRecipe, answers: Sequence[Answers], specialists: Mapping[str, Sequence[Judged]], settled: Settled, net: nn.Module, device: str, minutes: float
) -> dict[str, Measures]:
    """All tables by the names of their files; `specialists` is by subset of leads and fifth."""
    made = {
        "subsets": _subsets(recipe, answers, settled), "classes": _classes(recipe, answers, settled), "sources": _sources(recipe, answers, settled),
        "called": _called(recipe, answers, settled), "cinc2017": _challenge(recipe, answers), "lead-weights": _weights(recipe, answers), "parameters": _parameters(recipe, net),
    }  # fmt: skip
    if specialists:
        made["specialists"] = _specialists(recipe, answers, specialists)
    spent = {"device": device, "minutes": round(minutes, 1)}
    return {name: table.model_copy(update=spent) for name, table in made.items()}


def card(recipe: AnyLeadRecipe, pieces: Sequence[Piece], answers: Sequence[Answers], settled: Settled, device: str, minutes: float) -> Card:
    """The card, without the hash of the weights; `pieces` are those of all fifths, mitdb's spans learned from among them."""
    spec, how = recipe.input, recipe.optimisation
    apart = [piece for piece in pieces if piece.source != MITDB and piece.fold == recipe.held_out]
    learned = [piece for piece in pieces if piece.source == MITDB or piece.fold != recipe.held_out]
    said = f"{how.first.epochs * how.first.steps} and {how.second.epochs * how.second.steps} steps"
    return Card(
        name=recipe.name, version=recipe.version, task=TASK,
        input=InputSpec(
            leads="any", fs_hz=spec.fs_hz, samples=spec.samples, before_samples=0, units="mV",
            scaling="each lead over its usual range nearby, compressed by arcsinh", band_hz=spec.band_hz, features=segments.TIMING, windowing="segments",
        ),
        classes=recipe.classes, thresholds={}, certain_from=settled.certain_from, unestablished=settled.unestablished, reliability=settled.reliability,
        training=TrainingData(
            trained=records(learned), held_out={**records(apart), **({MITDB: recipe.tested} if MITDB in recipe.sets else {})},
            protocol=f"{PROTOCOL}; {said}", augmentation=recipe.augmentation.model_dump_json(), seed=how.seed,
        ),
        figures=tuple(_figures(recipe, answers, settled)),
        sha256="0" * 64, git_commit=git_commit(), device=device, minutes=round(minutes, 1), limits=LIMITS,
        intended_use="To propose the rhythm of ten seconds on whatever leads there are, or to say that it is not sure; a physician reads the recording.",
    )  # fmt: skip


def records(pieces: Sequence[Piece]) -> dict[str, tuple[str, ...]]:
    """Names of the recordings by source, of several windows of one its name."""
    named = {source: [piece.name.partition("@")[0] for piece in pieces if piece.source == source] for source in dict.fromkeys(piece.source for piece in pieces)}
    return {source: tuple(dict.fromkeys(names)) for source, names in named.items()}


def _figures(recipe: AnyLeadRecipe, answers: Sequence[Answers], settled: Settled) -> list[Figure]:
    """Of each subset of leads the macro F1 and the area under AFIB's curve, of each rhythm its F1, and the 2017 challenge."""
    how = {"protocol": f"{PROTOCOL}; {CONTESTED}", "command": _command(recipe)}
    split = "mixture, five fifths by patient"
    out = []
    for name in answers[0].by_subset:
        for called, figure in (("macro F1 of SB, SR, AFIB, ST", figures.macro_f1), ("AUC of AFIB against the rest", figures.afib_auc)):
            runs = [figure(figures.of_subset([one], name, settled.scale)) for one in answers]
            pooled = figure(figures.of_subset(answers, name, settled.scale))
            out.append(Figure(name=f"{called}, {name}", value=_number(pooled), spread=_number(float(np.nanstd(runs, ddof=1))), n=len(runs), split=split, **how))
    for name, (patients, (_, _, f1)) in figures.by_class(figures.of_subset(answers, WHOLE, settled.scale)).items():
        value = None if name in settled.unestablished else _number(f1)
        out.append(Figure(name=f"{name} F1, {WHOLE} ({patients} patients)", value=value, spread=None, n=len(answers), split=split, **how))
    scored = np.array([figures.kind_f1(one)[-1] for one in answers])
    chance = {"protocol": CHALLENGE, "command": _command(recipe)}
    out.append(
        Figure(
            name="CinC 2017, mean F1 of N, A, O",
            value=_number(float(scored.mean())),
            spread=_number(float(scored.std(ddof=1))),
            n=scored.size,
            split="a fifth of its recordings by their names",
            **chance,
        )
    )
    return out


def _subsets(recipe: AnyLeadRecipe, answers: Sequence[Answers], settled: Settled) -> Measures:
    """Each subset of leads, by fifth; what they come to together in words."""
    columns = (_share("macro F1 of SB SR AFIB ST"), _share("AUC of AFIB"), _share("accuracy"), _share("macro F1 as stated"))
    measured = (figures.macro_f1, figures.afib_auc, figures.accuracy, figures.stated_f1)
    rows, said = [], []
    for name in answers[0].by_subset:
        each = [figures.of_subset([one], name, settled.scale) for one in answers]
        rows.append(Measured(name=name, runs=tuple(tuple(_number(figure(one)) for figure in measured) for one in each)))
        together = figures.of_subset(answers, name, settled.scale)
        parts = [
            f"{what} {figure(together):.3f} ({low:.3f}–{high:.3f})"
            for what, figure in (("macro F1", figures.macro_f1), ("AFIB AUC", figures.afib_auc))
            for low, high in (figures.interval(together, figure),)
        ]
        said.append(f"{name}, all fifths together (95 % by patients): {', '.join(parts)}; as stated {figures.stated_f1(together):.3f}.")
    return _table(recipe, "Rhythm by subset of leads", f"{PROTOCOL}; {CONTESTED}", columns, rows, said)


def _specialists(recipe: AnyLeadRecipe, answers: Sequence[Answers], specialists: Mapping[str, Sequence[Judged]]) -> Measures:
    """The one network for all leads beside networks taught one subset alone, on that subset."""
    measured = (figures.macro_f1, figures.afib_auc)
    rows = []
    for name, alone in specialists.items():
        each = {f"{name}: for any leads": [figures.of_subset([one], name, 1.0) for one in answers], f"{name}: taught {name} alone": alone}
        rows += [Measured(name=called, runs=tuple(tuple(_number(figure(one)) for figure in measured) for one in told)) for called, told in each.items()]
    protocol = f"{PROTOCOL}; networks taught one subset share the first stage and all else; {CONTESTED}"
    return _table(recipe, "One network for any leads, or one for each", protocol, (_share("macro F1 of SB SR AFIB ST"), _share("AUC of AFIB")), rows, [])


def _with_interval(judged: Judged, figure: Callable[[Judged], float]) -> str:
    low, high = figures.interval(judged, figure)
    return f"{figure(judged):.3f} ({low:.3f}–{high:.3f})"


def _classes(recipe: AnyLeadRecipe, answers: Sequence[Answers], settled: Settled) -> Measures:
    """Each rhythm with twelve leads and with lead I; nothing where too few patients have it."""
    columns = [Measure(name="patients", unit="", better="level", digits=0)]
    columns += [_share(f"{what}, {leads}") for leads in (WHOLE, "I") for what in ("sensitivity", "+P", "F1")]
    found = {leads: figures.by_class(figures.of_subset(answers, leads, settled.scale)) for leads in (WHOLE, "I")}
    rows = []
    for name in RHYTHMS:
        known = name not in settled.unestablished
        values = [_number(value) if known else None for leads in (WHOLE, "I") for value in found[leads][name][1]]
        rows.append(Measured(name=f"{name} ({RHYTHM_NAMES[name]})", runs=((float(found[WHOLE][name][0]), *values),)))
    said = [f"Fewer than {LEAST_PATIENTS} patients: not established, and not called: {', '.join(settled.unestablished)}."] if settled.unestablished else []
    return _table(recipe, "Each rhythm", f"{PROTOCOL}; all fifths together; {CONTESTED}", columns, rows, said)


def _sources(recipe: AnyLeadRecipe, answers: Sequence[Answers], settled: Settled) -> Measures:
    """Each source: twelve leads, the hand-held lead, and mitdb's test by the network that is shipped."""
    shipped = answers[recipe.held_out]
    together = figures.of_subset(answers, WHOLE, settled.scale)
    named = np.array([piece.source for one in answers for piece in one.twelve])
    by_source = {f"{source}, 12 leads": together.only(named == source) for source in dict.fromkeys(named.tolist())}
    taught = [i for i, piece in enumerate(shipped.handheld) if piece.allowed.any()]
    handheld = figures.softmax(shipped.handheld_rhythm[taught], settled.scale)
    by_source["cinc2017, N and A of the fifth not seen, lead I"] = Judged.of([shipped.handheld[i] for i in taught], handheld)
    if shipped.tested_rhythm is not None:
        by_source["mitdb DS2, 10-s windows, two leads"] = Judged.of(shipped.tested, figures.softmax(shipped.tested_rhythm, settled.scale))
    columns = [Measure(name=name, unit="", better="level", digits=0) for name in ("patients", "windows")] + [_share("right"), _share("AUC of AFIB")]
    rows = []
    for name, one in by_source.items():
        patients = one.n_patients
        values = [_number(figure(one)) if patients >= LEAST_PATIENTS else None for figure in (figures.accuracy, figures.afib_auc)]
        rows.append(Measured(name=name, runs=((float(patients), float(len(one)), *values),)))
    protocol = f"{PROTOCOL}; right: the most probable rhythm is one that the labels allow; mitdb and 2017 challenge by the shipped network"
    return _table(recipe, "Each source", protocol, columns, rows, [])


def _called(recipe: AnyLeadRecipe, answers: Sequence[Answers], settled: Settled) -> Measures:
    """How often a rhythm is called and right, on the fifth that had no part in choosing the threshold."""
    shipped = [answers[recipe.held_out]]
    rows = []
    for name in answers[0].by_subset:
        share, right = figures.called(figures.of_subset(shipped, name, settled.scale), settled)
        rows.append(Measured(name=name, runs=((_number(share), _number(right)),)))
    chosen = f"called from a probability of {settled.certain_from:.2f}, chosen so that {figures.RIGHT:.0%} of the calls are right on the other fifths"
    protocol = f"{PROTOCOL}; the shipped network on its own fifth; {chosen}"
    return _table(recipe, "What is called", protocol, (_share("called"), _share("right among these")), rows, [])


def _challenge(recipe: AnyLeadRecipe, answers: Sequence[Answers]) -> Measures:
    """The 2017 challenge as it scores."""
    columns = [*(_share(f"{name} F1") for name in KINDS), _share("mean of N, A, O")]
    rows = [Measured(name="Leadwise", runs=tuple(tuple(_number(value) for value in figures.kind_f1(one)) for one in answers))]
    rows.append(Measured(name=WINNERS[0], runs=((None, None, None, None, WINNERS[1]),), published=True))
    return _table(recipe, "2017 challenge", CHALLENGE, columns, rows, [])


def _weights(recipe: AnyLeadRecipe, answers: Sequence[Answers]) -> Measures:
    """Mean weight of each lead where all twelve are there."""
    rows = [Measured(name="Leadwise", runs=tuple(tuple(_number(value) for value in one.weights.mean(axis=0)) for one in answers))]
    rows.append(Measured(name=f"{PAPER} (middle of its ranges)", runs=(tuple(PAPER_WEIGHTS.get(name) for name in STANDARD),), published=True))
    columns = [Measure(name=name, unit="", better="level", digits=3) for name in STANDARD]
    return _table(recipe, "Mean weight of each lead", PROTOCOL, columns, rows, [])


def _parameters(recipe: AnyLeadRecipe, net: nn.Module) -> Measures:
    """Part by part, ours, the paper's network built here, and what the paper says."""
    paper = UniversalECGNet(len(RHYTHMS))
    built = {name: parameters(part) for name, part in paper.named_children()} | {"total": parameters(paper)}
    total = dict.fromkeys(built) | {"total": float(parameters(net))}
    columns = [Measure(name=name, unit="", better="level", digits=0) for name in built]
    rows = [
        Measured(name=f"{recipe.name}, its own parts", runs=(tuple(total[name] for name in built),)),
        Measured(name="UniversalECGNet as built here", runs=(tuple(float(count) for count in built.values()),)),
        Measured(name=PAPER, runs=(tuple(float(PARAMETERS[name]) if name in PARAMETERS else None for name in built),), published=True),
    ]
    parts = sum(count for name, count in PARAMETERS.items() if name != "total")
    said = (
        [f"The paper's parts add up to {parts:,} without a head, its total is {PARAMETERS['total']:,}; ours is the same as its total."]
        if built["total"] == PARAMETERS["total"]
        else []
    )
    return _table(recipe, "Parameters", "counted, not measured", columns, rows, said)


def _table(recipe: AnyLeadRecipe, title: str, protocol: str, columns: Sequence[Measure], rows: Sequence[Measured], said: Sequence[str]) -> Measures:
    fifths = tuple(f"fifth {k}" for k in range(FIFTHS))
    sets = [name for name in recipe.sets if name != "mitdb"]
    return Measures(
        model=f"{recipe.name}@{recipe.version}", title=title, split="by patient", protocol=protocol,
        trained={**dict.fromkeys(sets, fifths), "mitdb": ("DS1 without 201",)}, tested={**dict.fromkeys(sets, fifths), "mitdb": ("DS2",)},
        measures=tuple(columns), rows=tuple(rows), said=tuple(said), command=_command(recipe), git_commit=git_commit(), device="", minutes=0.0,
    )  # fmt: skip


def _share(name: str) -> Measure:
    return Measure(name=name, unit="", better="higher", digits=3)


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _command(recipe: AnyLeadRecipe) -> str:
    return f"python -m ecgcore train {recipe.name}"
