"""Recipes small enough for seconds, on synthetic data."""

import pytest
import torch

from ecgcore.training.recipes import NeuralFlowRecipe, Recipe, load
from tests.training.tiny import tiny_recipe, write_sets


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several threads, and far slower where other work wants the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Recipe:
    """A recipe on synthetic data, which lie where LEADWISE_DATA says."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    return tiny_recipe(tmp_path / "data")


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
