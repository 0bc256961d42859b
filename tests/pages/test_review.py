import json

import numpy as np
import pytest

from ecgcore import settings
from ecgcore.findings import Analysis
from ecgcore.store import Store


@pytest.fixture
def opened(app, files, store):
    """The Review page of a stored recording."""
    stored = store.add(files())
    app.query_params["record"] = stored.id
    return app.run().switch_page("pages/review.py").run()


def charts(app) -> list[dict]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def letters(app) -> list[str]:
    return [text for trace in charts(app)[0]["data"] if trace["name"].startswith("beats by beats@") for text in trace["text"]]


def test_no_record_in_hand_says_where_to_find_one(app):
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert "No record is open" in app.info[0].value


def test_beats_are_found_named_and_counted(opened, store):
    assert not opened.exception
    assert not opened.error
    assert opened.title[0].value == "one"
    assert len(letters(opened)) in (9, 10)
    assert set(letters(opened)) <= {f"<b>{name}</b>" for name in "NSVFQ"}
    metrics = {metric.label: metric for metric in opened.metric}
    assert int(metrics["Beats"].value) in range(38, 42)
    assert list(metrics) == ["Beats", *(f"{name} beats" for name in "NSVFQ"), "Heart rate, 1/min"]
    assert metrics["Heart rate, 1/min"].value.startswith("60 ")
    assert all(metric.help for metric in opened.metric)
    assert store.list()[0].latest.counts


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
    assert said[0].startswith("ECG, MLII, V1, 0:00:00 to 0:00:10, 25 mm/s · 10 mm/mV")
    assert said[1].startswith("Heart rate over the whole record")


def test_scale_and_filter_are_printed(opened):
    assert any("25 mm/s · 10 mm/mV" in caption.value and "0.05" in caption.value for caption in opened.caption)
    box = {box.label: box for box in opened.selectbox}
    box["Speed"].set_value(50.0)
    box["Gain"].set_value(20.0)
    box["Notch"].set_value(50.0)
    box["Filter"].set_value("ambulatory 0.5–40 Hz").run()
    assert not opened.exception
    assert any("50 mm/s · 20 mm/mV" in caption.value and "0.5–40 Hz, notch 50 Hz" in caption.value for caption in opened.caption)
    assert "0:00:00–0:00:05 of 0:00:40" in " ".join(line.value for line in opened.markdown)


def test_any_leads_in_any_order(opened, store):
    opened.multiselect[0].set_value(["V1"]).run()
    assert not opened.exception
    assert charts(opened)[0]["data"][0]["name"] == "V1"
    opened.multiselect[0].set_value(["V1", "MLII"]).run()
    assert [t["name"] for t in charts(opened)[0]["data"] if t["name"] in ("MLII", "V1")] == ["V1", "MLII"]
    assert {analysis.leads for analysis in store.analyses(store.list()[0].id)} == {("MLII", "V1"), ("V1",), ("V1", "MLII")}
    opened.multiselect[0].set_value([]).run()
    assert not opened.exception
    assert "at least one lead" in opened.info[0].value


def test_a_gap_is_said_to_be_missing(opened):
    opened.button(key="on").click().run()
    texts = [annotation["text"] for annotation in charts(opened)[0]["layout"]["annotations"]]
    assert "missing" in texts


def test_on_back_and_go_to(opened):
    opened.button(key="on").click().run()
    assert "0:00:10–0:00:20" in charts_alt(opened)
    opened.button(key="back").click().run()
    assert "0:00:00–0:00:10" in charts_alt(opened)
    assert opened.button(key="back").disabled
    opened.text_input(key="goto").set_value("0:25").run()
    assert "0:00:25–0:00:35" in charts_alt(opened)
    for wrong in ("soon", "9:00:00"):
        opened.text_input(key="goto").set_value(wrong).run()
        assert not opened.exception
        assert len(opened.toast) == 1
        assert "0:00:25–0:00:35" in charts_alt(opened)


def charts_alt(app) -> str:
    return app.get("plotly_chart")[0].proto.alt.replace(" to ", "–")


def test_next_and_previous_beat_of_a_class(opened, store):
    analysis = store.analysis(store.analyses(store.list()[0].id)[0].id)
    label = analysis.beats.labels[-1]
    opened.selectbox(key="wanted").set_value(label).run()
    opened.button(key="beat-Next").click().run()
    assert not opened.exception
    focus = opened.session_state["view"].focus_s
    assert focus in analysis.beats.samples[np.asarray(analysis.beats.labels) == label] / 250
    opened.button(key="beat-Next").click().run()
    assert opened.session_state["view"].focus_s > focus
    opened.button(key="beat-Previous").click().run()
    assert opened.session_state["view"].focus_s == focus


def test_a_second_visit_analyses_nothing(opened, app, store, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("analysed again")

    monkeypatch.setattr("ecgcore.analysis.analyze", refuse)
    app.run()
    assert not app.exception
    assert len(store.analyses(store.list()[0].id)) == 1


def test_a_stopped_analysis_waits_to_be_asked_again(app, files, store):
    stored = store.add(files())
    app.query_params["record"] = stored.id
    app.session_state["analysis_stopped"] = (stored.id, ("MLII", "V1"))
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert store.analyses(stored.id) == ()
    assert len(charts(app)) == 1
    next(button for button in app.button if button.label == "Find beats").click().run()
    assert len(store.analyses(stored.id)) == 1
    assert letters(app)


def test_without_a_model_the_signal_is_still_shown(app, files, store, monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "none")
    app.query_params["record"] = store.add(files()).id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    assert len(app.error) == 1
    assert "no model" in app.error[0].value
    assert len(charts(app)) == 1


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
    assert not app.get("plotly_chart")


def test_findings_can_be_taken_away(opened, store):
    from pages.ui.export import annotations

    analysis = store.analysis(store.analyses(store.list()[0].id)[0].id)
    assert Analysis.from_json(analysis.to_json(indent=1)) == analysis
    assert [button.label for button in opened.get("download_button")] == ["Findings (JSON)", "Beats (WFDB annotations)"]
    assert len(annotations(analysis)) >= 2 * len(analysis.beats)


@pytest.mark.data
def test_reference_annotations_stand_beside_the_model(app, store, data_set):
    folder = data_set("mitdb")
    stored = store.add({f"119{end}": (folder / f"119{end}").read_bytes() for end in (".hea", ".dat", ".atr")})
    app.query_params["record"] = stored.id
    app.run().switch_page("pages/review.py").run()
    next(box for box in app.selectbox if box.label == "Reference").set_value("atr").run()
    assert not app.exception
    names = [trace["name"] for trace in charts(app)[0]["data"]]
    assert "beats by atr" in names
    assert "| **V** | ventricular ectopic |" in " ".join(line.value for line in app.markdown)
    assert "| 444 |" in " ".join(line.value for line in app.markdown)
