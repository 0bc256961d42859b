"""Which models classify beats, and how they stand beside each other. Knows nothing of Streamlit."""

from dataclasses import dataclass
from typing import Final

from ecgcore.errors import ModelError
from ecgcore.figures import attention
from ecgcore.findings import AAMI_CLASSES, AttentionMap
from ecgcore.inference import cards
from ecgcore.inference.beats import TASKS
from ecgcore.inference.cards import Card
from ecgcore.side_by_side import SideBySide
from pages.ui.text import plain

DEFAULT: Final = "beats"
PAPERS: Final = {"neural_flow": "three classes", "hadln": "five classes, with attention"}
NO_CLASS: Final = "no such class"
WHAT_IT_IS: Final = (
    "Attention is the weight that the network gave to each part of the window while it made its answer; dotted is an even spread. "
    "It is no measurement of the heart, and no proof that the answer rests on that part."
)


def classifiers() -> tuple[Card, ...]:
    """The cards of all models that classify beats, the default first. Raises ModelError."""
    there = tuple(dict.fromkeys(card.id for card in (card for _, card in cards.available()) if card.task in TASKS))
    first = cards.read_card(cards.find(DEFAULT)).id
    ordered = (first, *(one for one in there if one != first))
    return tuple(cards.read_card(cards.find(one)) for one in ordered)


@dataclass(frozen=True)
class Compared:
    """The models that can stand side by side, the default first, and the names of those that are not installed."""

    cards: tuple[Card, ...]
    absent: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """name@version of each."""
        return tuple(card.id for card in self.cards)


def compared() -> Compared:
    """The default and those of the papers' models that are installed. Raises ModelError for one whose card does not fit."""
    present, absent = [], []
    for name in (DEFAULT, *PAPERS):
        try:
            folder = cards.find(name)
        except ModelError:
            absent.append(name)
        else:
            present.append(cards.read_card(folder))
    return Compared(tuple(present), tuple(absent))


def in_use_instead(model: str) -> str | None:
    """The version (name@version) that is in use of the same model in place of this one; None where this one is, or none can be found."""
    try:
        now = cards.read_card(cards.find(model.partition("@")[0])).id
    except ModelError:
        return None
    return now if now != model else None


def standing(card: Card, there: tuple[Card, ...]) -> str:
    """Whether this version of a model is the one in use, in a sentence; empty where it has no other."""
    if not any(other.name == card.name and other.id != card.id for other in there):
        return ""
    instead = in_use_instead(card.id)
    return f"Not in use: {instead} is." if instead else "This version is in use."


def not_installed(absent: tuple[str, ...]) -> str:
    """Which of the models are not there, in a sentence; empty where all are."""
    if not absent:
        return ""
    return f"Not installed: {' and '.join(absent)}; train with {' and '.join(f'python -m ecgcore train {name}' for name in absent)}."


def count_rows(found: SideBySide) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of beats by model and class."""
    classes = [name for name in AAMI_CLASSES if any(name in beats.classes for beats in found.by_model)]
    rows = [(plain(beats.model), *(f"{beats.counts[name]:,}" if name in beats.classes else "–" for name in classes)) for beats in found.by_model]
    return ("Model", *classes), rows


def pairs(found: SideBySide) -> str:
    """How far every two models agree, in a line."""
    shares = {pair: f"{pair.same / pair.compared:.1%} of {pair.compared:,}" if pair.compared else "none to compare" for pair in found.pairs()}
    said = [f"{_short(pair.one)} and {_short(pair.other)} {share}" for pair, share in shares.items()]
    return f"Called alike: {'; '.join(said)} beats."


def how_compared(found: SideBySide) -> str:
    """What counts as a disagreement, and how many beats that leaves aside."""
    aside = found.not_comparable()
    counted = f" ({aside:,} {'beat' if aside == 1 else 'beats'})" if aside else ""
    return f"The R peaks of this reading for all. Where one model calls a class that the other does not have (–), that is no disagreement{counted}."


def checked(found: AttentionMap) -> str:
    """What was measured of a model's maps, in a sentence; that nothing was where nothing was."""
    checks = found.checks
    if checks.highlighted is None or checks.random is None:
        return "Not checked: what flattening the highlighted part does to the answer was not measured for this model."
    said = (
        f"Checks on unseen patients: the probability of the class falls by {_to_thousandths(checks.highlighted)} where the tenth with the most attention is flattened, "
        f"by {_to_thousandths(checks.random)} for a tenth by chance"
    )
    return f"{said}; correlation with the map of random weights {_to_thousandths(checks.randomisation)}." if checks.randomisation is not None else f"{said}."


def why_hidden(found: AttentionMap) -> str:
    """Why a map is not shown; empty where it is."""
    return f"The map of {found.model} is not shown: what it highlights was measured to matter no more to the answer than a part chosen by chance." if found.checks.refuted else ""


def told(found: AttentionMap) -> str:
    """Where the attention lies, in a sentence."""
    share, start_ms, stop_ms = attention.highlight(found)
    said = f"{share:.0%} of the attention lies in the tenth of the window from {start_ms:.0f} to {stop_ms:.0f} ms.".replace("-", "−")
    return said + (f" {found.unseen:.0%} of it lies where the model was given zeros in place of the signal." if found.unseen >= 0.005 else "")


def _to_thousandths(value: float) -> str:
    """The checks of two models may differ by less than a hundredth; what rounds to 0 has no sign."""
    return f"{value:z.3f}".replace("-", "−")


def _short(model: str) -> str:
    return model.partition("@")[0]
