"""Which test beat answers to which reference beat (ANSI/AAMI EC57, beat-by-beat comparison)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgcore.evaluation.ec57_marks import Samples

FAR: Final = 1 << 62  # farther than any two samples can be


@dataclass(frozen=True, eq=False)
class Events:
    """Matched pairs, missed and extra beats in time order.

    reference       (n,) int64, place of the reference beat; -1 for an extra test beat
    test            (n,) int64, place of the test beat; -1 for a missed reference beat
    next_reference  (n,) int64, the reference beat that stood next in line when the event was decided; their number at the end
    next_test       (n,) int64, the same of the test beats
    """

    reference: Samples
    test: Samples
    next_reference: Samples
    next_test: Samples


def match_beats(reference: Samples, test: Samples, window: int) -> Events:
    """Pair the ascending samples of two annotators, at most `window` samples apart.

    The earlier of the two beats next in line is paired with the other if that is within the window and the beat that
    follows the earlier one is not nearer to it; else the earlier stands alone. Two test beats equally far from
    a reference beat: the later takes it; two reference beats equally far from a test beat: the earlier takes it.
    """
    ours, theirs = [*reference.tolist(), FAR], [*test.tolist(), FAR]
    left, right = len(ours) - 1, len(theirs) - 1
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < left and j < right:
        apart = theirs[j] - ours[i]
        if apart >= 0:
            if apart <= window and apart <= abs(ours[i + 1] - theirs[j]):
                pairs.append((i, j))
                j += 1
            else:
                pairs.append((i, -1))
            i += 1
        elif -apart <= window and -apart < abs(theirs[j + 1] - ours[i]):
            pairs.append((i, j))
            i += 1
            j += 1
        else:
            pairs.append((-1, j))
            j += 1
    pairs += [(k, -1) for k in range(i, left)]
    pairs += [(-1, k) for k in range(j, right)]
    return _events(np.array(pairs, np.int64).reshape(-1, 2))


def _events(pairs: Samples) -> Events:
    used = pairs >= 0
    waiting: Samples = np.cumsum(used, axis=0) - used
    return Events(pairs[:, 0], pairs[:, 1], waiting[:, 0], waiting[:, 1])
