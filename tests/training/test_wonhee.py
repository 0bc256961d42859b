"""WonHEE end to end on synthetic records, its losses and batches, and that a resumed run ends as an unbroken one."""

import numpy as np
import pytest
import torch

from ecgcore import training
from ecgcore.evaluation.measures import read_measures
from ecgcore.inference import wonhee as inference
from ecgcore.models.wonhee import Reconstructed
from ecgcore.progress import watched
from ecgcore.signals import fills
from ecgcore.training import gaps, recipes, wonhee, wonhee_data, wonhee_module
from tests.training.following import Seen
from tests.training.tiny import write_sets

SAMPLES = 640


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The recipe, small enough for seconds, as a file; records of mitdb are synthetic."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    write_sets(tmp_path / "data", {"mitdb": "101 106 109 201 100"})
    full = recipes.load("wonhee")
    small = {"epochs": 2, "steps": 3, "shares": (2, 4, 3), "average": 0.5, "bfloat16": False}
    network = full.network.model_copy(update={"patch_samples": 20, "size": 16, "inner": 16, "blocks": 1, "head_blocks": 1})
    return full.model_copy(
        update={
            "data": full.data.model_copy(update={"trained": {"mitdb": ("101", "106")}, "left_out": {"mitdb": ("201",)}, "tested": {"mitdb": ("100",)}}),
            "held_out": {"mitdb": ("109",)},
            "network": network,
            "augmentation": full.augmentation.model_copy(update={"shares": {"mitdb": 1.0}}),
            "measured": full.measured.model_copy(update={"windows": {"mitdb": 4}}),
            "paper": full.paper.model_copy(update=small),
            "optimisation": full.optimisation.model_copy(update=small),
        }
    )


def test_a_recipe_gives_a_model_that_fills_its_tables_and_a_card(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "load", lambda name: tiny)
    card, folder = training.train("wonhee", device="cpu", out=tmp_path / "out")
    assert card.training.held_out == {"mitdb": ("109",)}
    assert {name.removeprefix("measures-").removesuffix(".json") for name in (path.name for path in folder.glob("measures-*"))} == {
        "classes-random", "classes-by-patient", "random", "bursts", "blackout", "forecast-1s", "forecast-2s", "band",
    }  # fmt: skip
    tables = {table.title: table for table in read_measures(folder)}
    assert [row.name for row in tables["Blackout of 1–2 s, by patient"].rows] == ["WonHEE", "linear", "cubic spline", "last value", "mean beat", "periodic copy"]
    assert tables["Classes of beats, random split"].split == "random split"
    assert any(figure.name == "Blackout of 1–2 s: MSE" for figure in card.figures)
    filler = inference.load_folder(folder)
    cut = wonhee_data.evenly(wonhee_data.leads_of({"mitdb": ["100"]}, tiny.input.band_hz), SAMPLES, 3)
    observed = gaps.blackout(len(cut.windows), SAMPLES, np.random.default_rng(1), fills.FS_HZ)
    done = filler.complete(np.where(observed, cut.windows, np.float32(np.nan)), observed)
    assert np.array_equal(done.signal_mv[observed], cut.windows[observed])
    assert np.isfinite(done.high_mv).all()


def test_a_resumed_run_ends_as_an_unbroken_one(tiny, tmp_path):
    once = wonhee.learned_by_patient(tiny, tmp_path / "once", "cpu", None, False)
    short = tiny.model_copy(update={"optimisation": tiny.optimisation})
    module_epochs = tiny.optimisation.epochs
    half = wonhee_module.loop.fit

    def stops(module, loader, run, epochs, device, minutes, resume):
        return half(module, loader, run, 1 if not resume else epochs, device, minutes, resume)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wonhee_module.loop, "fit", stops)
        wonhee.learned_by_patient(short, tmp_path / "twice", "cpu", None, False)
        twice = wonhee.learned_by_patient(short, tmp_path / "twice", "cpu", None, True)
    assert module_epochs == 2
    assert all(torch.equal(a, b) for a, b in zip(once.state_dict().values(), twice.state_dict().values(), strict=True))


@pytest.mark.parametrize("n", [2, 9])
def test_a_piece_of_a_batch_holds_its_part_of_each_task(tiny, n, monkeypatch):
    make = wonhee.batches(tiny, tiny.data.trained)
    module = wonhee_module.WonheeModule(wonhee_module.network(SAMPLES, 3, tiny.network, len(fills.CANDIDATES)), None, tiny.optimisation)
    batch = make(np.random.default_rng(1))
    cut = module.cut(batch, n)
    assert len(cut) == 2  # as many windows as the smallest task has
    assert sum(one.to_impute for one in cut) == 4
    assert torch.equal(torch.cat([one.batch.targets for one in cut]), batch.targets)
    order = torch.cat([torch.arange(9)[part].tensor_split(len(cut))[k] for k in range(len(cut)) for part in (slice(2), slice(2, 6), slice(6, None))])
    assert torch.equal(torch.cat([one.batch.truth for one in cut]), batch.truth[order])
    assert sum(module.count(one) for one in cut) == module.count(batch) == 9
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    with torch.no_grad():
        assert all(torch.isfinite(module.loss_of(one, 0)) for one in cut)


def test_tested_records_choose_nothing(tiny, monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(wonhee, "leads_of", lambda sets, band: read.append(sets) or wonhee_data.leads_of(sets, band))
    with watched(seen := Seen()):
        net = wonhee.learned_by_patient(tiny, tmp_path / "run", "cpu", None, False)
    assert set(seen.curve("run", "validation loss")) == {1, 2}
    wonhee.calibrated(net, wonhee.asked_of(net, tiny, tiny.held_out))
    assert read == [{"mitdb": ("109",)}, {"mitdb": ("101", "106")}, {"mitdb": ("109",)}]


def test_batches_hide_and_scale_as_the_model_is_fed(tiny):
    batch = wonhee.batches(tiny, tiny.data.trained)(np.random.default_rng(1))
    again = wonhee.batches(tiny, tiny.data.trained)(np.random.default_rng(1))
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    assert batch.values.shape == batch.truth.shape == (9, SAMPLES)
    assert batch.candidates.shape == (9, len(fills.CANDIDATES), SAMPLES)
    assert (batch.values[~batch.observed] == 0).all()
    assert torch.allclose(batch.values[batch.observed], batch.truth[batch.observed], atol=1e-5)
    assert batch.observed[:2].all()
    assert not batch.observed[6:, -1].any()


def test_the_paper_hides_200_to_540_points_and_forecasts_as_many():
    rng = np.random.default_rng(1)
    beats = wonhee_module.labelled(rng.normal(size=(30, SAMPLES)).astype(np.float32), np.repeat([0, 1, 2], [20, 8, 2]), 1.0)
    assert np.allclose([beats.chances[beats.targets == k].sum() for k in range(3)], 1 / 3)
    batch = wonhee_module.of_paper(beats, 0.5, 2.0, (4, 5, 6))(rng)
    hidden = (~batch.observed).sum(dim=1)
    assert (hidden[:4] == 0).all()
    assert ((hidden[4:] >= 200) & (hidden[4:] <= 540)).all()
    assert batch.candidates.shape[1] == 0
    assert len(batch.targets) == 4


def said(signal, spread=1.0):
    return Reconstructed(signal, torch.full_like(signal, spread), torch.full_like(signal, spread))


def test_losses_count_hidden_samples_alone_by_weight():
    truth, hidden = torch.zeros(2, 50), torch.zeros(2, 50, dtype=torch.bool)
    hidden[0, :10], hidden[1, :10] = True, True
    signal = torch.zeros(2, 50)
    signal[0, :10], signal[1, :10], signal[:, 20:] = 1.0, 2.0, 77.0
    losses = wonhee_module.fill_losses("x", said(signal), truth, hidden, torch.tensor([3.0, 1.0]), 0.0)
    assert float(losses["x"]) == pytest.approx((3 * 1 + 1 * 4) / 4)
    assert set(losses) == {"x", "x band"}
    assert "x slope" in wonhee_module.fill_losses("x", said(signal), truth, hidden, torch.ones(2), 1.0)


def test_the_pinball_loss_is_least_at_the_quantile():
    away = torch.from_numpy(np.random.default_rng(1).normal(size=20_000))
    tried = np.linspace(-3, 3, 121)
    losses = [float(wonhee_module.pinball(away - at, 0.95).mean()) for at in tried]
    assert tried[int(np.argmin(losses))] == pytest.approx(1.645, abs=0.06)


def test_a_beat_too_early_costs_less_slope_than_no_beat():
    at = torch.arange(200.0)[None]
    truth, early, flat = torch.exp(-(((at - 100) / 3) ** 2)), torch.exp(-(((at - 97) / 3) ** 2)), torch.zeros(1, 200)

    def slope(drawn):
        return float((wonhee_module.slope_size(drawn) - wonhee_module.slope_size(truth)).square().mean())

    assert slope(early) < 0.3 * slope(flat)


def test_the_band_is_calibrated_by_kind_and_set_alike(tiny, tmp_path):
    net = wonhee.learned_by_patient(tiny, tmp_path / "run", "cpu", None, False)
    held = wonhee.asked_of(net, tiny, tiny.held_out)
    widened = wonhee.calibrated(net, held)
    asked = wonhee.asked_of(widened, tiny, tiny.held_out)
    for forecast in (False, True):
        assert np.mean([one["mitdb"].coverage for kind, one in asked.items() if kind.startswith("forecast") == forecast]) == pytest.approx(0.9, abs=0.06)


@pytest.mark.data
def test_folds_of_ptbxl_and_leads_of_every_set_are_read(data_set):
    for name in ("mitdb", "ptbxl", "ludb"):
        data_set(name)
    tenth = wonhee_data.ptbxl_folds([10])
    assert set(wonhee_data.with_folds({"ptbxl": ["fold 10"]})["ptbxl"]) == set(tenth)
    assert not set(tenth) & set(wonhee_data.ptbxl_folds(range(1, 10)))
    leads = wonhee_data.leads_of({"ptbxl": tenth[:1], "ludb": ["1"], "mitdb": ["114"]}, (0.5, 40.0))
    assert [lead.name for lead in leads[-2:]] == ["V5", "MLII"]
    assert len(leads) == 26
    assert all(lead.band.size == 1280 for lead in leads[:24])
    assert len(leads[-1].peaks) == 1879
    assert np.bincount(leads[-1].targets, minlength=6).tolist() == [1820, 12, 43, 4, 0, 0]
