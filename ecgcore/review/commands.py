"""What a reader can do: each command, checked against a state, gives a change.

A value that can never be right is an InputError; one that the reading, as it now stands, does not allow is a StoreError.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError, StoreError
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.review.marks import Change, Item, Marks
from ecgcore.review.state import State

MARK_KINDS: Final = ("rhythm", "artefact", "comment")
MAX_TEXT: Final = 2000  # characters of a mark's text
MAX_NAME: Final = 254  # characters of a user or a lead
_MAX_SAMPLE: Final = 2**62


class Command(Protocol):
    """A command: `name` as its event is called, and the change it makes of a state of a record of `n_samples`."""

    name: ClassVar[str]

    def change(self, state: State, n_samples: int, who: str) -> Change:
        """The change. Raises InputError, StoreError."""
        ...


@dataclass(frozen=True)
class Add:
    """A beat where there was none."""

    name: ClassVar[str] = "add"
    sample: int
    code: str

    def change(self, state: State, n_samples: int, who: str) -> Change:
        """The beat comes."""
        _check_code(self.code)
        _check_within(self.sample, n_samples)
        return Change(beats_are=Marks.of((_free(state, self.sample),), (self.code,), who))


@dataclass(frozen=True)
class Delete:
    """Beats taken away."""

    name: ClassVar[str] = "delete"
    samples: tuple[int, ...]

    def change(self, state: State, n_samples: int, who: str) -> Change:  # noqa: ARG002  # nobody is the author of no beat
        """The beats go."""
        return Change(beats_were=state.marks(_standing(state, self.samples, n_samples)))


@dataclass(frozen=True)
class Relabel:
    """Beats given another code; those that have it already stay as they are."""

    name: ClassVar[str] = "relabel"
    samples: tuple[int, ...]
    code: str

    def change(self, state: State, n_samples: int, who: str) -> Change:
        """The beats stay in place, by a new author."""
        _check_code(self.code)
        at = _standing(state, self.samples, n_samples)
        other = at[state.codes[at] != self.code]
        if not other.size:
            first = int(at[0])
            of_how_many = f"the beat at {state.time(int(state.samples[first]))} is" if at.size == 1 else f"all {at.size:,} beats are"
            raise InputError(f"{of_how_many} {self.code} already")
        were = state.marks(other)
        return Change(were, Marks(were.samples, (self.code,) * len(were), (who,) * len(were)))


@dataclass(frozen=True)
class Move:
    """A beat put elsewhere, with its code."""

    name: ClassVar[str] = "move"
    sample: int
    to: int

    def change(self, state: State, n_samples: int, who: str) -> Change:
        """The beat goes here and comes there."""
        were = state.marks(_standing(state, (self.sample,), n_samples))
        _check_within(self.to, n_samples)
        if self.to == self.sample:
            raise InputError(f"the beat is at {state.time(self.to)} already")
        return Change(were, Marks.of((_free(state, self.to),), were.codes, who))


@dataclass(frozen=True)
class PutMark:
    """A span of rhythm or artefact, or a comment."""

    name: ClassVar[str] = "mark"
    kind: str
    start: int
    stop: int
    text: str = ""
    lead: str | None = None

    def change(self, state: State, n_samples: int, who: str) -> Change:  # noqa: ARG002  # whatever stands there
        """The mark comes."""
        if self.kind not in MARK_KINDS:
            raise InputError(f"a mark of kind {self.kind[:40]!r} is none of {', '.join(MARK_KINDS)}")
        if self.lead is not None:
            check_text(self.lead, "lead", MAX_NAME, needed=True)
        item = Item(uuid.uuid4().hex, self.kind, self.start, self.stop, self.text.strip(), self.lead, who)
        return Change(items_are=(_checked(item, n_samples),))


@dataclass(frozen=True)
class ChangeMark:
    """Another text or span for a mark; None leaves it as it is."""

    name: ClassVar[str] = "change_mark"
    item: str
    text: str | None = None
    start: int | None = None
    stop: int | None = None

    def change(self, state: State, n_samples: int, who: str) -> Change:
        """The mark as it was, and as it is."""
        was = _own_kind(state.item(self.item))
        new = {name: value for name in ("text", "start", "stop") if (value := getattr(self, name)) is not None}
        if self.text is not None:
            new["text"] = self.text.strip()
        item = replace(was, **new, author=who)
        if replace(item, author=was.author) == was:
            raise InputError(f"the {was.kind} at {state.time(was.start)} is so already")
        return Change(items_were=(was,), items_are=(_checked(item, n_samples),))


@dataclass(frozen=True)
class RemoveMark:
    """A mark taken away."""

    name: ClassVar[str] = "unmark"
    item: str

    def change(self, state: State, n_samples: int, who: str) -> Change:  # noqa: ARG002  # nobody is the author of no mark
        """The mark goes."""
        return Change(items_were=(_own_kind(state.item(self.item)),))


@dataclass(frozen=True)
class ReplaceBeats:
    """All beats replaced, as by those of an annotation file, and the items that came with them.

    Items that an earlier import by the same authors brought give way; those of readers stay.
    """

    name: ClassVar[str] = "import"
    beats: Marks
    items: tuple[Item, ...] = ()

    @classmethod
    def of(cls, samples: Iterable[int], codes: Iterable[str], author: str) -> "ReplaceBeats":
        """Beats by one author; samples ascending. Raises InputError."""
        return cls(Marks.of(samples, codes, author))

    def change(self, state: State, n_samples: int, who: str) -> Change:  # noqa: ARG002  # the file is the author
        """The beats and items that differ."""
        for code in sorted(set(self.beats.codes)):
            _check_code(code)
        for sample in self.beats.samples[[0, -1]].tolist() if len(self.beats) else ():
            _check_within(sample, n_samples)
        authors = {*self.beats.authors, *(item.author for item in self.items)}
        came = tuple(_checked(item, n_samples) for item in self.items)
        gone = tuple(item for item in state.items if item.author in authors and item.kind in MARK_KINDS)
        same = {replace(item, id="") for item in gone} == {replace(item, id="") for item in came}
        change = Change(*state.difference(self.beats), *(((), ()) if same else (gone, came)))
        if not change.size:
            raise InputError(f"the beats are those of {', '.join(sorted(authors)) or 'the file'} already")
        return change


def command_from(data: dict[str, Any]) -> Command:
    """The command in the JSON of an edit, {"command": "add", "sample": 1, "code": "V"}. Raises InputError for any other."""
    name = data.get("command")
    if not isinstance(name, str) or name not in _COMMANDS:
        raise InputError(f"command {_short(name)} is none of {', '.join(_COMMANDS)}")
    made, needed, optional = _COMMANDS[name]
    fields = {**needed, **optional}
    foreign = sorted(str(key)[:40] for key in set(data) - set(fields) - {"command"})
    if foreign:
        raise InputError(f"{name} has no field {', '.join(map(repr, foreign))}; it has {', '.join(fields)}")
    missing = [field for field in needed if field not in data]
    if missing:
        raise InputError(f"{name} needs {', '.join(missing)}")
    return made(**{field: read(data[field], field) for field, read in fields.items() if field in data})


def check_text(text: str, what: str, most: int = MAX_TEXT, *, needed: bool = False) -> None:
    """Refuse text that is too long, blank where it is needed, or holds what no database keeps. Raises InputError."""
    if needed and not text.strip():
        raise InputError(f"the {what} is empty")
    if len(text) > most:
        raise InputError(f"the {what} has {len(text):,} characters; at most {most:,} are kept")
    odd = next((char for char in text if (ord(char) < 32 and char not in "\n\t") or 0xD800 <= ord(char) <= 0xDFFF), None)
    if odd is not None:
        raise InputError(f"the {what} holds the character {odd!r}, which is no text")


def _check_code(code: str) -> None:
    if code not in AAMI_OF_MIT:
        raise InputError(f"{code[:40]!r} is no beat code; there are {' '.join(AAMI_OF_MIT)}")


def _check_within(sample: int, n_samples: int) -> None:
    if not 0 <= sample < n_samples:
        raise InputError(f"sample {sample} is not within the record's 0 to {n_samples - 1}")


def _free(state: State, sample: int) -> int:
    at, there = state.places(np.array([sample], np.int64))
    if there[0]:
        raise StoreError(f"a beat is at {state.time(sample)} already: {state.codes[at[0]]} by {state.authors[at[0]]}")
    return sample


def _standing(state: State, samples: tuple[int, ...], n_samples: int) -> NDArray[np.int64]:
    """Places of the beats named, each once, ascending."""
    if not samples:
        raise InputError("no beat is named; name the samples of one or more")
    for sample in (min(samples), max(samples)):
        _check_within(sample, n_samples)
    wanted = np.unique(np.array(samples, np.int64))
    at, there = state.places(wanted)
    if not there.all():
        raise StoreError(f"no beat is at {state.time(int(wanted[~there][0]))}; it may have been moved or deleted")
    return at


def _own_kind(item: Item) -> Item:
    if item.kind not in MARK_KINDS:
        raise StoreError(f"a {item.kind} is no mark to be changed; decide again, or undo it")
    return item


def _checked(item: Item, n_samples: int) -> Item:
    if not 0 <= item.start <= item.stop <= n_samples:
        raise InputError(f"a mark from sample {item.start} to {item.stop} is not within the record's 0 to {n_samples}, or ends before it starts")
    check_text(item.text, f"text of the {item.kind}", needed=item.kind != "artefact")
    return item


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _whole(value: Any, field: str) -> int:
    if type(value) is not int or abs(value) > _MAX_SAMPLE:  # True is no sample
        raise InputError(f"{field} must be a whole number, not {_short(value)}")
    return value


def _wholes(value: Any, field: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise InputError(f"{field} must be a list of whole numbers, not {_short(value)}")
    return tuple(_whole(one, field) for one in value)


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{field} must be text, not {_short(value)}")
    return value


def _perhaps(read: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, field: None if value is None else read(value, field)


_Fields = dict[str, Callable[[Any, str], Any]]
# By name: the class, the fields that must be there, those that may.
_COMMANDS: Final[dict[str, tuple[Callable[..., Command], _Fields, _Fields]]] = {
    "add": (Add, {"sample": _whole, "code": _text}, {}),
    "delete": (Delete, {"samples": _wholes}, {}),
    "relabel": (Relabel, {"samples": _wholes, "code": _text}, {}),
    "move": (Move, {"sample": _whole, "to": _whole}, {}),
    "mark": (PutMark, {"kind": _text, "start": _whole, "stop": _whole}, {"text": _text, "lead": _perhaps(_text)}),
    "change_mark": (ChangeMark, {"item": _text}, {"text": _perhaps(_text), "start": _perhaps(_whole), "stop": _perhaps(_whole)}),
    "unmark": (RemoveMark, {"item": _text}, {}),
}
