"""WonHEE's parts against their definitions, and that nothing hidden is ever read."""

import numpy as np
import pytest
import torch

from ecgcore.models.wonhee import Attention, Embedding, Restorer, RmsNorm, SoftMoe, SwiGlu, Wonhee, sinusoids

SAMPLES = 64


def small(patch=4, experts=0, candidates=3, seed=1):
    torch.manual_seed(seed)
    return Wonhee(SAMPLES, 6, patch_samples=patch, size=16, heads=4, inner=24, blocks=2, head_blocks=1, experts=experts, candidates=candidates).eval()


def case(candidates=3, seed=2):
    torch.manual_seed(seed)
    windows, observed = torch.randn(3, SAMPLES), torch.rand(3, SAMPLES) > 0.4
    observed[:, -10:] = False
    return windows, observed, torch.randn(3, candidates, SAMPLES) if candidates else None


def test_rms_norm_is_its_definition():
    norm = RmsNorm(5)
    torch.nn.init.uniform_(norm.scale, 0.5, 2)
    x = torch.randn(3, 5)
    expected = np.array([[v / np.sqrt(np.mean(row**2)) for v in row] for row in x.numpy()]) * norm.scale.detach().numpy()
    assert np.allclose(norm(x).detach().numpy(), expected, atol=1e-5)
    assert torch.allclose(norm(7 * x), norm(x), atol=1e-4)


def test_swiglu_is_its_definition_with_beta_learned():
    layer = SwiGlu(4, 6)
    with torch.no_grad():
        layer.beta.fill_(1.7)
    x = torch.randn(2, 4)
    a, b = layer.gate(x), layer.value(x)
    assert torch.allclose(layer(x), layer.out(a / (1 + torch.exp(-1.7 * a)) * b), atol=1e-6)
    layer(x).sum().backward()
    assert layer.beta.grad.abs() > 0


def test_attention_is_softmax_of_scaled_products():
    layer = Attention(8, 2)
    x = torch.randn(2, 5, 8)
    query, key, value = layer.project(x).chunk(3, dim=-1)
    heads = [torch.softmax(query[..., k] @ key[..., k].transpose(1, 2) / 2, dim=-1) @ value[..., k] for k in (slice(0, 4), slice(4, 8))]
    assert torch.allclose(layer(x), layer.out(torch.cat(heads, dim=-1)), atol=1e-5)


def test_soft_moe_with_one_expert_of_as_many_slots_mixes_by_its_two_softmaxes():
    layer = SoftMoe(4, 6, 2, 3)
    x = torch.randn(1, 5, 4)
    logits = (x @ layer.to_slots)[0]
    slots = torch.softmax(logits, dim=0).T @ x[0]
    answers = torch.cat([layer.experts[0](slots[:3]), layer.experts[1](slots[3:])])
    assert torch.allclose(layer(x)[0], torch.softmax(logits, dim=1) @ answers, atol=1e-5)


def test_positions_are_sinusoids():
    table = sinusoids(50, 8)
    for at, k in ((0, 0), (3, 1), (49, 3)):
        angle = at / 10_000 ** (2 * k / 8)
        assert table[at, 2 * k] == pytest.approx(np.sin(angle), abs=1e-5)
        assert table[at, 2 * k + 1] == pytest.approx(np.cos(angle), abs=1e-5)


def test_a_missing_sample_is_its_learned_vector_and_a_patch_the_sum_of_its_samples():
    layer = Embedding(2, 6, 0)
    x, observed = torch.tensor([[1.5, float("nan"), 3.0, 4.0]]), torch.tensor([[True, False, True, True]])
    tokens = layer(x, observed, None)[0]
    assert torch.allclose(tokens[0], 1.5 * layer.value[0] + layer.missing[1] + layer.bias, atol=1e-6)
    assert torch.allclose(tokens[1], 3 * layer.value[0] + 4 * layer.value[1] + layer.bias, atol=1e-6)


def test_with_one_sample_a_token_there_are_as_many_tokens_as_samples():
    net = small(patch=1, candidates=0)
    windows, observed, _ = case(0)
    assert net.encode(windows, observed).shape == (3, SAMPLES, 16)
    logits, imputed, forecast = net(windows, observed)
    assert logits.shape == (3, 6)
    assert imputed.signal.shape == forecast.up.shape == (3, SAMPLES)


@pytest.mark.parametrize("experts", [0, 5])
@pytest.mark.parametrize(("patch", "candidates"), [(1, 0), (4, 0), (4, 3)])
def test_no_gradient_reaches_a_hidden_sample(experts, patch, candidates):
    net, (windows, observed, beside) = small(patch, experts, candidates), case(candidates)
    windows.requires_grad_(True)
    logits, imputed, forecast = net(windows, observed, beside)
    hidden = ~observed
    for said in (imputed.signal[hidden], imputed.down[hidden], forecast.signal[hidden], forecast.up[hidden], logits):
        (gradient,) = torch.autograd.grad(said.square().sum(), windows, retain_graph=True)
        assert (gradient[hidden] == 0).all()
        assert (gradient[observed] != 0).any()


@pytest.mark.parametrize("experts", [0, 5])
def test_each_predicted_sample_by_itself_has_no_gradient_at_hidden_ones(experts):
    net, (windows, observed, beside) = small(experts=experts), case()
    windows, observed, beside = windows[:1].requires_grad_(True), observed[:1], beside[:1]
    answer = net(windows, observed, beside)
    for head in answer[1:]:
        for place in torch.nonzero(~observed[0])[::4, 0]:
            (gradient,) = torch.autograd.grad(head.signal[0, place], windows, retain_graph=True)
            assert (gradient[~observed] == 0).all()


@pytest.mark.parametrize("experts", [0, 5])
@pytest.mark.parametrize("value", [1e6, -3.0, float("nan"), float("inf")])
def test_what_is_hidden_may_be_anything(experts, value):
    net, (windows, observed, beside) = Restorer(small(experts=experts)).eval(), case()
    other = torch.where(observed, windows, value)
    with torch.no_grad():
        for a, b in zip(net(windows, observed.float(), beside), net(other, observed.float(), beside), strict=True):
            assert torch.equal(a, b)
            assert torch.isfinite(a).all()


def test_the_end_is_the_forecasting_heads_and_the_middle_the_imputing_heads():
    net, (windows, observed, beside) = small(), case()
    with torch.no_grad():
        signal, low, high, probabilities = Restorer(net, (2.0, 3.0))(windows, observed.float(), beside)
        _, imputed, forecast = net(windows, observed, beside)
    for row in range(3):
        last = int(torch.nonzero(observed[row])[-1])
        gap = torch.nonzero(~observed[row, :last])[:, 0]
        assert torch.equal(signal[row, last + 1 :], forecast.signal[row, last + 1 :])
        assert torch.equal(signal[row, gap], imputed.signal[row, gap])
        assert torch.allclose(high[row, gap] - signal[row, gap], 2 * imputed.up[row, gap], atol=1e-5)
        assert torch.allclose(signal[row, last + 1 :] - low[row, last + 1 :], 3 * forecast.down[row, last + 1 :], atol=1e-5)
        assert torch.equal(low[row, observed[row]], windows[row, observed[row]])
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(3), atol=1e-5)
