"""The Rhythm page: what is called on which leads, what other leads tell, the course of a long recording, and what is accepted."""

import json
import threading

import numpy as np
import pytest

from ecgcore import demo, settings, writers
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.inference import cards
from ecgcore.leads import STANDARD
from ecgcore.rhythm_findings import RHYTHMS, LeadChecks, Rhythm, RhythmSpan, RhythmTrend
from ecgcore.store.reviews import Reviews
from pages.ui import access, desk, export, hand
from pages.ui.rhythm import accepting, choosing, words
from tests.rhythm_models import CERTAIN_FROM, write_model

FOLLOW = "rhythm-follow"


@pytest.fixture
def model(install, tmp_path):
    """A tiny model that tells the rhythm stands where shipped models do."""
    install()
    return write_model(tmp_path / "weights")


@pytest.fixture
def put(store, tmp_path):
    """Stores a demo recording."""

    def add(name: str):
        writers.write(demo.make_demo(name), tmp_path / f"{name}.hea")
        return store.add({path.name: path.read_bytes() for path in tmp_path.glob(f"{name}.*")})

    return add


@pytest.fixture
def at(app, put, model):
    """Opens a demo recording on the Rhythm page, with its beats found on Review before that, or not."""

    def open_page(name: str = "demo-af", *, reviewed: bool = False):
        stored = put(name)
        app.query_params["record"] = stored.id
        app.run()
        if reviewed:
            app.switch_page("pages/review.py").run()
        app.switch_page("pages/rhythm.py").run()
        assert not app.exception
        return app, stored.id

    return open_page


def said(app) -> str:
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.subheader)
    return " ".join(element.value for kind in kinds for element in kind).replace("\\", "")


def chart(app, key: str) -> dict:
    """A figure as the browser gets it."""
    (found,) = [one for one in app.get("plotly_chart") if key in one.proto.id]
    return json.loads(found.proto.spec)


def table(app, column: str):
    """The table that has a column of this name."""
    (found,) = [one.value for one in app.dataframe if column in one.value.columns]
    return found


def choose(app, *leads: str):
    app.pills(key="rhythm-leads").set_value(list(leads)).run()
    assert not app.exception
    return app


def follow(app, record_id: str, leads: tuple[str, ...] = ("I", "II", "V1")):
    """Have the rhythm followed, and run again when that is done."""
    app.button(key=FOLLOW).click().run()
    desk.rhythm_trend(record_id, leads, "universal@1").thread.join(60)
    app.run()
    assert not app.exception
    return app


def state_of(store, record_id: str):
    reviews = Reviews(store)
    return reviews.state(reviews.readings(record_id)[0].id)


# One stretch


def test_no_record_in_hand_says_where_to_find_one(app):
    app.run().switch_page("pages/rhythm.py").run()
    assert not app.exception
    assert "No record is open" in app.info[0].value


def test_without_a_model_the_page_says_so_and_still_prints_the_record(app, put, install):
    install()
    app.query_params["record"] = put("demo-12-lead").id
    app.run().switch_page("pages/rhythm.py").run()
    assert not app.exception
    assert not app.error
    assert "Train it with: python -m ecgcore train universal" in said(app)
    assert [trace["name"] for trace in chart(app, "rhythm-print")["data"]][:12] == list(STANDARD)
    assert "shapes" not in chart(app, "rhythm-print")["layout"]


def test_a_card_that_does_not_fit_is_said_in_one_line(at):
    app, _ = at()
    (settings.SHIPPED_WEIGHTS / "universal" / "1" / "card.json").write_text("{}")
    app.run()
    assert not app.exception
    assert "the card of universal@1 does not fit" in app.error[0].value.replace("\\", "")


def test_the_rhythm_is_called_with_all_probabilities_the_model_and_its_evidence(at):
    app, _ = at("demo-af")
    assert app.subheader[0].value == "Atrial fibrillation"
    assert "**AFIB** with a probability of **>0.99**" in said(app)
    assert len(chart(app, "rhythm-probabilities")["data"][0]["y"]) == len(RHYTHMS)
    assert f"universal@1 on {', '.join(STANDARD)}, 0:00:00.0 to 0:00:10.0." in said(app)
    assert f"A rhythm is called from {CERTAIN_FROM:g} on, chosen on held-out patients. Measured on too few patients to be called: AT." in said(app)
    assert "Figures of universal@1 on Evidence" in [link.proto.label.replace("\\", "") for link in app.get("page_link")]


def test_what_is_not_sure_is_said_with_why_and_the_most_probable_only_as_that(at):
    app, _ = at("demo-12-lead")
    choose(app, "I")
    assert app.subheader[0].value == "Not sure"
    assert "The most probable rhythm has 60%, below the 75% from which one is called." in said(app)
    assert "Most probable, not called: sinus rhythm (SR) **0.60**" in said(app)
    assert app.button(key="rhythm-accept").disabled


def test_other_leads_change_what_is_told_and_what_is_shaded(at):
    app, _ = at("demo-12-lead")
    first = chart(app, "rhythm-print")
    choose(app, "II", "V1")
    second = chart(app, "rhythm-print")
    assert (len(first["layout"]["shapes"]), len(second["layout"]["shapes"])) == (12, 2)
    assert {"<b>II</b> 67 %", "<b>V1</b> 33 %", "<b>I</b>"} <= {note["text"] for note in second["layout"]["annotations"]}
    assert "Leads drawn pale were not looked at." in said(app)
    assert app.session_state["rhythm-leads"] == ["II", "V1"]


def test_no_lead_chosen_says_what_to_do(at):
    app, _ = at()
    choose(app)
    assert "Choose a lead above" in said(app)
    assert len(app.dataframe) == 0


def test_both_checks_stand_beside_the_weights(at):
    app, _ = at("demo-12-lead")
    assert "Without II, the heaviest, the probability falls by " in said(app)
    assert "Correlation with the weights of a network with random weights −1.000: passed" in said(app)
    assert len(app.warning) == 0
    choose(app, "II")
    assert "One lead has all the weight there is" in said(app)


def test_weights_that_fail_a_check_are_muted_and_why_is_said(at, monkeypatch):
    app, _ = at("demo-12-lead")
    monkeypatch.setattr("ecgcore.rhythm._checked", lambda *_: LeadChecks("II", 0.01, 0.02, 0.7))
    choose(app, "I", "II", "V1")
    assert "Not to be believed: without II the probability falls by 0.010" in app.warning[0].value.replace("\\", "")
    assert "they are like those of a network with random weights (correlation 0.70)" in app.warning[0].value.replace("\\", "")
    assert "shapes" not in chart(app, "rhythm-print")["layout"]
    assert chart(app, "rhythm-weights")["data"][0]["marker"]["pattern"]["shape"] == "/"
    assert "The checks of the weights failed: nothing is shaded." in said(app)


def test_usual_subsets_and_each_lead_left_out_stand_side_by_side(at):
    app, _ = at("demo-12-lead")
    subsets, without = table(app, "Leads"), table(app, "Without")
    assert list(subsets["Leads"]) == ["All 12 leads", "Six limb leads", "I, II, V1", "I, II", "II", "I"]
    assert subsets["Rhythm"].iloc[0] == "sinus rhythm"
    assert subsets["Rhythm"].iloc[-1].startswith("not sure: the most probable rhythm has 60%")
    assert list(without["Without"]) == list(STANDARD)
    fall = dict(zip(without["Without"], without["Change"], strict=True))
    assert min(fall, key=fall.get) == "II"
    assert fall["III"] == 0


def test_a_record_of_two_leads_has_the_subsets_it_has(app, store, files, model):
    app.query_params["record"] = store.add(files()).id
    app.run().switch_page("pages/rhythm.py").run()
    assert not app.exception
    assert list(table(app, "Leads")["Leads"]) == ["All 2 leads", "MLII"]
    assert list(table(app, "Without")["Without"]) == ["MLII", "V1"]


def test_a_lead_that_is_nothing_but_gap_is_said_so(app, store, model):
    files = {"absent.hea": b"absent 1 250 5000\nabsent.dat 16 200/mV 16 0 0 0 0 II\n", "absent.dat": np.full((5000, 1), -32768, "<i2").tobytes()}
    app.query_params["record"] = store.add(files).id
    app.run().switch_page("pages/rhythm.py").run()
    assert not app.exception
    assert app.subheader[0].value == "Not sure"
    assert "Every lead chosen is flat or missing here." in said(app)


def test_a_record_too_short_is_said_in_one_line(app, store, files, model):
    app.query_params["record"] = store.add(files("four", ("II",), 4)).id
    app.run().switch_page("pages/rhythm.py").run()
    assert not app.exception
    assert "a stretch of 4 s has no one rhythm to tell; 5 to 60 s have" in app.error[0].value.replace("\\", "")


def test_nothing_is_computed_twice(at, monkeypatch):
    app, _ = at("demo-12-lead")

    def never(*_args, **_how):
        raise AssertionError("asked again")

    monkeypatch.setattr("ecgcore.rhythm.rhythm_of", never)
    app.run()
    assert not app.exception


def test_what_was_chosen_outlives_a_look_at_another_page_but_not_another_record(at, put):
    app, _ = at("demo-12-lead")
    choose(app, "V1", "II")
    app.switch_page("pages/restore.py").run()
    app.switch_page("pages/rhythm.py").run()
    assert app.session_state["rhythm-leads"] == ["V1", "II"]
    app.query_params["record"] = put("demo-af").id
    app.run()
    assert app.session_state["rhythm-leads"] == list(STANDARD)


# A long recording


def test_a_long_recording_is_followed_only_when_that_is_asked_for(at, monkeypatch):
    asked = []
    monkeypatch.setattr("ecgcore.rhythm.rhythm_along", lambda *args, **how: asked.append(args))
    app, _ = at("demo-paroxysmal-af")
    assert "universal@1 goes through all of the 0:10:00 in windows of 10 s on I, II, V1." in said(app)
    assert app.subheader[0].value == "Sinus rhythm"  # of the first 10 s
    assert asked == []


def test_burden_course_and_spans_of_a_long_recording(at):
    app, record_id = at("demo-paroxysmal-af", reviewed=True)
    follow(app, record_id)
    metrics = {one.label: one for one in app.metric}
    found = desk.rhythm_trend(record_id, ("I", "II", "V1"), "universal@1").found
    assert (metrics["AF burden"].value, metrics["Judged"].value) == (f"{found.share('AFIB'):.1%}", f"{found.judged:.1%}")
    assert found.share("AFIB") == pytest.approx(230 / 600, abs=0.03)
    help_text = metrics["AF burden"].help.replace("\\", "")
    assert "as a share of all windows in which a rhythm is called: 0:09:50 of 0:10:00." in help_text
    assert "1 × the most probable rhythm has" in metrics["Judged"].help.replace("\\", "")
    assert metrics["Longest AF"].value == "0:01:50"
    assert [trace["name"] for trace in chart(app, "rhythm-course")["data"]] == ["SR", "AFIB", "not sure", "windows"]
    spans = table(app, "Lasts")
    assert list(spans["Rhythm"]) == ["SR", "AFIB", "AFIB", "SR"]
    assert list(spans["From"]) == ["0:00:00", "0:03:10", "0:05:10", "0:07:00"]


def test_how_far_it_is_is_said_and_it_can_be_stopped(at, monkeypatch):
    seen, go = threading.Event(), threading.Event()

    def slow(record, leads=None, *, model="universal", progress=None):
        progress(0.4, "telling the rhythm")
        seen.set()
        go.wait(20)
        progress(0.9, "telling the rhythm")
        raise AssertionError("it was stopped")

    monkeypatch.setattr("ecgcore.rhythm.rhythm_along", slow)
    app, record_id = at("demo-paroxysmal-af")
    app.button(key=FOLLOW).click().run()
    seen.wait(10)
    app.run()
    making = desk.rhythm_trend(record_id, ("I", "II", "V1"), "universal@1")
    assert (making.running, making.share, making.text) == (True, 0.4, "telling the rhythm")
    assert app.subheader[0].value == "Sinus rhythm"  # the page goes on meanwhile
    next(button for button in app.button if button.label == "Stop").click().run()
    go.set()
    making.thread.join(10)
    app.run()
    assert not app.exception
    assert (making.found, making.error) == (None, None)
    assert app.button(key=FOLLOW).label == "Follow the rhythm along the record"


def test_what_goes_wrong_on_the_way_is_said_in_one_line(at, monkeypatch):
    from ecgcore.errors import InputError

    def fails(*_args, **_how):
        raise InputError("no lead can be read")

    monkeypatch.setattr("ecgcore.rhythm.rhythm_along", fails)
    app, record_id = at("demo-paroxysmal-af")
    follow(app, record_id)
    assert [error.value for error in app.error] == ["no lead can be read"]
    assert app.button(key=FOLLOW)


def test_other_leads_leave_the_course_as_it_was_until_it_is_asked_for_anew(at):
    app, record_id = at("demo-paroxysmal-af")
    follow(app, record_id)
    choose(app, "I")
    assert chart(app, "rhythm-course")["data"][0]["name"] == "SR"
    assert "universal@1 on I, II, V1, by windows of 10 s" in said(app)
    app.button(key="rhythm-again").click().run()
    desk.rhythm_trend(record_id, ("I",), "universal@1").thread.join(60)
    app.run()
    assert "universal@1 on I, by windows of 10 s" in said(app)
    anew = desk.rhythm_trend(record_id, ("I",), "universal@1").found
    assert {one.label: one.value for one in app.metric}["Judged"] == f"{anew.judged:.1%}"
    assert anew.judged < 0.5


def test_a_stretch_of_a_long_recording_is_chosen_by_its_ends(at):
    app, _ = at("demo-paroxysmal-af")
    app.number_input(key="rhythm-to").set_value(250.0).run()
    assert "a stretch of 250 s has no one rhythm to tell; 5 to 60 s have" in app.error[0].value.replace("\\", "")
    app.number_input(key="rhythm-from").set_value(200.0).run()
    assert not app.error
    assert app.subheader[0].value == "Atrial fibrillation"
    assert "The first 10 s of the stretch." in said(app)


# What is accepted


def pick(app, trend: RhythmTrend, at: int):
    """As a click on a line of the list does."""
    app.session_state["rhythm-span"] = trend.spans()[at]
    app.run()
    return app


def test_a_span_is_accepted_shown_on_review_exported_and_taken_back(at, store):
    app, record_id = at("demo-paroxysmal-af", reviewed=True)
    follow(app, record_id)
    assert app.button(key="rhythm-accept").disabled
    assert "Choose a span in the list. What is not sure cannot be accepted." in said(app)
    trend = desk.rhythm_trend(record_id, ("I", "II", "V1"), "universal@1").found
    pick(app, trend, 1)
    assert app.button(key="rhythm-accept").label == "Accept AFIB 0:03:10 to 0:05:00"
    app.button(key="rhythm-accept").click().run()
    assert not app.exception
    assert not app.error
    (item,) = state_of(store, record_id).items
    assert (item.kind, item.text, item.start, item.stop, item.author) == ("rhythm", "AFIB", 190 * 250, 300 * 250, "local")
    assert "Rhythm marks of this reading: AFIB 0:03:10 to 0:05:00 by local." in said(app)
    assert list(table(app, "Marked")["Marked"]) == ["", "AFIB", "", ""]
    (event,) = Reviews(store).events(Reviews(store).readings(record_id)[0].id)
    assert event.said == "rhythm AFIB accepted: universal@1 on I, II, V1, probability 0.97"

    held = hand.take(access.LOCAL, Reviews(store).readings(record_id)[0])
    assert b"(AFIB" in export.annotation_file(held)
    assert "universal@1 on I, II, V1" in export.review_json(held)
    app.switch_page("pages/review.py")
    app.session_state["panel"] = "History"
    app.run()
    assert app.dataframe[0].value["What"].iloc[0].startswith("rhythm AFIB accepted")

    app.switch_page("pages/rhythm.py").run()
    app.button(key="rhythm-back").click().run()
    assert state_of(store, record_id).items == ()
    assert app.button(key="rhythm-accept")


def test_the_one_rhythm_of_a_short_recording_is_accepted_on_the_leads_as_chosen(at, store):
    app, record_id = at("demo-af", reviewed=True)
    choose(app, "II", "V1")
    app.button(key="rhythm-accept").click().run()
    assert not app.error
    (item,) = state_of(store, record_id).items
    assert (item.text, item.start, item.stop) == ("AFIB", 0, 5000)
    (event,) = Reviews(store).events(Reviews(store).readings(record_id)[0].id)
    assert event.note.startswith("universal@1 on II, V1, probability ")


def test_what_is_not_sure_is_refused_even_where_choice_and_click_arrive_together(at, store):
    app, record_id = at("demo-12-lead", reviewed=True)
    app.pills(key="rhythm-leads").set_value(["I"])
    app.button(key="rhythm-accept").click().run()
    assert "no rhythm is called, so none can be accepted: the most probable rhythm has 60%" in said(app)
    assert state_of(store, record_id).items == ()


def test_where_no_reading_has_begun_the_page_says_where_it_does(at):
    app, _ = at("demo-af")
    assert app.button(key="rhythm-accept").disabled
    assert accepting.NO_READING in said(app)
    assert "Open it on Review" in [link.proto.label for link in app.get("page_link")]


def test_who_may_not_edit_sees_but_does_not_accept(at, store, monkeypatch):
    app, record_id = at("demo-af", reviewed=True)
    monkeypatch.setitem(access.PERMISSIONS, "admin", access.PERMISSIONS["admin"] - {"edit"})
    app.run()
    assert app.subheader[0].value == "Atrial fibrillation"
    assert app.button(key="rhythm-accept").disabled
    assert "the role admin may look but not edit" in said(app)
    assert state_of(store, record_id).items == ()


def test_nothing_is_accepted_into_a_signed_reading(at, store):
    app, record_id = at("demo-af", reviewed=True)
    reviews = Reviews(store)
    reviews.sign(reviews.readings(record_id)[0].id, "local", "read")
    app.run()
    assert app.button(key="rhythm-accept").disabled
    assert "signed off as version 1 by local" in said(app)


# Words


def found(doubt: str = "", checks: LeadChecks | None = None, leads=("I", "II", "V1")) -> Rhythm:
    return Rhythm({label: 0.9 if label == "SR" else 0.1 / 7 for label in RHYTHMS}, dict.fromkeys(leads, 1 / len(leads)), leads, "universal@1", 0.0, 10.0, doubt, checks)


def test_weights_of_two_leads_are_not_checked_and_that_is_said():
    assert words.check_lines(None, ("I", "II")) == ["Not checked, for the weights of fewer than three leads have nothing to be compared by: not to be relied on."]
    assert words.not_believed(None) == ""


def test_what_is_not_judged_has_no_burden():
    rows = np.full((3, len(RHYTHMS)), 1 / 8, np.float32)
    nowhere = RhythmTrend(
        "universal@1", ("I",), RHYTHMS, 10.0, 30.0, np.arange(3) * 10.0, rows, ("noise on every lead: much",) * 2 + ("2 beats were found here; a rhythm takes 3",)
    )
    assert words.burden(nowhere)[0] == "not judged"
    assert words.longest(nowhere)[0] == "none"
    assert words.judged(nowhere)[1].endswith("Windows that are not sure: 2 × noise on every lead; 1 × 2 beats were found here; a rhythm takes 3.")


def test_a_span_longer_than_a_minute_is_shown_by_its_first_minute(monkeypatch):
    kept: dict = {}
    monkeypatch.setattr(choosing.st, "session_state", kept)
    record = demo.make_demo("demo-paroxysmal-af")
    choosing.choose_stretch(record, RhythmSpan("SR", 0.0, 190.0, 0.9))
    assert (kept["rhythm-from"], kept["rhythm-to"]) == (0.0, 60.0)
    choosing.choose_stretch(record, RhythmSpan("SR", 595.0, 600.0, 0.9))
    assert (kept["rhythm-from"], kept["rhythm-to"]) == (590.0, 600.0)


def test_the_demos_say_what_they_hold():
    short, long = demo.make_demo("demo-af"), demo.make_demo("demo-paroxysmal-af")
    assert (short.leads, short.duration_s, long.leads, long.duration_s) == (STANDARD, 10.0, ("I", "II", "V1"), 600.0)
    marks = long.annotation("atr")
    assert [(sample / 250, note) for sample, note in zip(marks.samples.tolist(), marks.notes, strict=True) if note] == [(0, "(N"), (190, "(AFIB"), (420, "(N")]
    beats = marks.samples[[symbol in AAMI_OF_MIT for symbol in marks.symbols]] / 250
    spread = [np.std(np.diff(beats[(beats > start) & (beats < stop)])) for start, stop in ((0, 190), (191, 419))]
    assert spread[1] > 3 * spread[0]
    assert np.diff(beats).min() > 0.3


def test_the_shipped_card_has_what_the_page_needs():
    known = next((card for card in cards.shipped() if card.name == words.MODEL), None)
    if known is None:
        pytest.skip("no weights of universal are shipped yet")
    assert known.classes == RHYTHMS
    assert known.certain_from is not None
    assert known.control_sha256 is not None
