"""The rhythm model for any leads end to end on synthetic recordings: its loss, its batches, its figures, and that a resumed run ends as an unbroken one."""

import numpy as np
import pytest
import torch

from ecgcore import training
from ecgcore.demo import NO_P, record_of, synthesise
from ecgcore.evaluation.measures import read_measures
from ecgcore.inference import rhythm as inference
from ecgcore.leads import STANDARD
from ecgcore.models.universal import AnyLeadNet
from ecgcore.progress import watched
from ecgcore.rhythm import rhythm_of
from ecgcore.rhythm_findings import RHYTHMS
from ecgcore.signals import segments
from ecgcore.training import recipes, rhythm_labels, rhythm_sources, universal, universal_data, universal_figures, universal_module
from ecgcore.training.rhythm_sources import Labelled
from ecgcore.training.universal_data import NO_KIND, SUBSETS, Drawn, Piece
from ecgcore.training.universal_figures import Judged
from tests.training.following import Seen

SPECIALISTS = "One network for any leads, or one for each"
RATES = {"SB": 1.25, "SR": 0.8, "ST": 0.5, "AFIB": 0.8}  # s between beats


def recording(name, label, leads, seconds=10.0, seed=0):
    rng, at, beats = np.random.default_rng(seed), 0.5, []
    while at < seconds - 0.4:
        beats.append((at, NO_P if label == "AFIB" else "N"))
        at += rng.uniform(0.4, 1.2) if label == "AFIB" else RATES[label]
    return record_of(name, synthesise(beats, seconds, leads, 250.0, noise_mv=0.01, wander_mv=0.05, seed=seed), beats, leads, 250.0)


def load_all(sets, mitdb_records=()):
    """Two twelve-lead patients of each rhythm in each fifth, hand-held recordings of every kind, and windows of mitdb."""
    for fold in range(5 if "ptbxl" in sets else 0):
        for k, label in enumerate(RATES):
            for twin in range(2):
                name = f"{label}{fold}{twin}"
                record = recording(name, label, STANDARD, seed=10 * fold + 2 * k + twin)
                yield Labelled("ptbxl", name, f"ptbxl:{name}", fold, record, 0.0, record.duration_s, frozenset({label}))
    for fold in range(5 if "cinc2017" in sets else 0):
        for kind, label in (("N", "SR"), ("A", "AFIB"), ("O", "ST"), ("~", "SB")):
            record = recording(f"{kind}{fold}", label, ("I",), seconds=14.0 if fold % 2 else 9.0, seed=fold)
            allowed = {"N": frozenset({"SR", "SA"}), "A": frozenset({"AFIB"})}.get(kind, frozenset())
            yield Labelled("cinc2017", record.name, f"cinc2017:{record.name}", fold, record, 0.0, record.duration_s, allowed, kind)
    for name in mitdb_records if "mitdb" in sets else ():
        record = recording(name, "AFIB", ("II", "V1"), seconds=20.0)
        yield from (Labelled("mitdb", f"{name}@{start}", f"mitdb:{name}", 0, record, start, start + 10, frozenset({"AFIB"})) for start in (0, 10))


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(rhythm_sources, "load_all", load_all)
    monkeypatch.setattr("ecgcore.data.DS1", ("101", "201"))
    full = recipes.load("universal")
    stage = {"epochs": 2, "steps": 2, "handheld": 2, "handheld_s": 10.0, "spans": 2}
    how = full.optimisation
    return full.model_copy(
        update={
            "tested": ("100", "202"),
            "specialists": ("I",),
            "network": full.network.model_copy(update={"widths": (4, 4, 8, 8), "size": 8, "lead_size": 4, "reduction": 2, "controls": 1}),
            "optimisation": how.model_copy(update={"bfloat16": False, "first": how.first.model_copy(update=stage), "second": how.second.model_copy(update={**stage, "twelve": 2})}),
        }
    )


@pytest.fixture
def pieces():
    return universal_data.prepare(load_all(("ptbxl", "cinc2017")), (0.5, 40.0))


def test_a_recipe_gives_a_model_for_any_leads_its_tables_and_a_card(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "load", lambda name: tiny)
    monkeypatch.setattr(universal_figures, "DRAWS", 10)
    card, folder = training.train("universal", device="cpu", out=tmp_path / "out")
    found = {table.title: table for table in read_measures(folder)}
    assert set(found) == {"Rhythm by subset of leads", "Each rhythm", "Each source", "What is called", "2017 challenge", "Mean weight of each lead", "Parameters", SPECIALISTS}
    assert [row.name for row in found["Rhythm by subset of leads"].rows] == list(SUBSETS)
    assert all(len(row.runs) == 5 for row in found["Rhythm by subset of leads"].rows)
    paper = {row.name: row.runs[0] for row in found["Parameters"].rows}["UniversalECGNet as built here"]
    assert paper[-1] == 9_179_977
    assert card.unestablished == RHYTHMS  # ten patients of a rhythm at most
    assert next(figure for figure in card.figures if figure.name.startswith("AFIB F1")).value is None
    assert set(card.training.held_out["ptbxl"]) == {f"{label}0{twin}" for label in RATES for twin in range(2)}
    assert len(card.training.trained["ptbxl"]) == 4 * len(card.training.held_out["ptbxl"])
    assert card.training.trained["mitdb"] == ("101",)
    assert card.training.held_out["mitdb"] == ("100", "202")
    monkeypatch.setattr("ecgcore.settings.SHIPPED_WEIGHTS", tmp_path / "out")
    told = rhythm_of(recording("r", "SR", STANDARD, seed=77), ("V1", "aVF", "II"), checks=True)
    assert sum(told.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert told.checks is not None
    model = inference.load("universal")
    kinds = model.challenge(inference.Windows(np.zeros((1, 1, 640), np.float32), np.zeros((1, 7, 640), np.float32), np.zeros(1, np.int64), np.ones((1, 1), bool)))
    assert kinds.sum() == pytest.approx(1, abs=1e-5)


def test_the_papers_network_is_trained_and_asked_alike(tiny, tmp_path):
    full = recipes.load("universal_full")
    assert full.network.widths == (64, 128, 256, 512)
    small = tiny.model_copy(update={"network": full.network.model_copy(update={"widths": (16, 16, 16, 32)})})
    net = universal.learned_first(small, universal.mixture(small), tmp_path, "cpu", None, False)
    signals, beats, ids = torch.randn(2, 3, 640), torch.randn(2, segments.CHANNELS - 1, 640), torch.tensor([[0, 6, 12]] * 2)
    with torch.no_grad():
        rhythm, kind, weights = net(signals, beats, ids, torch.tensor([[True, True, False]] * 2))
        again = net(signals, beats + 1, ids, torch.tensor([[True, True, False]] * 2))
    assert rhythm.shape == (2, 8)
    assert kind.shape == (2, 4)
    assert (weights[:, 2] == 0).all()
    assert torch.equal(rhythm, again[0])  # it is not shown the beats


def test_a_resumed_run_ends_as_an_unbroken_one(tiny, tmp_path):
    found = universal.mixture(tiny)
    once = universal.learned_first(tiny, found, tmp_path / "once", "cpu", None, False)
    whole = universal_module.loop.fit

    def stops(module, loader, run, epochs, device, minutes, resume):
        return whole(module, loader, run, epochs if resume else 1, device, minutes, resume)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(universal_module.loop, "fit", stops)
        universal.learned_first(tiny, found, tmp_path / "twice", "cpu", None, False)
        again = universal.learned_first(tiny, found, tmp_path / "twice", "cpu", None, True)
    for one, other in zip(once.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_where_memory_is_short_each_batch_of_a_step_passes_in_pieces(tiny, tmp_path, monkeypatch):
    whole, sizes, weights = universal_module.AnyLeadModule.loss, [], []

    def short(module, batch, chance):
        if len(batch.signals) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch.signals))
        weights.append(batch.weight)
        return whole(module, batch, chance)

    monkeypatch.setattr(universal_module.AnyLeadModule, "loss", short)
    net = universal.learned_first(tiny, universal.mixture(tiny), tmp_path, "cpu", None, False)
    stage = tiny.optimisation.first
    assert sizes == [1] * (stage.epochs * stage.steps * (stage.handheld + stage.spans))
    assert sum(weights) == pytest.approx(stage.epochs * stage.steps * (1 + tiny.optimisation.span_weight))
    assert all(torch.isfinite(value).all() for value in net.state_dict().values())


def test_the_loss_on_patients_not_learned_from_is_told_after_each_epoch(tiny, tmp_path):
    found, seen = universal.mixture(tiny), Seen()
    with watched(seen):
        first = universal.learned_first(tiny, found, tmp_path, "cpu", None, False)
        universal.learned_second(tiny, found, first, 1, tmp_path, "cpu", None, False, "I")
    assert [set(seen.curve(part, "validation loss")) for part in ("first", "only I1")] == [{1, 2}, {1, 2}]
    handheld, twelve = universal.followed(tiny, found, 1, "I II V1")
    assert len(handheld.signals) == sum(piece.fold == tiny.held_out for piece in found.handheld)
    assert twelve.signals.shape[:2] == (sum(piece.fold == 1 for piece in found.twelve), 3)
    assert all(torch.equal(one.signals, other.signals) for one, other in zip((handheld, twelve), universal.followed(tiny, found, 1, "I II V1"), strict=True))


def test_no_patient_is_learned_from_and_asked_about(tiny):
    found = universal.mixture(tiny)
    for fifth in range(5):
        sources = universal.drawn(tiny, found, fifth)
        learned = {piece.patient for part in sources.values() for piece in part.pieces}
        asked = {piece.patient for piece in found.twelve if piece.fold == fifth} | {piece.patient for piece in found.handheld if piece.fold == tiny.held_out}
        assert asked
        assert not learned & asked
    assert not {piece.patient for piece in found.spans} & {piece.patient for piece in found.tested}
    assert "mitdb:201" not in {piece.patient for piece in found.spans}


def test_the_loss_is_that_of_all_that_is_allowed_together():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    both = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    logs = torch.log_softmax(logits[0], dim=0)
    assert universal_module.allowed_loss(logits, both, 0.0) == pytest.approx(-float(torch.logaddexp(logs[0], logs[1])))
    one = torch.tensor([[0.0, 1.0, 0.0]])
    assert universal_module.allowed_loss(logits[:1], one, 0.0) == pytest.approx(float(torch.nn.functional.cross_entropy(logits[:1], torch.tensor([1]))))
    assert universal_module.allowed_loss(logits, torch.zeros(2, 3), 0.1) == 0


def test_a_pair_that_a_source_cannot_tell_apart_is_not_pulled_apart():
    logits = torch.tensor([[1.0, 1.0, -1.0]], requires_grad=True)
    universal_module.allowed_loss(logits, torch.tensor([[1.0, 1.0, 0.0]]), 0.0).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] == logits.grad[0, 1]
    assert logits.grad[0, 2] > 0


@pytest.mark.parametrize(
    ("said", "rate", "taught"),
    [("SR", 55, {"SR", "SB"}), ("SR", 70, {"SR"}), ("ST", 92, {"ST", "SR"}), ("SB", 50, {"SB"}), ("AFIB", 50, {"AFIB"}), ("SR", float("nan"), {"SR"}), ("SA", 50, {"SA"})],
)
def test_a_sinus_rhythm_at_odds_with_its_rate_teaches_only_that_it_is_one_of_two(said, rate, taught):
    assert universal_data.contested(frozenset({said}), rate) == taught


def test_a_piece_knows_the_beats_of_each_lead_and_shows_them(pieces):
    piece = next(one for one in pieces if one.name.startswith("SR"))
    assert universal_data.rate_bpm(piece.beats[tuple(range(12))]) == pytest.approx(75, abs=1)
    signals, beats = piece.seen((1, 6))
    assert signals.shape == (2, piece.signals.shape[1])
    assert beats.shape == (segments.CHANNELS - 1, piece.signals.shape[1])
    assert piece.stated.tolist() == rhythm_labels.row(frozenset({"SR"})).tolist()


def test_the_rarer_is_drawn_the_more_often():
    def piece(name, label, kind=NO_KIND):
        row = rhythm_labels.row(frozenset({label}))
        return Piece("s", name, name, 0, np.zeros((1, 8), np.float16), np.zeros(1, np.int64), {(0,): np.zeros(0, np.int64)}, row, row, kind)

    drawn = Drawn([*(piece(f"n{k}", "SR") for k in range(99)), piece("a", "AFIB")], 1.0)
    assert drawn.chances[-1] == pytest.approx(0.5)
    assert Drawn(drawn.pieces, 0.0).chances[-1] == pytest.approx(0.01)


def test_batches_have_one_length_whatever_the_recordings_have(pieces):
    handheld = [piece for piece in pieces if piece.source == "cinc2017"]
    made = universal_data.batch(handheld, [(0,)] * len(handheld), 1536, np.random.default_rng(1))
    assert made.signals.shape == (len(handheld), 1, 1536)
    assert made.beats.shape == (len(handheld), segments.CHANNELS - 1, 1536)
    assert set(made.kinds.tolist()) == {0, 1, 2, 3}
    turned = universal_data.batch(handheld, [(0,)] * len(handheld), 1536, np.random.default_rng(1), invert=1.0)
    assert turned.signals.abs().sum() == pytest.approx(float(made.signals.abs().sum()), rel=0.2)


def test_leads_are_dropped_as_often_as_asked():
    rng = np.random.default_rng(3)
    sizes = [len(universal_data.some_leads(1, 0.5, rng)[0]) for _ in range(400)]
    assert 0.4 < np.mean(np.array(sizes) < 12) < 0.6
    assert set(sizes) == set(range(1, 13))
    assert all(len(rows[0]) == 12 for rows in (universal_data.some_leads(1, 0.0, rng) for _ in range(20)))


def test_absent_leads_weigh_nothing_and_change_nothing():
    torch.manual_seed(1)
    net = AnyLeadNet(8, 4, 7, (4, 4, 8, 8), 5, 8, 4, 2, 0.2).eval()
    signals, beats, ids = torch.randn(2, 3, 320), torch.randn(2, 7, 320), torch.tensor([[0, 1, 6]] * 2)
    present = torch.tensor([[True, False, True]] * 2)
    with torch.no_grad():
        rhythm, kind, weights = net(signals, beats, ids, present)
        signals[:, 1] = 100.0
        again = net(signals, beats, ids, present)
        fewer = net(signals[:, [0, 2]], beats, ids[:, [0, 2]], present[:, [0, 2]])
    assert (weights[:, 1] == 0).all()
    for one, other in zip((rhythm, kind), again[:2], strict=True):
        assert torch.equal(one, other)
    assert torch.allclose(rhythm, fewer[0], atol=1e-6)


class Stub:
    """What the figures ask of a recording."""

    def __init__(self, patient, *allowed, stated=None):
        self.patient, self.allowed = patient, rhythm_labels.row(frozenset(allowed))
        self.stated = self.allowed if stated is None else rhythm_labels.row(frozenset({stated}))


def judged(*said):
    """Each (what is allowed, what is said)."""
    return Judged.of([Stub(str(k), *allowed.split()) for k, (allowed, _) in enumerate(said)], np.eye(8)[[RHYTHMS.index(call) for _, call in said]] * 0.9 + 0.0125)


def test_macro_f1_is_of_the_four_common_rhythms_and_leaves_out_what_is_not_told_apart():
    perfect = judged(("SB", "SB"), ("SR", "SR"), ("ST", "ST"), ("AFIB", "AFIB"))
    assert universal_figures.macro_f1(perfect) == 1
    assert universal_figures.macro_f1(judged(("SB", "SB"), ("SR", "SR"), ("ST", "ST"), ("AFIB", "AFIB"), ("SR SB", "AFIB"), ("AF", "AFIB"))) == 1
    assert universal_figures.macro_f1(judged(("SB", "SB"), ("SR", "SA"), ("ST", "ST"), ("AFIB", "AFIB"))) == pytest.approx(0.75)


def test_by_what_is_stated_a_contested_rhythm_counts():
    contested = Judged.of([Stub("a", "SR", "SB", stated="SR"), Stub("b", "SB"), Stub("c", "ST"), Stub("d", "AFIB")], np.eye(8)[[0, 0, 3, 2]])
    assert np.isnan(universal_figures.macro_f1(contested))  # nobody is in sinus rhythm for sure
    assert universal_figures.stated_f1(contested) == pytest.approx((2 / 3 + 0 + 1 + 1) / 4)


def test_the_area_under_the_curve_leaves_out_who_may_or_may_not_fibrillate():
    some = Judged.of([Stub("a", "AFIB"), Stub("b", "SR"), Stub("c", "AFIB", "AF"), Stub("d", "SR", "SA")], np.eye(8)[[2, 1, 1, 1]])
    assert universal_figures.afib_auc(some) == 1
    assert np.isnan(universal_figures.afib_auc(judged(("SR", "SR"))))


def test_rare_rhythms_are_those_of_few_patients():
    many = judged(*[("SR", "SR")] * 20, *[("SB", "SB")] * 19)
    assert "SR" not in universal_figures.rare(many)
    assert "SB" in universal_figures.rare(many)
    one_patient = Judged.of([Stub("the same", "SR") for _ in range(30)], np.eye(8)[[1] * 30])
    assert "SR" in universal_figures.rare(one_patient)


def test_an_interval_holds_its_figure_and_narrows_with_patients():
    few, lots = ([("SB", "SB"), ("SR", "SR"), ("ST", "SR"), ("AFIB", "AFIB")] * n for n in (5, 50))
    for given in (few, lots):
        low, high = universal_figures.interval(judged(*given), universal_figures.macro_f1)
        assert low <= universal_figures.macro_f1(judged(*given)) <= high
    widths = [np.diff(universal_figures.interval(judged(("SR", "SR"), ("SR", "SB"), *[("SB", "SB")] * n), universal_figures.accuracy)) for n in (4, 60)]
    assert widths[1] < widths[0]


@pytest.mark.data
def test_the_shipped_model_is_measured_on_the_fifth_it_has_not_seen(data_set):
    from ecgcore.training.universal_evaluate import evaluate

    found = evaluate("universal", data_set("chapman-samples"), "held-out")
    whole = found["subsets"]["12 leads"]
    assert set(found["subsets"]) == set(SUBSETS)
    assert 0 < whole["n"] == whole["patients"] <= 35
    assert 0 <= whole["right"] <= 1
