"""WonHEE at work: a window with missing samples → its signal, a band around what was missing, and the beat's class."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.inference.beats import session
from ecgcore.inference.cards import Card, find, read_card, verified_weights
from ecgcore.signals import fills

TASK: Final = "reconstruction"
INPUTS: Final = ("windows", "observed", "candidates")
OUTPUTS: Final = ("signal", "low", "high", "probabilities")
LIMITS: Final = ("longest_gap_s", "longest_forecast_s", "least_observed_s")  # thresholds that the card must state


@dataclass(frozen=True, eq=False)
class Completed:
    """Windows as the model completes them, in mV; where observed, all three are what was observed.

    signal_mv, low_mv, high_mv  (n, samples) float32
    probabilities               (n, n_classes) float32
    """

    signal_mv: NDArray[np.float32]
    low_mv: NDArray[np.float32]
    high_mv: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class GapFiller:
    """A loaded model that reconstructs: its card and its onnxruntime session."""

    card: Card
    session: Any

    @property
    def longest_gap_s(self) -> float:
        """The longest gap it may be asked to fill."""
        return self.card.thresholds["longest_gap_s"]

    @property
    def longest_forecast_s(self) -> float:
        """The farthest it may be asked to foresee."""
        return self.card.thresholds["longest_forecast_s"]

    @property
    def least_observed_s(self) -> float:
        """How much of a window must be observed."""
        return self.card.thresholds["least_observed_s"]

    def complete(self, windows_mv: NDArray[np.float32], observed: NDArray[np.bool_]) -> Completed:
        """Complete windows (n, card.input.samples) in mV at card.input.fs_hz; what is not observed is not read, and may be NaN."""
        scaled = fills.scaled(windows_mv, observed)
        given = (scaled.values, observed.astype(np.float32), fills.candidates(scaled.values, observed))
        said = self.session.run(list(OUTPUTS), dict(zip(INPUTS, given, strict=True)))
        signal, low, high = (np.where(observed, windows_mv, scaled.mv(part)) for part in said[:3])
        return Completed(signal, low, high, said[3])


def load(model: str) -> GapFiller:
    """The model that reconstructs "name" or "name@version". Raises ModelError where it is not there or does not fit its card."""
    return load_folder(find(model))


def load_folder(folder: Path) -> GapFiller:
    """The model in a folder of card and weights; its weights are kept in memory until they change. Raises ModelError."""
    card = read_card(folder)
    if card.task != TASK:
        raise ModelError(f"{card.id} is a model for {card.task!r}; gaps are filled by models for {TASK!r}")
    if card.input.fs_hz != fills.FS_HZ:
        raise ModelError(f"{card.id} wants windows at {card.input.fs_hz:g} Hz; there are those at {fills.FS_HZ:g} Hz")
    if card.input.features != fills.CANDIDATES:
        raise ModelError(f"{card.id} wants the fills {', '.join(card.input.features) or 'none'}; there are {', '.join(fills.CANDIDATES)}")
    if missing := [name for name in LIMITS if name not in card.thresholds]:
        raise ModelError(f"the card of {card.id} states no {', '.join(missing)}")
    return GapFiller(card, session(verified_weights(folder, card), card.sha256))
