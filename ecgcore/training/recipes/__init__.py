"""Recipes: everything that makes a training run, in one TOML file beside this one."""

import tomllib
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from ecgcore.errors import InputError

FOLDER: Final = Path(__file__).parent


class Part(BaseModel):
    """A piece of a recipe: no field may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Part):
    """Record ids by data set: learned from, each held out once in the folds; and those not used at all."""

    trained: dict[str, tuple[str, ...]]
    left_out: dict[str, tuple[str, ...]]


class Input(Part):
    """What the network sees of each beat."""

    fs_hz: float
    samples: int
    before_samples: int
    band_hz: tuple[float, float]


class Network(Part):
    """Sizes of the network."""

    channels: tuple[int, int, int]
    hidden: int
    dropout: float


class Optimisation(Part):
    """AdamW with a one-cycle learning rate; weights are averaged exponentially."""

    folds: int
    epochs: int
    batch: int
    context_beats: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    average: float
    seed: int


class Augmentation(Part):
    """Chances and sizes of what is done to a stretch of beats before the network sees it."""

    mix_leads: float
    noise: float
    noise_db: tuple[float, float]
    jitter_samples: int
    invert: float
    short: float


class Recipe(Part):
    """One training run of one model."""

    name: str
    version: str
    data: Data
    input: Input
    network: Network
    optimisation: Optimisation
    augmentation: Augmentation


def names() -> tuple[str, ...]:
    """Recipes that there are."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(recipe: str) -> Recipe:
    """The recipe of that name, or of that TOML file. Raises InputError where it is not there or does not fit."""
    path = Path(recipe) if recipe.endswith(".toml") else FOLDER / f"{recipe}.toml"
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError as error:
        raise InputError(f"no recipe {recipe!r}; there are: {', '.join(names())}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path.name} does not fit: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
