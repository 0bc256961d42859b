"""From a map over time to the places it highlights, each set on a beat where there is one near."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

APART_S: Final = 0.2  # of two places nearer than this the stronger stands
NEAR_S: Final = 0.15  # a place is set on a beat within this
SAME_S: Final = 0.1  # two classes nearer than this speak of one beat


@dataclass(frozen=True)
class Highlight:
    """A place: which label of the map, where it stands, where the map itself is highest, both in s, and how high."""

    label: int
    at_s: float
    summit_s: float
    strength: float


def summits(strength: NDArray[np.float32], limit: float, step_s: float) -> NDArray[np.int64]:
    """Steps (n_places,) at which a map (n_steps,) is highest, above its limit, ascending."""
    from scipy.signal import find_peaks

    around = np.concatenate([[-1.0], strength, [-1.0]])
    found, _ = find_peaks(around, height=limit, distance=max(1, round(APART_S / step_s)))
    return np.asarray(found - 1, np.int64)


def on_beats(at_s: NDArray[np.float64], strength: NDArray[np.float32], beats_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Times (n,) of places of these strengths, each moved to the nearest beat if one is within NEAR_S, and which of them stand: of several on one beat the strongest."""
    if not beats_s.size or not at_s.size:
        return at_s, np.arange(at_s.size)
    right = np.clip(np.searchsorted(beats_s, at_s), 1, max(1, beats_s.size - 1))
    left = right - 1
    right = np.minimum(right, beats_s.size - 1)
    beat = np.where(np.abs(beats_s[left] - at_s) <= np.abs(beats_s[right] - at_s), left, right)
    near = np.abs(beats_s[beat] - at_s) <= NEAR_S
    moved = np.where(near, beats_s[beat], at_s)
    order = np.argsort(-strength, kind="stable")
    _, first = np.unique(np.where(near, beat, -1 - np.arange(at_s.size))[order], return_index=True)
    kept = np.sort(order[first])
    return moved, kept[np.argsort(moved[kept], kind="stable")]


def highlighted(strengths: NDArray[np.float32], limits: Sequence[float], beats_s: NDArray[np.float64], step_s: float) -> tuple[Highlight, ...]:
    """All places of a map (n_labels, n_steps), in time order. A beat is of one class: the first label that reaches its limit there takes it."""
    found: list[Highlight] = []
    taken = np.zeros(0)
    for k, limit in enumerate(limits):
        steps = summits(strengths[k], limit, step_s)
        at_s, kept = on_beats((steps + 0.5).astype(np.float64) * step_s, strengths[k, steps], beats_s)
        free = [i for i in kept if not np.any(np.abs(taken - at_s[i]) < SAME_S)]
        found += [Highlight(k, float(at_s[i]), float((steps[i] + 0.5) * step_s), float(strengths[k, steps[i]])) for i in free]
        taken = np.sort(np.concatenate([taken, at_s[free]]))
    return tuple(sorted(found, key=lambda one: (one.at_s, one.label)))
