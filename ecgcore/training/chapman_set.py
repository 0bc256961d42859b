"""Chapman-Shaoxing as the seven configurations learn from it: twelve leads, one record a patient, features beside them, the paper's split."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data, settings
from ecgcore.errors import DataError
from ecgcore.leads import STANDARD
from ecgcore.progress import Progress, silent
from ecgcore.signals.resampling import filled
from ecgcore.training import chapman_records
from ecgcore.training.chapman_metadata import DEMOGRAPHICS, METADATA, metadata
from ecgcore.training.neurokit_features import NEUROKIT, Extracted, extracted
from ecgcore.training.recipes import ChapmanRecipe

WHOLE: Final = 10_615  # records of the eight rhythms in all of Chapman-Shaoxing
LEAST_TO_SPLIT: Final = 7  # records of a class: of fewer, a stratified split cannot put one into each part


@dataclass(frozen=True, eq=False)
class Split:
    """Places of records (k,): learned from, held out to choose by, tested; and the classes that are in the first alone, being too rare to share out."""

    trained: NDArray[np.int64]
    held_out: NDArray[np.int64]
    tested: NDArray[np.int64]
    unsplit: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ChapmanSet:
    """Records in one order.

    data_set, names  whence, and (n) names
    signals          (n, 12, samples) float32 in mV, leads in the order of STANDARD
    targets          (n,) places in the recipe's classes
    features         (n, k) float64 in units of their own, NaN where a record has none, in the order of `columns`
    extracted        all 28 of NeuroKit2, None for a configuration without them
    """

    data_set: str
    names: tuple[str, ...]
    signals: NDArray[np.float32]
    targets: NDArray[np.int64]
    features: NDArray[np.float64]
    columns: tuple[str, ...]
    extracted: Extracted | None
    split: Split

    @property
    def whole(self) -> bool:
        """Whether these are all records of Chapman-Shaoxing."""
        return len(self.names) == WHOLE


def load(recipe: ChapmanRecipe, progress: Progress = silent) -> ChapmanSet:
    """The records of a recipe, split, with the features of its configuration. Raises DataError for records that are not there, or not ten seconds of twelve leads."""
    folder = _folder(recipe.data.folders)
    names, labels, signals = _records(folder, recipe)
    targets = np.array([recipe.classes.index(label) for label in labels], np.int64)
    parts = split(targets, recipe)
    configuration = recipe.configuration
    clinical = metadata(folder, names) if "metadata" in configuration or "demographics" in configuration else np.empty((len(names), 0))
    columns = METADATA if "metadata" in configuration else DEMOGRAPHICS if "demographics" in configuration else ()
    chosen, found = clinical[:, : len(columns)], None
    if "NeuroKit2" in configuration:
        found = extracted(names, signals[:, STANDARD.index("II")], recipe.input.fs_hz, settings.home() / "features", progress)
        kept = found.kept(parts.trained) if "filtered" in configuration else NEUROKIT
        columns, chosen = (*columns, *kept), np.concatenate([chosen, found.values[:, [NEUROKIT.index(name) for name in kept]]], axis=1)
    return ChapmanSet(folder.name, names, signals, targets, chosen, columns, found, parts)


def split(targets: NDArray[np.int64], recipe: ChapmanRecipe) -> Split:
    """Stratified by class, by the recipe's seed; on all of Chapman-Shaoxing this gives the paper's counts, class by class."""
    from sklearn.model_selection import train_test_split

    how, counts = recipe.data, Counter(targets.tolist())
    rare = sorted(k for k, count in counts.items() if count < LEAST_TO_SPLIT)
    shared = np.flatnonzero(~np.isin(targets, rare))
    if not shared.size:
        raise DataError(f"no class has {LEAST_TO_SPLIT} records to share out; there are {dict(counts)}")
    trained, others = train_test_split(shared, test_size=how.held_out + how.tested, stratify=targets[shared], random_state=how.seed)
    held_out, tested = train_test_split(others, test_size=how.tested / (how.held_out + how.tested), stratify=targets[others], random_state=how.seed)
    learned = np.concatenate([trained, np.flatnonzero(np.isin(targets, rare))])
    return Split(np.sort(learned), np.sort(held_out), np.sort(tested), tuple(recipe.classes[k] for k in rare))


def _folder(folders: tuple[str, ...]) -> Path:
    """The first of these data sets that is there."""
    for name in folders[:-1]:
        if any((place / name).is_dir() for place in settings.data_folders()):
            return data.locate(name)
    return data.locate(folders[-1])


def _records(folder: Path, recipe: ChapmanRecipe) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float32]]:
    """Names, labels and signals (n, 12, samples) in mV of the records of the recipe's classes, in the order of the table."""
    names, labels, patients, signals = [], [], [], []
    for one in chapman_records.load(folder):
        if one.rhythm not in recipe.classes:
            continue
        mv = one.record.mv(STANDARD)
        if one.record.fs_hz != recipe.input.fs_hz or mv.shape[1] != recipe.input.samples:
            raise DataError(f"{one.record.name} has {mv.shape[1]} samples at {one.record.fs_hz:g} Hz; the recipe asks for {recipe.input.samples} at {recipe.input.fs_hz:g} Hz")
        signals.append(np.stack([filled(lead) for lead in mv]))
        names.append(one.record.name)
        labels.append(one.rhythm)
        patients.append(one.id)
    if not names or len(set(patients)) != len(patients):
        raise DataError(f"{folder} should hold one record a patient, of {', '.join(recipe.classes)}; it holds {len(names)} of {len(set(patients))}")
    return tuple(names), tuple(labels), np.stack(signals)
