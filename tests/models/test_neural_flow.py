"""The definition of a neural flow, measured: identity at time 0, contraction, inverse; the network, its attention, its ONNX."""

import numpy as np
import pytest
import torch
from torch import nn

from ecgcore.models.beat_windows import CalibratedWindowNet
from ecgcore.models.neural_flow import FLOWS, NORM, BoundedLinear, FourierPhi, NeuralFlowNet, TanhPhi
from ecgcore.training.export import TOLERANCE, _write_onnx, difference

HIDDEN = 12
KINDS = [(flow, phi) for flow in FLOWS for phi in ("tanh", "fourier")]
TIMES = (0.01, 0.0625, 0.7, 5.0)


def wild(flow, phi, factor=20.0):
    """A flow whose raw weights are far too great, so that only the bounds keep it in check."""
    torch.manual_seed(3)
    net = FLOWS[flow](HIDDEN, phi)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(factor)
    return net.eval()


def states(n, seed=0):
    """Values of an LSTM's state: within ±1."""
    return torch.tanh(2 * torch.randn(n, HIDDEN, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(("flow", "phi"), KINDS)
def test_at_time_zero_a_flow_is_the_identity_exactly(flow, phi):
    x = states(200)
    assert torch.equal(wild(flow, phi)(torch.zeros(1), x), x)


@pytest.mark.parametrize("phi", [TanhPhi, FourierPhi])
def test_phi_is_bounded_and_has_no_bias(phi):
    torch.manual_seed(0)
    net = phi(HIDDEN)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(10)
    assert torch.equal(net(torch.zeros(1)), torch.zeros(HIDDEN))
    assert all(float(net(torch.tensor([t])).detach().abs().max()) <= 1 + 1e-6 for t in np.linspace(0, 20, 101))


@pytest.mark.parametrize(("flow", "phi"), KINDS)
@pytest.mark.parametrize("t", TIMES)
def test_the_residual_contracts_on_random_pairs(flow, phi, t):
    residual = wild(flow, phi).residual_at(torch.tensor([t]))
    near = states(2000)
    for x, y in ((states(2000, 1), states(2000, 2)), (near, (near + 1e-3 * states(2000, 3)).clamp(-1, 1))):
        ratio = (residual(x) - residual(y)).norm(dim=1) / (x - y).norm(dim=1)
        assert float(ratio.detach().max()) < 1


@pytest.mark.parametrize("t", TIMES)
def test_the_product_of_norms_bounds_the_residual_flow(t):
    net = wild("residual", "tanh")
    layers = [module for module in net.modules() if isinstance(module, BoundedLinear)]
    assert layers == [net.first, net.second]
    norms = [float(torch.linalg.matrix_norm(layer.bounded().detach(), 2)) for layer in layers]
    assert max(norms) <= NORM + 1e-5
    assert float(net.phi(torch.tensor([t])).detach().abs().max()) * np.prod(norms) < 1  # tanh adds no more than 1


@pytest.mark.parametrize("flow", FLOWS)
def test_every_linear_layer_of_a_flow_is_bounded_while_it_learns_too(flow):
    net = wild(flow, "tanh").train()
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    assert all(isinstance(layer, BoundedLinear) for layer in linear)
    assert all(float(torch.linalg.matrix_norm(layer.bounded().detach(), 2)) <= NORM + 1e-5 for layer in linear)
    before = [layer.bounded().detach() for layer in linear]
    net.eval()
    assert all(torch.allclose(a, layer.bounded(), atol=1e-6) for a, layer in zip(before, linear, strict=True))


def test_a_layer_within_the_bound_is_left_alone():
    layer = BoundedLinear(HIDDEN)
    with torch.no_grad():
        layer.weight.mul_(0.01)
    assert torch.equal(layer.bounded(), layer.weight)


@pytest.mark.parametrize(("flow", "phi"), KINDS)
@pytest.mark.parametrize("t", TIMES)
def test_the_fixed_point_recovers_what_the_flow_carried_on(flow, phi, t):
    net, x = wild(flow, phi), states(500)
    with torch.no_grad():
        there = net(torch.tensor([t]), x)
        assert float((net.inverse(torch.tensor([t]), there) - x).abs().max()) < 1e-4


def test_the_gru_flow_stays_within_one():
    net, x = wild("gru", "tanh"), states(500)
    assert float(net(torch.tensor([3.0]), x).detach().abs().max()) <= 1


def small(attention=True, flow="residual", dropout=0.0):
    torch.manual_seed(1)
    return NeuralFlowNet(32, 128.0, 3, patch=8, hidden=HIDDEN, flow=flow, attention=attention, dropout=dropout)


def test_attention_is_between_0_and_1_and_the_arm_without_looks_at_the_end():
    beats = 50 * torch.randn(64, 32)
    logits, attention = small()(beats)
    assert logits.shape == (64, 3)
    assert attention.shape == (64, 4)
    assert float(attention.detach().min()) >= 0
    assert float(attention.detach().max()) <= 1
    _, none = small(attention=False)(beats)
    assert none.tolist() == [[0.0, 0.0, 0.0, 1.0]] * 64


def test_the_flow_carries_the_state_between_steps():
    """With φ = 0 the network is a plain LSTM, checked against torch's own."""
    net = small(attention=False).eval()
    with torch.no_grad():
        net.flow.phi.rate.zero_()
    cell = nn.LSTM(HIDDEN, HIDDEN, batch_first=True)
    order = torch.cat([torch.arange(HIDDEN) + k * HIDDEN for k in (1, 0, 3, 2)])  # torch: in, forget, cell, out; here: keep, take, show, candidate
    with torch.no_grad():
        cell.weight_ih_l0.copy_(net.seen.weight[order])
        cell.weight_hh_l0.copy_(net.recalled.weight[order])
        cell.bias_ih_l0.copy_(net.seen.bias[order])
        cell.bias_hh_l0.zero_()
        beats = torch.randn(5, 32)
        expected, _ = cell(net.initial(beats.reshape(5, 4, 8)))
        assert torch.allclose(net.states(beats), expected, atol=1e-6)
        net.flow.phi.rate.fill_(1.0)
        assert not torch.allclose(net.states(beats), expected, atol=1e-3)


def test_windows_that_are_no_whole_number_of_patches_are_refused():
    with pytest.raises(ValueError, match="30 samples are no whole number of patches of 8"):
        NeuralFlowNet(30, 128.0, 3, patch=8)


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("flow", FLOWS)
def test_torch_and_onnx_say_the_same_for_any_batch(attention, flow, tmp_path):
    net = CalibratedWindowNet(small(attention, flow), 1.7, torch.tensor([0.1, -0.2, 0.3])).eval()
    outputs = ("probabilities", "attention")
    _write_onnx(net, (torch.randn(2, 32),), ("beats",), outputs, ({0: "batch"},), tmp_path / "model.onnx")
    for batch in (1, 2, 7):
        assert difference(net, tmp_path / "model.onnx", [torch.randn(batch, 32)], ("beats",)) < TOLERANCE
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [out.name for out in session.get_outputs()] == list(outputs)
    probabilities, _ = session.run(None, {"beats": np.ones((3, 32), np.float32)})
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
