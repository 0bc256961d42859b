"""Letters, edits and marks: shown at once, saved at once, sent again until they are, and taken back where they are refused."""

import json

import pytest
from playwright.sync_api import Page, Request, Route, expect

from ecgcore import demo
from tests.browser.strip_server import Strip, strip_url

pytestmark = pytest.mark.browser
__all__ = ["strip_url"]  # a fixture

BEATS = demo.make_demo("demo-ectopy").annotation("atr")
SAMPLES = [int(sample) for sample in BEATS.samples]
FS_HZ = 250


def letter(strip: Strip, index: int) -> tuple[float, float]:
    """Where the letter of a beat stands."""
    return strip.x(SAMPLES[index] / FS_HZ), strip.lane("letters")


def count(strip: Strip, name: str) -> str:
    """What the choice of classes says of a class."""
    return strip.locator(f"select[name=classes] option[value={name}]").inner_text()


def sent(page: Page) -> list[str]:
    """Ids of the edits that the browser sends from now on."""
    ids: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/edit"):
            ids.append(request.post_data_json["id"])

    page.on("request", note)
    return ids


def test_a_letter_is_clicked_and_given_another_class(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    page.mouse.move(*letter(strip, 3))
    expect(strip.locator(".tooltip")).to_contain_text("N normal · p 0.93 · RR 896 ms, 67")
    expect(strip.locator(".tooltip")).to_contain_text("/min · beats@2")
    strip.settled(lambda: page.mouse.click(*letter(strip, 3)))
    assert strip.data("selected") == "1"
    page.keyboard.press("v")
    strip.saved(1)
    (edit,) = strip.came()
    assert edit["command"] == {"command": "relabel", "samples": [SAMPLES[3]], "code": "V"}
    assert len(edit["id"]) == 36
    assert (count(strip, "V"), count(strip, "N")) == ("V 17", "N 636")
    expect(strip.status()).to_have_text("relabel saved")
    expect(page.get_by_text("edited 1")).to_be_visible()
    page.mouse.move(*letter(strip, 3))
    expect(strip.locator(".tooltip")).to_contain_text("V ventricular ectopic · RR")
    expect(strip.locator(".tooltip")).to_contain_text("a reader")
    expect(strip.locator("canvas.tracing")).to_have_attribute("aria-label", "ECG, MLII, V1, 0:00:00 to 0:00:13, 25 mm/s, 10 mm/mV, above 0.05 Hz, beats N N N V " + "N " * 9 + "N")
    page.keyboard.press("p")
    strip.saved(2)
    assert strip.came()[1]["command"]["code"] == "/"
    assert count(strip, "P") == "P 1"
    page.keyboard.press("p")
    expect(strip.status()).to_have_text("It is P already")
    page.keyboard.press("Control+z")
    strip.saved(3)
    assert count(strip, "V") == "V 17"
    page.keyboard.press("Control+Shift+z")
    strip.saved(4)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    strip.saved(6)
    strip.until("d.beats === '663'")
    assert count(strip, "V") == "V 16"
    expect(strip.locator("button[name=undo]")).to_be_disabled()
    page.keyboard.press("Control+y")
    strip.saved(7)


def test_many_beats_are_chosen_changed_and_undone_in_one_step(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.settled(lambda: page.mouse.click(*letter(strip, 2)))
    page.keyboard.down("Shift")
    strip.settled(lambda: page.mouse.click(*letter(strip, 6)))
    page.keyboard.up("Shift")
    assert strip.data("selected") == "5"
    strip.press("Escape")
    assert strip.data("selected") == "0"
    strip.settled(lambda: strip.drag((strip.x(1.0), strip.y("MLII")), (strip.x(4.0), strip.y("MLII")), "Shift"))
    inside = [sample for sample in SAMPLES if 1.0 <= sample / FS_HZ <= 4.0]
    assert strip.data("selected") == str(len(inside))
    for _ in range(12):
        page.keyboard.press("-")
    strip.until("+d.stop > 599.9 && d.tiles === 'ready'")
    strip.press("Control+a")
    assert strip.data("selected") == "663"
    page.keyboard.press("s")
    strip.saved(1)
    assert count(strip, "S") == "S 663"
    page.keyboard.press("Control+z")
    strip.saved(2)
    strip.until("d.tiles === 'ready'")
    expect(strip.locator("select[name=classes] option[value=S]")).to_have_text("S 10")


def test_beats_are_deleted_added_and_moved(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.settled(lambda: page.mouse.click(*letter(strip, 4)))
    page.keyboard.press("Delete")
    strip.saved(1)
    assert (strip.data("beats"), strip.data("selected")) == ("662", "0")
    page.mouse.move(strip.x(SAMPLES[4] / FS_HZ + 0.04), strip.y("V1"))
    page.keyboard.press("a")
    strip.saved(2)
    added = strip.came()[1]["command"]
    assert added["command"] == "add"
    assert added["sample"] == pytest.approx(SAMPLES[4], abs=1)  # on the R peak, not under the pointer
    assert (strip.data("beats"), strip.data("selected")) == ("663", "1")
    start = letter(strip, 6)
    strip.drag(start, (start[0] + 30, start[1]), "Alt")
    strip.saved(3)
    moved = strip.came()[2]["command"]
    assert moved["sample"] == SAMPLES[6]
    assert moved["to"] == pytest.approx(SAMPLES[6] + 30 / strip.told("geometry")["pxPerS"] * FS_HZ, abs=1)
    page.keyboard.press("m")
    start = letter(strip, 8)
    strip.drag(start, (start[0] - 20, start[1]))
    strip.saved(4)
    assert strip.came()[3]["command"]["sample"] == SAMPLES[8]
    assert strip.data("start") == "0.0000"  # a drag of a letter pans nothing


def test_an_edit_that_fails_is_kept_and_sent_again_with_its_id(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    ids, failures = sent(page), iter(["unsent", "unanswered"])

    def fail(route: Route) -> None:
        how = next(failures, None)
        if how is None:
            route.continue_()
            return
        if how == "unanswered":
            route.fetch()  # it was saved, but its answer is lost
        route.abort()

    page.route("**/edit", fail)
    strip.settled(lambda: page.mouse.click(*letter(strip, 3)))
    page.keyboard.press("v")
    strip.until("d.pending === '1'")
    expect(strip.locator(".unsaved")).to_have_text("1 edit not saved yet, trying again")
    assert count(strip, "V") == "V 17"  # shown at once
    assert page.evaluate("() => { const e = new Event('beforeunload', {cancelable: true}); window.dispatchEvent(e); return e.defaultPrevented }")
    page.keyboard.press("q")
    strip.saved(2)
    assert len(set(ids)) == 2
    assert ids[0] == ids[1]
    assert [edit["command"]["code"] for edit in strip.came()] == ["V", "V", "Q"]
    expect(strip.locator(".unsaved")).to_have_text("")
    assert not page.evaluate("() => { const e = new Event('beforeunload', {cancelable: true}); window.dispatchEvent(e); return e.defaultPrevented }")


def test_an_edit_outlives_a_reload(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    page.route("**/edit", lambda route: route.abort())
    strip.settled(lambda: page.mouse.click(*letter(strip, 3)))
    page.keyboard.press("v")
    strip.until("d.pending === '1'")
    page.on("dialog", lambda dialog: dialog.accept())  # "leave the page?"
    page.reload()
    strip.arrived()
    assert strip.data("pending") == "1"
    page.unroute("**/edit")
    strip.saved(1)
    assert count(strip, "V") == "V 17"


def test_an_expired_token_is_renewed_once_and_nothing_is_lost(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")

    def expire(route: Route) -> None:
        if route.request.headers["x-strip-token"].endswith(":0"):
            route.fulfill(status=403, json={"error": "the token is older than 30 minutes", "expired": True})
        else:
            route.continue_()

    page.route("**/strip/demo-ectopy/*", expire)
    strip.settled(lambda: page.mouse.click(*letter(strip, 3)))
    page.keyboard.press("v")
    page.keyboard.press("s")
    strip.saved(2)
    expect(page.get_by_text("renewed 1,")).to_be_visible()
    assert [edit["command"]["code"] for edit in strip.came()] == ["V", "S"]
    strip.press("End")
    assert strip.data("tiles") == "ready"


def test_a_refused_edit_is_taken_back_and_said(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    said = "the beat at 0:00:03.388 is no longer N: bo made it V"
    page.route("**/edit", lambda route: route.fulfill(status=409, json={"error": said}))
    strip.settled(lambda: page.mouse.click(*letter(strip, 3)))
    page.keyboard.press("Delete")
    expect(strip.status()).to_have_text(said)
    strip.until("d.beats === '663' && d.pending === '0'")
    assert strip.came() == []


def test_another_readers_edit_is_seen(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    edit = {"id": "another-readers", "command": "delete", "samples": SAMPLES[10:15]}
    page.request.post(f"{strip_url}/strip/demo-ectopy/edit", data=json.dumps(edit), headers={"X-Strip-Token": f"{strip.reading}:0"})
    strip.until("d.beats === '658' && d.seq === '1'")
    expect(page.get_by_text("edited 1")).to_be_visible()  # the page's numbers follow


def test_what_is_signed_off_is_not_edited(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy", reading="signed")
    strip.settled(lambda: page.mouse.click(*letter(strip, 3)))
    for key in ("v", "Delete", "a", "k", "Control+z"):
        page.keyboard.press("ArrowRight")
        page.keyboard.press(key)
        expect(strip.status()).to_have_text("Not edited: signed off as version 1 by bo")
        page.keyboard.press("[")
    assert strip.came() == []


def test_marks_are_made_changed_and_removed(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.settled(lambda: strip.drag((strip.x(2), strip.y("MLII")), (strip.x(6), strip.y("MLII")), "Shift"))
    page.keyboard.press("r")
    strip.locator(".popup select").select_option("VT")
    page.keyboard.press("Enter")
    strip.saved(1)
    made = strip.came()[0]["command"]
    assert (made["kind"], made["text"], made["lead"]) == ("rhythm", "VT", None)
    assert (made["start"] / FS_HZ, made["stop"] / FS_HZ) == (pytest.approx(2, abs=0.02), pytest.approx(6, abs=0.02))
    strip.settled(lambda: page.mouse.click(strip.x(4), strip.lane("items")))
    strip.locator(".popup select").select_option("")
    strip.locator(".popup input").fill("idioventricular")
    page.keyboard.press("Enter")
    strip.saved(2)
    assert strip.came()[1]["command"]["text"] == "idioventricular"
    page.mouse.move(strip.x(4), strip.lane("items"))
    expect(strip.locator(".tooltip")).to_contain_text("rhythm · idioventricular · anna")
    page.mouse.move(strip.x(9), strip.y("V1"))
    page.keyboard.press("k")
    page.keyboard.type("look at the ST segment")
    page.keyboard.press("Enter")
    strip.saved(3)
    comment = strip.came()[2]["command"]
    assert (comment["kind"], comment["text"], comment["start"] == comment["stop"]) == ("comment", "look at the ST segment", True)
    strip.press("c")
    strip.drag((strip.x(10), strip.y("V1")), (strip.x(11), strip.y("V1")))
    page.keyboard.press("t")
    strip.saved(4)
    assert strip.came()[3]["command"]["kind"] == "artefact"
    strip.settled(lambda: page.mouse.click(strip.x(4), strip.lane("items")))
    strip.locator(".popup").get_by_role("button", name="Delete").click()
    strip.saved(5)
    assert strip.came()[4]["command"]["command"] == "unmark"
