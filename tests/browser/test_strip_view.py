"""Moving about, scales, layouts: the strip alone on a page."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.review_page import until
from tests.browser.strip_server import Strip, strip_url

pytestmark = pytest.mark.browser
__all__ = ["strip_url"]  # a fixture


def test_what_is_shown_first_is_on_the_root_and_in_words(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    assert (strip.data("speed"), strip.data("gain"), strip.data("layout"), strip.data("leads")) == ("25", "10", "stacked", "MLII,V1")
    assert (strip.number("start"), strip.number("beats"), strip.data("pending")) == (0, 663, "0")
    printed = strip.locator(".printed")
    for said in ("25 mm/s", "10 mm/mV", "above 0.05 Hz", "250 Hz", "beats@2"):
        expect(printed).to_contain_text(said)
    expect(strip.locator(".screen")).to_have_text("screen not calibrated")
    expect(strip.locator("canvas.tracing")).to_have_attribute("aria-label", "ECG, MLII, V1, 0:00:00 to 0:00:13, 25 mm/s, 10 mm/mV, above 0.05 Hz, beats " + "N " * 13 + "N")
    geometry = strip.told("geometry")
    assert geometry["pxPerS"] == pytest.approx(25 * geometry["pxPerMm"])
    page.set_viewport_size({"width": 1140, "height": 900})
    strip.until("JSON.parse(d.geometry).right < 1001")
    assert 985 <= strip.box["width"] <= 1001
    assert strip.locator(".toolbar").evaluate("e => e.offsetHeight") < 40
    unnamed = "e => [...e.querySelectorAll('button, select, input')].filter(c => !(c.getAttribute('aria-label') || c.textContent.trim() || c.closest('label'))).length"
    assert strip.root.evaluate(unnamed) == 0


def test_keys_move_and_zoom(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    span = strip.number("stop")
    strip.press("ArrowRight")
    assert strip.number("start") == pytest.approx(span, abs=0.01)
    strip.press("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft")
    assert strip.number("start") == pytest.approx(span + 1, abs=0.01)
    strip.press("End")
    assert strip.number("stop") == pytest.approx(600, abs=0.01)
    strip.press("Home", "1")
    assert strip.data("speed") == "12.5"
    expect(strip.locator(".printed")).not_to_contain_text("leaves the paper")
    strip.press("3", "ArrowUp", "ArrowUp", "ArrowUp")
    assert (strip.data("speed"), strip.data("gain")) == ("50", "40")
    expect(strip.locator(".printed")).to_contain_text("MLII leaves the paper: choose a lower gain")
    strip.press("ArrowDown", "+", "0")
    assert (strip.data("speed"), strip.data("gain")) == ("25", "20")
    for _ in range(12):
        page.keyboard.press("-")
    strip.until("+d.stop - +d.start > 599")
    expect(strip.locator(".printed")).to_contain_text("unfiltered (view longer than 120 s)")
    strip.go_to("0:03:20.5")
    strip.press("0")
    strip.go_to("0:03:20.5")
    assert strip.number("start") == pytest.approx(200.5, abs=0.01)
    page.keyboard.press("g")
    strip.locator(".popup input").fill("soon")
    page.keyboard.press("Enter")
    expect(strip.status()).to_have_text("“soon” is no time; write h:mm:ss")
    page.keyboard.press("Escape")
    expect(strip.locator(".popup")).to_be_hidden()


def test_the_pointer_pans_and_zooms_about_itself(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.go_to("0:01:00")
    middle = strip.y("V1")
    strip.settled(lambda: strip.drag((strip.x(65), middle), (strip.x(62), middle)))
    assert strip.number("start") == pytest.approx(63, abs=0.02)
    at = strip.x(70)
    page.mouse.move(at, middle)
    strip.settled(lambda: page.mouse.wheel(0, -500))
    assert strip.number("speed") > 50
    assert strip.x(70) == pytest.approx(at, abs=1)
    strip.settled(lambda: page.mouse.wheel(0, 900))
    assert strip.x(70) == pytest.approx(at, abs=1)
    start = strip.number("start")
    strip.settled(lambda: page.mouse.wheel(200, 0))
    moved = strip.number("start") - start
    page.keyboard.down("Shift")
    strip.settled(lambda: page.mouse.wheel(0, 200))
    page.keyboard.up("Shift")
    assert moved > 0
    assert strip.number("start") - start == pytest.approx(2 * moved, rel=0.05)
    for _ in range(12):
        page.mouse.wheel(0, -2000)
    strip.until("Math.abs(+d.stop - +d.start - 1) < 0.01")


def test_the_overview_shows_where_and_goes_there(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    overview = strip.locator("canvas.overview")
    box = overview.bounding_box()
    assert box is not None
    strip.settled(lambda: overview.click(position={"x": 60 + (box["width"] - 66) / 2, "y": 20}))
    assert (strip.number("start") + strip.number("stop")) / 2 == pytest.approx(300, abs=2)
    expect(overview).to_have_attribute("aria-valuetext", "0:04:53 of 0:10:00")
    grip = (box["x"] + 60 + (box["width"] - 66) / 2, box["y"] + 20)
    strip.settled(lambda: strip.drag(grip, (grip[0] + (box["width"] - 66) / 10, grip[1])))
    assert (strip.number("start") + strip.number("stop")) / 2 == pytest.approx(360, abs=2)


def test_next_beats_and_events(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.choose("classes", "V")
    strip.press("]")
    assert strip.data("selected") == "1"
    expect(strip.status()).to_contain_text("V ventricular ectopic")
    middle = (strip.number("start") + strip.number("stop")) / 2
    assert middle == pytest.approx(36.2, abs=0.5)
    strip.press("]", "]", "[")
    assert (strip.number("start") + strip.number("stop")) / 2 == pytest.approx(37.2, abs=0.5)
    strip.press("Home", "e", "e")
    assert (strip.number("start") + strip.number("stop")) / 2 == pytest.approx(180, abs=0.1)
    expect(strip.status()).to_have_text("0:03:00.0 ventricular run: 3 V, 150/min")
    strip.press("Shift+E")
    assert (strip.number("start") + strip.number("stop")) / 2 == pytest.approx(36.5, abs=0.1)


def test_layouts_of_twelve_leads(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-12-lead")
    assert strip.data("layout") == "3x4"
    cells = strip.told("geometry")["cells"]
    assert [cell["lead"] for cell in cells if cell["x0"] == cells[0]["x0"]] == ["I", "II", "III", "II"]
    assert [round(cell["startS"], 2) for cell in cells[:4]] == [0, 2.5, 5, 7.5]
    expect(strip.locator(".printed")).to_contain_text("3 × 4 + II, columns in consecutive time")
    for layout, rows, columns in (("6x2", 6, 2), ("12x1", 12, 1), ("stacked", 12, 1)):
        strip.choose("layout", layout)
        cells = strip.told("geometry")["cells"]
        assert (len({cell["middle"] for cell in cells}), len({cell["x0"] for cell in cells})) == (rows, columns)
        assert 380 <= strip.box["height"] <= 640
    strip.locator("button[name=leads]").click()
    strip.settled(lambda: strip.locator("input[name=cabrera]").check())
    assert strip.data("leads") == "aVL,I,-aVR,II,aVF,III,V1,V2,V3,V4,V5,V6"
    strip.settled(lambda: strip.locator("input[name=cabrera]").uncheck())
    strip.settled(lambda: strip.locator("button[name=down-I]").click())
    strip.settled(lambda: strip.locator("input[name=lead-V6]").uncheck())
    assert strip.data("leads") == "II,I,III,aVR,aVL,aVF,V1,V2,V3,V4,V5"
    page.keyboard.press("Escape")
    expect(strip.locator(".leads-menu")).to_be_hidden()
    expect(strip.locator("button[name=leads]")).to_be_focused()


def test_minus_avr_is_avr_turned_over(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-12-lead")
    strip.press("c")
    strip.drag((strip.x(1.2), strip.y("I")), (strip.x(1.45), strip.y("I")))
    strip.until("d.caliper !== '' && JSON.parse(d.caliper).complete")
    upright = strip.told("caliper")["mv"]["aVR"]
    strip.locator("button[name=leads]").click()
    strip.settled(lambda: strip.locator("input[name=cabrera]").check())
    assert abs(upright) > 0.1
    assert strip.told("caliper")["mv"]["-aVR"] == pytest.approx(-upright, abs=1e-6)


def test_full_disclosure_pages_and_leads_back_to_the_strip(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "day")
    strip.choose("layout", "lines")
    geometry = strip.told("geometry")
    assert 20 <= len(geometry["cells"]) <= 30
    assert strip.number("stop") == 60 * len(geometry["cells"])
    page_s = strip.number("stop")
    strip.press("ArrowRight")
    assert strip.number("start") == page_s
    line = strip.told("geometry")["cells"][3]
    at = (strip.box["x"] + line["x0"] + 30 * geometry["pxPerS"], strip.box["y"] + line["middle"])
    strip.settled(lambda: page.mouse.click(*at))
    assert strip.data("layout") == "stacked"
    assert (strip.number("start") + strip.number("stop")) / 2 == pytest.approx(line["startS"] + 30, abs=0.2)


def test_a_bank_card_makes_millimetres_true(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.locator("button.screen").click()
    strip.locator("dialog.calibration input").fill("5")
    expect(strip.locator("dialog.calibration .card")).to_have_css("width", "428px")
    strip.settled(lambda: strip.locator("dialog.calibration").get_by_role("button", name="Save").click())
    assert strip.told("geometry")["pxPerMm"] == 5
    assert strip.told("geometry")["pxPerS"] == pytest.approx(125)
    expect(strip.locator(".screen")).to_have_text("screen calibrated")
    page.reload()
    strip.arrived()
    assert strip.told("geometry")["pxPerMm"] == 5
    strip.locator("button.screen").click()
    strip.settled(lambda: strip.locator("dialog.calibration").get_by_role("button", name="Not calibrated").click())
    expect(strip.locator(".screen")).to_have_text("screen not calibrated")


def test_the_view_outlives_a_rerun_and_a_reload(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    strip.go_to("0:02:00")
    strip.press("c", "ArrowUp", "2")
    strip.drag((strip.x(122), strip.y("MLII")), (strip.x(123), strip.y("MLII")))
    strip.until("d.caliper !== '' && JSON.parse(d.caliper).complete")
    strip.settled(lambda: strip.locator("select[name=filter]").select_option("low-pass 40 Hz"))
    before = {name: strip.data(name) for name in ("start", "speed", "gain", "filter", "caliper")}
    frames = strip.number("frames")
    page.get_by_role("button", name="Run again").click()
    strip.until("+d.frames > a[0]", frames)
    assert {name: strip.data(name) for name in before} == before
    page.reload()
    strip.arrived()
    assert {name: strip.data(name) for name in before} == {**before, "caliper": ""}


def test_the_page_sends_the_strip_somewhere_and_hears_what_to_measure(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    page.get_by_role("button", name="Go to the minute").click()
    strip.until("Math.abs(+d.start - 55) < 0.01 && Math.abs(+d.stop - 65) < 0.01")
    assert strip.data("selected") == "3"
    strip.locator(".stage").focus()  # the key would else be the button's
    strip.press("Home")
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("measured 0.0–10.0")).to_be_visible()
    assert strip.number("start") == 0  # a place is gone to once


def test_the_letters_of_an_annotation_file_stand_beside_the_models(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    assert "reference" not in [lane["name"] for lane in strip.told("geometry")["lanes"]]
    strip.locator("button[name=leads]").click()
    strip.settled(lambda: strip.locator("select[name=reference]").select_option("atr"))
    page.keyboard.press("Escape")
    strip.choose("classes", "V")
    strip.press("]")
    middle = (strip.number("start") + strip.number("stop")) / 2
    page.mouse.move(strip.x(middle), strip.lane("reference"))
    expect(strip.locator(".tooltip")).to_contain_text("V ventricular ectopic · RR")
    expect(strip.locator(".tooltip")).to_contain_text("atr")


def test_keys_are_told_and_do_not_reach_the_page_behind(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    page.keyboard.press("?")
    dialog = strip.locator("dialog.keys")
    expect(dialog).to_be_visible()
    for group in ("Move and zoom", "Beats", "Marks", "Measure"):
        expect(dialog.get_by_role("heading", name=group)).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    calipers = strip.locator("button[name=calipers]")  # a key pressed before the dialog has given back the focus is still the dialog's
    until(lambda: page.keyboard.press("c"), lambda patience: expect(calipers).to_have_attribute("aria-pressed", "true", timeout=patience))
    assert strip.number("start") == 0
    page.keyboard.press("r")
    expect(strip.status()).to_contain_text("To name a rhythm")
    expect(page.get_by_role("dialog")).to_have_count(0)  # Streamlit's own for C


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_the_paper_is_that_of_the_theme(page: Page, strip_url: str, request: pytest.FixtureRequest):
    strip = Strip(page, strip_url, "demo-ectopy")
    assert strip.data("theme") == request.node.callspec.params["page"]
    pixel = strip.root.evaluate("e => [...e.querySelector('canvas.tracing').getContext('2d').getImageData(700, 1, 1, 1).data]")
    assert pixel[:3] == ([255, 253, 246] if strip.data("theme") == "light" else [11, 15, 14])
