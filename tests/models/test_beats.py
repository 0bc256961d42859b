"""BeatNet: torch and ONNX agree, on the shipped weights and at any length."""

import pytest
import torch
from safetensors.torch import load_model

from ecgcore.inference import cards
from ecgcore.models.beats import CHANNELS, BeatEnsemble, BeatNet
from ecgcore.training import recipes
from ecgcore.training.export import TOLERANCE, difference


@pytest.fixture(scope="module")
def shipped():
    folder = cards.find("beats")
    recipe = recipes.load("beats")
    card = cards.read_card(folder)
    nets = [BeatNet(len(card.input.features), len(card.classes), recipe.network.channels, recipe.network.hidden) for _ in range(recipe.optimisation.folds)]
    net = BeatEnsemble(nets).eval()
    load_model(net, str(folder / "model.safetensors"))
    return net, folder, card


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (1, 320), (3, 17)])
def test_torch_and_onnx_agree(shipped, batch, time):
    net, folder, card = shipped
    torch.manual_seed(1)
    example = (torch.randn(batch, time, CHANNELS, card.input.samples), torch.randn(batch, time, len(card.input.features)))
    assert difference(net, folder / cards.WEIGHTS, example, ("beats", "rr")) <= TOLERANCE


def test_probabilities_sum_to_one(shipped):
    net, _, card = shipped
    with torch.no_grad():
        out = net(torch.randn(2, 5, CHANNELS, card.input.samples), torch.randn(2, 5, len(card.input.features)))
    assert out.shape == (2, 5, 5)
    assert torch.allclose(out.sum(dim=2), torch.ones(2, 5), atol=1e-5)


def test_neighbours_matter_and_other_records_do_not(shipped):
    net, _, card = shipped
    beats, rr = torch.randn(2, 9, CHANNELS, card.input.samples), torch.randn(2, 9, len(card.input.features))
    with torch.no_grad():
        both, alone, cut = net(beats, rr), net(beats[:1], rr[:1]), net(beats[:1, :5], rr[:1, :5])
    assert torch.allclose(both[:1], alone, atol=1e-5)
    assert not torch.allclose(alone[:, :5], cut, atol=1e-4)
