import json

import numpy as np
import pytest

from ecgcore import data, settings, writers
from ecgcore.demo import record_of, synthesise
from ecgcore.evaluation import cells
from ecgcore.evaluation.tables import Arm, Comparison, Published, Run, Table, write_table
from ecgcore.inference import cards as cards_file
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData, shipped
from pages.ui import cards, tables
from pages.ui import cells as page_cells

CARD = Card(
    name="made",
    version="1",
    task="beats",
    input=InputSpec(leads="any", fs_hz=180, samples=180, before_samples=70, units="mV", scaling="none", band_hz=(0.5, 40)),
    classes=("N", "V"),
    thresholds={},
    training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={"mitdb": ("102",)}, protocol="two folds", augmentation="none", seed=1),
    figures=(
        Figure(name="V F1, gross", value=0.9, spread=None, n=1, protocol="folds", split="DS1", command="python -m ecgcore train made"),
        Figure(name="VEB F1, gross", value=0.93, spread=0.004, n=3, protocol="EC57", split="DS2", command="python -m ecgcore evaluate made"),
        Figure(name="VEB F1, average", value=0.9, spread=0.01, n=3, protocol="EC57", split="DS2", command="python -m ecgcore evaluate made"),
        Figure(name="SVEB F1, gross", value=None, spread=None, n=3, protocol="EC57", split="DS2", command="python -m ecgcore evaluate made"),
        Figure(name="boast", value=0.99, spread=None, n=1, protocol=" ", split="", command=""),
    ),
    sha256="a" * 64,
    git_commit="abc",
    device="cpu",
    minutes=3,
    limits=("not for paced rhythm",),
    intended_use="a first sorting",
)


def test_figures_stand_with_how_they_were_measured_and_tests_come_first():
    test, choice = cards.figure_tables(CARD)
    assert (test.command, choice.command) == ("python -m ecgcore evaluate made", "python -m ecgcore train made")
    assert test.how == "**DS2** · EC57 · mean ± standard deviation of 3 runs"
    assert choice.how.endswith("one run")


def test_no_figure_without_its_protocol():
    assert not any("boast" in column for part in cards.figure_tables(CARD) for column in part.header)


def test_figures_that_a_table_tells_are_not_told_twice():
    (choice,) = cards.figure_tables(CARD, {"EC57"})
    assert choice.command == "python -m ecgcore train made"


def test_figures_have_spread_and_the_unknown_is_called_so():
    test, _ = cards.figure_tables(CARD)
    assert test.header == ("", "VEB F1", "SVEB F1")
    assert test.rows == (("gross", "**0.93** ± 0.004", "not established"), ("average", "**0.9** ± 0.01", ""))


def test_data_are_named_by_record():
    assert cards.data_lines(CARD) == ["two folds", "Learned from: mitdb, 2 records: 101 106", "Left out: mitdb, 1 records: 102", "Augmentation: none; seed 1"]


def test_the_page_shows_every_card(app):
    app.run().switch_page("pages/evidence.py").run()
    assert not app.exception
    assert not app.error
    assert [element.value.replace("\\", "") for element in app.subheader] == [card.id for card in shipped()]
    text = " ".join(element.value for element in app.markdown)
    for card in shipped():
        assert "Limits" in text
        assert card.sha256 in text


RUNS = {1: ((80, 5, 2), (3, 20, 1), (1, 2, 30)), 2: ((82, 3, 2), (4, 19, 1), (0, 2, 31))}


def table_of(split, tested=("one",), confusions=RUNS, published=()):
    """A table of one network over some seeds."""
    runs = tuple(Run(arm="flow", fold=None, seed=seed, n=sum(map(sum, matrix)), epochs=2, confusion=matrix) for seed, matrix in confusions.items())
    return Table(
        model="neural_flow@1", title=f"Beats {split}", split=split, protocol="made for a test", records={"mitdb": tested}, trained={"mitdb": ("101",)}, tested={"mitdb": tested},
        classes=("N", "S", "V"), arms=(Arm(name="flow", runs=runs),), published=published,
        comparisons=(Comparison(a="flow", b="none", figure="S PPV", difference=-1.5, spread=0.5, p=0.0004, n=2, test="paired t"),),
        command=f"python -m ecgcore train neural_flow {split}", git_commit="abc", device="cpu", minutes=2,
    )  # fmt: skip


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """The data set mitdb, with one record of beats N, V and A."""
    beats = [(0.6 + 0.8 * i, "NNNNVNNA"[i % 8]) for i in range(60)]
    writers.write(record_of("one", synthesise(beats, 50, ("V1", "II"), 250), beats, ("V1", "II"), 250), tmp_path / "data" / "mitdb" / "one.hea")
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "mitdb"


@pytest.fixture
def evidence(app, install):
    """The page with a tiny model and some tables beside it."""

    def open_page(*made):
        folder = install("neural_flow")
        for number, one in enumerate(made):
            write_table(one, folder, str(number))
        app.run().switch_page("pages/evidence.py").run()
        assert not app.exception
        return app

    return open_page


def texts(app):
    return [element.value.replace("\\", "") for element in (*app.markdown, *app.caption)]


def test_random_and_by_patient_stand_under_headings_of_their_own(evidence):
    published = (Published(name="the paper", figures={"S PPV": 71.58, "accuracy": 98.0}),)
    app = evidence(table_of("by patient"), table_of("random split", published=published))
    said = [element.value.replace("\\", "") for element in app.markdown]
    random, patient = said.index("#### Random split"), said.index("#### By patient")
    assert random < patient
    assert any("published:* the paper | – | – | – | *71.58*" in line for line in said[random:patient])
    assert not any("published" in line for line in said[patient:])
    assert not any("by patient" in line for line in said[random:patient])
    assert any("| flow − none | S PPV | −1.50 ± 0.50 | below 0.001 | 2 | paired t |" in line for line in said)
    assert "`python -m ecgcore train neural_flow by patient`" in said
    assert sum("made for a test. Mean ± standard deviation of 2 runs (seeds 1, 2), 144 beats tested in each" in text for text in texts(app)) == 2


def test_figures_have_mean_and_spread():
    header, rows = tables.overall(table_of("by patient"))
    accuracy = [100 * 130 / 144, 100 * 132 / 144]
    assert header[1] == "accuracy"
    assert rows[0][1] == f"**{np.mean(accuracy):.2f}** ± {np.std(accuracy, ddof=1):.2f}"
    header, rows = tables.by_class(table_of("by patient", confusions={1: RUNS[1]}))
    assert rows[1][:2] == ("**S**", "flow")
    assert rows[1][3] == f"**{100 * 20 / 24:.2f}**"


def test_a_cell_opens_the_beats_behind_it(evidence, data_folder):
    app = evidence(table_of("by patient"))
    assert any("As in the table: flow, seed 1, 144 beats" in text for text in texts(app))
    assert "**80**" in app.button(key="cell-neural_flow@1-0-N-N").label
    app.button(key="cell-neural_flow@1-0-N-N").click().run()
    assert not app.exception
    counts = {key: int(app.button(key=f"cell-neural_flow@1-0-{key}").label.split("**")[1]) for key in (f"{a}-{b}" for a in "NSV" for b in "NSV")}
    assert sum(counts.values()) == 60
    assert sum(counts[f"V-{called}"] for called in "NSV") == 7
    assert any("no run of the table: 60 beats here, 144 in flow, seed" in text for text in texts(app))
    assert any(text == f"**N called N: {counts['N-N']} beats**" for text in texts(app))


def test_a_run_that_is_the_same_here_is_said(evidence, data_folder, install):
    app = evidence(table_of("by patient"))
    counted = cells.classify_set("neural_flow", data_folder, ("one",)).confusion.matrix.tolist()
    write_table(table_of("by patient", confusions={**RUNS, 3: counted}), settings.SHIPPED_WEIGHTS / "neural_flow" / "1", "0")
    app.run()
    app.button(key="cell-neural_flow@1-0-V-V").click().run()
    assert not app.exception
    assert any("the same in every cell as flow, seed 3 of the table (60 beats)" in text for text in texts(app))


def test_beats_counted_before_are_not_counted_again(evidence, data_folder, monkeypatch):
    app = evidence(table_of("by patient"))
    app.button(key="cell-neural_flow@1-0-N-N").click().run()
    monkeypatch.setattr("ecgcore.evaluation.cells.classify_set", lambda *_: pytest.fail("counted again"))
    app.button(key="cell-neural_flow@1-0-V-V").click().run()
    assert not app.exception
    assert any(text.startswith("**V called V") for text in texts(app))


def test_without_the_recordings_it_says_how_to_get_them(evidence, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "nothing"))
    app = evidence(table_of("by patient"))
    assert any("python -m ecgcore data get mitdb" in info.value.replace("\\", "") for info in app.info)
    assert app.button(key="cell-neural_flow@1-0-N-N").disabled


def test_a_test_set_that_the_model_learned_from_is_not_shown_beat_by_beat():
    learned = table_of("by patient", tested=("101", "one"))
    assert page_cells.tests_of(CARD, (learned,)) == (page_cells.Test("mitdb", data.DS2, None),)
    (test,) = page_cells.tests_of(CARD, (table_of("by patient"),))
    assert (test.records, test.title) == (("one",), "Beats by patient")


def test_a_beat_is_opened_in_review(evidence, data_folder, monkeypatch):
    app = evidence(table_of("by patient"))
    monkeypatch.setattr("pages.ui.panels.listing._row", lambda event: 0)  # the first line is chosen
    app.button(key="cell-neural_flow@1-0-V-V").click().run()
    assert not app.exception
    (said,) = (element.proto.alt for element in app.get("plotly_chart") if element.proto.alt.startswith("II of one around the beat at 0:00:"))
    app.button(key="review-neural_flow@1-0").click().run()
    assert not app.exception
    assert app.title[0].value == "one"
    (strip,) = app.get("bidi_component")
    goto = json.loads(strip.proto.json or strip.proto.mixed.json)["goto"]
    assert goto["time_s"] == pytest.approx(float(said.split("0:00:")[1].split(":")[0]), abs=0.01)


def test_how_far_probabilities_can_be_believed_is_drawn(evidence):
    app = evidence()
    folder = cards_file.find("neural_flow")
    card = cards_file.read_card(folder)
    cards_file.write_card(card.model_copy(update={"reliability": ((0.6, 0.5, 10), (0.9, 0.95, 90)), "uncertain": ((0.1, 0.02),), "certain_from": 0.7}), folder)
    app.run()
    assert not app.exception
    said = [element.proto.alt for element in app.get("plotly_chart")]
    assert "Reliability of the most probable class: probability 60%, right 50.0% of 10 beats; probability 90%, right 95.0% of 90 beats." in said
    assert "Flagging: 10.0% flagged, 2.00% of the rest wrong." in said
    assert any("below 0.7" in text for text in texts(app))
