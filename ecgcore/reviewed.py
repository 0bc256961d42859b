"""An Analysis as a reader left it: his beats in place of the model's."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgcore.findings import Analysis, Beats
from ecgcore.review import State


def analysis_of(analysis: Analysis, state: State) -> Analysis:
    """The analysis with the beats of a reading; rhythm, quality and notes stay those of the model."""
    return replace(analysis, beats=beats_of(analysis.beats, state))


def beats_of(found: Beats, state: State) -> Beats:
    """The beats of a reading. Probabilities (n, n_classes) are the model's where a beat is as it found it, NaN where a reader or a file says so."""
    probabilities = np.full((state.samples.size, len(found.classes)), np.nan, np.float32)
    rows, kept = _from_model(found, state)
    probabilities[kept] = found.probabilities[rows]
    return replace(found, samples=state.samples, labels=tuple(state.labels.tolist()), codes=tuple(state.codes.tolist()), probabilities=probabilities)


def certainty(found: Beats, state: State) -> NDArray[np.float32]:
    """Probability (n,) of the class shown, 0 to 1; NaN where it is not the model that says so."""
    known = np.full(state.samples.size, np.nan, np.float32)
    rows, kept = _from_model(found, state)
    column = {name: number for number, name in enumerate(found.classes)}
    known[kept] = found.probabilities[rows, [column[found.labels[row]] for row in rows]]
    return known


def _from_model(found: Beats, state: State) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the model's beats, and places in the reading, of those that stand as the model made them."""
    rows = np.searchsorted(found.samples, state.samples)
    inside = rows < found.samples.size
    same = np.zeros(state.samples.size, bool)
    same[inside] = found.samples[rows[inside]] == state.samples[inside]
    same &= (state.authors == found.model).astype(bool)
    kept = np.flatnonzero(same)
    return rows[kept], kept
