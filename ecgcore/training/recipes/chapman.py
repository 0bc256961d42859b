"""What the seven recipes of Chapman-Shaoxing say."""

from typing import Literal

from ecgcore.training.recipes.parts import Common, Part

Configuration = Literal["signal", "metadata", "metadata and NeuroKit2", "metadata and filtered NeuroKit2", "demographics", "demographics and filtered NeuroKit2", "universal"]


class ChapmanData(Part):
    """Folders of the data set, of which the first that is there is read; shares of its records for choosing and for testing, stratified by `seed`."""

    folders: tuple[str, ...]
    held_out: float
    tested: float
    seed: int


class ChapmanInput(Part):
    """A record: twelve leads."""

    fs_hz: float
    samples: int


class ChapmanNetwork(Part):
    """Widths of the four stages; whether they are computed again for the gradient, to save memory (the universal network's alone)."""

    widths: tuple[int, ...]
    recompute: bool


class ChapmanOptimisation(Part):
    """AdamW; the learning rate falls by a cosine over `restart_epochs`, then again over `restart_factor` times as many, and so on.

    patience  epochs without a better macro F1 on the records held out, after which training ends
    clip      greatest norm of the gradient
    """

    epochs: int
    patience: int
    batch: int
    learning_rate: float
    weight_decay: float
    restart_epochs: int
    restart_factor: int
    label_smoothing: float
    clip: float
    seed: int


class RhythmAugmentation(Part):
    """What may be done to a record, each by `chance`: wander and mains of up to so many mV, noise, another size.

    lead_dropout  chance that a batch sees only some leads (the universal network alone)
    """

    chance: float
    wander_hz: tuple[float, float]
    wander_mv: float
    mains_hz: float
    mains_mv: float
    noise_db: tuple[float, float]
    scale: float
    lead_dropout: float


class ChapmanRecipe(Common):
    """One of the seven configurations of Kisialeu & Nedzved."""

    classes: tuple[str, ...]
    configuration: Configuration
    data: ChapmanData
    input: ChapmanInput
    network: ChapmanNetwork
    optimisation: ChapmanOptimisation
    augmentation: RhythmAugmentation
