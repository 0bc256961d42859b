"""The beat classifier at work: signals and R peaks → probabilities."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from ecgcore import settings
from ecgcore.errors import ModelError
from ecgcore.inference.cards import Card, find, read_card, verified_weights
from ecgcore.signals.detection import FS_HZ
from ecgcore.signals.features import RR_FEATURES, rr_features
from ecgcore.signals.windows import beside_dominant, dominant

if TYPE_CHECKING:
    from ecgcore.inference.beat_windows import WindowClassifier

BeatModel: TypeAlias = Union["BeatClassifier", "WindowClassifier"]
TASK: Final = "beats"
TASKS: Final = (TASK, "beat windows")  # of models that classify beats
ORDER: Final = ("V", "S", "F", "Q")
CHUNK: Final = 256  # beats the network answers for at once …
OVERLAP: Final = 32  # … with these on either side for context


@dataclass(frozen=True)
class BeatClassifier:
    """A loaded beat model: its card and its onnxruntime session."""

    card: Card
    session: Any

    def takes(self, leads: Sequence[str]) -> tuple[str, ...]:
        """Which of the leads chosen are looked at: any lead will do."""
        return tuple(leads)

    def probabilities(self, leads: Iterable[NDArray[np.float32]], weights: NDArray[np.float32], samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.float32]:
        """Probabilities (n_beats, n_classes): those of each lead alone, averaged by weight.

        leads    one (n,) a lead, taken one by one, in mV at card.input.fs_hz, filtered to card.input.band_hz, without NaN
        weights  (n_leads, n_beats) how far each lead is to be trusted at each beat; all zero counts as all equal
        samples  (n_beats,) R peaks at the record's own rate fs_hz
        """
        peaks = np.round(samples * self.card.input.fs_hz / fs_hz).astype(np.int64)
        rr = rr_features(samples, fs_hz)
        return by_weight(leads, weights, len(self.card.classes), lambda lead: self._one_lead(lead, peaks, rr))

    def _one_lead(self, lead: NDArray[np.float32], peaks: NDArray[np.int64], rr: NDArray[np.float32]) -> NDArray[np.float32]:
        spec = self.card.input
        usual = dominant(lead, peaks, spec.before_samples, spec.samples - spec.before_samples)

        def chunk(start: int) -> NDArray[np.float32]:
            stop = min(start + CHUNK, peaks.size)
            left, right = max(0, start - OVERLAP), min(peaks.size, stop + OVERLAP)
            beats = beside_dominant(lead, peaks[left:right], usual, spec.before_samples)
            (answer,) = self.session.run(None, {"beats": beats[None], "rr": rr[None, left:right]})
            return np.asarray(answer[0, start - left : stop - left], np.float32)

        if peaks.size <= CHUNK:
            return chunk(0)
        with ThreadPoolExecutor(settings.threads() or os.cpu_count()) as workers:  # a chunk a core: a network this small gains nothing from several threads of its own
            return np.concatenate(list(workers.map(chunk, range(0, peaks.size, CHUNK))))

    def labels(self, probabilities: NDArray[np.float32]) -> tuple[str, ...]:
        """The class of each beat, by the card's thresholds as `decide` applies them."""
        return tuple(self.card.classes[i] for i in decide(probabilities, self.card.classes, self.card.thresholds))


def by_weight(
    leads: Iterable[NDArray[np.float32]], weights: NDArray[np.float32], n_classes: int, one_lead: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Mean (n_beats, n_classes) of what `one_lead` says of each lead, by weight at each beat.

    leads    taken one by one; one that has no weight at any beat is not asked
    weights  (n_leads, n_beats); all zero at a beat counts as all equal
    """
    trust = np.where(weights.sum(axis=0) > 0, weights, np.float32(1.0))
    total = np.zeros((weights.shape[1], n_classes), np.float32)
    for lead, weight in zip(leads, trust / trust.sum(axis=0), strict=True):
        if weight.any():
            total += weight[:, None] * one_lead(lead)
    return total


def decide(probabilities: NDArray[np.float32], classes: Sequence[str], thresholds: Mapping[str, float]) -> NDArray[np.int64]:
    """Index of each beat's class (n_beats,): the first of V, S, F, Q whose probability reaches its threshold, else N.

    V comes first, so that a low threshold for S, the rarer finding, costs no V. Without thresholds it is the most probable class.
    """
    if not thresholds:
        return np.asarray(probabilities.argmax(axis=1), np.int64)
    found = np.full(len(probabilities), classes.index("N"), np.int64)
    for name in reversed([name for name in ORDER if name in thresholds]):
        k = classes.index(name)
        found[probabilities[:, k] >= thresholds[name]] = k
    return found


def load(model: str) -> BeatModel:
    """The model that classifies beats "name" or "name@version". Raises ModelError where it is not there or does not fit its card."""
    return load_folder(find(model))


def load_folder(folder: Path) -> BeatModel:
    """The model in a folder of card and weights, by the card's task; its weights are kept in memory until they change. Raises ModelError."""
    from ecgcore.inference import beat_windows  # which builds on this module

    card = read_card(folder)
    if card.task == beat_windows.TASK:
        return beat_windows.opened(folder, card)
    if card.task != TASK:
        raise ModelError(f"{card.id} is a model for {card.task!r}; beats are classified by models for {' or '.join(map(repr, TASKS))}")
    if set(card.thresholds) != set(ORDER) or not set(card.classes) >= {"N", *ORDER}:
        raise ModelError(f"{card.id} has thresholds for {', '.join(card.thresholds) or 'none'}; wanted are {', '.join(ORDER)}, and the class N")
    if card.input.fs_hz != FS_HZ:
        raise ModelError(f"{card.id} wants signals at {card.input.fs_hz:g} Hz; beats beside the patient's dominant one are cut at {FS_HZ:g} Hz")
    if card.input.features != RR_FEATURES:
        raise ModelError(f"{card.id} wants the features {', '.join(card.input.features)}; there are {', '.join(RR_FEATURES)}")
    return BeatClassifier(card, session(verified_weights(folder, card), card.sha256, 1))


@lru_cache(maxsize=8)
def session(path: Path, sha256: str, threads: int = 0) -> Any:
    """One session a set of weights, with so many threads of its own, 0 for what `settings.threads` says; `sha256` tells a replaced file from the one it replaced.

    Raises ModelError for what onnxruntime does not open.
    """
    import onnxruntime

    del sha256
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or settings.threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except refusals() as error:
        said = " ".join(str(error).replace(str(path), path.name).split())
        raise ModelError(f"{path.name} of {path.parent.parent.name}@{path.parent.name} is no network that onnxruntime opens: {said[:300]}") from error


def refusals() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for weights or inputs that it does not take; it has no class of its own for them all."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile, state.NotImplemented, state.RuntimeException, RuntimeError, ValueError)
