"""Two models by what stands on their cards, where no test of ours asks both about the same patients."""

import math
import re
from collections.abc import Sequence
from typing import Final

from ecgcore.evaluation.comparison import FigureComparison, SetComparison, known, verdict_of
from ecgcore.inference.cards import Card, Figure

BY_CARD: Final = "Both cards give these figures; the models were not asked again, beat by beat or patient by patient."
WELCH: Final = "95 % intervals: Welch's t over the runs on each card, so that they hold the differences between trainings or folds; none where a card gives no spread"
NOTHING_IN_COMMON: Final = "the cards have no figure of one name, protocol and split in common, so that nothing is compared: measure both models by the same command first"
UNKNOWN: Final = "Which way is better is not known of: "
_LOWER: Final = re.compile(r"\b(MSE|MAE|RMSE|error|ECE|false|loss)\b", re.IGNORECASE)
_HIGHER: Final = re.compile(r"\b(F1|Se|sensitivity|specificity|PPV|accuracy|AUC|AUROC|PCC|MCC)\b|\+P", re.IGNORECASE)


def compare_cards(new: Card, current: Card) -> tuple[SetComparison, ...]:
    """The figures that stand on both cards under one name, protocol and split: a set for each protocol and split."""
    theirs = {_key(figure): figure for figure in current.figures}
    groups: dict[tuple[str, str], list[tuple[Figure, Figure]]] = {}
    for figure in new.figures:
        if _key(figure) in theirs:
            groups.setdefault((figure.split, figure.protocol), []).append((figure, theirs[_key(figure)]))
    return tuple(_set(split, protocol, pairs) for (split, protocol), pairs in groups.items())


def _key(figure: Figure) -> tuple[str, str, str]:
    return figure.name, figure.protocol, figure.split


def _set(split: str, protocol: str, pairs: Sequence[tuple[Figure, Figure]]) -> SetComparison:
    figures = tuple(_compared(new, current) for new, current in pairs)
    unknown = [one.name for one in figures if one.low is not None and lower_is_better(one.name) is None]
    caveats = (BY_CARD, *((f"{UNKNOWN}{', '.join(unknown)}.",) if unknown else ()))
    return SetComparison(name=split, split=split, protocol=protocol, n_patients=None, n_beats=None, figures=figures, caveats=caveats)


def lower_is_better(name: str) -> bool | None:
    """Which way a figure of a card is better, by its name; None where that does not say, or says both."""
    lower, higher = _LOWER.search(name) is not None, _HIGHER.search(name) is not None
    return lower if lower != higher else None


def _compared(new: Figure, current: Figure) -> FigureComparison:
    difference = new.value - current.value if new.value is not None and current.value is not None else math.nan
    low, high = (known(difference - end) for end in (_half(new, current), -_half(new, current)))
    direction = lower_is_better(new.name)
    return FigureComparison(
        name=new.name, n=min(new.n, current.n), n_patients=None, new=new.value, current=current.value, difference=known(difference), low=low, high=high,
        verdict=verdict_of(low, high, direction) if direction is not None else "no difference shown",
    )  # fmt: skip


def _half(new: Figure, current: Figure) -> float:
    """Half the width of the 95 % interval of the difference of two means (Welch, 1947); NaN where a card gives no spread, or none at all between its runs."""
    from scipy.stats import t

    if not new.spread or not current.spread or min(new.n, current.n) < 2:
        return math.nan
    parts = [figure.spread**2 / figure.n for figure in (new, current) if figure.spread]
    freedom = sum(parts) ** 2 / sum(part**2 / (figure.n - 1) for part, figure in zip(parts, (new, current), strict=True))
    return float(t.ppf(0.975, freedom)) * math.sqrt(sum(parts))
