"""What the Evidence page says of a model's tables: random split and by patient, never in one. Knows nothing of Streamlit."""

import math
from collections.abc import Sequence
from typing import Final

from ecgcore.evaluation.tables import BY_CLASS, Arm, Comparison, Matrix, Published, Run, Table, read_tables
from ecgcore.inference import cards
from ecgcore.inference.cards import Card
from pages.ui.text import plain

SPLITS: Final = {
    "random split": "Beats or segments of one patient fall on both sides, as in the paper. These figures flatter: they do not tell how the model does on an unseen patient.",
    "by patient": "No patient is on both sides.",
}
OVERALL: Final = ("accuracy", "macro F1", "weighted precision", "weighted recall", "weighted F1")
NOTHING: Final = "–"
Rows = list[tuple[str, ...]]


def of_card(card: Card) -> dict[str, tuple[Table, ...]]:
    """A model's tables by split. Raises ModelError for one that does not fit."""
    every = read_tables(cards.find(card.id))
    return {split: tuple(table for table in every if table.split == split) for split in SPLITS}


def by_class(table: Table) -> tuple[tuple[str, ...], Rows]:
    """Header and rows of the figures of each class: ours with their spread, then the published ones, class by class."""
    summaries = [(_name(arm), arm.summary(table.classes)) for arm in table.arms]
    rows: Rows = []
    for name in table.classes:
        columns = [f"{name} {what}" for what in BY_CLASS]
        rows += [(f"**{name}**", label, *(_measured(summary[column]) for column in columns)) for label, summary in summaries]
        rows += [(f"**{name}**", *row) for one in table.published if (row := _published(one, columns)) is not None]
    return ("Class", "Network", *BY_CLASS), rows


def overall(table: Table) -> tuple[tuple[str, ...], Rows]:
    """Header and rows of the figures over all classes."""
    rows = [(_name(arm), *(_measured(summary[column]) for column in OVERALL)) for arm in table.arms for summary in (arm.summary(table.classes),)]
    return ("Network", *OVERALL), [*rows, *(row for one in table.published if (row := _published(one, OVERALL)) is not None)]


def compared(comparisons: Sequence[Comparison]) -> tuple[tuple[str, ...], Rows]:
    """Header and rows of the paired comparisons."""
    rows = [(plain(f"{one.a} − {one.b}"), plain(one.figure), _difference(one), _p(one.p), str(one.n), plain(one.test)) for one in comparisons]
    return ("Networks", "Figure", "Difference, points", "p", "Pairs", "Test"), rows


def how(table: Table) -> str:
    """Protocol, records, beats, runs and spread in a sentence or two."""
    runs = [run for arm in table.arms for run in arm.runs]
    folds, seeds = {run.fold for run in runs if run.fold is not None}, sorted({run.seed for run in runs})
    beats = sorted({run.n for run in runs})
    counted = f"{beats[0]:,} beats" if len(beats) == 1 else f"{beats[0]:,}–{beats[-1]:,} beats" if beats else "no beats"
    most = max((len(arm.runs) for arm in table.arms), default=0)
    spread = f"Mean ± standard deviation of {most} runs" if most > 1 else "One run"
    many = f"{len(folds)} folds, " if folds else ""
    return plain(
        f"{table.protocol}. {spread} ({many}{'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}), {counted} tested in each; in %. "
        f"{records('Learned from', table.trained)}; {records('tested on', table.tested)}. {table.device}, {table.minutes:.3g} minutes, git {table.git_commit}."
    )


def runs_of(table: Table) -> dict[str, Run]:
    """Every run of a table under a name of its own."""
    return {f"{arm.name}, {f'fold {run.fold}, ' if run.fold is not None else ''}seed {run.seed}": run for arm in table.arms for run in arm.runs}


def total(matrix: Matrix) -> int:
    """Beats counted."""
    return sum(map(sum, matrix))


def records(said: str, part: dict[str, tuple[str, ...]]) -> str:
    """Records by data set, counted; parts of a split, such as "fold 3", by their names."""
    return f"{said} {', '.join(f'{counted(ids)} of {name}' for name, ids in part.items())}"


def counted(ids: Sequence[str]) -> str:
    """How many records; where they are parts of a split, which no record's name is with its space, their names."""
    return ", ".join(ids) if any(" " in one for one in ids) else f"{len(ids):,} records"


def _name(arm: Arm) -> str:
    return plain(arm.name)


def _published(one: Published, columns: Sequence[str]) -> tuple[str, ...] | None:
    """A row of the paper, None where it says nothing of these figures."""
    values = [one.figures.get(column) for column in columns]
    if all(value is None for value in values):
        return None
    return f"*published:* {plain(one.name)}", *(NOTHING if value is None else f"*{value:.2f}*" for value in values)


def _measured(figure: tuple[float, float]) -> str:
    mean, spread = figure
    if math.isnan(mean):
        return "not defined"
    return f"**{mean:.2f}**" + (f" ± {spread:.2f}" if not math.isnan(spread) else "")


def _difference(one: Comparison) -> str:
    return f"{one.difference:+.2f} ± {one.spread:.2f}".replace("-", "−")


def _p(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
