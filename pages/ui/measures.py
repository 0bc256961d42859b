"""What the Evidence page says of measures that are no confusion: where a map points, how near a reconstruction comes. Knows nothing of Streamlit."""

import math
from typing import Final

from ecgcore.evaluation.measures import Measure, Measured, Measures, read_measures
from ecgcore.inference import cards
from ecgcore.inference.cards import Card
from pages.ui import tables
from pages.ui.text import plain

GOOD: Final = {"higher": "↑", "lower": "↓", "level": "="}
SIGNS: Final = {"higher": "↑ more is better", "lower": "↓ less is better", "level": "= a stated level is to be met"}


def of_card(card: Card) -> dict[str, tuple[Measures, ...]]:
    """A model's tables of measures by split. Raises ModelError for one that does not fit."""
    every = read_measures(cards.find(card.id))
    return {split: tuple(one for one in every if one.split == split) for split in tables.SPLITS}


def rows(those: Measures) -> tuple[tuple[str, ...], tables.Rows]:
    """Header and rows, a column a measure: ours with their spread and number of runs, then the published ones."""
    header = ("", *(_named(measure) for measure in those.measures), "Runs")
    ours = [(plain(row.name), *_measured(row, those), str(len(row.runs))) for row in those.rows if not row.published]
    published = [(f"*published:* {plain(row.name)}", *_published(row, those), tables.NOTHING) for row in those.rows if row.published]
    return header, [*ours, *published]


def how(those: Measures) -> str:
    """Protocol, records, spread and provenance in a few sentences."""
    most = max((len(row.runs) for row in those.rows if not row.published), default=0)
    spread = "Mean ± standard deviation over the runs" if most > 1 else "One run"
    used = {measure.better for measure in those.measures}
    signs = ", ".join(said for better, said in SIGNS.items() if better in used)
    records = f"{tables.records('Learned from', those.trained)}; {tables.records('tested on', those.tested)}"
    return plain(f"{those.protocol}. {spread}; {signs}. {records}. {those.device}, {those.minutes:.3g} minutes, git {those.git_commit}.")


def _named(measure: Measure) -> str:
    return plain(f"{measure.name}{f', {measure.unit}' if measure.unit else ''} {GOOD[measure.better]}")


def _measured(row: Measured, those: Measures) -> list[str]:
    return [_cell(mean, spread, measure.digits) for (mean, spread), measure in zip(row.summary(), those.measures, strict=True)]


def _cell(mean: float, spread: float, digits: int) -> str:
    if math.isnan(mean):
        return "not defined"
    return _number(f"**{mean:.{digits}f}**" + ("" if math.isnan(spread) else f" ± {spread:.{digits}f}"))


def _published(row: Measured, those: Measures) -> list[str]:
    """What the paper says; a dash where it says nothing."""
    return [tables.NOTHING if math.isnan(mean) else _number(f"*{mean:.{measure.digits}f}*") for (mean, _), measure in zip(row.summary(), those.measures, strict=True)]


def _number(text: str) -> str:
    return text.replace("-", "−")
