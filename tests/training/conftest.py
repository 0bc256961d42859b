"""Data sets made of synthetic records, in the layout of the real ones, and a recipe small enough for seconds."""

import pytest
import torch

from ecgcore import writers
from ecgcore.demo import record_of, synthesise
from ecgcore.training.recipes import NeuralFlowRecipe, Recipe, load


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several threads, and far slower where other work wants the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rhythm(seed, seconds=60):
    codes = ["NAV"[(i * (seed + 3)) % 7 % 3] if i % 5 == 4 else "N" for i in range(int(seconds / 0.8))]
    return [(0.6 + 0.8 * i - (0.25 if code != "N" else 0), code) for i, code in enumerate(codes)]


def write_sets(folder, sets):
    """Records of a minute by data set, in the layout of the real ones."""
    for name, records in sets.items():
        for seed, record in enumerate(records.split()):
            beats = rhythm(seed)
            mv = synthesise(beats, 60, ("II", "V1"), 250, seed=seed)
            writers.write(record_of(record, mv, beats, ("II", "V1"), 250), folder / name / f"{record}.hea")


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Recipe:
    """A recipe on synthetic data, which lie where LEADWISE_DATA says."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    write_sets(tmp_path / "data", {"mitdb": "101 106 114", "svdb": "800 811", "nstdb-noise": "bw ma"})
    full = load("beats")
    data = full.data.model_copy(update={"trained": {"mitdb": ("101", "106", "114"), "svdb": ("800", "811")}})
    network = full.network.model_copy(update={"channels": (4, 4, 4), "hidden": 8})
    optimisation = full.optimisation.model_copy(update={"folds": 2, "epochs": 2, "batch": 2, "context_beats": 16, "average": 0.5})
    return full.model_copy(update={"data": data, "network": network, "optimisation": optimisation})


@pytest.fixture
def tiny_flow(tmp_path, monkeypatch) -> NeuralFlowRecipe:
    """The recipe of the neural flow on synthetic data: three patients to learn from, two tested, one left out."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    write_sets(tmp_path / "data", {"mitdb": "101 106 114 201 100 103"})
    full: NeuralFlowRecipe = load("neural_flow")
    data = full.data.model_copy(update={"trained": {"mitdb": ("101", "106", "114")}, "left_out": {"mitdb": ("201",)}, "tested": {"mitdb": ("100", "103")}})
    network = full.network.model_copy(update={"hidden": 8, "patch": 24})
    optimisation = full.optimisation.model_copy(update={"folds": 2, "patient_folds": 2, "seeds": 2, "epochs": 2, "batch": 16})
    return full.model_copy(update={"data": data, "network": network, "optimisation": optimisation})
