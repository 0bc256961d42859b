"""The recipe of a rhythm model for any leads, learned from the open mixture."""

from typing import Literal

from ecgcore.training.recipes.chapman import RhythmAugmentation
from ecgcore.training.recipes.parts import Common, Part


class AnyLeadInput(Part):
    """A window of any leads."""

    fs_hz: float
    samples: int
    band_hz: tuple[float, float]


class AnyLeadNetwork(Part):
    """Sizes of the network; of `design` "universal", the paper's UniversalECGNet, only `widths` and `dropout` are asked.

    controls  networks with random weights that its lead weights are checked by
    """

    design: Literal["any lead", "universal"]
    widths: tuple[int, ...]
    kernel: int
    size: int
    lead_size: int
    reduction: int
    dropout: float
    controls: int


class AnyLeadStage(Part):
    """So many epochs of `steps` batches, AdamW with one cycle.

    handheld  recordings a batch of the 2017 challenge, `handheld_s` seconds of each
    spans     windows a batch of mitdb's rhythm spans
    twelve    twelve-lead recordings a batch
    """

    epochs: int
    steps: int
    handheld: int
    handheld_s: float
    spans: int
    twelve: int
    learning_rate: float
    weight_decay: float


class AnyLeadOptimisation(Part):
    """Weights are averaged exponentially.

    first         on one lead at a time: the 2017 challenge and mitdb
    second        twelve-lead recordings too, once for each fifth of their patients held out
    power         a record is drawn by the share of its rhythm to this power, negative; `kind_power` by its kind, in the 2017 challenge
    span_weight   of the loss on mitdb's spans
    invert        how often a single lead is upside down, as a hand-held device may be
    """

    first: AnyLeadStage
    second: AnyLeadStage
    label_smoothing: float
    power: float
    kind_power: float
    span_weight: float
    invert: float
    average: float
    bfloat16: bool
    seed: int


class AnyLeadRecipe(Common):
    """A rhythm model for any leads.

    sets         data sets learned from and measured on by patient, fifth by fifth
    tested       records of mitdb for the final figure only; of the other data sets a fifth is: `held_out`
    specialists  subsets of leads that networks of their own are taught, to compare
    """

    classes: tuple[str, ...]
    sets: tuple[str, ...]
    tested: tuple[str, ...]
    specialists: tuple[str, ...]
    held_out: int
    input: AnyLeadInput
    network: AnyLeadNetwork
    augmentation: RhythmAugmentation
    optimisation: AnyLeadOptimisation
