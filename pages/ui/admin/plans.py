"""What a training will be, before it is asked for: what it learns from, why it cannot begin, and what will happen in a sentence. Knows nothing of Streamlit."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.inference.cards import Card, find
from ecgcore.jobs.specs import TrainSpec
from ecgcore.site import HELD_OUT, TRAINED
from ecgcore.store.datasets import DatasetVersion, Manifest
from ecgcore.training.recipes.choices import BEATS, CHOICES, Choice, why_not
from ecgcore.training.tuning import WEIGHTS_TO_TUNE, Retraining, public_records
from pages.ui import cards
from pages.ui.admin.telling import counted, minutes

BY_RECIPE: Final = {choice.recipe: choice for choice in CHOICES}


@dataclass(frozen=True)
class Plan:
    """A training as it is chosen. `start` is name@version of the model gone on from, None for from scratch; `public` the sets learned from."""

    choice: Choice
    start: str | None
    public: tuple[str, ...]
    dataset: DatasetVersion | None
    weight: float
    minutes: float | None

    @property
    def spec(self) -> TrainSpec:
        """As a job is told."""
        return TrainSpec(
            recipe=self.choice.recipe,
            start=self.start,
            public=None if self.public == self.choice.sets else self.public,
            dataset=self.dataset.number if self.dataset else None,
            weight=self.weight,
            minutes=self.minutes,
        )

    @property
    def title(self) -> str:
        """Of its job."""
        own = f" with data set version {self.dataset.number}" if self.dataset else ""
        return f"Fine-tune {self.start}{own}" if self.start else f"Train {self.choice.recipe} from scratch{own}"


def is_whole(recipe: str, start: str | None) -> bool:
    """Whether all of the recipe's own sets are learned from, with none to choose."""
    return start is None and recipe != BEATS


def present(choice: Choice) -> tuple[tuple[str, ...], dict[str, str]]:
    """Of the public sets of a recipe those on this machine, and how to get each of the others, in Markdown."""
    there, absent = [], {}
    for name in choice.sets:
        try:
            data.locate(name)
        except DataError:
            absent[name] = f"Get it with `python -m ecgcore data get {name}`" if name in data.PHYSIONET else f"Put its folder at `LEADWISE_DATA/{name}`"
        else:
            there.append(name)
    return tuple(there), absent


def why_no_tuning(choice: Choice, in_use: Card | None) -> str:
    """Why nothing can go on from the version in use, in a sentence; empty where it can."""
    if not choice.tunes:
        return f"{choice.title} is trained from scratch: {choice.why_whole}."
    if in_use is None:
        return f"No version of {choice.recipe} is installed to go on from."
    if not (find(in_use.id) / WEIGHTS_TO_TUNE).is_file():
        return f"{in_use.id} has no {WEIGHTS_TO_TUNE}, so that nothing can go on from it."
    return ""


def why_no_start(plan: Plan, absent: Mapping[str, str]) -> str:
    """Why this training cannot begin, in a sentence; empty where it can."""
    if is_whole(plan.choice.recipe, plan.start) and absent:
        return f"Its whole recipe needs {_and(list(absent))}, which {'is' if len(absent) == 1 else 'are'} not on this machine."
    if plan.dataset is not None and not any(record.part == TRAINED for record in plan.dataset.manifest.records):
        return f"Data set version {plan.dataset.number} holds no record to learn from; more patients must be signed off."
    spec = plan.spec
    why = why_not(spec.recipe, spec.start, spec.public, spec.dataset is not None)
    return f"{why[:1].upper()}{why[1:]}." if why else ""


def sentence(plan: Plan) -> str:
    """What will happen."""
    does = f"Fine-tunes {plan.start}" if plan.start else f"Trains {plan.choice.recipe} from scratch"
    whole = " by its whole recipe" if is_whole(plan.choice.recipe, plan.start) else ""
    sources = _and([*([public(plan)] if plan.public else []), *([own(plan.dataset.manifest, plan.weight)] if plan.dataset else [])]) or "nothing"
    limit = f"for at most {minutes(plan.minutes)}" if plan.minutes else "without a limit of time"
    return f"{does}{whole} on {sources} {limit}. Nothing is in use until you promote it."


def public(plan: Plan) -> str:
    """The public sets learned from, with how many of their recordings where the recipe says so."""
    named = _and(list(plan.public))
    trained = _trained(plan.choice.recipe)
    if is_whole(plan.choice.recipe, plan.start) or set(trained) != set(plan.choice.sets):
        return named
    kept = public_records(trained, Retraining(plan.choice.recipe, Path(), plan.start, plan.public))
    most = "up to " if plan.dataset else ""  # those that this site has read itself are left out
    return f"{most}{sum(map(len, kept.values()))} public recordings ({', '.join(plan.public)})"


def own(manifest: Manifest, weight: float) -> str:
    """This site's patients that are learned from."""
    learned = [record for record in manifest.records if record.part == TRAINED]
    corrected = sum(record.corrected for record in learned)
    beats = f"whose {corrected:,} corrected {'beat weighs' if corrected == 1 else 'beats weigh'} {weight:g} times another"
    return f"{counted(len({record.patient for record in learned}), 'own patient')} ({counted(len(learned), 'recording')}, {beats})"


def held(manifest: Manifest) -> str:
    """How much a version holds: "12 recordings of 9 patients, 2 of them held out, 214 corrected beats"."""
    patients = {record.patient for record in manifest.records}
    out = {record.patient for record in manifest.records if record.part == HELD_OUT}
    corrected = sum(record.corrected for record in manifest.records)
    return f"{counted(len(manifest.records), 'recording')} of {counted(len(patients), 'patient')}, {len(out) or 'none'} of them held out, {counted(corrected, 'corrected beat')}"


def in_use(recipe: str) -> Card | None:
    """The version in use of the model that a recipe makes. Raises ModelError for a card that does not fit."""
    return cards.installed(recipe)


@lru_cache(maxsize=16)
def _trained(recipe: str) -> Mapping[str, tuple[str, ...]]:
    """Records learned from by data set, as the recipe names them; none where it draws them otherwise."""
    from ecgcore.training import recipes

    trained: Mapping[str, tuple[str, ...]] = getattr(getattr(recipes.load(recipe), "data", None), "trained", {})
    return trained


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
