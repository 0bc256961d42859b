"""SE-ResNet18 and UniversalECGNet: what they weigh, what metadata and absent leads do, recomputation, torch against ONNX."""

import pytest
import torch

from ecgcore.models.rhythm_standardised import FromAll, FromTwelve, Standardised, StandardisedSeResNet18, StandardisedUniversal
from ecgcore.models.universal import LeadAttentionPool, SeResNet18, UniversalECGNet, lead_dropout, parameters
from ecgcore.training.export import TOLERANCE, difference

TINY = (16, 16, 16, 32)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


def test_the_universal_network_has_the_papers_number_of_parameters():
    net = UniversalECGNet(8)
    assert {name: parameters(part) for name, part in net.named_children()} == {"backbone": 8_813_376, "leads": 768, "project": 295_424, "pool": 66_305, "head": 4_104}
    assert parameters(net) == 9_179_977


@pytest.mark.parametrize(("features", "count"), [(0, 8_822_408), (3, 8_823_176), (14, 8_823_880), (42, 8_825_672)])
def test_seresnet18_has_what_its_parts_come_to(features, count):
    assert parameters(SeResNet18(8, metadata=features)) == count


def test_twelve_leads_of_ten_seconds_give_eight_logits():
    net = SeResNet18(8, metadata=14, widths=TINY).eval()
    signals = torch.randn(2, 12, 5000)
    assert net.backbone(signals).shape == (2, TINY[-1], 157)
    assert net(signals, torch.randn(2, 14)).shape == (2, 8)


def test_metadata_bear_on_the_answer():
    net, signals, metadata = SeResNet18(8, metadata=5, widths=TINY).eval(), torch.randn(2, 12, 600), torch.randn(2, 5)
    other = metadata.clone()
    other[0] += 1
    with torch.no_grad():
        before, after = net(signals, metadata), net(signals, other)
    assert not torch.allclose(before[0], after[0], atol=1e-4)
    assert torch.equal(before[1], after[1])


def test_absent_leads_weigh_nothing_whatever_they_hold():
    pool, features = LeadAttentionPool(16), torch.randn(2, 5, 16)
    torch.nn.init.normal_(pool.query)
    present = torch.tensor([[True, False, True, True, False], [True] * 5])
    strange = torch.where(present[:, :, None], features, torch.tensor(1e6))
    pooled, weights = pool(features, present)
    assert torch.equal(pool(strange, present)[0], pooled)
    assert (weights[~present] == 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(2))
    assert torch.allclose(pool(features[:1, [0, 2, 3]])[0], pooled[:1], atol=1e-6)


def test_a_lead_left_out_and_a_lead_masked_are_one_and_the_same():
    net, signals = UniversalECGNet(8, TINY).eval(), torch.randn(2, 12, 600)
    ids = torch.arange(12).expand(2, 12)
    present = torch.zeros(2, 12, dtype=torch.bool)
    present[:, [0, 1, 6]] = True
    with torch.no_grad():
        masked, weights = net(signals, ids, present)
        alone, three = net(signals[:, [0, 1, 6]], ids[:, [0, 1, 6]])
    assert torch.allclose(masked, alone, atol=1e-5)
    assert torch.allclose(weights[:, [0, 1, 6]], three, atol=1e-6)


def test_the_order_of_leads_says_nothing_but_their_names_do():
    net, signals, ids = UniversalECGNet(8, TINY).eval(), torch.randn(1, 4, 600), torch.tensor([[0, 1, 6, 8]])
    order = [2, 0, 3, 1]
    with torch.no_grad():
        before, after = net(signals, ids)[0], net(signals[:, order], ids[:, order])[0]
        one, renamed = (net(signals[:, :1], torch.tensor([[lead]]))[0] for lead in (0, 6))
    assert torch.allclose(before, after, atol=1e-5)
    assert not torch.allclose(one, renamed, atol=1e-4)


def test_recomputation_gives_the_same_gradients_and_counts_a_batch_once():
    signals, ids = torch.randn(3, 4, 600), torch.arange(4).expand(3, 4)
    plain, sparing = UniversalECGNet(8, TINY), UniversalECGNet(8, TINY, recompute=True)
    sparing.load_state_dict(plain.state_dict())
    for net in (plain, sparing):
        net.train()(signals, ids)[0].square().sum().backward()
    gradients = [[p.grad for p in net.parameters()] for net in (plain, sparing)]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))
    statistics = [{name: value for name, value in net.named_buffers() if "running" in name} for net in (plain, sparing)]
    assert all(torch.equal(value, statistics[1][name]) for name, value in statistics[0].items())
    assert {module.momentum for module in sparing.modules() if isinstance(module, torch.nn.BatchNorm1d)} == {0.1}


def test_half_of_the_batches_see_all_leads_the_others_one_to_eleven_alike():
    chance = torch.Generator().manual_seed(3)
    drawn = [lead_dropout((4, 12), chance) for _ in range(2200)]
    counts = torch.tensor([int(present[0].sum()) for present in drawn])
    assert all((present.sum(dim=1) == present[0].sum()).all() for present in drawn)
    assert float((counts == 12).float().mean()) == pytest.approx(0.5, abs=0.04)
    some = counts[counts < 12]
    assert int(some.min()) == 1
    assert [float((some == k).float().mean()) for k in range(1, 12)] == pytest.approx([1 / 11] * 11, abs=0.03)
    kept = torch.stack([present[0] for present, count in zip(drawn, counts.tolist(), strict=True) if count < 12]).float().mean(dim=0)
    assert kept.tolist() == pytest.approx([0.5] * 12, abs=0.06)


def test_without_dropout_every_lead_is_there():
    chance = torch.Generator().manual_seed(3)
    assert all(lead_dropout((2, 12), chance, 0.0).all() for _ in range(20))
    assert all(lead_dropout((2, 1), chance, 1.0).all() for _ in range(20))


def test_what_is_not_known_is_as_the_mean_and_what_does_not_vary_keeps_its_size():
    standard = Standardised(3)
    standard.take([1.0, 2.0, 3.0], [2.0, 0.0, 4.0])
    assert standard(torch.tensor([[3.0, 2.5, torch.nan]])).tolist() == [[1.0, 0.5, 0.0]]
    signals = torch.tensor([[[3.0, 5.0], [7.0, 11.0]]])
    assert standard(signals, torch.tensor([[0, 2]])).tolist() == [[[1.0, 2.0], [1.0, 2.0]]]


@pytest.mark.parametrize("features", [0, 5])
def test_torch_and_onnx_agree_of_all_leads(features, tmp_path):
    from ecgcore.training.export import _write_onnx

    net = FromAll(StandardisedSeResNet18(SeResNet18(8, metadata=features, widths=TINY), features)).eval()
    names = ("signals", "features") if features else ("signals",)
    given = [(torch.randn(n, 12, 600), torch.randn(n, features))[: len(names)] for n in (2, 1, 5)]
    _write_onnx(net, given[0], names, ("probabilities",), ({0: "batch"},) * len(names), tmp_path / "model.onnx")
    if features:
        given[2][1][3, 2] = torch.nan
    for one in given:
        assert difference(net, tmp_path / "model.onnx", one, names) <= TOLERANCE


def test_torch_and_onnx_agree_of_any_leads(tmp_path):
    from ecgcore.training.export import _write_onnx

    net, names = FromTwelve(StandardisedUniversal(UniversalECGNet(8, TINY))).eval(), ("signals", "present")
    _write_onnx(net, (torch.randn(2, 12, 600), torch.ones(2, 12)), names, ("probabilities", "lead_weights"), ({0: "batch"}, {0: "batch"}), tmp_path / "model.onnx")
    for present in (torch.ones(1, 12), torch.eye(12)[:5]):
        signals = torch.randn(len(present), 12, 600)
        assert difference(net, tmp_path / "model.onnx", [signals, present], names) <= TOLERANCE
        hidden = torch.where(present[:, :, None] > 0, signals, torch.nan)
        with torch.no_grad():
            assert torch.allclose(net(hidden, present)[0], net(signals, present)[0], atol=1e-6)
