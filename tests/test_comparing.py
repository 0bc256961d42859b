"""A new model against the current one: the same figures as evaluating each, site patients as one, what either has learned from said, and what was measured on its card."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from ecgcore import cli, comparing, comparison_sets, data, settings, writers
from ecgcore.comparing import compare_models, figures, onto_card
from ecgcore.data import LabelledBeats
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import InputError, ModelError
from ecgcore.evaluation.beats import evaluate_raw, evaluate_reference
from ecgcore.evaluation.comparison import NOT_SHOWN, Comparison
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.inference import cards
from ecgcore.site import SiteData, SiteRecord
from tests import rhythm_models, window_models
from tests.window_models import write_model

OFTEN_V = "NNNNVNNNVNNNNA"


def record(name, seed=0, duration_s=60.0):
    beats = [(0.6 + 0.8 * i, OFTEN_V[(i + 5 * seed) % len(OFTEN_V)]) for i in range(int((duration_s - 1) / 0.8))]
    return record_of(name, synthesise(beats, duration_s, ("V1", "II"), 250, seed=seed), beats, ("V1", "MLII"), 250)


def labelled(made):
    truth = made.annotation("atr")
    return LabelledBeats(made, truth.samples, tuple(AAMI_OF_MIT[code] for code in truth.symbols), truth.symbols)


def of_site(*records):
    """(patient, record, part) of a data set version 4."""
    made = [SiteRecord(labelled(one), np.zeros(len(one.annotation("atr")), bool), patient, part) for patient, one, part in records]
    return SiteData(4, "5" * 64, tuple(made))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """neural_flow@1; @2, its copy; @3, which finds next to no V; @4, fine-tuned from 1 on a public record and a patient of the site; hadln@1 and universal@1."""
    root = tmp_path_factory.mktemp("models")
    first = write_model(root, "neural_flow")
    write_model(root, "hadln")
    rhythm_models.write_model(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_models, "USUAL_HEIGHT", {"neural_flow": 2.0})
        deaf = write_model(root / "deaf", "neural_flow")
    for version, source, changes in (("2", first, {}), ("3", deaf, {}), ("4", first, {"parent": "neural_flow@1"})):
        folder = root / "neural_flow" / version
        shutil.copytree(source, folder)
        card = window_models.card_of("neural_flow", folder).model_copy(update={"version": version, **changes})
        trained = {"svdb": ("800",), "site 3": ("Ann",)} if version == "4" else card.training.trained
        cards.write_card(card.model_copy(update={"training": card.training.model_copy(update={"trained": trained})}), folder)
    return root


@pytest.fixture
def here(models, tmp_path, monkeypatch):
    """The models as those trained here, no shipped ones, and no public data."""
    home = tmp_path / "home"
    shutil.copytree(models, home / "models")
    monkeypatch.setenv("LEADWISE_HOME", str(home))
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "none")
    return tmp_path


@pytest.fixture
def site():
    """Ann with two recordings and Ben with one held out; Cem is learned from."""
    return of_site(("Ann", record("a1"), "held out"), ("Ben", record("b", 1), "held out"), ("Ann", record("a2", 2), "held out"), ("Cem", record("c", 3), "trained"))


def put(folder, name, made):
    writers.write(replace(made, name=name), folder / f"{name}.hea")


def test_the_held_out_patients_of_a_site_each_as_one(here, site):
    told = []
    found = compare_models("neural_flow@3", "neural_flow@1", site=site, progress=lambda share, what: told.append((share, what)))
    (one,) = found.sets
    assert (one.name, one.split, found.site, found.task) == ("site 4", "site 4 held out, by patient", 4, "beats")
    assert sorted((patient.name, patient.n) for patient in one.patients) == [("Ann", 146), ("Ben", 73)]
    assert one.figure("QRS Se").n == 219  # nothing is left out of recordings shorter than ten minutes
    assert one.figure("VEB Se").new < 0.3 < 0.9 < one.figure("VEB Se").current
    assert one.mcnemar.c > one.mcnemar.b
    assert len(found.refusals) == 1
    assert "VEB sensitivity on site 4 falls" in found.refusals[0]
    assert found.verdict == NOT_SHOWN  # of two patients
    assert any("Fewer than 6 patients" in said for said in one.caveats)
    assert [share for share, _ in told] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert found.command == "python -m ecgcore compare neural_flow@3 neural_flow@1 --site 4"
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_the_same_weights_show_no_difference(here, site):
    found = compare_models("neural_flow@2", "neural_flow@1", site=site)
    (one,) = found.sets
    assert {figure.difference for figure in one.figures} == {0.0, None}  # neither calls any beat S
    assert (one.mcnemar.b, one.mcnemar.c, one.mcnemar.p, found.verdict, found.refusals) == (0, 0, 1.0, NOT_SHOWN, ())


def test_figures_are_those_of_evaluating_each_model(here):
    """Beats are found once for both; a public record counts from its sixth minute on."""
    for name, seed in (("100", 0), ("103", 1)):
        put(here / "data" / "mitdb", name, record(name, seed, 330.0))
    found = compare_models("neural_flow@3", "neural_flow@1")
    (one,) = found.sets
    assert any("Only 2 of its 22 records are on this machine (100, 103)" in said for said in one.caveats)
    assert one.split.endswith("2 of 22 records")
    assert any("svdb is not on this machine; get it with: python -m ecgcore data get svdb" in said for said in found.caveats)
    assert any("class F or Q" in said for said in found.caveats)
    assert 0 < one.figure("QRS Se").n < 100 < one.n_beats
    for model, side in (("neural_flow@3", "new"), ("neural_flow@1", "current")):
        raw = evaluate_raw(model, data.locate("mitdb"), ("100", "103")).as_dict()["gross"]
        names = {
            f"{what.upper()} {short}": f"{what}_{long}" for what in ("qrs", "veb", "sveb") for short, long in (("Se", "sensitivity"), ("+P", "positive_predictivity"), ("F1", "f1"))
        }
        measured = {figure.name: getattr(figure, side) for figure in one.figures}
        assert measured == {name: None if raw[key] is None else pytest.approx(raw[key] / 100, abs=1e-5) for name, key in names.items()}
    for model, side in (("neural_flow@3", "right_new"), ("neural_flow@1", "right_current")):
        given = evaluate_reference(model, data.locate("mitdb"), ("100",)).as_dict()["gross"]["accuracy"]
        assert next(getattr(patient, side) for patient in one.patients if patient.name == "100") == pytest.approx(given / 100, abs=1e-5)


def test_whom_a_model_learned_from_is_said(here, site):
    ancestor, _ = comparison_sets.learned_from(cards.read_card(cards.find("neural_flow@4")))
    assert ancestor == {"svdb": {"800"}, "site 3": {"Ann"}, "mitdb": {"101", "106"}}
    (one,) = compare_models("neural_flow@4", "neural_flow@1", site=site).sets
    assert (one.learned_new, one.learned_current) == (("Ann",), ())
    assert one.favours_new
    assert any("neural_flow@4 learned from 1 of these 2 patients, neural_flow@1 from none of them; the comparison favours neural_flow@4" in said for said in one.caveats)
    assert any("fine-tuned from neural_flow@1" in said for said in one.caveats)
    assert any("could not be looked at: mitdb is not on this machine" in said for said in one.caveats)
    (back,) = compare_models("neural_flow@1", "neural_flow@4", site=site).sets
    assert not back.favours_new


def test_a_copy_of_a_record_learned_from_is_known_again(here, site):
    put(here / "data" / "mitdb", "101", record("101", 1))  # what Ben's recording holds
    put(here / "data" / "mitdb", "106", record("106", 9))
    (one,) = compare_models("neural_flow@2", "neural_flow@1", site=site).sets
    assert (one.learned_new, one.learned_current) == (("Ben",), ("Ben",))
    assert any("Both have learned from 1 of these 2 patients" in said for said in one.caveats)


def test_201_is_the_patient_of_202(here):
    card = cards.read_card(cards.find("neural_flow@1"))
    trained = card.training.model_copy(update={"trained": {"mitdb": ("101", "201")}})
    assert comparison_sets.learned_from(card.model_copy(update={"training": trained}))[0] == {"mitdb": {"101", "201", "202"}}


def test_a_parent_that_is_gone_is_said(here):
    card = cards.read_card(cards.find("neural_flow@1")).model_copy(update={"parent": "neural_flow@0.9"})
    _, unknown = comparison_sets.learned_from(card)
    assert "neural_flow@0.9, which is not on this machine" in unknown


@pytest.mark.parametrize(
    ("new", "current", "said"),
    [
        ("neural_flow@1", "universal@1", "two models of one task compare"),
        ("narrow@1", "neural_flow@1", "know the same of S and V"),
        ("other@1", "universal@1", "know the same classes"),
    ],
)
def test_models_that_do_not_fit_are_refused(here, new, current, said):
    for name, source, changes in (("narrow", "neural_flow", {"classes": ("N", "V")}), ("other", "universal", {"classes": ("SR", "AFIB")})):
        folder = here / "home" / "models" / name / "1"
        shutil.copytree(here / "home" / "models" / source / "1", folder)
        raw = json.loads((folder / cards.CARD).read_text())
        (folder / cards.CARD).write_text(json.dumps({**raw, "name": name, **changes}))
    with pytest.raises(InputError, match=said):
        compare_models(new, current)


def test_without_any_set_it_says_how_to_get_one(here):
    with pytest.raises(InputError, match="python -m ecgcore data get mitdb"):
        compare_models("neural_flow@2", "neural_flow@1")
    with pytest.raises(InputError, match="holds out no patient"):
        compare_models("neural_flow@2", "neural_flow@1", site=of_site(("Cem", record("c"), "trained")))


def test_models_with_other_classes_compare_on_those_of_both(here, site):
    found = compare_models("hadln@1", "neural_flow@1", site=site)
    assert "Beats of class F or Q" in found.caveats[-1]
    assert found.sets[0].n_beats == 219


def test_a_recording_without_a_beat_is_no_hindrance(here):
    silent = record_of("flat", np.zeros((1, 15_000)), [], ("MLII",), 250)
    (one,) = compare_models("neural_flow@3", "neural_flow@1", site=of_site(("Dan", silent, "held out"))).sets
    assert (one.n_beats, one.figure("VEB Se").new, one.calibration_new.ece, one.patients[0].change) == (0, None, None, 0.0)


def test_rhythm_models_compare_by_their_cards(here):
    found = compare_models("universal@1", "universal@1")
    assert (found.sets, found.verdict, found.refusals) == ((), NOT_SHOWN, ())
    assert "no figure of one name, protocol and split in common" in found.caveats[0]


def test_what_was_measured_stands_on_the_card_of_a_model_trained_here(here, site):
    found = compare_models("neural_flow@3", "neural_flow@1", site=site)
    before = cards.read_card(cards.find("neural_flow@3")).figures
    card = onto_card(found)
    onto_card(found)
    assert cards.read_card(cards.find("neural_flow@3")) == card
    written = {figure.name: figure for figure in card.figures[len(before) :]}
    assert card.figures[: len(before)] == before
    assert len(written) == len(card.figures) - len(before) == 10
    figure = written["VEB Se, gross"]
    assert (figure.value, figure.n, figure.split, figure.command) == (found.sets[0].figure("VEB Se").new, 1, "site 4 held out, by patient", found.command)
    assert written[comparing.ECE].protocol.startswith("reference beat positions")
    assert {one.name: one.value for one in figures(found, new=False)}["VEB Se, gross"] == found.sets[0].figure("VEB Se").current


def test_nothing_of_patients_learned_from_stands_on_a_card(here, site):
    found = compare_models("neural_flow@4", "neural_flow@1", site=site)
    assert figures(found) == ()
    assert len(figures(found, new=False)) == 10
    assert onto_card(found) == cards.read_card(cards.find("neural_flow@4"))


def test_cards_of_shipped_models_and_of_other_weights_stay_as_they_are(here, site, monkeypatch):
    found = compare_models("neural_flow@2", "neural_flow@1", site=site)
    with pytest.raises(ModelError, match="compare it anew"):
        onto_card(found.model_copy(update={"new_sha256": "0" * 64}))
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", here / "home" / "models")
    card = onto_card(found)
    assert card.figures == cards.read_card(here / "home" / "models" / "neural_flow" / "2").figures
    assert not any(figure.split.startswith("site") for figure in card.figures)


def test_the_verb_prints_a_table_or_json(here, capsys):
    put(here / "data" / "mitdb", "100", record("100", 0, 400.0))
    assert cli.main(["compare", "neural_flow@3", "neural_flow@1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("neural_flow@3 against neural_flow@1: no difference shown")
    assert "refused VEB sensitivity on mitdb DS2 falls" in said
    assert "lost most" in said
    assert cli.main(["compare", "neural_flow@3", "neural_flow@1", "--json"]) == 0
    assert Comparison.model_validate_json(capsys.readouterr().out).new == "neural_flow@3"
    assert cli.main(["compare", "neural_flow@3", "neural_flow@1", "--site", "7"]) == 2
    assert "7" in capsys.readouterr().err


@pytest.mark.data
def test_the_shipped_models_on_a_real_record(data_set, tmp_path, monkeypatch):
    """The copy in integers is told from its original, and is as it is evaluated."""
    mitdb = data_set("mitdb")
    (tmp_path / "mitdb").mkdir()
    for path in mitdb.glob("200.*"):
        (tmp_path / "mitdb" / path.name).symlink_to(path.resolve())
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path))
    found = compare_models("beats-int8@2", "beats@2")
    (one,) = found.sets
    assert (one.n_patients, one.n_beats, found.refusals) == (1, 2601, ())
    assert 0.9 < one.figure("VEB Se").new == pytest.approx(evaluate_raw("beats-int8@2", tmp_path / "mitdb", ("200",)).as_dict()["gross"]["veb_sensitivity"] / 100, abs=1e-5)
    assert one.mcnemar.b + one.mcnemar.c > 0
    assert one.learned_new == one.learned_current == ()
    assert "names any of these 1 patients" in one.caveats[1]
