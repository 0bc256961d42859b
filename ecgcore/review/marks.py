"""The nouns of a review: beats as marks, items over spans, changes, events."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError

# Beats taken from an annotation file are by "file:" and its annotator.
FILE_AUTHOR: Final = "file:"


@dataclass(frozen=True, eq=False)
class Marks:
    """Beats: where, what, and who says so.

    samples  (n,) int64, strictly ascending
    codes    MIT annotation code of each, one character
    authors  who says so: "beats@2", a user, "file:atr"

    Raises InputError for columns of unequal length, and for two beats on one sample.
    """

    samples: NDArray[np.int64]
    codes: tuple[str, ...]
    authors: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.samples) == len(self.codes) == len(self.authors):
            raise InputError(f"{len(self.samples)} beats but {len(self.codes)} codes and {len(self.authors)} authors")
        late = np.flatnonzero(np.diff(self.samples) <= 0)
        if late.size:
            raise InputError(f"beats must ascend, one a sample; sample {self.samples[late[0] + 1]} comes after {self.samples[late[0]]}")

    def __len__(self) -> int:
        return len(self.samples)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Marks) and np.array_equal(self.samples, other.samples) and (self.codes, self.authors) == (other.codes, other.authors)

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    @classmethod
    def of(cls, samples: Iterable[int], codes: Iterable[str], author: str) -> "Marks":
        """Beats by one author."""
        codes = tuple(codes)
        return cls(np.fromiter(samples, np.int64), codes, (author,) * len(codes))

    @classmethod
    def none(cls) -> "Marks":
        """No beat."""
        return cls(np.empty(0, np.int64), (), ())


@dataclass(frozen=True)
class Item:
    """A mark over a span, or a comment.

    kind         "rhythm", "artefact", "comment"; or "decision", which says how readers' disagreement was settled
    start, stop  samples, start ≤ stop
    text         name of the rhythm such as "AFIB", the comment, the choice
    lead         the lead it is about; None for all
    """

    id: str
    kind: str
    start: int
    stop: int
    text: str
    lead: str | None
    author: str


@dataclass(frozen=True)
class Change:
    """What was and what is, of those beats and items that differ."""

    beats_were: Marks = field(default_factory=Marks.none)
    beats_are: Marks = field(default_factory=Marks.none)
    items_were: tuple[Item, ...] = ()
    items_are: tuple[Item, ...] = ()

    def inverse(self) -> "Change":
        """The change that takes this one back."""
        return Change(self.beats_are, self.beats_were, self.items_are, self.items_were)

    @property
    def size(self) -> int:
        """Beats and items touched."""
        return max(len(self.beats_were), len(self.beats_are)) + max(len(self.items_were), len(self.items_are))


@dataclass(frozen=True)
class Event:
    """One change of a reading, never altered.

    seq      1, 2, … within the reading, without a gap
    kind     name of the command, or "undo", "redo", "rebase", "consensus", "sign", "amend"
    at       UTC
    model    name@version of the model whose beats the reading stands on after the event
    of       seq of the event undone or redone, else None
    note     reason, statement, what the beats were found on, or which model called the rhythm
    command  the id its sender gave it, unique in the reading
    """

    seq: int
    kind: str
    who: str
    at: datetime
    model: str
    change: Change
    of: int | None
    note: str
    command: str

    @property
    def said(self) -> str:
        """What was done, in a few words: "12 beats made V"."""
        of, said = self.change, _SAID.get(self.kind, self.kind)
        beats, item = of.beats_are if len(of.beats_are) else of.beats_were, next(iter(of.items_are or of.items_were), None)
        return said.format(
            n=_counted(len(beats)),
            code=beats.codes[0] if len(beats) else "",
            were=_counted(len(of.beats_were)),
            are=_counted(len(of.beats_are)),
            author=of.beats_are.authors[0] if len(of.beats_are) else "the file",
            item=item.kind if item else "",
            text=f" {item.text[:40]}" if item and item.text and item.kind != "comment" else "",
            of=self.of,
            size=of.size,
            model=self.model,
            note=f": {self.note[:80]}" if self.note else "",
        )


_SAID: Final = {
    "add": "beat {code} added",
    "delete": "{n} deleted",
    "relabel": "{n} made {code}",
    "move": "beat {code} moved",
    "mark": "{item}{text} marked",
    "change_mark": "{item}{text} changed",
    "unmark": "{item}{text} removed",
    "accept": "{item}{text} accepted{note}",
    "import": "{were} replaced by {are} of {author}",
    "rebase": "went over to beats of {model}{note}: {were} replaced by {are}",
    "consensus": "what the readers agree on taken over",
    "decision": "{item}{text}",
    "undo": "change {of} undone",
    "redo": "change {of} done again",
    "sign": "signed off{note}",
    "amend": "opened again{note}",
}


def _counted(n: int) -> str:
    return "1 beat" if n == 1 else f"{n:,} beats"
