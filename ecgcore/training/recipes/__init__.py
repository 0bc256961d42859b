"""Recipes: everything that makes a training run, in one TOML file beside this one."""

import tomllib
from pathlib import Path
from typing import Any, Final, Literal

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


class BeatData(Data):
    """`weak` tells how many recordings of a label are taken of a data set in which only the whole recording has one."""

    weak: dict[str, dict[str, int]]


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
    """AdamW with a one-cycle learning rate; weights are averaged exponentially.

    bfloat16    whether the network learns in it; it answers in float32
    weak_not_v  weight of "not V" beside "not S" in the loss of a beat of which only the rhythm is known
    """

    folds: int
    epochs: int
    batch: int
    context_beats: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    average: float
    weak_not_v: float
    bfloat16: bool
    seed: int


class Augmentation(Part):
    """Chances and sizes of what is done to a stretch of beats before the network sees it; `s_majority`: the patient's S beats are taken for his usual ones."""

    mix_leads: float
    noise: float
    noise_db: tuple[float, float]
    jitter_samples: int
    invert: float
    short: float
    s_majority: float


class Common(Part):
    """What every recipe says: the model it makes."""

    name: str
    version: str


class Recipe(Common):
    """One training run of the default beat model."""

    data: BeatData
    input: Input
    network: Network
    optimisation: Optimisation
    augmentation: Augmentation


class WindowData(Data):
    """Of one data set or several: `tested` is for the final figure by patient; a random split takes all records named."""

    tested: dict[str, tuple[str, ...]]

    @property
    def everyone(self) -> dict[str, tuple[str, ...]]:
        """Trained, left out and tested, by data set."""
        parts = (self.trained, self.left_out, self.tested)
        return {name: tuple(record for part in parts for record in part.get(name, ())) for name in dict.fromkeys(name for part in parts for name in part)}


class WindowInput(Input):
    """What a network sees that knows nothing but one window, cut as `signals.beat_windows` does."""

    windowing: Literal["centred", "kachuee"]


class WindowOptimisation(Part):
    """AdamW with a one-cycle learning rate; weights are averaged exponentially.

    folds          of the random split
    patient_folds  of the patients learned from, to choose epochs, calibration and thresholds by
    seeds          runs by patient, with `seed`, `seed` + 1, …
    share_of_n     share of the beats of class N that an epoch draws at random; all other beats are in each
    weight_power   weight of a class in the loss: its share to this power, negative
    average        how far the averaged weights move to the latest at each step
    """

    folds: int
    patient_folds: int
    seeds: int
    epochs: int
    batch: int
    share_of_n: float
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    weight_power: float
    average: float
    seed: int


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


class WindowAugmentation(Part):
    """What is done to a window before the network sees it: greatest shift to either side, and standard deviation of its size."""

    shift_samples: int
    scale: float


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


KINDS: Final[dict[str, type[Common]]] = {"beats": Recipe, "neural_flow": NeuralFlowRecipe, "hadln": HadlnRecipe, "hadln_cinc2017": HadlnCinc2017Recipe}


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
