"""The bands of an ectopy map on the strip, and the way to a place of it on the Review page."""

import re

import pytest
from playwright.sync_api import Page, expect

from ecgcore.figures.clock import seconds
from ecgcore.inference import cards
from ecgcore.settings import SHIPPED_WEIGHTS
from tests.browser.conftest import App
from tests.browser.review_page import Review, at_rest
from tests.browser.strip_server import Strip, strip_url

pytestmark = pytest.mark.browser
__all__ = ["strip_url"]  # a fixture

FIRST_V_S = 36.26  # of the demo recording; the place on the second V fails a check
PIXEL = """(e, [x, y]) => {
    const canvas = e.querySelector('canvas.tracing'), dpr = window.devicePixelRatio;
    return [...canvas.getContext('2d').getImageData(Math.round(x * dpr), Math.round(y * dpr), 1, 1).data].slice(0, 3);
}"""


def mapped(page: Page, url: str, record: str = "demo-ectopy") -> Strip:
    """The strip with a map, its places fetched."""
    strip = Strip(page, url, record, map="1")
    strip.until("d.bands === 'light'")
    return strip


def paper_at(strip: Strip, moment_s: float) -> list[int]:
    """Colour of the paper at a moment: the middle of a square of the grid below the first lead's trace."""
    geometry, mm_per_s = strip.told("geometry"), strip.number("speed")
    x = geometry["left"] + ((int(moment_s * mm_per_s) + 0.5) / mm_per_s - strip.number("start")) * geometry["pxPerS"]
    y = geometry["cells"][0]["middle"] + 16.5 * geometry["pxPerMm"]
    pixel: list[int] = strip.root.evaluate(PIXEL, [x, y])
    return pixel


def test_without_a_map_there_is_no_band_and_b_says_how_to_get_one(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    expect(strip.locator(".legend")).to_be_hidden()
    assert (strip.data("bands"), strip.data("places")) == ("", "0")
    page.keyboard.press("b")
    expect(strip.status()).to_contain_text("the panel Places has it made")


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_b_shades_what_is_behind_the_trace(page: Page, strip_url: str):
    strip = mapped(page, strip_url)
    strip.go_to("0:00:30")
    near, off = FIRST_V_S - 0.05, FIRST_V_S - 0.6
    plain, light = paper_at(strip, off), paper_at(strip, near)
    assert light != plain
    assert light[0] - plain[0] > light[2] - plain[2]  # towards red
    strip.press("b")
    assert strip.data("bands") == "strong"
    strong = paper_at(strip, near)
    assert sum(abs(a - b) for a, b in zip(strong, plain, strict=True)) > 1.5 * sum(abs(a - b) for a, b in zip(light, plain, strict=True))
    assert paper_at(strip, off) == plain
    strip.press("b")
    assert (strip.data("bands"), strip.data("places")) == ("off", "0")
    assert paper_at(strip, near) == plain
    assert "bands" not in [lane["name"] for lane in strip.told("geometry")["lanes"]]


def test_the_legend_says_what_it_is_and_chooses(page: Page, strip_url: str):
    strip = mapped(page, strip_url)
    legend = strip.locator(".legend")
    expect(legend).to_contain_text("Ectopy map segmenter@1 on MLII — strength, not probability")
    expect(legend.locator(".checks")).to_contain_text(re.compile(r"V \d+ \(1 hidden\): deletion 0\.41, elsewhere 0\.03; random weights r 0\.12 · S \d+: deletion"))
    expect(legend.locator(".checks")).to_have_attribute("title", re.compile("Randomisation: correlation of the map with that of the same network with random weights"))
    strip.go_to("0:00:30")
    both = strip.number("places")
    strip.settled(lambda: legend.locator("select[name=bandClass]").select_option("S"))
    assert strip.number("places") < both
    strip.settled(lambda: legend.locator("select[name=bands]").select_option("off"))
    assert strip.number("places") == 0
    page.reload()
    strip.arrived()
    expect(legend.locator("select[name=bands]")).to_have_value("off")


def test_letters_are_told_to_the_pointer_and_to_those_who_do_not_see(page: Page, strip_url: str):
    strip = mapped(page, strip_url)
    strip.press("Shift+B")
    middle = (strip.number("start") + strip.number("stop")) / 2
    tracing = strip.locator("canvas.tracing")
    expect(tracing).to_have_attribute("aria-label", re.compile(r", Ectopy map segmenter@1 on MLII: .*[VS] at 0:00:\d\d\.\d"))
    page.mouse.move(strip.x(middle), strip.lane("bands"))
    expect(strip.locator(".tooltip")).to_contain_text(re.compile(r"[VS] seen by segmenter@1 · strength 0\.[69]0, no probability"))
    expect(strip.locator(".tooltip")).to_contain_text("its probability falls by 0.41, elsewhere by 0.03; correlation with random weights 0.12")
    strip.press("Shift+B")
    assert (strip.number("start") + strip.number("stop")) / 2 > middle


def test_a_place_that_fails_has_no_band(page: Page, strip_url: str):
    strip = mapped(page, strip_url)
    strip.settled(lambda: strip.locator(".legend select[name=bandClass]").select_option("V"))
    strip.go_to("0:00:30")
    strip.choose("classes", "V")
    strip.press("]", "]")
    (second,) = strip.root.evaluate("e => [(+e.dataset.start + +e.dataset.stop) / 2]")
    before = strip.locator("canvas.tracing").get_attribute("aria-label") or ""
    assert "on MLII:" in before
    near = [seconds(said) for said in re.findall(r"V at (\d:\d\d:\d\d\.\d)", before.partition("on MLII:")[2])]
    assert near
    assert all(abs(at - second) > 0.2 for at in near)


def test_full_disclosure_and_a_day_at_a_glance_have_bands_too(page: Page, strip_url: str):
    strip = mapped(page, strip_url, "day")
    strip.choose("layout", "lines")
    assert strip.number("places") > 20
    strip.choose("layout", "stacked")
    for _ in range(24):
        page.keyboard.press("-")
    strip.until("+d.stop - +d.start > 86000 && d.tiles === 'ready'")
    assert strip.number("places") > 1000
    took: float = strip.root.evaluate("""async e => {
        const from = performance.now();
        for (let k = 0; k < 5; k += 1) { window.dispatchEvent(new Event('resize')); await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame); }
        return (performance.now() - from) / 5;
    }""")
    assert took < 1000


def test_a_place_is_one_click_away(app: App, page: Page):
    if not any(folder.parent.name == "segmenter" for folder in cards.folders(SHIPPED_WEIGHTS)):
        pytest.skip("no segmenter is shipped")
    page.goto(app.url)
    at_rest(page)
    page.get_by_role("button", name="Open demo").click()
    strip = Review(page)
    strip.panel("Places")
    page.get_by_role("button", name="Show where the model sees ectopic beats").click()
    strip.until("d.bands === 'light'")
    expect(page.get_by_text("A click goes there")).to_be_visible()
    at_rest(page)
    listed = strip.list()
    listed.canvas.scroll_into_view_if_needed()
    time = listed.texts("Time")[1]
    listed.click(1)
    strip.until("+d.start <= a[0] && a[0] <= +d.stop && +d.places > 0", seconds(time))
