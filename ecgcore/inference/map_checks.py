"""Whether a map says anything of its network: deletion of what it highlights, and the map of the same network with random weights."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.findings import MapChecks
from ecgcore.inference.segmenter import Answer, asked
from ecgcore.progress import Progress, silent
from ecgcore.signals import segments
from ecgcore.signals.places import Highlight

WIDTH_S: Final = 0.42  # flattened around a place: what the pool reaches
DRAWS: Final = 4  # parts elsewhere flattened for comparison
AT_ONCE: Final = 128  # places, so that the segments of a day are never all in memory
SEED: Final = 1  # the same map is checked the same way each time


def check_places(
    answer: Answer,
    fed: NDArray[np.float32],
    samples: int,
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
    step: int,
    found: Sequence[Highlight],
    among: Sequence[Highlight] = (),
    progress: Progress = silent,
) -> tuple[MapChecks, ...]:
    """The checks of each place.

    fed     (channels, n) the lead as the network is fed it
    samples of the segment around a place that is asked about
    maps    (n_labels, n_steps) strengths, and those of networks with random weights (several · n_labels, n_steps)
    step    samples a step
    among   other places of the map, not checked now

    The segment's other places of the class are flattened beforehand, so that what is measured is the place's own.
    The parts elsewhere overlap no place of the class where there is room.
    """
    rng = np.random.default_rng(SEED)
    width, falls = round(WIDTH_S * segments.FS_HZ), []
    centres = {label: np.array(sorted({_centre(one) for one in (*found, *among) if one.label == label}), np.int64) for label in {one.label for one in found}}
    for first in range(0, len(found), AT_ONCE):
        windows = np.concatenate([_versions(fed, samples, width, _centre(one), centres[one.label], rng) for one in found[first : first + AT_ONCE]])
        labels = np.repeat([one.label for one in found[first : first + AT_ONCE]], 2 + DRAWS)
        _, said = asked(answer, windows)
        falls.append(said[np.arange(len(said)), labels].reshape(-1, 2 + DRAWS))
        progress(min(1.0, (first + AT_ONCE) / len(found)), "checking the map")
    rows = np.concatenate(falls) if falls else np.zeros((0, 2 + DRAWS))
    alike = [_around(maps, one, samples // step, step) for one in found]
    return tuple(MapChecks(float(row[0] - row[1]), float(row[0] - row[2:].mean()), both) for row, both in zip(rows, alike, strict=True))


def check_map(maps: tuple[NDArray[np.float32], NDArray[np.float32]], label: int, checks: Sequence[MapChecks]) -> MapChecks | None:
    """The checks of a whole map of one label: the mean over its places, and the correlation of both maps (n_labels, n_steps); None without places."""
    if not checks:
        return None
    highlighted, random = (float(np.mean([getattr(one, name) for one in checks])) for name in ("highlighted", "random"))
    return MapChecks(highlighted, random, likeness(maps, label, slice(None)))


def likeness(maps: tuple[NDArray[np.float32], NDArray[np.float32]], label: int, steps: slice) -> float:
    """Mean correlation of a map with those of the networks with random weights, over some steps."""
    ours, chance = maps
    return float(np.mean([correlation(ours[label, steps], other[steps]) for other in chance[label :: len(ours)]]))


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's correlation of two maps (n_steps,); 0 where one of them is the same everywhere."""
    x, y = (np.asarray(m, np.float64) - m.mean() for m in (a, b))
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size > 0 else 0.0


def flattened(window: NDArray[np.float32], first: int, width: int) -> NDArray[np.float32]:
    """A window (channels, n) with `width` samples from `first` on replaced by a straight line between their ends, in every channel."""
    out, left, right = window.copy(), max(0, first), min(window.shape[1], first + width)
    if right > left:
        line = np.linspace(0.0, 1.0, right - left, dtype=np.float32)
        out[:, left:right] = window[:, left, None] + (window[:, right - 1] - window[:, left])[:, None] * line
    return out


def _centre(one: Highlight) -> int:
    return round(one.at_s * segments.FS_HZ)


def _versions(fed: NDArray[np.float32], samples: int, width: int, centre: int, centres: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The segment around a place (2 + DRAWS, channels, samples): as it is but for other places of the class, the place flattened, and parts elsewhere."""
    start, own = centre - samples // 2, samples // 2 - width // 2
    left, right = max(0, start), min(fed.shape[1], start + samples)
    base = np.zeros((fed.shape[0], samples), np.float32)
    base[:, left - start : right - start] = fed[:, left:right]
    near = centres[np.searchsorted(centres, start - width) : np.searchsorted(centres, start + samples + width)]
    others = near[np.abs(near - centre) >= width] - start - width // 2
    for place in others.tolist():
        base = flattened(base, place, width)
    room = np.arange(left - start, right - start - width + 1)
    elsewhere = room[np.abs(room - own) >= width]
    free = elsewhere[(np.abs(elsewhere[:, None] - others) >= width).all(axis=1)]
    choice = free if free.size else elsewhere
    drawn = rng.choice(choice, DRAWS) if choice.size else np.full(DRAWS, samples)
    return np.stack([base, flattened(base, own, width), *(flattened(base, place, width) for place in drawn.tolist())])


def _around(maps: tuple[NDArray[np.float32], NDArray[np.float32]], one: Highlight, steps: int, step: int) -> float:
    """Likeness of the maps in the segment around a place."""
    start = max(0, _centre(one) // step - steps // 2)
    return likeness(maps, one.label, slice(start, start + steps))
