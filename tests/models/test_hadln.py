"""HADLN and its baselines: the axes of their branches, their attentions, torch against ONNX."""

import pytest
import torch

from ecgcore.models.baselines import BiRcnn, Cblstm, FullyConnected
from ecgcore.models.beat_windows import CalibratedWindowNet
from ecgcore.models.hadln import Hadln, SelfAttention
from ecgcore.training.export import TOLERANCE, difference


def small(**sizes):
    torch.manual_seed(3)
    return Hadln(187, 5, **{"patch": 4, "hidden": 4, "channels": (4, 8), "kernel": 3, **sizes}).eval()


@pytest.mark.parametrize(("attention", "weights"), [("self", 47), ("channel", 8)])
def test_logits_and_attention(attention, weights):
    logits, received = small(attention=attention)(torch.randn(6, 187))
    assert logits.shape == (6, 5)
    assert received.shape == (6, weights)
    assert (received >= 0).all()
    assert torch.allclose(received.sum(dim=1), torch.ones(6), atol=1e-5)


def test_the_last_layer_gives_logits_and_no_probabilities():
    net = small()
    assert isinstance(net.classifier[-1], torch.nn.Linear)
    assert not torch.allclose(net(torch.randn(4, 187))[0].sum(dim=1), torch.ones(4), atol=1e-2)


def test_the_steps_of_the_cnn_are_those_of_the_beat():
    net, beats = small(), torch.randn(1, 187)
    late = beats.clone()
    late[:, 120:124] += 5  # step 30
    with torch.no_grad():
        moved = (net.features(late)[0] - net.features(beats)[0]).abs().amax(dim=(0, 2))
    changed = moved.nonzero()[:, 0].tolist()
    assert 30 in changed
    assert set(changed) <= set(range(27, 34))  # what convolutions of 3 can reach; a reshape would have spread it


def test_both_branches_have_one_row_a_step():
    across, along = small().features(torch.randn(3, 187))
    assert across.shape == (3, 47, 8)
    assert along.shape == (3, 47, 8)


def test_a_beat_is_read_the_same_whatever_is_beside_it():
    net, beats = small(), torch.randn(5, 187)
    with torch.no_grad():
        together, alone = net(beats)[0], torch.cat([net(beat[None])[0] for beat in beats])
    assert torch.allclose(together, alone, atol=1e-5)


def test_what_is_drawn_is_what_is_used():
    torch.manual_seed(4)
    attention = SelfAttention(8, 6, heads=1).eval()
    across, along = torch.randn(2, 6, 4), torch.randn(2, 6, 4)
    seen, received = attention(across, along)
    values = attention.value(attention.normalised(torch.cat([across, along], dim=2)))
    assert torch.allclose(seen, (received[:, :, None] * values).sum(dim=1), atol=1e-5)


def test_even_channel_weights_leave_the_features_alone():
    net = small(attention="channel")
    torch.nn.init.zeros_(net.attention.scores.weight)
    torch.nn.init.zeros_(net.attention.scores.bias)
    across, along = net.features(torch.randn(2, 187))
    assert torch.allclose(net.attention(across, along)[0], across.mean(dim=1), atol=1e-5)


def test_the_lstm_bears_on_the_channel_weights():
    net, beats = small(attention="channel"), torch.randn(2, 187)
    before = net(beats)[1]
    torch.nn.init.zeros_(net.attention.of_lstm.weight)
    assert not torch.allclose(net(beats)[1], before, atol=1e-5)


def test_windows_are_standardised_by_the_mean_and_deviation_given():
    net, beats = small(), 3 + 2 * torch.randn(50, 187)
    assert torch.equal(net.standardise(beats), beats)
    net.standardise.take(float(beats.mean()), float(beats.std()))
    out = net.standardise(beats)
    assert float(out.mean()) == pytest.approx(0, abs=1e-4)
    assert float(out.std()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("sizes", "said"), [({"attention": "loud"}, "none of self, channel"), ({"patch": 3}, "no power of 2"), ({"patch": 16}, "cannot halve")])
def test_sizes_that_do_not_fit_are_refused(sizes, said):
    with pytest.raises(ValueError, match=said):
        small(**sizes)


@pytest.mark.parametrize("net", [FullyConnected(187, 5, 20), Cblstm(5, 4, 4), BiRcnn(8, 5, 4, 4)])
def test_baselines_give_logits(net):
    net = net.eval()
    x = torch.randn(3, 195 if isinstance(net, BiRcnn) else 187)
    with torch.no_grad():
        logits = net(x)
        assert torch.allclose(net(x[:1]), logits[:1], atol=1e-5)
    assert logits.shape == (3, 5)


def test_the_rhythm_bears_on_the_third_baseline():
    net, x = BiRcnn(8, 5, 4, 4).eval(), torch.randn(2, 195)
    other = x.clone()
    other[:, -8:] += 1
    with torch.no_grad():
        assert not torch.allclose(net(x), net(other), atol=1e-4)


def test_torch_and_onnx_agree(tmp_path):
    from ecgcore.training.export import _write_onnx

    net = CalibratedWindowNet(small(), 1.3, torch.arange(5.0) / 5).eval()
    _write_onnx(net, (torch.randn(2, 187),), ("beats",), ("probabilities", "attention"), ({0: "batch"},), tmp_path / "model.onnx")
    for batch in (1, 9):
        assert difference(net, tmp_path / "model.onnx", [torch.randn(batch, 187)], ("beats",)) <= TOLERANCE
