import json
import uuid

import pytest

from ecgcore import settings
from ecgcore.review import Relabel
from ecgcore.store import Store
from ecgcore.store.reviews import Reviews


@pytest.fixture
def opened(app, files, store):
    """The Review page of a stored recording."""
    stored = store.add(files())
    app.query_params["record"] = stored.id
    return app.run().switch_page("pages/review.py").run()


@pytest.fixture
def reading(opened, store):
    """The shared reading that the first visit began."""
    return Reviews(store).readings(store.list()[0].id)[0]


def strip_of(app) -> dict:
    """What the strip in the browser is told."""
    (element,) = app.get("bidi_component")
    return json.loads(element.proto.json or element.proto.mixed.json)


def metrics(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_no_record_in_hand_says_where_to_find_one(app):
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert "No record is open" in app.info[0].value


def test_beats_are_found_named_and_counted(opened, store):
    assert not opened.exception
    assert not opened.error
    assert opened.title[0].value == "one"
    assert int(metrics(opened)["Beats"]) in range(38, 42)
    assert [label for label in metrics(opened) if label != "Uncertain beats"] == ["Beats", *(f"{name} beats" for name in "NSVFQ"), "Heart rate, 1/min"]
    assert metrics(opened)["Heart rate, 1/min"].startswith("60 ")
    assert all(metric.help for metric in opened.metric)
    assert store.list()[0].latest.counts


def test_the_strip_is_told_what_it_may_show(opened, reading):
    told = strip_of(opened)
    assert told["base"] == f"/strip/{reading.record_id}"
    assert told["record"]["leads"] == told["record"]["first_leads"] == ["MLII", "V1"]
    assert (told["record"]["fs_hz"], told["record"]["n_samples"]) == (250.0, 10_000)
    assert told["reading"] == {"id": reading.id, "seq": 0, "editable": True, "why_not": ""}
    assert [mark[0] for mark in told["quality"] if mark[3] == "missing"] == ["V1"]
    assert told["default_filter"] in [band["name"] for band in told["filters"]]
    assert told["palette"]["beats"].keys() == set("NSVFQP")


def test_how_a_probability_becomes_a_class_is_said(opened):
    said = " ".join(caption.value for caption in opened.caption).replace("\\", "")
    assert "a beat is called V from p(V) = " in said
    assert "whatever the greatest probability" in said


def test_what_casts_doubt_is_said(app, files, store):
    app.query_params["record"] = store.add(files("short", leads=("EEG",), duration_s=4)).id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert "No channel is named as an ECG lead" in app.warning[0].value.replace("\\", "")
    assert "Only 4 beats" in app.warning[0].value


def test_every_chart_has_a_text_for_those_who_do_not_see_it(opened):
    said = [element.proto.alt for element in opened.get("plotly_chart")]
    assert said
    assert all(said)
    assert any(text.startswith("Heart rate over the whole record") for text in said)


def test_counts_and_burden_follow_an_edit_at_once(opened, reading, store):
    samples = Reviews(store).state(reading.id).samples[:4]
    before = int(metrics(opened)["V beats"].split()[0])
    Reviews(store).edit(reading.id, "local", Relabel(tuple(int(s) for s in samples), "V"), uuid.uuid4().hex)
    opened.run()
    assert int(metrics(opened)["V beats"].split()[0]) == before + 4
    assert strip_of(opened)["reading"]["seq"] == 1
    assert "4 beats by readers" in strip_of(opened)["author_line"]


def test_beats_found_on_other_leads_keep_what_a_reader_did(opened, reading, store):
    reviews = Reviews(store)
    first = int(reviews.state(reading.id).samples[3])
    reviews.edit(reading.id, "local", Relabel((first,), "V"), uuid.uuid4().hex)
    opened.run()
    opened.multiselect(key=f"leads-{reading.id}").set_value(["V1"])
    next(button for button in opened.button if button.label == "Find beats again").click().run()
    assert not opened.exception
    assert {analysis.leads for analysis in store.analyses(reading.record_id)} == {("MLII", "V1"), ("V1",)}
    state = Reviews(store).state(reading.id)
    assert state.codes[list(state.samples).index(first)] == "V"
    assert strip_of(opened)["reading"]["seq"] == 2


def test_signing_freezes_and_amending_opens_again(opened, reading, store):
    next(button for button in opened.button if button.label == "Sign off").click().run()
    assert not opened.exception
    assert strip_of(opened)["reading"]["editable"] is False
    assert "signed off as version 1" in strip_of(opened)["reading"]["why_not"]
    opened.text_input(key=f"amend-{reading.id}").set_value("second thoughts").run()
    next(button for button in opened.button if button.label == "Amend").click().run()
    assert not opened.exception
    assert strip_of(opened)["reading"]["editable"] is True
    assert [signed.version for signed in Reviews(store).signoffs(reading.id)] == [1]


def test_a_statement_that_arrives_with_the_click_is_signed(opened, reading, store):
    opened.text_input(key=f"statement-{reading.id}").set_value(" read twice ")
    next(button for button in opened.button if button.label == "Sign off").click().run()
    assert not opened.exception
    assert [signed.statement for signed in Reviews(store).signoffs(reading.id)] == ["read twice"]


def test_history_can_be_replayed(opened, reading, store):
    samples = Reviews(store).state(reading.id).samples
    for sample in samples[:3]:
        Reviews(store).edit(reading.id, "local", Relabel((int(sample),), "V"), uuid.uuid4().hex)
    opened.session_state["panel"] = "History"
    opened.run()
    now = int(metrics(opened)["V beats"].split()[0])
    opened.slider[0].set_value(1).run()
    assert not opened.exception
    assert int(metrics(opened)["V beats"].split()[0]) == now - 2
    assert strip_of(opened)["base"].endswith("/at/1")
    assert strip_of(opened)["reading"]["editable"] is False


@pytest.mark.parametrize("panel", ["Events", "Places", "Shapes", "Models", "Measure", "History"])
def test_each_panel_opens(opened, panel):
    opened.session_state["panel"] = panel
    opened.run()
    assert not opened.exception
    assert not opened.error


def test_a_group_of_beats_is_relabelled_at_once(opened, reading, store):
    opened.session_state["panel"] = "Shapes"
    opened.run()
    next(button for button in opened.button if button.label == "Group beats by shape").click().run()
    assert not opened.exception
    assert any(element.proto.alt.startswith("Mean beat and its spread by shape") for element in opened.get("plotly_chart"))
    opened.button(key="select-group").click().run()
    chosen = strip_of(opened)["goto"]["select"]
    assert len(chosen) > 30
    opened.button(key="group-to-V").click().run()
    assert not opened.exception
    state = Reviews(store).state(reading.id)
    assert all(code == "V" for sample, code in zip(state.samples.tolist(), state.codes, strict=True) if sample in chosen)
    assert len(Reviews(store).events(reading.id)) == 1


def test_a_second_visit_analyses_nothing(opened, app, store, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("analysed again")

    monkeypatch.setattr("ecgcore.analysis.analyze", never)
    app.run()
    assert not app.exception
    assert metrics(app)["Beats"]
    assert len(store.analyses(store.list()[0].id)) == 1


def test_a_stopped_analysis_waits_to_be_asked_again(app, files, store):
    stored = store.add(files())
    app.query_params["record"] = stored.id
    app.session_state["analysis_stopped"] = (stored.id, ("MLII", "V1"), "beats")
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert store.analyses(stored.id) == ()
    assert strip_of(app)["reading"] is None
    next(button for button in app.button if button.label == "Find beats").click().run()
    assert len(store.analyses(stored.id)) == 1
    assert strip_of(app)["reading"]


def test_without_a_model_the_signal_is_still_shown(app, files, store, monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "none")
    app.query_params["record"] = store.add(files()).id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert len(app.error) == 1
    assert "no model" in app.error[0].value
    assert strip_of(app)["reading"] is None


@pytest.mark.parametrize("damage", ["unknown", "missing", "damaged"])
def test_a_record_that_cannot_be_opened_is_said_in_one_line(app, files, store: Store, home, damage):
    stored = store.add(files())
    path = home / "blobs" / stored.files[0].sha256[:2] / stored.files[0].sha256
    if damage == "missing":
        path.unlink()
    elif damage == "damaged":
        path.write_bytes(b"something else")
    app.query_params["record"] = "0" * 32 if damage == "unknown" else stored.id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert len(app.error) == 1
    assert not app.get("bidi_component")


@pytest.mark.data
def test_reference_annotations_stand_beside_the_reading(app, store, data_set):
    folder = data_set("mitdb")
    stored = store.add({f"119{end}": (folder / f"119{end}").read_bytes() for end in (".hea", ".dat", ".atr")})
    app.query_params["record"] = stored.id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert strip_of(app)["annotators"] == ["atr"]
    (row,) = [line for cell in app.markdown for line in cell.value.splitlines() if line.startswith("| **V**")]
    assert "| 0.99" in row
    assert "| 445 | 444 | 444 |" in row
