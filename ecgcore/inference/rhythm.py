"""The rhythm model at work: leads and the beats found in them → probability of each rhythm and weight of each lead."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.inference.beats import session
from ecgcore.inference.cards import Card, find, read_card, verified_control, verified_weights
from ecgcore.leads import STANDARD, namesake
from ecgcore.signals import segments

TASK: Final = "rhythm"
UNKNOWN_LEAD: Final = len(STANDARD)  # id of a lead that is none of the twelve


@dataclass(frozen=True, eq=False)
class Windows:
    """What the model is fed of several windows of the same length n, at segments.FS_HZ.

    signals   (batch, leads, n) float32, as `segments.scaled` gives them
    beats     (batch, segments.CHANNELS - 1, n) float32: where the beats are and their timing, for all leads at once
    lead_ids  (leads,) int64
    present   (batch, leads) bool: a lead that is missing or flat has no say; one at least is present in each window
    """

    signals: NDArray[np.float32]
    beats: NDArray[np.float32]
    lead_ids: NDArray[np.int64]
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class RhythmModel:
    """A loaded model: its card, its session, and where to find the same network with random weights."""

    card: Card
    session: Any
    folder: Path

    def answer(self, windows: Windows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities (batch, n_classes), calibrated as the card says, and weights of the leads (batch, leads)."""
        probabilities, weights = self.session.run(["probabilities", "weights"], _named(windows))
        return np.asarray(probabilities, np.float32), np.asarray(weights, np.float32)

    def challenge(self, windows: Windows) -> NDArray[np.float32]:
        """Probabilities (batch, 4) of normal rhythm, atrial fibrillation, other rhythm and noise, as CinC 2017 asks; one lead is meant."""
        return np.asarray(self.session.run(["challenge"], _named(windows))[0], np.float32)

    def by_chance(self, windows: Windows) -> NDArray[np.float32]:
        """Weights (batch, n_networks, leads) that networks of random weights give the leads."""
        control = session(verified_control(self.folder, self.card), str(self.card.control_sha256), 1)
        return np.asarray(control.run(["weights"], _named(windows))[0], np.float32)


def _named(windows: Windows) -> dict[str, Any]:
    ids = np.broadcast_to(windows.lead_ids, windows.present.shape)
    return {"signals": windows.signals, "beats": windows.beats, "lead_ids": np.ascontiguousarray(ids), "present": windows.present}


def lead_id(name: str) -> int:
    """Number by which the model knows a lead, 0 for I to 11 for V6, and 12 for any other."""
    standard = namesake(name)
    return STANDARD.index(standard) if standard in STANDARD else UNKNOWN_LEAD


def load(model: str) -> RhythmModel:
    """The model "name" or "name@version". Raises ModelError where it is not there or does not fit."""
    return load_folder(find(model))


def load_folder(folder: Path) -> RhythmModel:
    """The model in a folder of card, weights and control. Raises ModelError."""
    from ecgcore.rhythm_findings import RHYTHMS

    card = read_card(folder)
    if card.task != TASK:
        raise ModelError(f"{card.id} is a model for {card.task!r}; rhythm is told by models for {TASK!r}")
    if not set(card.classes) <= set(RHYTHMS) or card.certain_from is None:
        raise ModelError(
            f"{card.id} has the classes {', '.join(card.classes)} and calls from {card.certain_from}; wanted are some of {', '.join(RHYTHMS)}, and from which probability on"
        )
    if card.input.fs_hz != segments.FS_HZ or card.input.windowing != "segments" or card.input.features != segments.TIMING:
        raise ModelError(f"{card.id} wants {card.input.windowing} at {card.input.fs_hz:g} Hz; there are segments at {segments.FS_HZ:g} Hz with {', '.join(segments.TIMING)}")
    return RhythmModel(card, session(verified_weights(folder, card), card.sha256), folder)
