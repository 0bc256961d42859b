"""Fewer points for the screen, with every minimum and maximum kept."""

import itertools

import numpy as np
from numpy.typing import NDArray


def min_max(values: NDArray[np.floating], buckets: int) -> NDArray[np.int64]:
    """Indices, in order, of the least and greatest value of each of `buckets` equal runs, and of its ends.

    values  (n,), NaN for missing: a run with any NaN keeps its first one, so that a gap stays a gap
    All indices where n is at most four times the buckets.
    """
    n = len(values)
    if n <= 4 * buckets:
        return np.arange(n)
    kept: list[NDArray[np.int64]] = []
    edges = np.linspace(0, n, buckets + 1).astype(np.int64)
    for low, high in itertools.pairwise(edges):
        run = values[low:high]
        missing = np.isnan(run)
        points = [0, len(run) - 1]
        if missing.any():
            points.append(int(missing.argmax()))
        if not missing.all():
            points += [int(np.nanargmin(run)), int(np.nanargmax(run))]
        kept.append(low + np.unique(points))
    return np.concatenate(kept)
