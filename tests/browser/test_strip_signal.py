"""What is drawn is what was recorded, and what is measured is what is there."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.strip_desk import SPIKE_MV, SPIKES, SQUARE_MV
from tests.browser.strip_server import Strip, strip_url

pytestmark = pytest.mark.browser
__all__ = ["strip_url"]  # a fixture

# Brightness, 0 (black) to 255, of the darkest pixel around a place of the canvas: 2 device pixels to either side, `reach` up and down.
DARKEST = """(e, [x, y, reach]) => {
  const canvas = e.querySelector("canvas.tracing"), dpr = window.devicePixelRatio;
  const [left, top] = [Math.round(x * dpr) - 2, Math.round(y * dpr) - reach];
  const { data } = canvas.getContext("2d").getImageData(left, top, 5, 2 * reach + 1);
  let darkest = 255;
  for (let at = 0; at < data.length; at += 4) darkest = Math.min(darkest, (data[at] + data[at + 1] + data[at + 2]) / 3);
  return darkest;
}"""
# How many pixels down a column, 2 to either side, have the colour of the calipers, by day.
DOWN = """(e, [x]) => {
  const canvas = e.querySelector("canvas.tracing");
  const { data } = canvas.getContext("2d").getImageData(Math.round(x) - 2, 0, 5, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += data[at] < 60 && data[at + 1] > 90 && data[at + 1] < 150 && data[at + 2] > 100 && data[at + 2] < 160;
  return found;
}"""


def marched(strip: Strip) -> float:
    """Where the calipers' interval comes down once more before the first line, in pixels of the canvas."""
    told = strip.told("caliper")
    return strip.x((2 * told["first"] - told["last"]) / 500) - strip.box["x"]


def tip(strip: Strip, sample: int, mv: float) -> tuple[float, float]:
    """Where the tip of a spike is drawn, in pixels of the canvas."""
    geometry, centre = strip.told("geometry"), next(iter(strip.told("centres").values()))
    x = geometry["left"] + (sample / 250 - strip.number("start")) * geometry["pxPerS"]
    y = geometry["cells"][0]["middle"] - (mv - centre) * strip.number("gain") * geometry["pxPerMm"]
    return x, y


@pytest.mark.parametrize("dpr", [1, 2])
def test_a_spike_of_one_sample_is_seen_at_any_place_and_zoom(chromium, strip_url: str, dpr: int):
    rng = np.random.default_rng(dpr)
    page = chromium.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=dpr)
    page.set_default_timeout(30_000)
    strip = Strip(page, strip_url, "spikes", filter="unfiltered")
    levels = set()
    for sample in SPIKES[:: 3 - dpr]:
        strip.go_to(f"{max(0.0, sample / 250 - rng.uniform(0.1, 0.9)):.3f}")
        for _ in range(3):
            page.mouse.move(strip.x(sample / 250), strip.box["y"] + 250)
            wanted_s = float(np.exp(rng.uniform(0, np.log(3600))))
            span_s = strip.number("stop") - strip.number("start")
            strip.settled(lambda wanted_s=wanted_s, span_s=span_s: page.mouse.wheel(0, float(np.log(wanted_s / span_s)) / 0.0018))
            levels.add(strip.data("level"))
            x, y = tip(strip, sample, SPIKE_MV)
            darkest = strip.root.evaluate(DARKEST, [x, y, 3])
            assert darkest < 110, f"sample {sample}, {strip.data('start')} to {strip.data('stop')} s, level {strip.data('level')}: {darkest}"
    page.close()
    assert len(levels) >= 4


def test_calipers_measure_known_squares(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "squares", filter="unfiltered")
    strip.go_to("0:00:09.7")
    page.mouse.move(strip.x(9.7) + 1, strip.y("II"))
    for _ in range(3):
        page.mouse.wheel(0, -900)
    strip.until("+d.stop - +d.start < 1.2 && d.tiles === 'ready'")
    strip.press("c")
    strip.drag((strip.x(10.001), strip.y("II")), (strip.x(10.501), strip.y("II")))
    strip.until("d.caliper !== '' && JSON.parse(d.caliper).complete")
    told = strip.told("caliper")
    assert told["ms"] == pytest.approx(500, abs=2)  # a sample
    assert told["bpm"] == pytest.approx(60_000 / told["ms"])
    assert told["mv"]["II"] == pytest.approx(-SQUARE_MV["II"], abs=0.01)
    assert told["mv"]["V1"] == pytest.approx(-SQUARE_MV["V1"], abs=0.01)
    expect(strip.locator(".measured")).to_contain_text("ms · ")
    expect(strip.locator(".measured")).to_contain_text("II −1.00, V1 +0.40")

    last = told["last"]
    strip.press("Alt+ArrowRight", "Alt+ArrowRight", "Alt+Shift+ArrowRight")
    strip.until(f"JSON.parse(d.caliper).first === {told['first'] + 1} && JSON.parse(d.caliper).last === {last + 2}")
    strip.settled(lambda: strip.drag((strip.x((last + 2) / 500), strip.y("V1")), (strip.x(10.151), strip.y("V1"))))
    assert strip.told("caliper")["last"] == pytest.approx(10.151 * 500, abs=1)
    assert strip.told("caliper")["first"] == told["first"] + 1
    assert strip.root.evaluate(DOWN, [marched(strip)]) == 0
    strip.press("x")
    assert strip.root.evaluate(DOWN, [marched(strip)]) > 100
    strip.press("Escape")
    assert strip.data("caliper") == ""
    assert strip.root.evaluate(DOWN, [strip.x(10.151) - strip.box["x"]]) == 0


def test_calipers_say_where_the_signal_is_missing(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "squares", filter="unfiltered")
    strip.go_to("0:00:18")
    strip.press("c")
    strip.drag((strip.x(19.25), strip.y("II")), (strip.x(20.75), strip.y("II")))
    strip.until("d.caliper !== '' && JSON.parse(d.caliper).complete")
    assert strip.told("caliper")["mv"]["V1"] is None
    assert strip.told("caliper")["mv"]["II"] == pytest.approx(-1, abs=0.01)
    expect(strip.locator(".measured")).to_contain_text("V1 –")
    geometry = strip.told("geometry")
    row = next(cell for cell in geometry["cells"] if cell["lead"] == "V1")
    shaded = strip.root.evaluate(DARKEST, [strip.x(20.3) - strip.box["x"], row["middle"] + 30, 1])
    assert 110 < shaded < 230


def test_a_view_is_never_blank_while_tiles_are_on_their_way(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    page.route("**/tile?*", lambda route: None)  # from now on no tile comes
    page.keyboard.press("End")
    strip.until("d.tiles === 'loading' && +d.stop > 599.9")
    middle = strip.told("geometry")["cells"][0]["middle"]
    marked = strip.root.evaluate(DARKEST, [700, middle, 40])
    assert marked < 200
    page.unroute("**/tile?*")
    strip.press("Home")
    assert strip.data("tiles") == "ready"


def test_a_refused_tile_is_said(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "demo-ectopy")
    page.route("**/tile?*", lambda route: route.fulfill(status=404, json={"error": "no lead 'V1' in this record"}))
    page.keyboard.press("End")
    expect(strip.status()).to_have_text("Signal: no lead 'V1' in this record")


def test_frames_are_timed_for_a_benchmark(page: Page, strip_url: str):
    strip = Strip(page, strip_url, "day")
    page.evaluate("performance.clearMeasures('strip-view')")
    for _ in range(5):
        strip.press("ArrowRight")
    timed = page.evaluate("performance.getEntriesByName('strip-view').map(entry => entry.duration)")
    assert 1 <= len(timed) <= 5  # two presses within a frame are one view
    assert all(0 < one < 5000 for one in timed)
