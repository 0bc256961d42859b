"""The tables and the card of WonHEE: what was measured, on whom, and where it ends."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.measures import Measure, Measured, Measures
from ecgcore.evaluation.reconstruction import COVERAGE, MEASURES, Nearness
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.inference.wonhee import TASK
from ecgcore.signals.fills import CANDIDATES
from ecgcore.training.export import git_commit
from ecgcore.training.recipes import WonheeRecipe

NET: Final = "WonHEE"
PUBLISHED: Final = 94.8  # accuracy in %, Kang et al. (2025)
NAMES: Final = {"mitdb": "", "ptbxl": ", PTB-XL"}  # after a measure, by the data set it is of
BY_CHANCE: Final = (
    "windows of 5 s about each beat of all 48 records of mitdb, MLII where there is one; a fifth of the windows by chance for testing, so that neighbours of most of them, "
    "which share their samples, were learned from; standardised by the training windows; classes drawn by their share to the power -{power:g}; {patch} samples a token; last epoch"
)
BY_PATIENT: Final = (
    "learned from {trained} patients of DS1, and from svdb, PTB-XL and LUDB, any lead; band calibrated on {held} other patients of DS1 and others of the other sets; "
    "DS2 and fold 10 of PTB-XL asked once"
)
WINDOWS: Final = (
    "windows of 5 s evenly over every lead, recordings filtered to {low:g}–{high:g} Hz before samples were hidden; every method sees the same observed samples and no others"
)
LIMITS: Final = (
    "A fill is a likely signal, not what the heart did: an ectopic beat within a gap leaves no trace outside it and will not be drawn.",
    "Gaps up to 3 s and forecasts up to 2 s; both were measured up to 2 s. The longer, the nearer to an average.",
    "A forecast knows the rhythm of the last seconds only: in atrial fibrillation and before an ectopic beat its R peaks are guesses.",
    "Nothing above 40 Hz is filled; do not measure intervals or ST segments in it.",
    "The band is for single samples, over all of them: nine in ten lie within, but those that do not tend to be neighbours.",
    "The band is that of the signal from 0.5 to 40 Hz: on raw recordings, with their baseline wander, it held 85 to 89 % on held-out patients.",
    "Its classes are of the beat in the middle of a whole window; the app does not use them.",
    "Paced rhythm and children: not established.",
)


def classes(recipe: WonheeRecipe, found: Mapping[str, NDArray[np.int64]], device: str, minutes: float) -> Measures:
    """Accuracy and F1 by class from a confusion (true, said), by a random split or by patient."""
    ((split, matrix),) = found.items()
    chance = split == "random split"
    measures = (Measure(name="accuracy", unit="%", better="higher", digits=1), *(Measure(name=f"{name} F1", unit="%", better="higher", digits=1) for name in recipe.classes))
    rows = [Measured(name=NET, runs=(class_row(matrix),))]
    if chance:
        rows.append(Measured(name="WonHEE (Song et al.)", runs=((PUBLISHED, *(None for _ in recipe.classes)),), published=True))
    power = recipe.paper.sampler_power if chance else recipe.optimisation.sampler_power
    beats = f"{int(matrix.sum())} beats evenly out of those of DS2, MLII where there is one"
    said = BY_CHANCE.format(power=power, patch=recipe.network.patch_samples) if chance else f"{protocol(recipe)}; {beats}"
    return Measures(
        model=f"{recipe.name}@{recipe.version}", title=f"Classes of beats, {split}", split="random split" if chance else "by patient",
        protocol=said,
        trained={"mitdb": all_records(recipe)} if chance else recipe.data.trained,
        tested={"mitdb": all_records(recipe) if chance else recipe.data.tested["mitdb"]},
        measures=measures, rows=tuple(rows), command=command(recipe), git_commit=git_commit(), device=device, minutes=round(minutes, 1),
    )  # fmt: skip


def class_row(matrix: NDArray[np.int64]) -> tuple[float | None, ...]:
    """Accuracy, then F1 by class, in %; None for a class without beats."""
    hits, claims, facts = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    f1 = [round(float(200 * hit / (claim + fact)), 2) if fact else None for hit, claim, fact in zip(hits, claims, facts, strict=True)]
    return (round(float(100 * hits.sum() / matrix.sum()), 3), *f1)


def reconstructions(recipe: WonheeRecipe, found: Mapping[str, Mapping[str, Mapping[str, Nearness]]], device: str, minutes: float) -> dict[str, Measures]:
    """One table a kind of gap; rows are methods, columns the measures on DS2, then on PTB-XL. `found` is by kind, data set and method."""
    out = {}
    for kind, sets in found.items():
        values = {method: named({name: sets[name][method].row for name in sets}) for method in next(iter(sets.values()))}
        columns = [(column(one, name), one) for name in sets for one in MEASURES]
        defined = [(label, one) for label, one in columns if any(row[label] is not None for row in values.values())]
        measures = tuple(Measure(name=label, unit=one.unit, better=one.better, digits=one.digits) for label, one in defined)
        rows = tuple(Measured(name=method, runs=(tuple(row[label] for label, _ in defined),)) for method, row in values.items())
        out[key(kind)] = Measures(
            model=f"{recipe.name}@{recipe.version}", title=f"{kind[0].upper()}{kind[1:]}, by patient", split="by patient",
            protocol=f"{protocol(recipe)}; {windows(recipe)}", trained=recipe.data.trained, tested=recipe.data.tested,
            measures=measures, rows=rows, said=compared(rows), command=command(recipe), git_commit=git_commit(), device=device, minutes=round(minutes, 1),
        )  # fmt: skip
    return out


def compared(rows: Sequence[Measured]) -> tuple[str, ...]:
    """In words, how the network's error, the first measure of the first row, stands to the least of the others."""
    ours, *others = rows
    best = min(others, key=lambda row: row.summary()[0][0])
    ratio = ours.summary()[0][0] / best.summary()[0][0]
    return (f"{ours.name}'s MSE on DS2 is {abs(1 - ratio):.0%} {'below' if ratio < 1 else 'above'} that of the next best, {best.name}.",)


def column(measure: Measure, data_set: str) -> str:
    """A measure as it is called in a table of several data sets."""
    return measure.name + NAMES.get(data_set, f", {data_set}")


def named(found: Mapping[str, tuple[float | None, ...]]) -> dict[str, float | None]:
    """Values in the order of MEASURES by data set, by the columns they go to."""
    return {column(measure, name): value for name, row in found.items() for measure, value in zip(MEASURES, row, strict=True)}


def band(recipe: WonheeRecipe, found: Mapping[str, Mapping[str, float]], device: str, minutes: float) -> Measures:
    """Share of the hidden samples within the band, by kind of gap (rows) and data set (columns)."""
    sets = tuple(next(iter(found.values())))
    return Measures(
        model=f"{recipe.name}@{recipe.version}", title=f"Samples within the {COVERAGE:.0%} band, by patient", split="by patient", protocol=f"{protocol(recipe)}; {windows(recipe)}",
        trained=recipe.data.trained, tested=recipe.data.tested,
        measures=tuple(Measure(name={"mitdb": "DS2", "ptbxl": "PTB-XL, fold 10"}.get(name, name), unit="%", better="level", digits=1) for name in sets),
        rows=tuple(Measured(name=kind, runs=(tuple(round(100 * found[kind][name], 2) for name in sets),)) for kind in found),
        command=command(recipe), git_commit=git_commit(), device=device, minutes=round(minutes, 1),
    )  # fmt: skip


def card(recipe: WonheeRecipe, tables: Mapping[str, Measures], device: str, minutes: float) -> Card:
    """The card, without the hash of the weights."""
    spec, how = recipe.input, recipe.optimisation
    return Card(
        name=recipe.name, version=recipe.version, task=TASK,
        input=InputSpec(
            leads="any", fs_hz=spec.fs_hz, samples=spec.samples, before_samples=0, units="mV",
            scaling="level of the observed samples taken off, over their root mean square", band_hz=spec.band_hz, features=CANDIDATES, windowing="segments",
        ),
        classes=recipe.classes, thresholds=recipe.limits,
        training=TrainingData(
            trained=recipe.data.trained, held_out=recipe.held_out, left_out=recipe.data.left_out,
            protocol=f"{protocol(recipe)}; {how.epochs * how.steps} batches of {sum(how.shares)} windows", augmentation=recipe.augmentation.model_dump_json(), seed=how.seed,
        ),
        figures=tuple(figure for table in tables.values() for figure in _figures(table)),
        sha256="0" * 64, git_commit=git_commit(), device=device, minutes=round(minutes, 1), limits=LIMITS,
        intended_use="To see what a short gap may have held, or what the next seconds may bring, drawn apart from what was recorded; never counted or measured.",
    )  # fmt: skip


def key(kind: str) -> str:
    """A kind of gap as part of a file name: "bursts of 50–500 ms" → "bursts"; forecasts keep their length."""
    words = kind.replace("–", " ").split()
    return "-".join([words[0], *words[2:3]]) + "s" if words[0] == "forecast" else words[0]


def all_records(recipe: WonheeRecipe) -> tuple[str, ...]:
    """All records of mitdb, for the random split."""
    return tuple(sorted({*recipe.data.everyone["mitdb"], *recipe.held_out["mitdb"]}))


def protocol(recipe: WonheeRecipe) -> str:
    """Who was learned from and who was asked, in words."""
    return BY_PATIENT.format(trained=len(recipe.data.trained["mitdb"]), held=len(recipe.held_out["mitdb"]))


def windows(recipe: WonheeRecipe) -> str:
    """What is measured, in words."""
    low, high = recipe.input.band_hz
    return WINDOWS.format(low=low, high=high)


def command(recipe: WonheeRecipe) -> str:
    """The command that gives these figures."""
    return f"python -m ecgcore train {recipe.name}"


def _figures(table: Measures) -> list[Figure]:
    """The network's row; of the band, every row."""
    rows = [row for row in table.rows if not row.published and (row.name == NET or table.title.startswith("Samples"))]
    return [
        Figure(
            name=measure.name if row.name != NET else f"{table.title.split(',')[0]}: {measure.name}" if not table.title.startswith("Classes") else measure.name,
            value=row.runs[0][i], spread=None, n=1, protocol=table.protocol,
            split="mitdb, random split" if table.split == "random split" else f"by patient{'' if row.name == NET else f', {row.name}'}", command=table.command,
        )
        for row in rows for i, measure in enumerate(table.measures)
    ]  # fmt: skip
