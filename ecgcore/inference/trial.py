"""Whether weights do what their card says: opened as the model's task opens them, and asked about a line without a beat.

Nothing here trusts the card or the weights: what they do not fit in is a ModelError.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.inference import beat_windows, beats, rhythm, segmenter, wonhee
from ecgcore.inference.cards import WEIGHTS, Card
from ecgcore.signals import segments

SECONDS: Final = 12  # of a line without a beat
FS_HZ: Final = (10.0, 10_000.0)  # that a card may state
MAX_SAMPLES: Final = 1 << 20  # likewise
SLACK: Final = 1e-3  # that a probability may lie outside 0 to 1, by rounding
# Tasks whose models are shown, and that nothing here runs: those of the configurations on Chapman-Shaoxing.
SHOWN: Final = ("rhythm of a recording",)


def try_out(folder: Path, card: Card) -> None:
    """Open the weights beside a card and have them answer once. Raises ModelError where they do not fit the card, or the card no task."""
    if card.task not in (*_TRIALS, *SHOWN):
        raise ModelError(f"{card.id} is a model for {card.task[:60]!r}, for which there is no use here; there is for {', '.join((*_TRIALS, *SHOWN))}")
    _check_stated(card)
    misfits: tuple[type[Exception], ...] = (*beats.refusals(), ArithmeticError, LookupError, TypeError, MemoryError)
    try:
        _TRIALS.get(card.task, _opens)(folder, card)
    except misfits as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"the weights of {card.id} do not answer as models for {card.task!r} are asked: {said[:300]}") from error


def _check_stated(card: Card) -> None:
    """Numbers by which signals are cut: room is made for what they say."""
    spec = card.input
    if not FS_HZ[0] <= spec.fs_hz <= FS_HZ[1]:
        raise ModelError(f"the card of {card.id} states {spec.fs_hz:g} Hz; {FS_HZ[0]:g} to {FS_HZ[1]:g} are possible")
    if not 1 <= spec.samples <= MAX_SAMPLES or not 0 <= spec.before_samples <= spec.samples:
        raise ModelError(f"the card of {card.id} states windows of {spec.samples} samples, {spec.before_samples} of them before the beat; possible are 1 to {MAX_SAMPLES:,}")
    if not card.classes or len(set(card.classes)) != len(card.classes):
        raise ModelError(f"the card of {card.id} states the classes {', '.join(card.classes) or 'none'}; each stands once")
    if odd := [name for name, value in card.thresholds.items() if not math.isfinite(value)]:
        raise ModelError(f"the card of {card.id} states no number as the threshold for {', '.join(odd)}")


def _beats(folder: Path, card: Card) -> None:
    model, fs_hz = beats.load_folder(folder), card.input.fs_hz
    one_alone = isinstance(model, beats.BeatClassifier)
    wide = next(output.shape[-1] for output in model.session.get_outputs() if one_alone or output.name == beat_windows.OUTPUTS[0])
    if wide != len(card.classes):
        raise ModelError(f"the weights of {card.id} answer for {wide} classes, the card names {len(card.classes)}: {', '.join(card.classes)}")
    peaks = np.round(np.arange(1, SECONDS) * fs_hz).astype(np.int64)
    lead = np.zeros(round(SECONDS * fs_hz), np.float32)
    probabilities = model.probabilities([lead], np.ones((1, peaks.size), np.float32), peaks, fs_hz)
    _are_probabilities(card, probabilities, (peaks.size, len(card.classes)))
    if not np.allclose(probabilities.sum(axis=1), 1, atol=len(card.classes) * SLACK):
        raise ModelError(f"the weights of {card.id} give probabilities that add up to {float(probabilities.sum(axis=1).mean()):.3g} a beat; wanted is 1")
    if isinstance(model, beat_windows.WindowClassifier):
        weights = model.attention(lead, peaks, fs_hz)
        _are(card, "attention", weights, (peaks.size, weights.shape[1]))


def _places(folder: Path, card: Card) -> None:
    model = segmenter.load_folder(folder)
    n, labels = card.input.samples, len(card.classes)
    windows = np.zeros((2, segments.CHANNELS, 2 * n), np.float32)
    strengths, probabilities = model.answer(windows)
    _are(card, "strengths", strengths, (2, labels, 2 * n // model.step))
    _are_probabilities(card, probabilities, (2, labels))
    by_chance, _ = model.by_chance(windows)
    _are(card, "strengths by chance", by_chance, (2, labels * max(1, by_chance.shape[1] // labels), strengths.shape[2]))


def _gaps(folder: Path, card: Card) -> None:
    model, n = wonhee.load_folder(folder), card.input.samples
    observed = np.ones((2, n), bool)
    observed[:, n // 3 : n // 2] = False
    made = model.complete(np.zeros((2, n), np.float32), observed)
    for what, values in (("signal", made.signal_mv), ("low", made.low_mv), ("high", made.high_mv)):
        _are(card, what, values, (2, n))
    _are_probabilities(card, made.probabilities, (2, len(card.classes)))


def _rhythms(folder: Path, card: Card) -> None:
    model, n = rhythm.load_folder(folder), card.input.samples
    blank = np.zeros((2, segments.CHANNELS - 1, n), np.float32)
    windows = rhythm.Windows(np.zeros((2, 3, n), np.float32), blank, np.arange(3, dtype=np.int64), np.ones((2, 3), bool))
    probabilities, weights = model.answer(windows)
    _are_probabilities(card, probabilities, (2, len(card.classes)))
    _are(card, "weights", weights, (2, 3))
    if card.control_sha256 is not None:
        by_chance = model.by_chance(windows)
        _are(card, "weights by chance", by_chance, (2, by_chance.shape[1], 3))


def _opens(folder: Path, card: Card) -> None:
    beats.session(folder / WEIGHTS, card.sha256, 1)


def _are_probabilities(card: Card, values: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    _are(card, "probabilities", values, shape)
    low, high = float(values.min()), float(values.max())
    if low < -SLACK or high > 1 + SLACK:
        raise ModelError(f"the weights of {card.id} give probabilities of {low:.3g} to {high:.3g}; wanted are those from 0 to 1")


def _are(card: Card, what: str, values: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ModelError(f"the weights of {card.id} give {what} of shape {values.shape}; by the card it is {shape}")
    if not np.isfinite(values).all():
        raise ModelError(f"the weights of {card.id} give {what} that are no numbers for a line without a beat")


_TRIALS: Final[dict[str, Callable[[Path, Card], None]]] = {
    beats.TASK: _beats,
    beat_windows.TASK: _beats,
    segmenter.TASK: _places,
    wonhee.TASK: _gaps,
    rhythm.TASK: _rhythms,
}
