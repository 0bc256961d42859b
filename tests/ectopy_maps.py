"""Ectopy maps made by hand, so that a test knows what they hold, and a card without weights that says a model for them is installed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgcore.findings import EctopyMap, MapChecks, Place
from ecgcore.inference import cards
from ecgcore.inference.cards import Card, InputSpec, TrainingData
from ecgcore.record import Record

STEP_S = 0.01
WIDE_S = 0.12  # from the strongest spot of a place to either end
PASSED = MapChecks(0.41, 0.03, 0.12)
DELETION = MapChecks(0.02, 0.05, 0.1)
RANDOMISATION = MapChecks(0.4, 0.03, 0.7)


def map_of(
    record: Record, at: Sequence[tuple[float, str, float, MapChecks]], checks: dict[str, MapChecks | None], lead: str = "MLII", model: str = "segmenter@1",
) -> EctopyMap:  # fmt: skip
    """A map with places (seconds of the strongest spot, class, strength, checks), each a hump."""
    labels = tuple(checks)
    time_s = (np.arange(round(record.duration_s / STEP_S)) + 0.5) * STEP_S
    strengths = np.zeros((len(labels), time_s.size), np.float32)
    for second, label, strength, _ in at:
        near = slice(max(0, round((second - 1) / STEP_S)), round((second + 1) / STEP_S))
        strengths[labels.index(label), near] += strength * np.exp(-(((time_s[near] - second) / (WIDE_S / 1.5)) ** 2))
    n, fs_hz = record.n_samples, record.fs_hz
    places = tuple(
        Place(label, round(second * fs_hz), max(0, round((second - WIDE_S) * fs_hz)), min(n, round((second + WIDE_S) * fs_hz)), strength, passed)
        for second, label, strength, passed in sorted(at)
    )
    return EctopyMap(model, (lead,), labels, STEP_S, strengths, dict.fromkeys(labels, 0.3), places, checks)


def write_card(root: Path, **changes: object) -> Card:
    """Write <root>/segmenter/1/card.json."""
    folder = root / "segmenter" / "1"
    folder.mkdir(parents=True)
    made = Card(
        name="segmenter", version="1", task="ectopy map",
        input=InputSpec(leads="any", fs_hz=360.0, samples=2000, before_samples=0, units="mV", scaling="by segment", band_hz=(0.5, 40.0), windowing="segments"),
        classes=("V", "S"), thresholds={},
        training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={}, protocol="by patient", augmentation="none", seed=1),
        figures=(), sha256="a" * 64, git_commit="none", device="cpu", minutes=0.1, limits=("made for a test",), intended_use="tests",
    ).model_copy(update=changes)  # fmt: skip
    cards.write_card(made, folder)
    return made
