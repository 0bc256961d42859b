"""Classifiers of one beat's window by itself at work: a signal and R peaks → probabilities, and where in the window the attention lay."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.beats import by_weight, decide, session
from ecgcore.inference.cards import Card, verified_weights
from ecgcore.leads import normalise
from ecgcore.signals.beat_windows import KACHUEE_PART_S, WINDOWINGS

TASK: Final = "beat windows"
CHUNK: Final = 1024  # beats the network answers for at once
OUTPUTS: Final = ("probabilities", "attention")


@dataclass(frozen=True)
class WindowClassifier:
    """A loaded model of the papers: its card and its onnxruntime session."""

    card: Card
    session: Any

    def takes(self, leads: Sequence[str]) -> tuple[str, ...]:
        """Those of the leads that are the one the model learned from, in any spelling; all of them where none is."""
        return tuple(lead for lead in leads if self.knows(lead)) or tuple(leads)

    def knows(self, lead: str) -> bool:
        """Whether the model learned from this lead."""
        return self.card.input.leads == "any" or normalise(lead) in self.card.input.leads

    def probabilities(self, leads: Iterable[NDArray[np.float32]], weights: NDArray[np.float32], samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.float32]:
        """Probabilities (n_beats, n_classes): those of each lead alone, averaged by weight.

        leads    one (n,) a lead, taken one by one, in mV at card.input.fs_hz, filtered to card.input.band_hz, without NaN
        weights  (n_leads, n_beats) how far each lead is to be trusted at each beat; all zero counts as all equal
        samples  (n_beats,) R peaks at the record's own rate fs_hz
        """
        peaks = self._peaks(samples, fs_hz)
        return by_weight(leads, weights, len(self.card.classes), lambda lead: self._answers(lead, peaks, 0))

    def attention(self, lead: NDArray[np.float32], samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.float32]:
        """Attention (n_beats, steps) over each beat's window, steps of equal length from its start to its end; each row adds up to 1.

        lead as one of those of `probabilities`, samples as there.
        """
        weights = self._answers(lead, self._peaks(samples, fs_hz), 1)
        return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny), np.float32)

    def windows(self, lead: NDArray[np.float32], samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.float32]:
        """Windows (n_beats, card.input.samples) as the network is fed them; arguments as of `attention`."""
        parts = list(self._windows(lead, self._peaks(samples, fs_hz)))
        return np.concatenate(parts) if parts else np.zeros((0, self.card.input.samples), np.float32)

    def labels(self, probabilities: NDArray[np.float32]) -> tuple[str, ...]:
        """The class of each beat, by the card's thresholds as `decide` applies them; the most probable one where it has none."""
        return tuple(self.card.classes[i] for i in decide(probabilities, self.card.classes, self.card.thresholds))

    def _peaks(self, samples: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
        return np.round(samples * self.card.input.fs_hz / fs_hz).astype(np.int64)

    def _answers(self, lead: NDArray[np.float32], peaks: NDArray[np.int64], output: int) -> NDArray[np.float32]:
        """One of OUTPUTS for each beat."""
        parts = [self.session.run([OUTPUTS[output]], {"beats": windows[at : at + CHUNK]})[0] for windows in self._windows(lead, peaks) for at in range(0, len(windows), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def _windows(self, lead: NDArray[np.float32], peaks: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """The windows of some beats at a time; a window after Kachuee depends on beats around it, so that those are made at once."""
        spec = self.card.input
        step = max(1, peaks.size) if spec.windowing == "kachuee" else CHUNK
        for start in range(0, peaks.size, step):
            yield WINDOWINGS[spec.windowing](lead, peaks[start : start + step], spec.fs_hz, spec.before_samples, spec.samples)


def part_s(card: Card) -> float:
    """Length in s of the parts of a signal whose beats are cut out together; a stretch must begin at a multiple of it to give the windows of the whole."""
    return KACHUEE_PART_S if card.input.windowing == "kachuee" else 1.0


def opened(folder: Path, card: Card) -> WindowClassifier:
    """The model in a folder whose card was read. Raises ModelError where card and weights do not fit."""
    if "N" not in card.classes or not set(card.classes) <= set(AAMI_CLASSES):
        raise ModelError(f"{card.id} has the classes {', '.join(card.classes)}; wanted are N and others of {', '.join(AAMI_CLASSES)}")
    if card.thresholds and set(card.thresholds) != set(card.classes) - {"N"}:
        raise ModelError(f"{card.id} has thresholds for {', '.join(card.thresholds)}; wanted are none, or one for each class but N")
    if card.input.windowing not in WINDOWINGS:
        raise ModelError(f"{card.id} wants windows cut {card.input.windowing!r}; known are {', '.join(WINDOWINGS)}")
    found = session(verified_weights(folder, card), card.sha256)
    there = {output.name for output in found.get_outputs()}
    if not set(OUTPUTS) <= there:
        raise ModelError(f"{card.id} gives {', '.join(sorted(there))}; wanted are {', '.join(OUTPUTS)}")
    return WindowClassifier(card, found)
