"""Two readings made one: what the readers agree on, and a decision on each beat they see differently."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.review.marks import Change, Item, Marks
from ecgcore.review.state import State

if TYPE_CHECKING:  # agreement compares items of a review: at run time it is imported where it is needed
    from ecgcore.evaluation.agreement import Disagreement


def disagreements(a: State, b: State, fs_hz: float) -> tuple["Disagreement", ...]:
    """Beats to which two readers give different AAMI classes, or that one of them does not have, in time order."""
    from ecgcore.evaluation.agreement import Labelled, compare

    one, other = (Labelled(state.samples, tuple(state.codes.tolist())) for state in (a, b))
    return compare(one, other, fs_hz).disagreements


def consensus(start: State, a: State, b: State, apart: Iterable["Disagreement"]) -> Change:
    """The change from `start` to what two readers agree on, `apart` being where they do not.

    Beats stand where reader a has them, with his code where the two give codes of one class. They are by those of the two who
    touched them ("anna@x, ben@x"), else by the model. Of rhythm, artefact and comments those stay that both made alike.
    """
    open_in_a = np.array([one.sample_a for one in apart if one.sample_a is not None], np.int64)
    agreed = a.marks(~np.isin(a.samples, open_in_a))
    authors = _both(np.array(agreed.authors, object), _authors_near(b, agreed.samples), a.model, b.model)
    alike = {_content(item) for item in b.items}
    items = tuple(item for item in a.items if _content(item) in alike)
    return Change(*start.difference(Marks(agreed.samples, agreed.codes, tuple(authors.tolist()))), start.items, items)


@dataclass(frozen=True)
class Decide:
    """A disagreement settled: by reader "a", by reader "b", by "neither" having a beat, or by an MIT code of the adjudicator's own.

    The choice "a" is always the reader; the code a (aberrated atrial beat) can be given by a relabel afterwards.
    Deciding again replaces the decision there was; an undo brings it back.
    """

    name: ClassVar[str] = "decision"
    reading_id: str
    disagreement: "Disagreement"
    choice: str

    def change(self, state: State, n_samples: int, who: str) -> Change:  # noqa: ARG002  # the readers' beats lie within
        """The beats chosen, and an item that says so. Raises InputError."""
        apart, item_id = self.disagreement, decision_id(self.reading_id, self.disagreement.number)
        earlier = next((item for item in state.items if item.id == item_id), None)
        ours = (state.authors == who) if earlier is None else (state.authors == who) | (state.authors == earlier.author)
        at = [sample for sample in (apart.sample_a, apart.sample_b) if sample is not None]
        were = state.marks(ours.astype(bool) & np.isin(state.samples, at))
        chosen = self._chosen()
        are = Marks.none() if chosen is None else Marks.of((chosen[0],), (chosen[1],), who)
        item = Item(item_id, self.name, min(at), max(at), f"disagreement {apart.number}: {self.choice}", None, who)
        return Change(were, are, () if earlier is None else (earlier,), (item,))

    def _chosen(self) -> tuple[int, str] | None:
        apart = self.disagreement
        if self.choice in ("a", "b"):
            sample, code = (apart.sample_a, apart.code_a) if self.choice == "a" else (apart.sample_b, apart.code_b)
            return None if sample is None or code is None else (sample, code)
        if self.choice == "neither":
            return None
        if self.choice not in AAMI_OF_MIT:
            raise InputError(f"choice {self.choice[:40]!r} is none of a, b, neither or a beat code: {' '.join(AAMI_OF_MIT)}")
        return apart.sample if apart.sample_a is None else apart.sample_a, self.choice


def undecided(reading_id: str, apart: Iterable["Disagreement"], items: Iterable[Item]) -> tuple["Disagreement", ...]:
    """The disagreements on which there is no decision yet."""
    decided = {item.id for item in items if item.kind == Decide.name}
    return tuple(one for one in apart if decision_id(reading_id, one.number) not in decided)


def decision_id(reading_id: str, number: int) -> str:
    """The id of the item that says how a disagreement was settled: one and the same however often it is decided."""
    return uuid.uuid5(uuid.UUID(reading_id), str(number)).hex


def disagreements_to_json(apart: Iterable["Disagreement"]) -> str:
    """Disagreements as they are kept with an adjudication."""
    return json.dumps([asdict(one) for one in apart], separators=(",", ":"))


def disagreements_from_json(text: str) -> tuple["Disagreement", ...]:
    """Those that `disagreements_to_json` wrote."""
    from ecgcore.evaluation.agreement import Disagreement

    return tuple(Disagreement(**one) for one in json.loads(text))


def _content(item: Item) -> tuple[str, int, int, str, str | None]:
    return item.kind, item.start, item.stop, item.text, item.lead


def _authors_near(state: State, samples: NDArray[np.int64]) -> NDArray[np.object_]:
    """Author (n,) of the beat nearest to each sample; the model where there is no beat."""
    if not len(state):
        return np.full(samples.size, state.model, object)
    right = np.minimum(np.searchsorted(state.samples, samples), len(state) - 1)
    left = np.maximum(right - 1, 0)
    is_left = samples - state.samples[left] < np.abs(state.samples[right] - samples)
    return np.asarray(state.authors[np.where(is_left, left, right)])


def _both(a: NDArray[np.object_], b: NDArray[np.object_], model_a: str, model_b: str) -> NDArray[np.object_]:
    """Who touched each beat (n,): of two authors those that are no model."""
    joined = np.where((a == b).astype(bool) | (b == model_b).astype(bool), a, np.where((a == model_a).astype(bool), b, a + ", " + b))
    return np.asarray(joined, object)
