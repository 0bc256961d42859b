"""What the Evidence page says of a model, from its card. Knows nothing of Streamlit."""

from typing import Final

from ecgcore.inference.cards import Card, Figure, available
from pages.ui.text import plain

FIGURE_COLUMNS: Final = ("Figure", "Value ± spread", "n", "Protocol", "Split", "Command")
NOT_ESTABLISHED: Final = "not established"


def known() -> tuple[Card, ...]:
    """The cards of all models there are. Raises ModelError."""
    return tuple(card for _, card in available())


def figure_rows(card: Card) -> list[tuple[str, ...]]:
    """A card's figures, a line each, under FIGURE_COLUMNS; one without a protocol is not shown."""
    return [
        (plain(figure.name), value(figure), f"{figure.n:,}", plain(figure.protocol), plain(figure.split), f"`{figure.command}`")
        for figure in card.figures
        if figure.protocol.strip()
    ]


def value(figure: Figure) -> str:
    """Value with its spread; in words where nothing is established."""
    if figure.value is None:
        return NOT_ESTABLISHED
    return f"**{figure.value:.4g}** ± {figure.spread:.2g}" if figure.spread is not None else f"**{figure.value:.4g}** (one run)"


def data_lines(card: Card) -> list[str]:
    """Which records were learned from, held out and left out, by data set."""
    lines = []
    for title, part in (("Learned from", card.training.trained), ("Held out by patient", card.training.held_out), ("Left out", card.training.left_out)):
        lines += [f"{title}: {plain(name)}, {len(ids)} records: {plain(' '.join(ids))}" for name, ids in part.items()]
    return [*lines, f"Augmentation: {plain(card.training.augmentation)}; seed {card.training.seed}"]


def facts(card: Card) -> list[tuple[str, str]]:
    """Input, thresholds and provenance, a line each."""
    spec = card.input
    leads = "any" if spec.leads == "any" else ", ".join(spec.leads)
    thresholds = ", ".join(f"{name} {limit:g}" for name, limit in card.thresholds.items()) or "none: the most probable class"
    said = (
        ("Leads", leads),
        ("Signal", f"{spec.samples} samples at {spec.fs_hz:g} Hz, {spec.before_samples} of them before the R peak, in {spec.units}, {spec.scaling}"),
        ("Band", f"{spec.band_hz[0]:g}–{spec.band_hz[1]:g} Hz"),
        ("Features", ", ".join(spec.features) or "none"),
        ("Classes", ", ".join(card.classes)),
        ("Thresholds", thresholds),
        ("Trained on", f"{card.device}, {card.minutes:g} minutes"),
        ("Code", f"git {card.git_commit}"),
        ("Weights", f"sha256 {card.sha256}"),
    )
    return [(name, plain(text)) for name, text in said]
