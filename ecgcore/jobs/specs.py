"""What a job is to do, as it is kept beside it: one kind of spec a kind of job."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgcore.errors import InputError
from ecgcore.site import CORRECTED_WEIGHT


class Spec(BaseModel):
    """What a job is to do: no field may be unknown, none is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainSpec(Spec):
    """Train by a recipe.

    start    the model (name@version) whose weights are gone on from; None for from scratch
    public   data sets learned from, of those the recipe names; None for all of them
    dataset  number of the version of this site's data set; None for none of it
    weight   of a beat that a reader corrected, against one of 1 for every other beat
    minutes  limit for the training itself
    """

    recipe: str
    start: str | None = None
    public: tuple[str, ...] | None = None
    dataset: int | None = None
    weight: float = Field(default=CORRECTED_WEIGHT, ge=0, le=100)
    minutes: float | None = Field(default=None, gt=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int | None = None


class CompareSpec(Spec):
    """Compare two models (name@version) on patients that neither should have learned from, those of a version of this site's data set among them."""

    new: str
    current: str
    dataset: int | None = None


class RecomputeSpec(Spec):
    """Analyse stored records (None: all) anew by a model (name@version), on the leads of their newest analysis; the old analyses stay."""

    model: str
    records: tuple[str, ...] | None = None


KINDS: Final[dict[str, type[Spec]]] = {"train": TrainSpec, "compare": CompareSpec, "recompute": RecomputeSpec}


def parse(kind: str, text: str) -> Spec:
    """The spec of a job of some kind. Raises InputError for an unknown kind, or a spec that does not fit it."""
    if kind not in KINDS:
        raise InputError(f"no job of kind {kind!r}; there are: {', '.join(KINDS)}")
    try:
        return KINDS[kind].model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"this is no {kind} job: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
