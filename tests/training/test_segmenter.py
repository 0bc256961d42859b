"""The recipe of the segmenter end to end on synthetic records; what its networks are told and what its figures mean."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from ecgcore import training, writers
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import InputError
from ecgcore.evaluation.measures import read_measures
from ecgcore.inference import cards, segmenter
from ecgcore.signals import segments
from ecgcore.training import ectopy_data, ectopy_loss, ectopy_runs, recipes, segment_arms
from ecgcore.training import segmenter as trainer
from ecgcore.training.ectopy_data import NO_LABEL, Batch, Patient, Windows, told
from ecgcore.training.segments import SegmentSet
from tests.training.tiny import rhythm, write_sets

RECORDS = {"mitdb": "101 106 114 201 100 103", "svdb": "800 811", "nstdb-noise": "bw ma"}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The recipe on synthetic records, which lie where LEADWISE_DATA says, with networks small enough for seconds."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    write_sets(tmp_path / "data", RECORDS)
    for k, name in enumerate(("A01", "A02")):
        mv = synthesise(rhythm(1, 30), 30, ("I",), 300, seed=k)
        writers.write(record_of(name, mv, [], ("I",), 300), tmp_path / "data" / "cinc2017" / f"{name}.hea")
    (tmp_path / "data" / "cinc2017" / "REFERENCE-v3.csv").write_text("A01,A\nA02,N\n")
    full = recipes.load("segmenter")
    large = full.at_large
    data = large.data.model_copy(update={"trained": {"mitdb": ("101", "106", "114"), "svdb": ("800", "811")}, "tested": {"mitdb": ("100", "103")}})
    sizes = {"widths": (4, 4), "strides": (4, 2), "seen": (4,), "seen_strides": (4,), "controls": 1}
    at_large = large.model_copy(
        update={
            "data": data,
            "rhythms": {"A": 1, "N": 1},
            "network": large.network.model_copy(update=sizes),
            "optimisation": large.optimisation.model_copy(update={"patient_folds": 2, "seeds": 2, "epochs": 1, "batch": 4}),
        }
    )
    recipe = full.model_copy(
        update={
            "records": ("101", "106", "114"),
            "arms": ("classifier only", "L2 norm"),
            "arms_by_patient": ("L2 norm",),
            "input": full.input.model_copy(update={"samples": 500}),
            "network": full.network.model_copy(update={"widths": (4, 4), "strides": (4, 2), "pool": 30}),
            "optimisation": full.optimisation.model_copy(update={"folds": 2, "epochs": 1, "batch": 8}),
            "at_large": at_large,
        }
    )
    monkeypatch.setattr(recipes, "load", lambda _: recipe)
    return recipe


def test_a_recipe_gives_tables_and_a_model_that_maps(tiny, tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        training.train("segmenter", device="cpu", resume=True)
    card, folder = training.train("segmenter", device="cpu", out=tmp_path / "out")
    assert cards.read_card(folder) == card
    assert (card.task, card.classes, set(card.thresholds)) == (segmenter.TASK, ("V", "S"), {"V", "S"})
    tables = {table.title: table for table in read_measures(folder)}
    assert len(tables) == 4
    by_split = {table.split: [row.name for row in table.rows] for title, table in tables.items() if title.startswith("PVC or APB")}
    assert by_split["random split"][:2] == ["classifier only", "L2 norm"]
    assert "L2 norm (the paper)" in by_split["random split"]
    assert by_split["by patient"] == ["L2 norm"]
    located = next(table for title, table in tables.items() if title.startswith("Where"))
    assert [len(row.runs) for row in located.rows] == [2, 1]
    assert located.tested == {"mitdb": ("100", "103")}
    assert [said[:2] for said in located.said] == ["V:", "S:"]
    assert "of 2 trainings collapsed" in located.said[0]
    model = segmenter.load_folder(folder)
    assert model.step == 4
    again, resumed = trainer.train(tiny, tmp_path / "home" / "runs" / f"segmenter-{card.version}-seed1", "cpu", None, True)
    assert resumed.thresholds == card.thresholds
    assert [figure.value for figure in resumed.figures] == [figure.value for figure in card.figures]
    assert resumed.minutes >= card.minutes
    windows = np.random.default_rng(1).normal(size=(3, segments.CHANNELS, 704)).astype(np.float32)
    for ours, theirs in zip(model.answer(windows), ectopy_runs.answering(again.net)(windows), strict=True):
        assert np.abs(ours - theirs).max() < 1e-4


def test_onnx_answers_as_torch_does(tiny, tmp_path):
    how = tiny.at_large
    torch.manual_seed(1)
    net, control = ectopy_runs.network(how).eval(), ectopy_runs.by_chance(how)
    figures = cards.read_card(cards.find("hadln"))
    card = figures.model_copy(update={"name": "segmenter", "version": "1", "input": figures.input.model_copy(update={"samples": 704})})
    card = trainer.save(trainer.Trained(net, control, {}), card, tmp_path / "segmenter" / "1")
    assert card.control_sha256 is not None
    for path, one in ((cards.WEIGHTS, net), (cards.CONTROL, control)):
        session = onnxruntime.InferenceSession(str(tmp_path / "segmenter" / "1" / path), providers=["CPUExecutionProvider"])
        for shape in ((1, segments.CHANNELS, 704), (5, segments.CHANNELS, 2816)):
            x = torch.randn(shape)
            with torch.no_grad():
                expected = one(x)
            for ours, theirs in zip(session.run(list(segmenter.OUTPUTS), {"segments": x.numpy()}), expected, strict=True):
                assert np.abs(ours - theirs.numpy()).max() < 1e-4


def patient(at, labels, rhythm="", n=4000):
    at = np.array(at, np.int64)
    lead = np.random.default_rng(1).normal(size=(2, n)).astype(np.float32)
    return Patient("one", lead, (at, at), (segments.timing(at),) * 2, (at / segments.FS_HZ,) * 2, at, np.array(list(labels), "<U1"), rhythm)


def test_a_network_is_told_only_whether_a_segment_holds_a_class():
    one = patient([100, 300, 800, 1500, 1600, 2200], "NVNSFF")
    assert told(one, 0, 704, 4).tolist() == [[1, 0], [0, 0], [NO_LABEL, 1], [NO_LABEL, 0]]


def test_of_a_recording_without_marks_only_s_is_told_in_fibrillation():
    assert told(patient([], "", "A"), 0, 704, 1).tolist() == [[NO_LABEL, 0]]
    assert told(patient([], "", "N"), 0, 704, 1).tolist() == [[0, 0]]


def test_windows_depend_on_seed_and_epoch_alone(tiny):
    large = tiny.at_large
    patients = [patient(range(60, 12000, 110), ("NNNNV" * 22)[:109], n=12000)]
    noise = [np.random.default_rng(2).normal(size=5000).astype(np.float32)]
    a, b = (Windows(patients, noise, large.input, large.augmentation, 2, 7) for _ in range(2))
    for one in (a, b):
        one.set_epoch(3)
    assert all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True))
    b.set_epoch(4)
    assert not torch.equal(a[0].x, b[0].x)
    assert a[0].x.shape[1:] == (segments.CHANNELS, 1408)


def batch(targets, beats):
    x = torch.zeros(1, segments.CHANNELS, 704)
    return Batch(x, beats, 1 - beats, torch.tensor([[targets]]))


class Fixed(torch.nn.Module):
    """A map that is what a test says, and a classifier that is sure of nothing."""

    def __init__(self, drawn):
        super().__init__()
        self.drawn = torch.nn.Parameter(drawn)

    def maps(self, x):
        return self.drawn

    def classified(self, lead, drawn):
        return torch.zeros(len(lead), 2)


def test_the_loss_asks_for_one_strong_beat_in_a_segment_that_holds_the_class():
    loss = ectopy_loss.SegmentLoss(torch.ones(2), 0.0, 0.1)
    beats = torch.zeros(1, 176)
    beats[0, [20, 90, 150]] = 1
    quiet = torch.full((1, 2, 176), -6.0)
    strong, beside = quiet.clone(), quiet.clone()
    strong[0, 0, 90], beside[0, 0, 100] = 6.0, 6.0
    values = [float(loss(Fixed(drawn), batch([1.0, 0.0], beats)).detach()) for drawn in (strong, quiet, beside)]
    assert values[0] < 0.1
    assert values[1] > 1
    assert values[2] > values[1]
    assert float(loss(Fixed(strong), batch([0.0, 0.0], beats)).detach()) > 1


def test_what_is_not_told_teaches_nothing():
    net = Fixed(torch.full((1, 2, 176), -6.0))
    beats = torch.ones(1, 176)
    ectopy_loss.SegmentLoss(torch.ones(2), 0.0, 0.0)(net, batch([NO_LABEL, 1.0], beats)).backward()
    assert not net.drawn.grad[0, 0].any()
    assert net.drawn.grad[0, 1].all()


def test_specificity_is_that_of_the_papers_table():
    targets = np.array([0] * 100 + [1] * 10)
    scores = np.where(targets == 0, 0.9, 0.1)
    scores[0], scores[100:102] = 0.2, 0.8
    accuracy, specificity, sensitivity, area = segment_arms.figures(scores, targets)
    assert accuracy == pytest.approx(100 * 107 / 110)
    assert (specificity, sensitivity) == (pytest.approx(99), pytest.approx(80))
    assert area == pytest.approx(segment_arms.auc(scores, targets == 0))
    as_stated, exchanged = (2627 * 99.6 + 356 * 93.4) / 2983, (2627 * 93.4 + 356 * 99.6) / 2983
    assert as_stated == pytest.approx(98.8, abs=0.1)  # which is the paper's accuracy
    assert exchanged == pytest.approx(94.1, abs=0.1)


def test_auc_counts_ties_half():
    assert segment_arms.auc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    assert segment_arms.auc(np.array([0.9, 0.1, 0.4]), np.array([True, False, False])) == 1.0
    assert segment_arms.auc(np.array([0.9]), np.array([True])) is None


def test_folds_of_patients_share_no_patient(tiny):
    found = training_set()
    folds = segment_arms.folds_by_patient(found, tiny)
    assert all(len(set(folds[found.patients == one].tolist())) == 1 for one in np.unique(found.patients))
    assert set(folds.tolist()) == {0, 1}


def training_set():
    patients = np.repeat(np.arange(6), 5)
    return SegmentSet(("PVC", "APB"), tuple("abcdef"), np.zeros((30, 2, 8), np.float32), patients % 2, patients)


def test_each_lead_of_a_segment_is_scaled_by_itself_and_moved_with_the_others():
    torch.manual_seed(1)
    segments_ = torch.arange(1.0, 41.0).repeat(6, 2, 1)
    out = segment_arms.Varied(torch.nn.Identity(), 5, 0.2).altered(segments_)
    places = [[int(np.flatnonzero(lead.numpy())[0]) for lead in one] for one in out]
    assert all(first == second for first, second in places)
    assert not torch.allclose(out[:, 0].amax(dim=1), out[:, 1].amax(dim=1))


def test_the_limits_are_those_with_the_best_f1():
    at = np.arange(100, 4000, 100)
    one = patient(at, "NNNNNNNNNV" * 3 + "NNNNNNNNN")
    strengths = np.zeros((2, 1000), np.float32)
    for sample, label in zip(at, one.labels, strict=True):
        strengths[0, sample // 4] = 0.62 if label == "V" else 0.42
    maps = [ectopy_runs.Mapped(one, 0, strengths)]
    limits = ectopy_runs.choose_limits(maps, 4 / 128)
    assert 0.42 < limits["V"] <= 0.62
    (found,) = ectopy_runs.score(maps, limits, 4 / 128)["V"]
    assert found.f1 == 1.0


def test_patients_are_dealt_out_to_folds_with_their_rare_beats():
    patients = [replace(patient([10, 20, 30], "S" * k + "N" * (3 - k)), name=str(k)) for k in range(4)]
    folds = ectopy_runs.folds(patients, 2)
    assert sorted(one.name for fold in folds for one in fold) == ["0", "1", "2", "3"]
    assert [sum(int((one.labels == "S").sum()) for one in fold) for fold in folds] == [3, 3]


def test_the_data_of_the_recipe_are_those_of_the_default_model():
    full = recipes.load("segmenter")
    assert full.at_large.data.trained == recipes.load("beats").data.trained
    assert "201" in full.at_large.data.left_out["mitdb"]
    assert not set(full.at_large.data.trained["mitdb"]) & set(full.at_large.data.tested["mitdb"])
    assert ectopy_data.LABELS == ("V", "S")
