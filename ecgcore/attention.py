"""From a record and one of its beats to where a model's attention lay over that beat."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError, ModelError
from ecgcore.findings import AttentionChecks, AttentionMap
from ecgcore.inference import beat_windows
from ecgcore.inference import beats as beat_models
from ecgcore.inference.cards import Card
from ecgcore.leads import ecg_leads
from ecgcore.record import Record
from ecgcore.signals import filters, resampling

AROUND_S: Final = 20.0  # of signal read on either side of the beat, so that the filter has come to rest
CHECKS: Final = {"highlighted": "attention deletion, highlighted", "random": "attention deletion, random", "randomisation": "attention randomisation"}


def attend(record: Record, samples: NDArray[np.int64], index: int, leads: Iterable[str] | None = None, *, model: str) -> AttentionMap:
    """The attention of a model over one of the beats whose R peaks (n_beats,) are given at the record's own rate, ascending.

    The lead is the first of those chosen that the model looks at. Raises LeadError for a lead the record does not have,
    InputError for a beat that is not there, ModelError for a model that has no attention over time.
    """
    if not 0 <= index < samples.size:
        raise InputError(f"no beat {index}; there are {samples.size}, the first is 0")
    classifier = beat_models.load(model)
    if not isinstance(classifier, beat_windows.WindowClassifier):
        raise ModelError(f"{classifier.card.id} has no attention over a beat; models for {beat_windows.TASK!r} have")
    lead = classifier.takes(record.select(ecg_leads(record.leads) if leads is None else leads))[0]
    spec, part_s = classifier.card.input, beat_windows.part_s(classifier.card)
    at_s = float(samples[index]) / record.fs_hz
    first = max(0, round(math.floor((at_s - AROUND_S) / part_s) * part_s * record.fs_hz))
    stop = min(record.n_samples, round(math.ceil((at_s + AROUND_S) / part_s) * part_s * record.fs_hz))
    x = resampling.resample_blocks(partial(_one_lead, record, lead, first), stop - first, record.fs_hz, spec.fs_hz)
    x = filters.band_pass(x, spec.band_hz, spec.fs_hz)
    within = np.flatnonzero((samples >= first) & (samples < stop))
    place, near = int(np.searchsorted(within, index)), samples[within] - first
    weights = classifier.attention(x, near, record.fs_hz)[place]
    window = classifier.windows(x, near, record.fs_hz)[place]
    start_s = first / record.fs_hz + (round(float(near[place]) * spec.fs_hz / record.fs_hz) - spec.before_samples) / spec.fs_hz
    seen = int(np.flatnonzero(window)[-1]) + 1 if window.any() else 0
    return AttentionMap(
        model=classifier.card.id, lead=lead, sample=int(samples[index]), peak_s=at_s, start_s=start_s, step_s=spec.samples / spec.fs_hz / weights.size,
        weights=weights, seen_stop_s=start_s + seen / spec.fs_hz, checks=checks(classifier.card),
    )  # fmt: skip


def checks(card: Card) -> AttentionChecks:
    """What the card says of the maps."""
    measured = {figure.name: figure.value for figure in card.figures}
    return AttentionChecks(**{name: measured.get(figure) for name, figure in CHECKS.items()})


def _one_lead(record: Record, lead: str, first: int, start: int, stop: int) -> NDArray[np.float32]:
    return np.asarray(record.mv((lead,), first + start, first + stop)[0])
