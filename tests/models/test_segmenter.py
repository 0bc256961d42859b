"""The pools, the arms, and the faults of a public version that are not to come back."""

import pytest
import torch

from ecgcore.models.ectopy import EctopyNet, Several
from ecgcore.models.segmenter import ARMS, EPSILON, Segmenter, UNet, l2_pool, relu_max_pool

SIZES = {"widths": (4, 6), "strides": (2, 2), "kernel": 3, "pool": 15, "dropout": 0.0}


def net(arm, leads=2):
    torch.manual_seed(1)
    return Segmenter(arm, leads, 2, **SIZES).eval()


def sliding(x, kernel):
    """The samples under a kernel centred on each sample, zeros around."""
    padded = torch.nn.functional.pad(x, (kernel // 2, kernel - 1 - kernel // 2))
    return torch.stack([padded[..., i : i + kernel] for i in range(x.shape[-1])], dim=-2)


@pytest.mark.parametrize("kernel", [1, 4, 15])
def test_the_l2_pool_is_the_root_of_the_sum_of_squares_under_a_sliding_kernel(kernel):
    torch.manual_seed(2)
    x = torch.randn(3, 1, 40)
    assert torch.allclose(l2_pool(x, kernel), torch.sqrt((sliding(x, kernel) ** 2).sum(dim=-1) + EPSILON), atol=1e-5)


def test_the_l2_pool_does_not_care_for_the_sign():
    x = torch.randn(2, 1, 30)
    assert torch.equal(l2_pool(x, 7), l2_pool(-x, 7))


def test_the_gradient_of_the_l2_pool_is_finite_at_zero():
    x = torch.zeros(1, 1, 50, requires_grad=True)
    l2_pool(x, 15).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_relu_and_max_is_the_greatest_of_what_is_positive():
    torch.manual_seed(3)
    x = torch.randn(2, 1, 40)
    assert torch.allclose(relu_max_pool(x, 9), sliding(torch.relu(x), 9).amax(dim=-1))
    assert not relu_max_pool(-torch.ones(1, 1, 20), 5).any()


@pytest.mark.parametrize("length", [2000, 1999, 64])
@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_answers_with_a_map_as_long_as_the_segment(arm, length):
    logits, attention = net(arm)(torch.randn(3, 2, length))
    assert logits.shape == (3, 2)
    assert attention.shape == (3, length)
    assert (attention >= 0).all()


def test_there_is_no_other_arm():
    with pytest.raises(ValueError, match="no arm 'mean'; there are: classifier only"):
        Segmenter("mean", 2, 2, **SIZES)


@pytest.mark.parametrize("arm", ["ReLU and max", "L2 norm"])
def test_each_lead_keeps_its_own_samples(arm):
    one, seen = net(arm, leads=3), []
    torch.nn.init.constant_(one.segmenter.out.bias, 5.0)  # else a fresh map may be negative everywhere
    one.features.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    segments = torch.randn(2, 3, 200)
    _, attention = one(segments)
    for lead in range(3):
        assert torch.equal(seen[0][:, lead], attention * segments[:, lead])
    assert not torch.equal(seen[0][:, 1], seen[0][:, 0])


def test_the_classifier_alone_sees_the_signal_and_the_cascade_only_the_map():
    for arm, channels in (("classifier only", 2), ("cascaded", 1)):
        one, seen = net(arm), []
        one.features.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        segments = torch.randn(2, 2, 200)
        _, attention = one(segments)
        assert seen[0].shape[1] == channels
        assert torch.equal(seen[0], segments if channels == 2 else attention[:, None])


def test_the_class_teaches_the_segmenter():
    one = net("L2 norm")
    torch.nn.functional.cross_entropy(one(torch.randn(4, 2, 200))[0], torch.tensor([0, 1, 0, 1])).backward()
    assert one.segmenter.out.weight.grad.abs().sum() > 0


def test_the_u_net_answers_at_the_rate_of_its_first_level():
    assert UNet(1, 2, (4, 6, 8), (4, 2, 2), 3)(torch.randn(2, 1, 160)).shape == (2, 2, 40)


def at_large():
    torch.manual_seed(4)
    return EctopyNet(8, 2, widths=(8, 8, 8, 8, 8), strides=(4, 2, 2, 2, 2), kernel=5, pool=53, seen=(4, 4), seen_strides=(4, 2)).eval()


def test_strengths_and_probabilities_lie_between_0_and_1():
    strengths, probabilities = at_large()(3 * torch.randn(3, 8, 704))
    assert strengths.shape == (3, 2, 176)
    assert probabilities.shape == (3, 2)
    for one in (strengths, probabilities):
        assert 0 <= one.min() <= one.max() <= 1


def test_the_network_at_large_sees_no_farther_than_a_segment():
    one, x = at_large(), torch.randn(1, 8, 4 * 704)
    other = x.clone()
    other[..., :704] = torch.randn(1, 8, 704)
    with torch.no_grad():
        gap = (one.maps(x) - one.maps(other)).abs()[..., 2 * 176 :]
    assert gap.max() == 0


def test_what_the_map_leaves_out_the_classifier_does_not_see():
    one, lead = at_large(), torch.randn(1, 1, 704)
    drawn = torch.full((1, 2, 176), -40.0)
    drawn[..., 80:90] = 5.0
    other = lead.clone()
    other[..., :200] += 1.0
    with torch.no_grad():
        assert torch.allclose(one.classified(lead, drawn), one.classified(other, drawn), atol=0.02)
        assert one.attention(drawn, 704)[..., 340].min() > 0.5


def test_several_networks_answer_one_after_the_other():
    nets, x = [at_large(), EctopyNet(8, 2, widths=(4, 4), strides=(4, 2), kernel=3, pool=53, seen=(4,), seen_strides=(4,)).eval()], torch.randn(2, 8, 704)
    strengths, probabilities = Several(nets)(x)
    assert torch.equal(strengths[:, 2:], nets[1](x)[0])
    assert torch.equal(probabilities[:, :2], nets[0](x)[1])
