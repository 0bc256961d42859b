"""Pieces that recipes of several kinds are made of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


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


class Common(Part):
    """What every recipe says: the model it makes."""

    name: str
    version: str


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


class WindowAugmentation(Part):
    """What is done to a window before the network sees it: greatest shift to either side, and standard deviation of its size."""

    shift_samples: int
    scale: float
