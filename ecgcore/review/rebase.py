"""Going over to the beats of another analysis, with what readers did left as they left it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.findings import Beats
from ecgcore.review.marks import FILE_AUTHOR, Change, Marks
from ecgcore.review.state import State

SAME_BEAT_S: Final = 0.15  # two positions so near are one beat, ANSI/AAMI EC57


def rebased(state: State, deleted: NDArray[np.int64], found: Beats, fs_hz: float) -> Change:
    """The change from a state to the beats `found`, but for what readers touched.

    deleted  (n,) samples at which readers took a beat away

    A beat that a reader added, moved or relabelled stays. Beats found within 150 ms of one touched or deleted give way,
    unless an untouched beat lies nearer: then they are that one.
    """
    touched = _by_readers(state)
    to_touched = _distance(found.samples, np.sort(np.concatenate([state.samples[touched], deleted])))
    to_untouched = _distance(found.samples, state.samples[~touched])
    gives_way = (to_touched <= SAME_BEAT_S * fs_hz) & (to_touched <= to_untouched)
    own, new = state.marks(touched), np.flatnonzero(~gives_way)
    samples = np.concatenate([own.samples, found.samples[new]])
    codes = np.concatenate([np.array(own.codes, "<U1"), np.array(found.codes, "<U1")[new]])
    authors = np.concatenate([np.array(own.authors, object), np.full(new.size, found.model, object)])
    order = np.argsort(samples, kind="stable")
    return Change(*state.difference(Marks(samples[order], tuple(codes[order].tolist()), tuple(authors[order].tolist()))))


def _by_readers(state: State) -> NDArray[np.bool_]:
    """Whether each beat (n,) is neither the model's nor a file's."""
    touched = np.zeros(len(state), bool)
    for author in set(state.authors.tolist()):
        if author != state.model and not author.startswith(FILE_AUTHOR):
            touched |= (state.authors == author).astype(bool)
    return touched


def _distance(samples: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """From each sample (n,) to the nearest of others, ascending; infinite where there is none."""
    if not others.size:
        return np.full(samples.size, np.inf)
    right = np.searchsorted(others, samples)
    nearest = np.minimum(np.abs(samples - others[np.maximum(right - 1, 0)]), np.abs(others[np.minimum(right, others.size - 1)] - samples))
    return np.asarray(nearest, np.float64)
