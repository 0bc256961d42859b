"""What the Evidence page says of a model, from its card. Knows nothing of Streamlit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ecgcore.errors import ModelError
from ecgcore.inference.beats import ORDER
from ecgcore.inference.cards import Card, Figure, available, find, read_card
from pages.ui import tables
from pages.ui.text import plain

NOT_ESTABLISHED: Final = "not established"
MANY: Final = 250  # record ids; more are not read


def known() -> tuple[Card, ...]:
    """The cards of all models there are. Raises ModelError."""
    return tuple(card for _, card in available())


def installed(name: str) -> Card | None:
    """The card of a model by its name, None where it is not installed. Raises ModelError for a card that does not fit."""
    try:
        folder = find(name)
    except ModelError:
        return None
    return read_card(folder)


@dataclass(frozen=True)
class FigureTable:
    """Figures measured together: how, and a table with a column each and a row for each way of adding up."""

    how: str
    command: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure_tables(card: Card, elsewhere: Collection[str] = ()) -> list[FigureTable]:
    """A card's figures by protocol, split and command, tests before what training chose by; one without a protocol, or with one told `elsewhere`, is not shown."""
    groups: dict[tuple[str, str, str, int], list[Figure]] = {}
    for figure in card.figures:
        if figure.protocol.strip() and figure.protocol not in elsewhere:
            groups.setdefault((figure.command, figure.split, figure.protocol, figure.n), []).append(figure)
    return [_table(*key, figures) for key, figures in sorted(groups.items(), key=lambda item: " evaluate " not in item[0][0])]


def _table(command: str, split: str, protocol: str, n: int, figures: list[Figure]) -> FigureTable:
    """Names such as "VEB F1, gross" are column and row."""
    cells = {(name, kind): value(figure) for figure in figures for name, _, kind in [figure.name.partition(", ")]}
    columns, kinds = dict.fromkeys(name for name, _ in cells), dict.fromkeys(kind for _, kind in cells)
    rows = tuple((plain(kind), *(cells.get((name, kind), "") for name in columns)) for kind in kinds)
    runs = f"mean ± standard deviation of {n} runs" if n > 1 else "one run"
    return FigureTable(f"**{plain(split)}** · {plain(protocol)} · {runs}", command, ("", *map(plain, columns)), rows)


def value(figure: Figure) -> str:
    """Value with its spread; in words where nothing is established."""
    if figure.value is None:
        return NOT_ESTABLISHED
    return f"**{figure.value:.4g}** ± {figure.spread:.2g}" if figure.spread is not None else f"**{figure.value:.4g}**"


def rule(model: str) -> str:
    """How a model's probabilities become a class, in a line; empty where its card is no longer there."""
    card = of_model(model)
    if card is None:
        return ""
    if not card.thresholds:
        return f"By {plain(model)} a beat is called by the most probable of the classes {plain(', '.join(card.classes))}."
    asked = ", ".join(f"{name} from p({name}) = {card.thresholds[name]:g}" for name in ORDER if name in card.thresholds)
    how = "whatever the greatest probability; the thresholds of S and V were chosen by F1 on unseen patients."
    return f"By {plain(model)} a beat is called {plain(asked)} on, asked in this order, else N, {how}"


def of_model(model: str) -> Card | None:
    """The card of a model by name@version; None where it is no longer there."""
    try:
        return read_card(find(model))
    except ModelError:
        return None


def uncertainty(card: Card) -> str:
    """How the limit below which a beat is uncertain was got, and what was measured of it."""
    measured = [f"{figure.name}: {figure.value:.4g}" for figure in card.figures if figure.name.startswith("uncertain") and figure.value is not None]
    curve = "; ".join(f"of {flagged:.1%} flagged {wrong:.1%} of the others are wrong" for flagged, wrong in card.uncertain)
    on_others = f" On unseen patients: {'; '.join([*measured, *([curve] if curve else [])])}." if measured or curve else " What share of the others is wrong was not established."
    return f"A beat is uncertain where {card.id} gives the class it calls a probability below {card.certain_from:g}; beats that a reader or a file called are not.{on_others}"


def data_lines(card: Card) -> list[str]:
    """Which records were learned from, held out and left out, by data set."""
    lines = [plain(card.training.protocol)]
    held_out = {} if card.training.held_out == card.training.trained else card.training.held_out
    for title, part in (("Learned from", card.training.trained), ("Held out by patient", held_out), ("Left out", card.training.left_out)):
        lines += [f"{title}: {plain(name)}, {_named(ids)}" for name, ids in part.items()]
    return [*lines, f"Augmentation: {plain(card.training.augmentation)}; seed {card.training.seed}"]


def _named(ids: Sequence[str]) -> str:
    """How many, and all of them, or of very many the first and the last; parts of a split by their names alone."""
    listed = " ".join(ids) if len(ids) <= MANY else f"{ids[0]} to {ids[-1]}, each named on the card"
    count = tables.counted(ids)
    return f"{count}: {plain(listed)}" if count.endswith(" records") else plain(count)


def facts(card: Card) -> list[tuple[str, str]]:
    """Input, thresholds and provenance, a line each."""
    spec = card.input
    leads = "any" if spec.leads == "any" else ", ".join(spec.leads)
    placed = "" if spec.windowing == "segments" else f"{spec.before_samples} of them before the R peak, "
    thresholds = ", ".join(f"{name} {limit:g}" for name, limit in card.thresholds.items()) or "none: the most probable class"
    said = (
        ("Leads", leads),
        ("Signal", f"{spec.samples} samples at {spec.fs_hz:g} Hz, {placed}in {spec.units}, {spec.scaling}"),
        ("Band", f"{spec.band_hz[0]:g}–{spec.band_hz[1]:g} Hz"),
        ("Features", ", ".join(spec.features) or "none"),
        ("Classes", ", ".join(card.classes)),
        ("Thresholds", thresholds),
        ("Trained on", f"{card.device}, {card.minutes:g} minutes"),
        ("Code", f"git {card.git_commit}"),
        ("Weights", f"sha256 {card.sha256}"),
    )
    return [(name, plain(text)) for name, text in said]
