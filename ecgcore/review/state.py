"""A reading as it stands after some event: all beats, all items, and how a change is applied to them."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import StoreError
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT, Beats
from ecgcore.review.marks import Change, Item, Marks


@dataclass(frozen=True, eq=False)
class State:
    """All beats and items of a reading after event `seq`; its arrays cannot be written to.

    samples  (n,) int64, strictly ascending
    codes    (n,) one-character MIT codes
    authors  (n,) objects, strings: who says so
    items    by start, stop and id
    model    name@version of the model it stands on
    fs_hz    for the times in messages; without it they speak of samples
    """

    seq: int
    samples: NDArray[np.int64]
    codes: NDArray[np.str_]
    authors: NDArray[np.object_]
    items: tuple[Item, ...] = ()
    model: str = ""
    fs_hz: float | None = None

    def __post_init__(self) -> None:
        for name, dtype in (("samples", np.int64), ("codes", "<U1"), ("authors", object)):
            object.__setattr__(self, name, _read_only(np.asarray(getattr(self, name), dtype)))

    def __len__(self) -> int:
        return len(self.samples)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return False
        plain = (self.seq, self.items, self.model, self.fs_hz) == (other.seq, other.items, other.model, other.fs_hz)
        return plain and all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ("samples", "codes", "authors"))

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    @classmethod
    def first(cls, beats: Beats, fs_hz: float) -> "State":
        """A reading before its first event: the beats as the model found them."""
        authors = np.full(len(beats), beats.model, object)
        return cls(0, beats.samples, np.array(beats.codes, "<U1"), authors, (), beats.model, fs_hz)

    @property
    def labels(self) -> NDArray[np.str_]:
        """AAMI class of each beat, (n,); "Q" for a code that is no beat of EC57."""
        return np.asarray(_letters()[np.minimum(np.ascontiguousarray(self.codes).view(np.uint32), 127)])

    @property
    def counts(self) -> dict[str, int]:
        """Beats by AAMI class, every class named."""
        labels = self.labels
        return {name: int(np.count_nonzero(labels == name)) for name in AAMI_CLASSES}

    @property
    def changed(self) -> int:
        """Beats that are not as the model says: made so by a reader or a file."""
        return int(np.count_nonzero(self.authors != self.model))

    def places(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where beats at samples (n,) are, or would be put in; and whether they are there."""
        at = np.searchsorted(self.samples, samples)
        there = at < len(self)
        there[there] = self.samples[at[there]] == samples[there]
        return at, there

    def marks(self, chosen: NDArray[Any]) -> Marks:
        """The beats at some places, ascending, or where a mask is true."""
        return Marks(self.samples[chosen], tuple(self.codes[chosen].tolist()), tuple(self.authors[chosen].tolist()))

    def item(self, item_id: str) -> Item:
        """An item by its id. Raises StoreError."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise StoreError(f"no mark {item_id[:40]!r} is there; it may have been removed")

    def time(self, sample: int) -> str:
        """A sample as the time into the recording that a message can quote."""
        if not self.fs_hz:
            return f"sample {sample}"
        from ecgcore.figures.clock import clock

        return clock(sample / self.fs_hz, 3)

    def difference(self, beats: Marks) -> tuple[Marks, Marks]:
        """The beats that must go and those that must come for `beats` to stand here instead."""
        at, there = self.places(beats.samples)
        codes, authors = np.array(beats.codes, "<U1"), np.array(beats.authors, object)
        same = there.copy()
        same[there] = (self.codes[at[there]] == codes[there]) & (self.authors[at[there]] == authors[there]).astype(bool)
        goes = np.ones(len(self), bool)
        goes[at[same]] = False
        come = ~same
        return self.marks(goes), Marks(beats.samples[come], tuple(codes[come].tolist()), tuple(authors[come].tolist()))

    def applied(self, change: Change, seq: int, model: str | None = None) -> "State":
        """The reading after one more event. Raises StoreError where what the change says was there is not there."""
        samples, codes, authors = self._beats_after(change.beats_were, change.beats_are)
        items = self._items_after(change.items_were, change.items_are)
        return replace(self, seq=seq, samples=samples, codes=codes, authors=authors, items=items, model=self.model if model is None else model)

    def _beats_after(self, were: Marks, are: Marks) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.object_]]:
        if not len(were) and not len(are):
            return self.samples, self.codes, self.authors
        at = self._standing(were)
        new_codes, new_authors = np.array(are.codes, "<U1"), np.array(are.authors, object)
        if np.array_equal(were.samples, are.samples):
            codes, authors = self.codes.copy(), self.authors.copy()
            codes[at], authors[at] = new_codes, new_authors
            return self.samples, codes, authors
        left = self
        if len(were):
            stays = np.ones(len(self), bool)
            stays[at] = False
            left = replace(self, samples=self.samples[stays], codes=self.codes[stays], authors=self.authors[stays])
        if not len(are):
            return left.samples, left.codes, left.authors
        into, taken = left.places(are.samples)
        if taken.any():
            first = int(into[taken][0])
            raise StoreError(f"a beat is at {self.time(int(left.samples[first]))} already: {left.codes[first]} by {left.authors[first]}")
        return np.insert(left.samples, into, are.samples), np.insert(left.codes, into, new_codes), np.insert(left.authors, into, new_authors)

    def _standing(self, were: Marks) -> NDArray[np.int64]:
        """Places of the beats that were. Raises StoreError for the first that is no longer as it was."""
        at, there = self.places(were.samples)
        if not there.all():
            raise StoreError(f"the beat at {self.time(int(were.samples[~there][0]))} is no longer there")
        other_code = self.codes[at] != np.array(were.codes, "<U1")
        other_author = (self.authors[at] != np.array(were.authors, object)).astype(bool)
        odd = np.flatnonzero(other_code | other_author)
        if odd.size:
            i, place = int(odd[0]), int(at[odd[0]])
            said = f"is no longer {were.codes[i]}: {self.authors[place]} made it {self.codes[place]}"
            if not other_code[i]:
                said = f"is {self.codes[place]} by {self.authors[place]} now, no longer by {were.authors[i]}"
            raise StoreError(f"the beat at {self.time(int(were.samples[i]))} {said}")
        return at

    def _items_after(self, were: tuple[Item, ...], are: tuple[Item, ...]) -> tuple[Item, ...]:
        there = {item.id: item for item in self.items}
        for item in were:
            now = there.pop(item.id, None)
            if now is None:
                raise StoreError(f"the {item.kind} at {self.time(item.start)} is no longer there")
            if now != item:
                raise StoreError(f"the {item.kind} at {self.time(item.start)} was changed since, by {now.author}")
        for item in are:
            if item.id in there:
                raise StoreError(f"the {item.kind} at {self.time(item.start)} is there already, by {there[item.id].author}")
            there[item.id] = item
        return tuple(sorted(there.values(), key=lambda item: (item.start, item.stop, item.id)))


@cache
def _letters() -> NDArray[np.str_]:
    """AAMI letter by code point; those of no beat are Q."""
    letters = np.full(128, "Q")
    for code, letter in AAMI_OF_MIT.items():
        letters[ord(code)] = letter
    return letters


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, which nobody can write to through this."""
    view = array.view()
    view.flags.writeable = False
    return view
