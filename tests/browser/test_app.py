import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

STRIP = "[data-testid=stPlotlyChart][aria-label^='ECG'][aria-label*='Beats by'] .js-plotly-plot"
TREND = "[data-testid=stPlotlyChart][aria-label^='Heart rate'] .js-plotly-plot"
LETTERS = "e => e.data.filter(t => t.name.startsWith('beats by beats@')).flatMap(t => [...t.text]).map(t => t.replace(/<.?b>/g, ''))"
MM_PX = "e => [e._fullLayout.xaxis, e._fullLayout.yaxis].map(a => a._length / (a.range[1] - a.range[0]))"


def records(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name="Records")).to_be_visible()
    no_traceback(page)


def upload(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").set_input_files([str(path) for path in paths])


def open_record(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def metric(page: Page, label: str) -> str:
    return page.locator("[data-testid=stMetric]").filter(has=page.get_by_text(label, exact=True)).locator("[data-testid=stMetricValue]").inner_text()


def window_is(page: Page, text: str) -> None:
    expect(page.get_by_text(text)).to_be_visible()
    expect(page.locator(f"[aria-label*='{text.replace('–', ' to ')}']")).to_be_visible()


def at_rest(page: Page) -> None:
    """The script has run to its end."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()


def drawn(page: Page, expression: str):
    """What a function of the strip's Plotly element gives, once the strip is drawn with its beats."""
    script = f'() => {{ const e = document.querySelector("{STRIP}"); return e?._fullLayout ? {{value: ({expression})(e)}} : null }}'
    return page.wait_for_function(script).json_value()["value"]


def no_traceback(page: Page) -> None:
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    expect(page.get_by_text("Not a medical device; every finding needs a physician's over-read.")).to_be_visible()


@pytest.mark.data
def test_upload_choose_a_lead_and_see_its_beats(start_app, page, data_set, tmp_path):
    began = time.monotonic()
    records(page, start_app().url)
    print(f"\nfirst page after start: {time.monotonic() - began:.1f} s")  # noqa: T201  # for whoever measures
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    began = time.monotonic()
    upload(page, *(data_set("mitdb") / f"119{end}" for end in (".hea", ".dat", ".atr")))
    open_record(page, "119")
    expect(page.get_by_text("V beats")).to_be_visible()
    print(f"upload to beats on screen: {time.monotonic() - began:.1f} s")  # noqa: T201  # for whoever measures
    assert 1980 <= int(metric(page, "Beats").replace(",", "")) <= 1995

    page.get_by_role("button", name="Remove V1").first.click()
    expect(page.locator("[aria-label^='ECG, MLII, 0:00:00 to 0:00:10'][aria-label*='Beats by']")).to_be_visible()
    assert drawn(page, LETTERS) == list("NVNNNNNVNN")
    assert 435 <= int(metric(page, "V beats").split()[0]) <= 455
    across, down = drawn(page, MM_PX)
    assert across == pytest.approx(down, rel=1e-3)
    assert page.screenshot(path=tmp_path / "beats.png")
    no_traceback(page)

    page.get_by_role("heading", name="119").click()  # the keys belong to the page, not to the last control
    page.keyboard.press("ArrowRight")
    window_is(page, "0:00:10–0:00:20")
    expect(page.locator(TREND)).to_have_count(1)
    at_rest(page)
    box = page.locator(TREND).bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.wait_for_function("s => document.querySelector(s)?._hoverdata", arg=TREND)  # Plotly knows what lies under the pointer
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 40)
    expect(page.get_by_text("0:00:10–0:00:20")).to_have_count(0)
    assert 600 < drawn(page, "e => e.layout.xaxis.ticktext.filter(t => t)[0].split(':').reduce((s, part) => 60 * s + +part, 0)") < 1200
    page.get_by_role("button", name="Next beat").click()
    page.get_by_role("textbox", name="Go to").fill("0:00:00")
    page.get_by_role("textbox", name="Go to").press("Enter")
    window_is(page, "0:00:00–0:00:10")
    no_traceback(page)

    page.goto(start_app().url)  # the app is started anew
    expect(page.get_by_text("1,988 beats").or_(page.get_by_text("beats · V 22"))).to_be_visible()
    open_record(page, "119")
    expect(page.locator(STRIP)).to_be_visible()
    no_traceback(page)


def test_bad_uploads_are_refused_and_the_app_goes_on(start_app, page, tmp_path):
    empty, photo = tmp_path / "empty.dat", tmp_path / "photo.jpg"
    empty.write_bytes(b"")
    photo.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500))
    records(page, start_app().url)
    for bad in (empty, photo):
        upload(page, bad)
        error = page.locator("[data-testid=stAlert]").filter(has_text=bad.name)
        expect(error).to_be_visible()
        assert "\n" not in error.locator("[data-testid=stMarkdownContainer]").inner_text().strip()
        expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
        no_traceback(page)
        page.reload()
        expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    blobs = tmp_path / "home" / "blobs"
    assert [path for path in blobs.rglob("*") if path.is_file()] == []
    page.get_by_role("button", name="Open demo").click()
    expect(page.locator(STRIP)).to_be_visible()
    expect(page.get_by_text("V beats")).to_be_visible()
    no_traceback(page)


@pytest.mark.parametrize("address", ["records", "review", "evidence"])
def test_a_page_asked_for_first_has_its_frame(start_app, page, address):
    page.goto(f"{start_app().url}/{address}")
    expect(page.get_by_role("link", name="Evidence")).to_be_visible()
    no_traceback(page)


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_the_strip_is_drawn_on_the_paper_of_the_theme(start_app, page):
    records(page, start_app().url)
    page.get_by_role("button", name="Open demo").click()
    expect(page.locator(STRIP)).to_be_visible()
    paper = drawn(page, "e => e.layout.plot_bgcolor")
    page_colour = page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    brightness = [int(part) for part in page_colour[page_colour.index("(") + 1 : -1].split(",")[:3]]
    assert (paper == "#fffdf6") == (sum(brightness) > 384)
