"""The command line as its users call it: what it prints, and one line for what goes wrong."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from ecgcore.analysis import analyze
from ecgcore.cli import main
from ecgcore.demo import DEMOS, write_demos
from ecgcore.findings import Analysis, Reconstruction
from ecgcore.inference import cards
from ecgcore.readers import read
from ecgcore.reconstructed import Accepted
from ecgcore.review import State
from ecgcore.settings import ROOT
from ecgcore.writers.review import Provenance, review_json


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_demos(folder)
    return folder


def said(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def refused(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith("ecgcore: ")
    assert err.count("\n") == 1
    return err


def test_info(demo, capsys):
    header = json.loads(said(capsys, "info", demo / "demo-12-lead.hea"))
    assert header["format"] == "WFDB"
    assert header["leads"][:3] == ["I", "II", "III"]
    assert (header["fs_hz"], header["n_samples"], header["duration_s"]) == (500, 5000, 10)
    assert header["annotations"] == {"atr": 11}


def test_analyze_json_is_the_analysis(demo, capsys):
    data = json.loads(said(capsys, "analyze", demo / "demo-ectopy", "--leads", "MLII", "--json"))
    assert {"record", "leads", "beats", "rhythm", "quality", "timing_s"} <= set(data)
    assert {"samples", "labels", "probabilities", "counts", "model"} <= set(data["beats"])
    assert data["leads"] == ["MLII"]
    assert Analysis.from_json(json.dumps(data)).beats == analyze(read(demo / "demo-ectopy"), ["MLII"]).beats


def test_analyze_summary_counts_and_disclaims(demo, capsys):
    text = said(capsys, "analyze", demo / "demo-artefacts")
    assert "leads II, V1, V5" in text
    assert "physician's over-read" in text


def test_atr_is_read_by_any_wfdb_tool(demo, tmp_path, capsys):
    import wfdb

    data = json.loads(said(capsys, "analyze", demo / "demo-ectopy", "--json", "--atr", tmp_path / "out"))
    written = wfdb.rdann(str(tmp_path / "out" / "demo-ectopy"), "lw")
    assert written.sample.tolist() == data["beats"]["samples"]
    assert written.symbol == data["beats"]["codes"]


def test_convert_names_what_was_reconstructed(demo, tmp_path, capsys):
    analysis = analyze(read(demo / "demo-ectopy"), ["MLII"])
    signal = np.zeros(100, np.float32)
    made = Reconstruction("wonhee@1", "MLII", "gap", 500, 600, analysis.record.fs_hz, signal, signal - 1, signal + 1)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    state = State.first(analysis.beats, analysis.record.fs_hz)
    provenance = Provenance("demo-ectopy", "0" * 64, "x.hea", ("MLII",), "beats@2", "0" * 64, "d", "r", (), None, 0, None, "0.2.0", at)
    (tmp_path / "r.json").write_text(review_json(state, (), analysis, provenance, [Accepted("1", made, "anna@x", at)]), "utf-8")
    paths = said(capsys, "convert", demo / "demo-ectopy", tmp_path / "x.hea", "--review", tmp_path / "r.json").split()
    assert paths[-1].endswith("x.reconstructed.csv")
    assert "gap by wonhee@1, accepted by anna@x" in (tmp_path / "x.hea").read_text()
    assert "is another recording" in refused(capsys, "convert", demo / "demo-12-lead", tmp_path / "y.hea", "--review", tmp_path / "r.json")
    (tmp_path / "r.zip").write_bytes(b"PK\xff\xfe")
    assert "r.zip is not text" in refused(capsys, "convert", demo / "demo-ectopy", tmp_path / "y.hea", "--review", tmp_path / "r.zip")


def test_convert_there_and_back(demo, tmp_path, capsys):
    said(capsys, "convert", demo / "demo-12-lead", tmp_path / "x.csv")
    said(capsys, "convert", tmp_path / "x.csv", tmp_path / "y.hea")
    assert (read(tmp_path / "y").mv() == read(demo / "demo-12-lead").mv()).all()


def test_demo_and_models(tmp_path, capsys):
    said(capsys, "demo", tmp_path / "new")
    assert {path.stem for path in (tmp_path / "new").glob("*.hea")} == set(DEMOS)
    assert "beats@" in said(capsys, "models")


def test_evaluate_on_demo_records(demo, capsys):
    figures = json.loads(said(capsys, "evaluate", "beats", "--data", demo, "--records", "demo-ectopy"))
    assert figures["gross"]["qrs_f1"] == 100
    assert figures["model"].startswith("beats@")
    reference = json.loads(said(capsys, "evaluate", "beats", "--data", demo, "--records", "demo-ectopy", "--reference-beats", "--leads", "first"))
    assert reference["gross"]["V_sensitivity"] >= 90
    detection = json.loads(said(capsys, "evaluate", "qrs", "--data", demo, "--records", "demo-ectopy", "--against", "sleepecg"))
    assert set(detection["detectors"]) == {"slope-envelope@1", "sleepecg"}


@pytest.mark.data
def test_evaluate_intervals(data_set, capsys):
    figures = json.loads(said(capsys, "evaluate", "intervals", "--data", data_set("ludb"), "--records", "2,4"))
    assert (figures["n_records"], set(figures["records"])) == (2, {"2", "4"})
    assert set(figures["methods"]["spatial-activity@1"]["global"]) == {"p", "pr", "qrs", "qt"}


def test_evaluate_writes_onto_a_card_what_its_command_gives_again(demo, tmp_path, monkeypatch, capsys):
    copy = shutil.copytree(cards.find("beats"), tmp_path / "models" / "beats" / "9")
    cards.write_card(cards.read_card(cards.find("beats")).model_copy(update={"version": "9"}), copy)
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path))
    before = cards.read_card(cards.find("beats@9")).figures
    summary = json.loads(said(capsys, "evaluate", "beats@9,beats", "--data", demo, "--records", "demo-ectopy", "--to-card"))
    assert summary["gross"]["veb_f1"]["spread"] == 0
    said(capsys, "evaluate", "beats@9,beats", "--data", demo, "--records", "demo-ectopy", "--to-card")
    added = cards.read_card(cards.find("beats@9")).figures[len(before) :]
    assert len(added) == 18
    assert {figure.n for figure in added} == {2}
    assert {figure.command for figure in added} == {
        f"python -m ecgcore train beats --seed 1 && python -m ecgcore evaluate beats@9,{cards.read_card(cards.find('beats')).id} --data .data/{demo.name} --records demo-ectopy"
    }
    assert next(figure.value for figure in added if figure.name == "QRS F1, gross") == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("info", "nowhere/100"), "nowhere/100"),
        (("analyze", "{demo}/demo-ectopy", "--leads", "V6"), "it has MLII, V1"),
        (("analyze", "{demo}/demo-ectopy", "--model", "magic"), "no model 'magic'"),
        (("convert", "{demo}/demo-ectopy", "out.mp3"), ".edf"),
        (("evaluate", "beats", "--data", "{demo}", "--records", "ds2"), "it has demo-12-lead"),
        (("evaluate", "qrs", "--data", "{demo}", "--records", "all", "--against", "magic"), "xqrs"),
        (("evaluate", "qrs", "--data", "{demo}", "--records", "all", "--reference-beats"), "do not go with"),
        (("evaluate", "intervals", "--data", "{demo}", "--records", "all", "--leads", "II"), "do not go with"),
        (("evaluate", "intervals", "--data", "{demo}"), "all, odd, even"),
        (("train", "magic"), "beats"),
        (("data", "get", "magic"), "mitdb"),
    ],
)
def test_errors_are_one_line_that_says_what_would_be_right(demo, capsys, arguments, message):
    assert message in refused(capsys, *(argument.format(demo=demo) for argument in arguments))


def test_a_csv_that_leaves_out_facts_names_the_flags(tmp_path, capsys):
    (tmp_path / "bare.csv").write_text("0.1,0.2\n0.2,0.3\n0.3,0.1\n")
    assert "--fs" in refused(capsys, "info", tmp_path / "bare.csv")
    header = json.loads(said(capsys, "info", tmp_path / "bare.csv", "--fs", "250", "--units", "mV", "--lead-names", "I,II"))
    assert header["leads"] == ["I", "II"]


def test_as_a_process(demo):
    done = subprocess.run([sys.executable, "-m", "ecgcore", "info", str(demo / "no.hea")], capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603 - our own words
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_is_no_error(demo):
    command = f"{sys.executable} -m ecgcore analyze {demo / 'demo-ectopy'} --json | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S602 - our own words
    assert done.stdout == '{"record": '[:10]
    assert done.stderr == ""
