"""Recipes: everything that makes a training run, in one TOML file beside this one."""

import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from ecgcore.errors import InputError
from ecgcore.training.recipes.any_lead import AnyLeadRecipe as AnyLeadRecipe
from ecgcore.training.recipes.any_lead import AnyLeadStage as AnyLeadStage
from ecgcore.training.recipes.chapman import ChapmanRecipe as ChapmanRecipe
from ecgcore.training.recipes.chapman import RhythmAugmentation as RhythmAugmentation
from ecgcore.training.recipes.parts import Common as Common
from ecgcore.training.recipes.parts import Data as Data
from ecgcore.training.recipes.parts import Input as Input
from ecgcore.training.recipes.parts import Part as Part
from ecgcore.training.recipes.parts import WindowAugmentation as WindowAugmentation
from ecgcore.training.recipes.parts import WindowData as WindowData
from ecgcore.training.recipes.parts import WindowInput as WindowInput
from ecgcore.training.recipes.parts import WindowOptimisation as WindowOptimisation
from ecgcore.training.recipes.segmenting import SegmenterRecipe as SegmenterRecipe

FOLDER: Final = Path(__file__).parent


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


class Recipe(Common):
    """One training run of the default beat model."""

    data: Data
    input: Input
    network: Network
    optimisation: Optimisation
    augmentation: Augmentation


class Floors(Part):
    """Thresholds of the random split are those with the best F1 that reach these sensitivities on held-out beats."""

    sensitivity: dict[str, float]


class FlowNetwork(Part):
    """Sizes of the neural flow."""

    patch: int
    hidden: int
    flow: Literal["residual", "gru"]
    phi: Literal["tanh", "fourier"]
    dropout: float


class WindowRecipe(Common):
    """One training of a window classifier: every arm by a random split and by patient."""

    classes: tuple[str, ...]
    data: WindowData
    input: WindowInput
    optimisation: WindowOptimisation
    floors: Floors


class NeuralFlowRecipe(WindowRecipe):
    """One training of the neural flow, with attention and without."""

    network: FlowNetwork


class HadlnNetwork(Part):
    """Sizes of HADLN; the baselines share what they can of them."""

    patch: int
    hidden: int
    channels: tuple[int, ...]
    kernel: int
    dropout: float


class HadlnRecipe(Common):
    """HADLN and its baselines: `arms` gives the runs of each by a random split; only HADLN is run by patient.

    gamma     of the focal loss
    bfloat16  whether networks learn in it; they answer in float32
    """

    classes: tuple[str, ...]
    gamma: float
    bfloat16: bool
    arms: dict[str, int]
    data: WindowData
    input: WindowInput
    input_by_patient: WindowInput
    network: HadlnNetwork
    augmentation: WindowAugmentation
    optimisation: WindowOptimisation
    by_patient: WindowOptimisation
    floors: Floors


class Cinc2017Input(Part):
    """A recording of the 2017 challenge: at this rate, cut or filled with zeros to so many samples."""

    fs_hz: float
    samples: int
    band_hz: tuple[float, float]


class HadlnCinc2017Recipe(Common):
    """HADLN on the recordings of the 2017 challenge: `folds` of the stratified split, of which the first `run` are run."""

    classes: tuple[str, ...]
    gamma: float
    bfloat16: bool
    attention: Literal["self", "channel"]
    run: int
    input: Cinc2017Input
    network: HadlnNetwork
    augmentation: WindowAugmentation
    optimisation: WindowOptimisation


class WonheeInput(Part):
    """A window of one lead."""

    fs_hz: float
    samples: int
    band_hz: tuple[float, float]


class WonheeNetwork(Part):
    """Sizes of WonHEE; `patch_samples` 1 is the paper's, `experts` 0 the plain feed-forward."""

    patch_samples: int
    size: int
    heads: int
    inner: int
    blocks: int
    head_blocks: int
    experts: int


class WonheeOptimisation(Part):
    """AdamW with a one-cycle learning rate; weights are averaged exponentially.

    steps          batches an epoch
    shares         windows of a batch to classify, to impute, to forecast
    sampler_power  a beat is drawn by the share of its class to this power, negative
    envelope       weight of the slope's size in the loss of imputing and of forecasting
    """

    epochs: int
    steps: int
    shares: tuple[int, int, int]
    sampler_power: float
    envelope: tuple[float, float]
    learning_rate: float
    weight_decay: float
    average: float
    bfloat16: bool
    seed: int


class WonheeAugmentation(Part):
    """How often a window is drawn from each data set, upside down, and with its baseline wander."""

    shares: dict[str, float]
    invert: float
    wander: float


class WonheeMeasured(Part):
    """Windows of each lead that are measured, by data set, and the seed of their gaps."""

    windows: dict[str, int]
    seed: int


class WonheeRecipe(Common):
    """WonHEE by the random split of the `paper`, and by patient with all its tasks (`optimisation`).

    limits    the card's, in s: longest gap and forecast, least that is observed
    leaning   share of the mean beat in a forecast
    held_out  by patient: whom the band is calibrated on; a record "fold 3" of ptbxl stands for that fold of its official split
    """

    classes: tuple[str, ...]
    limits: dict[str, float]
    leaning: float
    data: WindowData
    held_out: dict[str, tuple[str, ...]]
    input: WonheeInput
    network: WonheeNetwork
    augmentation: WonheeAugmentation
    measured: WonheeMeasured
    paper: WonheeOptimisation
    optimisation: WonheeOptimisation


CHAPMAN: Final = (
    "seresnet18_signal", "seresnet18", "seresnet18_neurokit", "seresnet18_neurokit_filtered", "seresnet18_demographics", "seresnet18_demographics_neurokit", "universal_chapman",
)  # fmt: skip
KINDS: Final[dict[str, type[Common]]] = {
    "beats": Recipe,
    "neural_flow": NeuralFlowRecipe,
    "hadln": HadlnRecipe,
    "hadln_cinc2017": HadlnCinc2017Recipe,
    "segmenter": SegmenterRecipe,
    "wonhee": WonheeRecipe,
    "universal": AnyLeadRecipe,
    "universal_full": AnyLeadRecipe,
    **dict.fromkeys(CHAPMAN, ChapmanRecipe),
}


def names() -> tuple[str, ...]:
    """Recipes that there are."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(recipe: str) -> Any:
    """The recipe of that name, or of that TOML file, of the kind in KINDS that its `name` asks for. Raises InputError where it is not there or does not fit."""
    path = Path(recipe) if recipe.endswith(".toml") else FOLDER / f"{recipe}.toml"
    try:
        read = tomllib.loads(path.read_text())
        return KINDS.get(read.get("name", ""), Recipe).model_validate(read)
    except FileNotFoundError as error:
        raise InputError(f"no recipe {recipe!r}; there are: {', '.join(names())}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path.name} does not fit: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
