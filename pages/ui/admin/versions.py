"""What the Admin page says of the models on this machine: which versions there are, which is in use, what may go. Knows nothing of Streamlit."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ecgcore import settings
from ecgcore.errors import ModelError
from ecgcore.inference import cards
from ecgcore.inference.beats import TASK as BEATS
from ecgcore.inference.beats import TASKS
from ecgcore.inference.cards import Card
from ecgcore.store import StoredRecord
from ecgcore.store.promotions import Promotion
from pages.ui.text import moment, plain, recently

HEADER: Final = ("Model", "Task", "Stands", "Learned from, records", "Trained", "From", "Here since (UTC)", "Size")
MB: Final = 1e6
_SETS: Final = 3  # data sets named in a line of the list; the card names all


@dataclass(frozen=True)
class Version:
    """A model on this machine.

    folder   where it stands
    trained  whether it came to be, or was taken in, on this machine, rather than with Leadwise
    in_use   whether its name alone means this version
    """

    card: Card
    folder: Path
    trained: bool
    in_use: bool

    @property
    def size_mb(self) -> float:
        """Of all its files, in MB."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / MB

    @property
    def since(self) -> datetime:
        """When it came to stand here: of its files the weights, which never change, while a comparison adds to the card."""
        return datetime.fromtimestamp((self.folder / cards.WEIGHTS).stat().st_mtime, UTC)


def every() -> tuple[Version, ...]:
    """All models that load, by name; of each name the newest that was trained here first, shipped ones last. Raises ModelError."""
    trained_root = settings.trained_weights()
    found = [Version(card, folder, folder.is_relative_to(trained_root), _in_use(card.name) == card.id) for folder, card in cards.available()]
    return tuple(sorted(found, key=lambda one: (one.card.name, not one.trained, -one.since.timestamp() if one.trained else 0.0, one.card.id)))


def newest_first(versions: Iterable[Version]) -> tuple[Version, ...]:
    """Trained ones first, the newest before the others, then the shipped ones by name."""
    return tuple(sorted(versions, key=lambda one: (not one.trained, -one.since.timestamp() if one.trained else 0.0, one.card.id)))


def comparable(new: Version, there: Iterable[Version]) -> tuple[Version, ...]:
    """What a model can be compared with: the version in use of its name, what it was fine-tuned from, other versions, then other models for the same."""
    task = kind(new.card)
    others = [one for one in there if one.card.id != new.card.id and kind(one.card) == task]
    return tuple(sorted(others, key=lambda one: (one.card.name != new.card.name, not one.in_use, one.card.id != new.card.parent)))


def kind(card: Card) -> str:
    """What a model is for, as far as models are compared: all that classify beats are for the same."""
    return BEATS if card.task in TASKS else card.task


def line(one: Version, history: Sequence[Promotion]) -> tuple[str, ...]:
    """What the list says of a model after its name, in Markdown."""
    card = one.card
    return (
        plain(card.task),
        stands(one, history),
        learned_from(card),
        plain(f"{card.device}, {card.minutes:.3g} min" if card.minutes else card.device),
        plain(card.parent or "scratch"),
        moment(one.since) if one.trained else "with Leadwise",
        f"{one.size_mb:.3g} MB",
    )


def stands(one: Version, history: Sequence[Promotion]) -> str:
    """Whether it is in use, and since when where somebody put it there; else whether it ever was."""
    if one.in_use:
        put = max((promotion for promotion in history if promotion.now == one.card.id), key=lambda promotion: promotion.seq, default=None)
        return "**in use**" + (f" since {recently(put.at)}" if put else "")
    return "was in use" if was_ever_in_use(one.card.id, history) else "not in use"


def learned_from(card: Card) -> str:
    """How many records of which data sets, in Markdown."""
    sets = [f"{name}: {_many(ids)}" for name, ids in card.training.trained.items()]
    more = f" +\u00a0{len(sets) - _SETS}" if len(sets) > _SETS else ""
    return plain(", ".join(sets[:_SETS])) + more if sets else "not stated"


def _many(ids: Sequence[str]) -> str:
    """How many records; folds of a split as such."""
    return f"{len(ids)} folds" if any(re.fullmatch(r"fold \d+", one) for one in ids) else f"{len(ids):,}"


def was_ever_in_use(model_id: str, history: Sequence[Promotion]) -> bool:
    """Whether promotions tell of it: then analyses and the audit log may rest on it."""
    return any(model_id in (promotion.was, promotion.now) for promotion in history)


def why_not_deletable(one: Version, history: Sequence[Promotion]) -> str:
    """Why a model stays; empty where it may be deleted."""
    if not one.trained:
        return "it came with Leadwise"
    if one.in_use:
        return "it is in use"
    return "it was in use, and analyses or the log may rest on it" if was_ever_in_use(one.card.id, history) else ""


HISTORY: Final = ("When (UTC)", "Who", "What", "Model", "Reason", "Overridden", "Comparison")


def history_rows(history: Sequence[Promotion]) -> list[tuple[str, ...]]:
    """Promotions and roll-backs, the newest first, in Markdown."""
    return [
        (
            moment(one.at),
            plain(one.who),
            plain(one.kind),
            f"{plain(one.was)} → **{plain(one.now)}**",
            plain(one.reason),
            plain(one.overridden) or "–",
            f"`{one.job_id[:8]}`" if one.job_id else "–",
        )
        for one in sorted(history, key=lambda one: one.seq, reverse=True)
    ]


@dataclass(frozen=True)
class Stale:
    """Stored records whose newest analysis is by another version of a model than `now`, which is in use; `by` counts them by version."""

    now: str
    records: tuple[str, ...]
    by: dict[str, int]
    n_records: int

    @property
    def said(self) -> str:
        """In a sentence."""
        if not self.n_records:
            return "No record is stored."
        if not self.records:
            return f"Of {_records(self.n_records)} stored none has a newest analysis by another version than {self.now}, which is in use."
        by = ", ".join(f"{model}: {count:,}" for model, count in sorted(self.by.items()))
        has = "1 has" if len(self.records) == 1 else f"{len(self.records):,} have"
        return f"Of {_records(self.n_records)} stored {has} a newest analysis by another version than {self.now}, which is in use ({by})."


def stale(records: Sequence[StoredRecord], now: str) -> Stale:
    """Which stored records were analysed last by another version of the same model."""
    name, _, version = now.partition("@")
    found = [one for one in records if one.latest is not None and one.latest.model == name and one.latest.version != version]
    by = Counter(f"{one.latest.model}@{one.latest.version}" for one in found if one.latest is not None)
    return Stale(now, tuple(one.id for one in found), dict(by), len(records))


def _records(n: int) -> str:
    return f"{n:,} {'record' if n == 1 else 'records'}"


def _in_use(name: str) -> str:
    """name@version of the version in use; empty where that one is not there."""
    try:
        return cards.read_card(cards.find(name)).id
    except ModelError:
        return ""
