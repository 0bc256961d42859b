"""What the card of a fine-tuned model says of its training."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecgcore import data
from ecgcore.inference.cards import Card, TrainingData
from ecgcore.training.export import git_commit
from ecgcore.training.tuning import Retraining, records_of, said, tuned


@dataclass(frozen=True)
class Told:
    """Of one fine-tuning.

    begun     `time.monotonic` at its beginning; device it ran on
    epochs    at most so many; steps: batches that were learned from
    rate      greatest learning rate
    more      what else is to be said of it, sentences without the full stop
    """

    begun: float
    device: str
    epochs: int
    steps: int
    rate: float
    augmentation: str
    seed: int
    more: tuple[str, ...] = ()


def card_of(parent: Card, names: Mapping[str, Sequence[str]], left_out: Mapping[str, tuple[str, ...]], told: Told, how: Retraining) -> Card:
    """The card of what was fine-tuned on these public records, by data set, and this site's; without the hash of its weights."""
    protocol = "; ".join(
        (
            f"Fine-tuned from {parent.id} for up to {told.epochs} epochs{f' or {how.minutes:g} minutes' if how.minutes else ''}, {told.steps} batches, "
            f"learning rate up to {told.rate:g}",
            said(how),
            *told.more,
            "the averaged weights after the last epoch, nothing chosen on any patient",
        )
    )
    kept_out = {name: records for name, records in {"svdb": data.SVDB_HELD_OUT}.items() if name in parent.training.trained or name in names}
    training = TrainingData(
        trained=records_of(names, how), held_out={}, left_out={**left_out, **kept_out}, protocol=f"{protocol}. By: {how.command}", augmentation=told.augmentation, seed=told.seed
    )
    spent = round((time.monotonic() - told.begun) / 60, 1)
    return tuned(parent, {"training": training, "git_commit": git_commit(), "device": told.device, "minutes": spent, "control_sha256": None, "sha256": "0" * 64})
