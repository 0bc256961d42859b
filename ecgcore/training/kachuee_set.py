"""The set of 187-sample beats of Kachuee et al. (2018), rebuilt from mitdb: five AAMI classes, split by chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.findings import AAMI_CLASSES
from ecgcore.training.beat_sets import ALL, BeatSet, beat_set
from ecgcore.training.recipes import WindowInput

# Published: 109,446 beats, one a record fewer than mitdb has; without the last beat of each record the classes agree too.
COUNTS: Final = {"N": 90_589, "S": 2_779, "V": 7_236, "F": 803, "Q": 8_039}
TEST_COUNTS: Final = {"N": 18_118, "S": 556, "V": 1_448, "F": 162, "Q": 1_608}  # of the published files: 21,892 for testing, 87,554 for training
RR_AROUND: Final = 4  # intervals on either side of the beat


@dataclass(frozen=True, eq=False)
class RhythmicBeats:
    """Beats, and the RR intervals (n_beats, 2 · RR_AROUND) around each of them in s, in order of time."""

    beats: BeatSet
    rr_s: NDArray[np.float32]


def five_classes(sets: Mapping[str, Sequence[str]], spec: WindowInput) -> RhythmicBeats:
    """The beats of these records but the last of each. Raises DataError where all of mitdb does not give the published counts."""
    beats = beat_set(sets, AAMI_CLASSES, spec)
    times = [_rr_around(data.load_beats(data.locate(folder), name)) for folder, names in sets.items() for name in names]
    kept = np.append(beats.patients[1:] == beats.patients[:-1], False)
    beats = replace(beats, windows=beats.windows[kept], targets=beats.targets[kept], patients=beats.patients[kept])
    if set(sets.get("mitdb", ())) == set(ALL) and beats.counts != COUNTS:
        raise DataError(f"without the last beat of each record mitdb should hold {COUNTS}, it holds {beats.counts}")
    return RhythmicBeats(beats, np.concatenate(times)[kept])


def split(beats: BeatSet, seed: int) -> NDArray[np.bool_]:
    """Which beats (n_beats,) are for testing: a fifth by chance within each class, as many as published where all beats are there."""
    rng, test = np.random.default_rng(seed), np.zeros(beats.targets.size, bool)
    for k, name in enumerate(beats.classes):
        places = rng.permutation(np.flatnonzero(beats.targets == k))
        test[places[: TEST_COUNTS[name] if beats.counts == COUNTS else round(places.size / 5)]] = True
    return test


def _rr_around(labelled: data.LabelledBeats) -> NDArray[np.float32]:
    """(n_beats, 2 · RR_AROUND); the ends are repeated, and a record of one beat has none."""
    rr = np.diff(labelled.samples) / labelled.record.fs_hz
    if rr.size == 0:
        return np.zeros((labelled.samples.size, 2 * RR_AROUND), np.float32)
    places = np.arange(labelled.samples.size)[:, None] + np.arange(-RR_AROUND, RR_AROUND)
    return np.asarray(rr[np.clip(places, 0, rr.size - 1)], np.float32)
