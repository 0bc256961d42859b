"""Models side by side on the Review page: with both, either or none of the papers' models; attention and what is said of it."""

import json

import pytest

from ecgcore import demo, settings, writers
from ecgcore.figures.clock import clock
from ecgcore.inference import cards
from ecgcore.store.reviews import Reviews
from pages.ui import cards as evidence
from pages.ui import desk, models
from pages.ui.panels import listing
from tests.window_models import CHECKS

DEFAULT = cards.read_card(cards.find("beats")).id  # as shipped


@pytest.fixture
def stored(store, tmp_path):
    """A recording with ectopic beats."""
    writers.write(demo.make_demo("demo-ectopy"), tmp_path / "ectopy.hea")
    return store.add({path.name: path.read_bytes() for path in tmp_path.glob("ectopy.*")})


@pytest.fixture
def panel(app, stored, install):
    """Opens the panel with some of the papers' models installed."""

    def open_panel(*names, **changes):
        install(*names, **changes)
        app.query_params["record"] = stored.id
        app.session_state["panel"] = "Models"
        return app.run().switch_page("pages/review.py").run()

    return open_panel


def compared(app):
    next(button for button in app.button if button.label == "Compare models").click().run()
    assert not app.exception
    assert not app.error
    return app


def text(app) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption)).replace("\\", "")


def maps(app) -> list[str]:
    return [element.proto.alt for element in app.get("plotly_chart") if "and the attention of" in element.proto.alt]


def test_nothing_is_computed_before_it_is_asked_for(panel):
    app = panel("neural_flow", "hadln")
    assert f"{DEFAULT}, neural_flow@1, hadln@1 can classify" in text(app)
    assert not maps(app)


def test_both_models_stand_beside_the_default(panel):
    app = compared(panel("neural_flow", "hadln"))
    (table,) = (element.value for element in app.markdown if element.value.startswith("| Model |"))
    header, _, *rows = (line.replace("\\", "").split(" | ") for line in table.splitlines())
    assert [name.strip("| ") for name in header] == ["Model", "N", "S", "V", "F", "Q"]
    assert [row[0].strip("| ") for row in rows] == [DEFAULT, "neural_flow@1", "hadln@1"]
    assert [cell.strip("| ") for cell in rows[1][4:]] == ["–", "–"]
    assert "Called alike: beats and neural_flow" in text(app)
    assert "on which they disagree" in text(app)
    assert len(maps(app)) == 2
    assert "no measurement of the heart" in text(app)
    assert "falls by 0.400 where the tenth with the most attention is flattened, by 0.100 for a tenth by chance" in text(app)
    assert "Not installed" not in text(app)


def test_checks_are_told_to_a_thousandth_with_a_true_minus(panel):
    app = compared(panel("hadln", checks={"attention deletion, highlighted": 0.0061, "attention deletion, random": -0.0042, "attention randomisation": -0.0004}))
    assert "falls by 0.006 where" in text(app)
    assert "by −0.004 for a tenth by chance; correlation with the map of random weights 0.000." in text(app)


def test_one_model_alone_says_which_is_not_there(panel):
    app = compared(panel("hadln"))
    assert "Not installed: neural_flow; train with python -m ecgcore train neural_flow." in text(app)
    assert len(maps(app)) == 1


def test_without_the_papers_models_there_is_nothing_to_compare(panel):
    app = panel()
    assert not app.exception
    assert "Not installed: neural_flow and hadln" in text(app)
    assert "Nothing to compare" in text(app)
    assert not any(button.label == "Compare models" for button in app.button)


@pytest.mark.parametrize("chance", [0.4, 0.5])
def test_a_map_no_better_than_chance_is_hidden_and_why_is_said(panel, chance):
    app = compared(panel("hadln", checks={**CHECKS, "attention deletion, random": chance}))
    assert not maps(app)
    assert "The map of hadln@1 is not shown: what it highlights was measured to matter no more" in text(app)


def test_a_map_that_was_not_checked_is_shown_as_such(panel):
    app = compared(panel("hadln", checks={}))
    assert len(maps(app)) == 1
    assert "Not checked" in text(app)


def test_a_beat_is_taken_by_its_time(panel, stored, store):
    app = compared(panel("neural_flow"))
    reading = Reviews(store).readings(stored.id)[0]
    app.text_input(key=f"models-at-{reading.id}").set_value("0:01:00").run()
    assert not app.exception
    (said,) = maps(app)
    assert "0:00:59" in said or "0:01:00" in said
    app.text_input(key=f"models-at-{reading.id}").set_value("noon").run()
    assert not app.exception
    assert maps(app) == [said]


def test_labels_are_not_computed_again_for_a_relabelled_beat(panel, stored, store, monkeypatch):
    import uuid

    from ecgcore.review import Relabel

    app = compared(panel("neural_flow"))
    reading = Reviews(store).readings(stored.id)[0]
    Reviews(store).edit(reading.id, "local", Relabel((int(Reviews(store).state(reading.id).samples[3]),), "F"), uuid.uuid4().hex)
    monkeypatch.setattr("ecgcore.side_by_side.compare", lambda *_: pytest.fail("classified again"))
    app.run()
    assert not app.exception
    assert "on which they disagree" in text(app)


def test_beats_are_found_by_another_model(panel, stored, store):
    app = panel("neural_flow")
    reading = Reviews(store).readings(stored.id)[0]
    choice = app.selectbox(key=f"model-{reading.id}-{DEFAULT}")
    assert choice.options == [f"{DEFAULT}: N S V F Q", "neural_flow@1: N S V"]
    choice.set_value("neural_flow@1")
    next(button for button in app.button if button.label == "Find beats again").click().run()
    assert not app.exception
    assert {(analysis.model, analysis.leads) for analysis in store.analyses(stored.id)} == {("beats", ("MLII", "V1")), ("neural_flow", ("MLII", "V1"))}
    labels = [metric.label for metric in app.metric]
    assert labels == ["Beats", "N beats", "S beats", "V beats", "Heart rate, 1/min"]
    assert "classified by neural_flow@1 on MLII" in app.metric[0].help.replace("\\", "")
    assert "knows the classes N, S, V only" in app.warning[0].value.replace("\\", "")
    assert "by the most probable of the classes N, S, V" in text(app)
    assert app.selectbox(key=f"model-{reading.id}-neural_flow@1").value == "neural_flow@1"
    for name in ("Events", "Places", "Shapes", "Measure", "History"):
        app.session_state["panel"] = name
        app.run()
        assert not app.exception
        assert not app.error


def test_a_class_that_only_a_reader_gave_is_counted(panel, stored, store):
    import uuid

    from ecgcore.review import Relabel

    app = panel("neural_flow")
    reading = Reviews(store).readings(stored.id)[0]
    app.selectbox(key=f"model-{reading.id}-{DEFAULT}").set_value("neural_flow@1")
    next(button for button in app.button if button.label == "Find beats again").click().run()
    sample = int(Reviews(store).state(reading.id).samples[3])
    Reviews(store).edit(reading.id, "local", Relabel((sample,), "F"), uuid.uuid4().hex)
    app.run()
    counts = {metric.label: metric.value for metric in app.metric}
    assert counts["F beats"].startswith("1 ")
    total = sum(int(value.split()[0].replace(",", "")) for label, value in counts.items() if label.endswith(" beats"))
    assert total == int(counts["Beats"].replace(",", ""))


def test_uncertain_beats_are_counted_with_how_that_was_got(app, stored, install):
    folder = install() / DEFAULT.partition("@")[2]
    card = cards.read_card(folder)
    cards.write_card(card.model_copy(update={"certain_from": 0.9, "uncertain": ((0.05, 0.01),)}), folder)
    app.query_params["record"] = stored.id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    (metric,) = (metric for metric in app.metric if metric.label == "Uncertain beats")
    assert 0 < int(metric.value.split()[0]) < 663
    assert "below 0.9" in metric.help.replace("\\", "")
    assert "of 5.0% flagged 1.0% of the others are wrong" in metric.help.replace("\\", "")
    assert settings.SHIPPED_WEIGHTS.name == "weights"


def test_uncertain_beats_are_listed_one_by_one_and_a_click_goes_there(app, stored, store, install, monkeypatch):
    folder = install() / DEFAULT.partition("@")[2]
    cards.write_card(cards.read_card(folder).model_copy(update={"certain_from": 0.9}), folder)
    app.query_params["record"] = stored.id
    app.run().switch_page("pages/review.py").run()
    (counted,) = (int(metric.value.split()[0]) for metric in app.metric if metric.label == "Uncertain beats")
    app.toggle(key="events_uncertain").set_value(True).run()
    assert not app.exception
    listed = app.dataframe[0].value
    assert list(listed.columns) == ["Time", "Class", "Probability"]
    assert len(listed) == counted > 1
    assert listed["Time"].is_monotonic_increasing
    assert (listed["Probability"] < 0.9).all()
    app.selectbox(key="uncertain_order").set_value("uncertainty").run()
    assert not app.exception
    least = app.dataframe[0].value
    assert least["Probability"].is_monotonic_increasing
    assert len(least) == counted

    monkeypatch.setattr(listing, "pick", lambda key, things, columns, on_pick, config: on_pick(things[0]))  # the first line is clicked
    app.run().run()  # the strip is drawn before the list, and goes there the next time
    assert not app.exception
    (strip,) = app.get("bidi_component")
    goto = json.loads(strip.proto.json or strip.proto.mixed.json)["goto"]
    assert clock(goto["time_s"], 2) == least["Time"][0]
    (sample,) = goto["select"]
    state = Reviews(store).state(Reviews(store).readings(stored.id)[0].id)
    assert state.labels[state.samples == sample].tolist() == [least["Class"][0]]


def test_a_trained_model_that_does_not_fit_spoils_no_page(app, home):
    folder = home / "models" / "beats" / "9"
    folder.mkdir(parents=True)
    before = models.classifiers(), models.compared()
    (folder / cards.CARD).write_text("{")
    assert (models.classifiers(), models.compared()) == before
    assert "beats@9" not in {card.id for card in evidence.known()}
    app.run().switch_page("pages/evidence.py").run()
    assert not app.exception
    assert not app.error


def test_which_version_is_in_use_follows_the_database_from_the_start(home):
    """A file that another database left says nothing here."""
    left = home / "models" / cards.IN_USE
    left.parent.mkdir(parents=True)
    left.write_text('{"beats": "9"}')
    desk.store()
    assert not left.exists()
    assert cards.read_card(cards.find("beats")).id == DEFAULT
