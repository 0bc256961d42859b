"""Where a model sees ectopic beats: the panel of the Review page, what the strip is told, and what comes where a check fails, nothing is found or no model is there."""

import json
import struct
import sys
import threading
import types

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ecgcore import demo, settings, writers
from ecgcore.errors import InputError
from ecgcore.findings import EctopyMap, MapChecks, Place
from ecgcore.inference import cards
from ecgcore.inference.cards import Figure, InputSpec
from ecgcore.review import State
from ecgcore.store.reviews import Reviews
from pages.ui import desk, maps, routes, tokens
from pages.ui.making import Making, Stopped
from tests.ectopy_maps import DELETION, PASSED, RANDOMISATION, STEP_S, map_of, write_card

RECORD = demo.make_demo("demo-ectopy")
BEATS = RECORD.annotation("atr")
V_S = (BEATS.samples[[symbol == "V" for symbol in BEATS.symbols]] / RECORD.fs_hz).tolist()
S_S = (BEATS.samples[[symbol == "A" for symbol in BEATS.symbols]] / RECORD.fs_hz).tolist()
ASK = "Show where the model sees ectopic beats"


def both(**changes):
    """Three V places, one of which is on a normal beat, and two of class S."""
    normal = float(BEATS.samples[1] / RECORD.fs_hz)
    at = [(V_S[0], "V", 0.7, PASSED), (V_S[1], "V", 0.9, PASSED), (normal, "V", 0.4, PASSED), (S_S[0], "S", 0.6, PASSED), (S_S[1], "S", 0.5, PASSED)]
    return map_of(RECORD, [changes.get(f"at{i}", one) for i, one in enumerate(at)], {"V": changes.get("v", MapChecks(0.47, 0.04, 0.13)), "S": changes.get("s", PASSED)})


# What is said of a map


def test_a_place_that_fails_a_check_has_no_band_and_why_is_counted():
    found = both(at0=(V_S[0], "V", 0.7, DELETION), at1=(V_S[1], "V", 0.9, RANDOMISATION))
    assert [place.label for place in maps.shown(found)] == ["V", "S", "S"]
    (said,) = maps.hidden_lines(found)
    assert said.startswith("2 of 3 places of class V have no band: flattened, what they highlight matters no more than other parts (1); ")
    assert said.endswith("the map of random weights looks the same there (1).")
    _, rows = maps.check_rows(found)
    assert {name: cells for name, *cells in rows}["Bands, of places"] == ["1 of 3", "2 of 2"]


def test_a_class_that_fails_has_no_band_at_all():
    found = both(s=MapChecks(0.3, 0.05, 0.56))
    assert {place.label for place in maps.shown(found)} == {"V"}
    assert maps.hidden_lines(found) == ["No band of class S is shown: it looks like the map of a network with random weights (correlation 0.56)."]
    told = maps.for_strip(found, found.labels)
    assert told["checks"] == ["V 3: deletion 0.47, elsewhere 0.04; random weights r 0.13", "S hidden: fails its checks"]
    assert (told["query"], told["step_s"]) == ("lead=MLII&model=segmenter%401", pytest.approx(0.02))


def test_a_class_without_places_has_no_checks():
    found = map_of(RECORD, [], {"V": None, "S": None})
    header, rows = maps.check_rows(found)
    assert header == ("", "V", "S")
    assert {cells for name, *pair in rows for cells in pair} == {"0 of 0", "–"}
    assert maps.for_strip(found, found.labels)["checks"] == ["V nowhere", "S nowhere"]
    assert maps.hidden_lines(found) == []


def test_the_beat_at_a_place_is_one_of_its_class_if_there_is_one():
    found = both()
    samples, labels = maps.of_annotation(BEATS)
    assert maps.beats_at(found, found.places, samples, labels, RECORD.fs_hz) == [{"V": "V", "S": "S"}[p.label] if p.strength > 0.4 else "N" for p in found.places]
    none = np.zeros(0, np.int64)
    assert maps.beats_at(found, found.places, none, np.zeros(0, "<U1"), RECORD.fs_hz) == [""] * 5
    far = np.array([found.places[0].sample + RECORD.fs_hz])
    assert maps.beats_at(found, found.places[:1], far, np.array(["V"]), RECORD.fs_hz) == [""]


def test_how_many_places_hold_such_a_beat_is_said():
    state = State(0, BEATS.samples, np.array(BEATS.symbols, "<U1"), np.full(len(BEATS), "m@1", object), (), "m@1", RECORD.fs_hz)
    said = maps.agreement(both(), state)
    assert said.startswith("Of 3 V places with a band 2 hold a beat that is V in this reading, 1 another beat, 0 none.")
    assert "Of 2 S places with a band 2 hold a beat that is S" in said


def measured(tmp_path, **ppv):
    """A card that says of each class how many of its places were right on unseen patients; a tenth of the beats have one."""
    figures = [
        Figure(name=f"{label} {what}", value=value, spread=0.01, n=10, protocol="p", split=maps.UNSEEN, command="c")
        for label, right in ppv.items()
        for what, value in (("sensitivity", 0.1), ("PPV", right))
    ]
    return write_card(tmp_path, figures=tuple(figures))


def test_a_class_that_was_mostly_wrong_is_drawn_only_if_the_reader_chooses_it(tmp_path):
    known = measured(tmp_path, V=0.874, S=0.138)
    assert maps.doubtful(known) == ("S",)
    v, s = maps.worth_lines(known)
    assert v == "V: 10% of the beats have a place, 87% of the places are right (by patient, mitdb ds2, 10 trainings)."
    assert s.endswith("14% of the places are right (by patient, mitdb ds2, 10 trainings). **Not to be relied on**; drawn only if you choose it.")
    assert maps.for_strip(both(), ["V"])["unasked"] == ["V"]


def test_what_was_not_measured_is_said_so(tmp_path):
    known = measured(tmp_path, V=0.5)
    assert maps.doubtful(known) == ()
    assert maps.worth_lines(known)[1] == "S: not measured on unseen patients."


def unpacked(body: bytes, labels=("V", "S")):
    n, steps = struct.unpack_from("<2I", body)
    assert len(body) == 8 + 25 * n + steps
    start, stop, peak, first, count = np.frombuffer(body, "<i4", 5 * n, 8).reshape(5, n)
    classes, strength = np.frombuffer(body, np.uint8, 2 * n, 8 + 20 * n).reshape(2, n)
    checks = np.frombuffer(body, np.int8, 3 * n, 8 + 22 * n).reshape(3, n)
    return start, stop, peak, first, count, [labels[at] for at in classes], strength, checks, np.frombuffer(body, np.uint8, steps, 8 + 25 * n)


def test_packed_places_are_those_of_the_map():
    found = both(at4=(S_S[1], "S", 0.5, DELETION))
    start, stop, peak, first, count, labels, strength, checks, profile = unpacked(maps.packed(found, RECORD.fs_hz))
    kept = maps.shown(found)
    assert list(start) == sorted(start)
    assert [(p.start_sample, p.stop_sample, p.sample, p.label) for p in kept] == list(zip(start, stop, peak, labels, strict=True))
    np.testing.assert_allclose(strength / 255, [p.strength for p in kept], atol=1 / 500)
    assert checks[:, 0].tolist() == [41, 3, 12]
    assert profile.size == count.sum()
    step = 2 * STEP_S * RECORD.fs_hz
    for at, place in enumerate(kept):
        own = profile[count[:at].sum() : count[: at + 1].sum()]
        assert first[at] * step <= place.start_sample < (first[at] + 1) * step
        assert (first[at] + count[at]) * step >= place.stop_sample
        assert abs((first[at] + own.argmax() + 0.5) * step - place.sample) <= 2 * step
        assert own.max() / 255 == pytest.approx(place.strength, abs=0.02)


def test_a_map_without_places_and_one_at_the_very_end_are_packed_too():
    assert maps.packed(map_of(RECORD, [], {"V": None}), RECORD.fs_hz) == struct.pack("<2I", 0, 0)
    n = RECORD.n_samples
    last = Place("V", n - 1, n - 1, n, 0.5, PASSED)
    found = EctopyMap("segmenter@1", ("MLII",), ("V",), STEP_S, np.full((1, round(RECORD.duration_s / STEP_S)), 0.5, np.float32), {"V": 0.3}, (last,), {"V": PASSED})
    _, _, _, _, count, *_, profile = unpacked(maps.packed(found, RECORD.fs_hz))
    assert (count.tolist(), profile.size) == ([1], 1)


def test_a_map_of_a_day_is_small_for_the_browser():
    steps = round(86_400 / 0.02)
    places = tuple(Place("V", 250 * k, 250 * k - 30, 250 * k + 30, 0.8, PASSED) for k in range(1, 40_001))
    found = EctopyMap("segmenter@1", ("II",), ("V",), 0.02, np.zeros((1, steps), np.float32), {"V": 0.3}, places, {"V": PASSED})
    assert len(maps.packed(found, 250.0)) < 2_000_000


def test_a_model_is_offered_the_leads_it_takes():
    spec = InputSpec(leads=("V1", "II"), fs_hz=360.0, samples=2000, before_samples=0, units="mV", scaling="", band_hz=(0.5, 40.0), windowing="segments")
    card = cards.shipped()[0]
    assert maps.leads_for(card.model_copy(update={"input": spec}), RECORD, ("MLII", "V1")) == ("V1",)
    assert maps.leads_for(card.model_copy(update={"input": spec.model_copy(update={"leads": "any"})}), RECORD, ("V1",)) == ("V1", "MLII")


# The making of a map


def test_a_map_is_made_once_and_tells_how_far_it_is():
    went, made, heard = threading.Event(), [], []

    def make(told):
        told(0.5, "half")
        heard.append((making.share, making.text))
        went.wait(10)
        made.append(1)
        return both()

    making = Making(make)
    assert (making.running, making.found) == (False, None)
    making.start()
    making.start()
    went.set()
    making.thread.join(10)
    making.start()
    assert (made, heard, making.running, making.error) == ([1], [(0.5, "half")], False, None)
    assert making.found is not None


def test_a_stopped_map_is_not_made_and_can_be_begun_anew():
    at, go = threading.Event(), threading.Event()

    def make(told):
        at.set()
        go.wait(10)
        told(0.9, "nearly")
        return both()

    making = Making(make)
    making.start()
    at.wait(10)
    making.stop()
    go.set()
    making.thread.join(10)
    assert (making.found, making.error) == (None, None)
    making.start()
    making.thread.join(10)
    assert making.found is not None
    assert issubclass(Stopped, Exception)


# The panel


@pytest.fixture
def stored(store, tmp_path):
    """A recording with ectopic beats and its reference."""
    writers.write(RECORD, tmp_path / "ectopy.hea")
    return store.add({path.name: path.read_bytes() for path in tmp_path.glob("ectopy.*")})


@pytest.fixture
def locate(monkeypatch):
    """What the model would find is what a test says; how often it was asked is counted."""
    module, asked = types.ModuleType("ecgcore.ectopy"), []

    def made(record, leads=None, *, model="segmenter", progress=None):
        asked.append((record.name, leads, model))
        progress(0.5, "looking")
        if isinstance(module.found, Exception):
            raise module.found
        return module.found

    module.locate, module.asked, module.found = made, asked, both()
    monkeypatch.setitem(sys.modules, "ecgcore.ectopy", module)
    return module


@pytest.fixture
def panel(app, stored, install):
    """Opens the panel with the model installed."""

    def open_panel(installed=True):
        install()
        if installed:
            write_card(settings.SHIPPED_WEIGHTS)
        app.query_params["record"] = stored.id
        app.session_state["panel"] = "Places"
        return app.run().switch_page("pages/review.py").run()

    return open_panel


def shown(app, record_id):
    """Ask, and run again when the map is there."""
    next(button for button in app.button if button.label == ASK).click().run()
    desk.ectopy_map(record_id, "MLII", "segmenter@1").thread.join(10)
    app.run()
    assert not app.exception
    return app


def text(app) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption)).replace("\\", "")


def strip_of(app) -> dict:
    (element,) = app.get("bidi_component")
    return json.loads(element.proto.json or element.proto.mixed.json)


def listed(app):
    return app.dataframe[0].value


def test_without_the_model_the_panel_says_so_and_nothing_breaks(panel):
    app = panel(installed=False)
    assert not app.exception
    assert not app.error
    assert "No model that makes maps is installed: weights/segmenter is missing." in text(app)
    assert not any(button.label == ASK for button in app.button)
    assert strip_of(app)["bands"] is None


def test_a_card_that_does_not_fit_is_said_in_one_line(panel):
    app = panel()
    (settings.SHIPPED_WEIGHTS / "segmenter" / "1" / "card.json").write_text("{}")
    app.run()
    assert not app.exception
    assert "the card of segmenter@1 does not fit" in app.error[0].value.replace("\\", "")


def test_nothing_is_computed_before_it_is_asked_for(panel, locate):
    app = panel()
    assert "segmenter@1 goes through the whole record on one lead" in text(app)
    assert strip_of(app)["bands"] is None
    assert locate.asked == []


def test_the_places_stand_beside_their_checks_the_strongest_first(panel, locate, stored):
    app = shown(panel(), stored.id)
    assert locate.asked == [("ectopy", ("MLII",), "segmenter@1")]
    assert "| Deletion, highlighted | 0.47 | 0.41 |" in text(app)
    assert "| Deletion, elsewhere | 0.04 | 0.03 |" in text(app)
    assert "| Random weights, r | 0.13 | 0.12 |" in text(app)
    assert any("Randomisation: correlation of the map" in markdown.help.replace("\\", "") for markdown in app.markdown if markdown.help)
    assert "its strength is no probability" in text(app)
    rows = listed(app)
    assert list(rows["Strength"]) == [0.9, 0.7, 0.6, 0.5, 0.4]
    assert list(rows["Class"]) == ["V", "V", "S", "S", "V"]
    assert list(rows["atr"]) == ["V", "V", "S", "S", "N"]
    assert set(rows["Beat"]) <= {"V", "S", "N", "F", "none"}
    assert strip_of(app)["bands"]["checks"][0].startswith("V 3: deletion 0.47")
    app.session_state["panel"] = "Events"
    app.run()
    assert strip_of(app)["bands"]["model"] == "segmenter@1"


def test_how_far_it_is_is_said_whatever_panel_is_open_and_it_can_be_stopped(panel, locate, stored):
    app, seen, go = panel(), threading.Event(), threading.Event()

    def slow(record, leads=None, *, model="segmenter", progress=None):
        progress(0.4, "drawing the map")
        seen.set()
        go.wait(20)
        progress(0.9, "checking the map")
        return both()

    locate.locate = slow
    next(button for button in app.button if button.label == ASK).click().run()
    seen.wait(10)
    making = desk.ectopy_map(stored.id, "MLII", "segmenter@1")
    for name in ("Places", "Events"):
        app.session_state["panel"] = name
        app.run()
        assert [bar.proto.text for bar in app.get("progress")] == ["Drawing the map …"]
        assert strip_of(app)["bands"] is None
    next(button for button in app.button if button.label == "Stop").click().run()
    go.set()
    making.thread.join(10)
    app.session_state["panel"] = "Places"
    app.run()
    assert not app.exception
    assert any(button.label == ASK for button in app.button)
    assert making.found is None


def test_a_map_is_kept_for_the_next_who_asks(panel, locate, stored):
    app = shown(panel(), stored.id)
    del app.session_state["map_wanted"]
    app.run()
    assert strip_of(app)["bands"] is None
    shown(app, stored.id)
    assert len(locate.asked) == 1


def test_a_class_alone_and_hidden_places_with_the_reason(panel, locate, stored):
    locate.found = both(at0=(V_S[0], "V", 0.7, RANDOMISATION), s=MapChecks(0.02, 0.05, 0.1))
    app = shown(panel(), stored.id)
    assert "1 of 3 places of class V has no band" in text(app)
    assert "No band of class S is shown: flattening what it highlights lowers the probability by 0.020, no more than other parts do (0.050)." in text(app)
    assert list(listed(app)["Class"]) == ["V", "V"]
    app.toggle(key="places_hidden").set_value(True).run()
    assert not app.exception
    rows = listed(app)
    assert list(rows["Fails"]) == ["randomisation", "deletion", "deletion"]
    app.session_state["places_class"] = "S"
    app.run()
    assert list(listed(app)["Class"]) == ["S", "S"]


def test_a_map_on_which_all_is_hidden_still_says_why(panel, locate, stored):
    locate.found = map_of(RECORD, [(V_S[0], "V", 0.7, DELETION)], {"V": DELETION, "S": None})
    app = shown(panel(), stored.id)
    assert "No band of class V is shown" in text(app)
    assert "No such place." in text(app)


def test_nothing_found_is_said_in_words(panel, locate, stored):
    locate.found = map_of(RECORD, [], {"V": None, "S": None})
    app = shown(panel(), stored.id)
    assert "The model sees no beat of the classes V, S on MLII." in text(app)
    assert not app.dataframe


def test_what_the_model_refuses_is_said_and_can_be_asked_again(panel, locate, stored):
    locate.found = InputError("lead MLII is flat; a map needs a lead with beats")
    app = shown(panel(), stored.id)
    assert "lead MLII is flat" in app.error[0].value.replace("\\", "")
    assert strip_of(app)["bands"] is None
    locate.found = both()
    shown(app, stored.id)
    assert not app.error
    assert strip_of(app)["bands"] is not None


def test_another_record_has_no_map_until_it_is_asked_for(panel, locate, stored, store, files):
    app = shown(panel(), stored.id)
    app.query_params["record"] = store.add(files()).id
    app.run()
    assert not app.exception
    assert strip_of(app)["bands"] is None


# The route


def test_the_strip_fetches_the_places_with_its_token(home, stored, store, install, locate):
    from ecgcore.analysis import analyze

    reading = Reviews(store).reading(stored.id, store.save_analysis(stored.id, analyze(RECORD, ("MLII",))).id)
    client = TestClient(Starlette(routes=routes.ROUTES))
    headers = {routes.TOKEN_HEADER: tokens.issue("local", stored.id, reading.id)}
    path = f"/strip/{stored.id}/bands?{maps.for_strip(both(), ())['query']}"
    absent = client.get(path, headers=headers)
    assert absent.status_code == 400
    assert "ask for it again in the panel Places" in absent.json()["error"]
    making = desk.ectopy_map(stored.id, "MLII", "segmenter@1")
    making.start()
    making.thread.join(10)
    got = client.get(path, headers=headers)
    assert got.content == maps.packed(locate.found, RECORD.fs_hz)
    assert client.get(path.replace("/bands", "/at/0/bands"), headers=headers).content == got.content
    assert client.get(path).status_code == 403
