"""Data sets made of synthetic records, in the layout of the real ones, and a recipe small enough for seconds."""

import pytest

from ecgcore import writers
from ecgcore.demo import SHAPES, record_of, synthesise
from ecgcore.training.recipes import Recipe, load


def rhythm(seed, seconds=60):
    codes = [list(SHAPES)[(i * (seed + 3)) % 7 % 3] if i % 5 == 4 else "N" for i in range(int(seconds / 0.8))]
    return [(0.6 + 0.8 * i - (0.25 if code != "N" else 0), code) for i, code in enumerate(codes)]


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Recipe:
    """A recipe on synthetic data, which lie where LEADWISE_DATA says."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    for folder, names in {"mitdb": "101 106 114", "svdb": "800 811", "nstdb-noise": "bw ma"}.items():
        for seed, name in enumerate(names.split()):
            beats = rhythm(seed)
            mv = synthesise(beats, 60, ("II", "V1"), 250, seed=seed)
            writers.write(record_of(name, mv, beats, ("II", "V1"), 250), tmp_path / "data" / folder / f"{name}.hea")
    full = load("beats")
    data = full.data.model_copy(update={"trained": {"mitdb": ("101", "106", "114"), "svdb": ("800", "811")}})
    network = full.network.model_copy(update={"channels": (4, 4, 4), "hidden": 8})
    optimisation = full.optimisation.model_copy(update={"folds": 2, "epochs": 2, "batch": 2, "context_beats": 16, "average": 0.5})
    return full.model_copy(update={"data": data, "network": network, "optimisation": optimisation})
