"""The tables and the card of the seven configurations on Chapman-Shaoxing: what was measured, on whom, and what the paper says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.measures import Measure, Measured, Measures
from ecgcore.evaluation.rhythms import BY_CLASS, LEAST_PATIENTS, OVERALL, Judged, by_class, overall
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.leads import LIMB, STANDARD
from ecgcore.models.universal import parameters
from ecgcore.training import chapman_published as published
from ecgcore.training.chapman_metadata import METADATA
from ecgcore.training.chapman_set import WHOLE, ChapmanSet
from ecgcore.training.export import git_commit
from ecgcore.training.neurokit_features import GREATEST_FALLBACK, NEUROKIT
from ecgcore.training.recipes import ChapmanRecipe
from ecgcore.training.seresnet18_module import Learned, parts

TASK: Final = "rhythm of a recording"
SUBSETS: Final = {"12 leads": STANDARD, "6 limb leads": LIMB, "I, II, V1": ("I", "II", "V1"), "II": ("II",)}
NAMED: Final = 100  # records; of more, the table says how they were chosen
SPLIT: Final = "Chapman-Shaoxing, by patient"
PROTOCOL: Final = (
    "one record a patient; {trained} to learn from, {held_out} to choose the epoch by (macro F1), {tested} tested once: stratified by rhythm with seed {seed}{unsplit}; "
    "best of {epochs} epochs: {best}; most probable class, not calibrated"
)
ESTABLISHED: Final = f"a figure of fewer than {LEAST_PATIENTS} tested patients is not established"
LIMITS: Final = (
    "One hospital, one recorder, denoised by the publishers; AF is atrial flutter here.",
    "AVNRT, AVRT and wandering atrial rhythm were left out of learning and testing, as in the paper.",
    "Probabilities are not calibrated.",
)
OF_INPUTS: Final = (
    "The paper counts 28 features of NeuroKit2 and 14 clinical ones, but 36 inputs of both, 27 and 16 of the filtered: its numbers do not agree. "
    "It names POnset too, which the public table lacks; with gender as two columns there are 14 without it."
)
OF_SAMPLES: Final = "Run on {n} of the {whole} records of Chapman-Shaoxing, to show that the recipe comes to its end: not for reading, and no figure is claimed."


@dataclass(frozen=True, eq=False)
class Told:
    """What a run came to: the recipe, its records, the network, and its answers on the tested ones by lead subset (one for a network of all leads)."""

    recipe: ChapmanRecipe
    records: ChapmanSet
    learned: Learned
    answers: Mapping[str, Judged]
    device: str
    minutes: float

    @property
    def judged(self) -> Judged:
        """The answers with all leads."""
        return self.answers["12 leads"]


def tables(told: Told) -> dict[str, Measures]:
    """All tables by the names of their files."""
    found = {"overall": _overall(told), "classes": _classes(told), "parameters": _parameters(told)}
    if told.records.columns:
        found["features"] = _features(told)
        found["inputs"] = _inputs(told)
    return found


def card(told: Told) -> Card:
    """The card, without the hash of the weights."""
    recipe, records = told.recipe, told.records
    parts_of = records.split
    part = () if records.whole else (OF_SAMPLES.format(n=len(records.names), whole=f"{WHOLE:,}"),)
    return Card(
        name=recipe.name, version=recipe.version, task=TASK,
        input=InputSpec(
            leads=STANDARD, fs_hz=recipe.input.fs_hz, samples=recipe.input.samples, before_samples=0, units="mV",
            scaling="each lead, and each feature, by mean and deviation of the records learned from; the network holds them", band_hz=(0.0, recipe.input.fs_hz / 2),
            features=records.columns,
        ),
        classes=recipe.classes, thresholds={},
        training=TrainingData(
            trained=_named(records, parts_of.trained), held_out=_named(records, parts_of.held_out), protocol=protocol(told),
            augmentation=recipe.augmentation.model_dump_json(), seed=recipe.optimisation.seed,
        ),
        figures=tuple(_figures(told)), sha256="0" * 64, git_commit=git_commit(), device=told.device, minutes=round(told.minutes, 1), limits=(*part, *LIMITS),
        intended_use="To compare with the published figures on its own data set; not for reading.",
    )  # fmt: skip


def protocol(told: Told) -> str:
    """How the figures came about."""
    split, how = told.records.split, told.recipe.data
    rare = f"; {', '.join(split.unsplit)}, too few to share out, to learn from alone" if split.unsplit else ""
    sizes = {"trained": split.trained.size, "held_out": split.held_out.size, "tested": split.tested.size}
    return PROTOCOL.format(**sizes, seed=how.seed, unsplit=rare, epochs=told.learned.epochs, best=told.learned.best_epoch)


def _figures(told: Told) -> list[Figure]:
    said, command = protocol(told), _command(told.recipe)

    def figure(name: str, value: float | None, n: int, note: str = "") -> Figure:
        return Figure(name=name, value=value, spread=None, n=n, protocol=f"{said}{note}", split=SPLIT, command=command)

    several = len(told.answers) > 1
    found = [
        figure(f"{name}, {subset}" if several else name, value, judged.targets.size, "" if value is not None else f"; {ESTABLISHED}")
        for subset, judged in told.answers.items()
        for name, value in overall(judged).items()
    ]
    for label, (patients, values) in by_class(told.judged).items():
        found += [figure(f"{label} {name}", value, patients, "" if value is not None else f"; {ESTABLISHED}") for name, value in values.items()]
    rates = _missing(told.records, told.records.split.trained)
    learned = told.records.split.trained.size
    return found + [
        figure(f"{'fallback' if name in NEUROKIT else 'not stated'}: {name}", round(rate, 5), learned, "; of the records learned from")
        for name, rate in rates.items()
        if rate or name in NEUROKIT
    ]


def _overall(told: Told) -> Measures:
    """By lead subset where there are several, ours beside the paper's."""
    rows = []
    for subset, judged in told.answers.items():
        theirs = published.SUBSETS[subset] if len(told.answers) > 1 else published.FIGURES[told.recipe.configuration]
        name = f"{told.recipe.name}, {subset}" if len(told.answers) > 1 else told.recipe.name
        rows += [Measured(name=name, runs=(tuple(overall(judged)[one] for one in OVERALL),))]
        rows += [Measured(name=f"{published.PAPER}{f', {subset}' if len(told.answers) > 1 else ''}", runs=(tuple(theirs.get(one) for one in OVERALL),), published=True)]
    columns = [Measure(name=one, unit="nats" if one == "log loss" else "", better="lower" if one == "log loss" else "higher", digits=3) for one in OVERALL]
    return _table(told, "Rhythms, by patient", columns, rows, (f"{ESTABLISHED.capitalize()}; {told.judged.targets.size} were tested.",))


def _classes(told: Told) -> Measures:
    """Each class against the rest, with its patients; the paper's are those of its second configuration."""
    columns = [*(Measure(name=one, unit="", better="higher", digits=3) for one in BY_CLASS), Measure(name="patients", unit="", better="level", digits=0)]
    rows = []
    for label, (patients, values) in by_class(told.judged).items():
        rows.append(Measured(name=label, runs=((*(values[one] for one in BY_CLASS), patients),)))
        if told.recipe.configuration == "metadata":
            theirs, n = published.CLASSES[label]
            rows.append(Measured(name=f"{label}, {published.PAPER}", runs=((*(theirs[one] for one in BY_CLASS), n),), published=True))
    few = [label for label, (patients, _) in by_class(told.judged).items() if patients < LEAST_PATIENTS]
    said = (f"Not established, with fewer than {LEAST_PATIENTS} tested patients: {', '.join(few)}.",) if few else ()
    return _table(told, "Each rhythm, by patient", columns, rows, said)


def _parameters(told: Told) -> Measures:
    """Part by part; the paper gives those of the universal network alone."""
    ours = {name: parameters(part) for name, part in parts(told.learned.net).items()}
    ours["total"] = parameters(told.learned.net)
    theirs = published.PARAMETERS if told.recipe.configuration == "universal" else {}
    columns = [Measure(name=name, unit="", better="level", digits=0) for name in (told.recipe.name, published.PAPER)]
    rows = [Measured(name=name, runs=((count, theirs.get(name)),)) for name, count in ours.items()]
    named = sum(count for name, count in theirs.items() if name != "total")
    said = (f"The paper's parts add up to {named:,} without the head, its total is {theirs['total']:,}.",) if theirs else ()
    return _table(told, "Parameters, part by part", columns, rows, said)


def _features(told: Told) -> Measures:
    """How many records have no value of a feature, in percent, and whether the network is fed it."""
    records, everyone = told.records, np.arange(len(told.records.names))
    learned, all_of_them = _missing(records, records.split.trained), _missing(records, everyone)
    columns = [
        Measure(name="none, learned from", unit="%", better="lower", digits=1),
        Measure(name="none, all records", unit="%", better="lower", digits=1),
        Measure(name="fed", unit="", better="level", digits=0),
    ]
    rows = [Measured(name=name, runs=((round(100 * learned[name], 2), round(100 * all_of_them[name], 2), int(name in records.columns)),)) for name in learned]
    return _table(told, "Features without a value", columns, rows, _fallbacks(records))


def _fallbacks(records: ChapmanSet) -> tuple[str, ...]:
    if records.extracted is None:
        return ()
    above = [name for name in NEUROKIT if _missing(records, records.split.trained)[name] > GREATEST_FALLBACK]
    left_out = [name for name in above if name not in records.columns]
    failed = sum(1 for failure in records.extracted.failures if failure)
    lacking = int(np.isnan(records.extracted.values).any(axis=1).sum())
    low, high = published.FALLBACK
    return (
        f"Of {len(records.names)} records {lacking} lack some feature of NeuroKit2; it gave up on {failed}. The paper: {low:.0%}–{high:.0%} of its features have fallback values.",
        f"Above {GREATEST_FALLBACK:.0%} of the records learned from: {', '.join(above) or 'none'}; {'left out' if left_out or not above else 'fed all the same'}.",
    )


def _inputs(told: Told) -> Measures:
    """How many features of each kind, beside the paper's number."""
    columns = told.records.columns
    ours = {"clinical": sum(name in METADATA for name in columns), "NeuroKit2": sum(name in NEUROKIT for name in columns), "together": len(columns)}
    theirs: dict[str, int] = {"together": published.INPUTS[told.recipe.configuration]}
    if "NeuroKit2" in told.recipe.configuration:
        theirs["NeuroKit2"] = theirs["together"] - ours["clinical"]
    rows = [Measured(name=name, runs=((count, theirs.get(name)),)) for name, count in ours.items()]
    measures = [Measure(name=name, unit="", better="level", digits=0) for name in (told.recipe.name, published.PAPER)]
    return _table(told, "Features that the network is fed", measures, rows, (OF_INPUTS,))


def _missing(records: ChapmanSet, places: NDArray[np.int64]) -> dict[str, float]:
    """Share of these records without a value, by feature: those fed, and all of NeuroKit2 where they were looked for."""
    rates = dict(zip(records.columns, np.isnan(records.features[places]).mean(axis=0).tolist(), strict=True))
    if records.extracted is not None:
        rates |= dict(zip(NEUROKIT, records.extracted.fallback_rates(places).tolist(), strict=True))
    return rates


def _table(told: Told, title: str, columns: Sequence[Measure], rows: Sequence[Measured], said: tuple[str, ...] = ()) -> Measures:
    recipe, split = told.recipe, told.records.split
    return Measures(
        model=f"{recipe.name}@{recipe.version}", title=title, split="by patient", protocol=protocol(told),
        trained=_named(told.records, split.trained), tested=_named(told.records, split.tested),
        measures=tuple(columns), rows=tuple(rows), said=said, command=_command(recipe), git_commit=git_commit(), device=told.device, minutes=round(told.minutes, 1),
    )  # fmt: skip


def _named(records: ChapmanSet, places: NDArray[np.int64]) -> dict[str, tuple[str, ...]]:
    """Names of a few records, else their number."""
    few = places.size <= NAMED
    return {records.data_set: tuple(records.names[i] for i in places.tolist()) if few else (f"{places.size} of {len(records.names)} records, by the recipe's split",)}


def _command(recipe: ChapmanRecipe) -> str:
    return f"python -m ecgcore train {recipe.name}"
