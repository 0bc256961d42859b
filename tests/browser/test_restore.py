"""The Restore page: a gap marked on the strip, filled, looked at, accepted, and still there after a reload and on the Review page."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from ecgcore.inference import cards
from ecgcore.settings import SHIPPED_WEIGHTS
from ecgcore.store import Reconstructions, Store
from tests import gap_models
from tests.browser.conftest import App
from tests.browser.review_page import List, Review, at_rest, open_record, upload
from tests.browser.strip_server import Strip
from tests.pages.conftest import wfdb_files

pytestmark = pytest.mark.browser

LEADS = ("MLII", "V1")  # V1 is missing from 12 to 14 s; beats stand at each half second
# How many pixels have the colour of the accent or one mixed with paper, by day, between two places of the canvas.
ACCENTED = """(e, [x0, x1, top, foot]) => {
  const canvas = e.querySelector("canvas.tracing"), dpr = window.devicePixelRatio;
  const { data } = canvas.getContext("2d").getImageData(Math.round(x0 * dpr), Math.round(top * dpr), Math.round((x1 - x0) * dpr), Math.round((foot - top) * dpr));
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += data[at] < 70 && data[at + 1] > 80 && data[at + 1] < 150 && data[at + 2] > 90 && data[at + 2] < 160;
  return found;
}"""


class Restore(Strip):
    """A record on the Restore page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.get_by_text("Accepted reconstructions:").wait_for()
        page.locator(".strip[data-tiles=ready]:not([data-beats='0'])").wait_for()
        at_rest(page)

    def field(self, name: str):
        return self.page.get_by_role("spinbutton", name=name)

    def press_button(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def says(self, pattern: str) -> None:
        """Wait until what is reconstructed in view is put so into words."""
        expect(self.locator("canvas.tracing")).to_have_attribute("aria-label", re.compile(pattern))

    def accented(self, start_s: float, stop_s: float) -> int:
        """Pixels in the colour of reconstructions between two moments, below their bar and label."""
        geometry = self.told("geometry")
        left, right = (self.x(seconds) - self.box["x"] for seconds in (start_s, stop_s))
        found: int = self.root.evaluate(ACCENTED, [left, right, geometry["top"] + 24, geometry["bottom"]])
        return found


@pytest.fixture(scope="module")
def record(running_app: App, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A record that was opened on Review once; its id."""
    if not any(folder.parent.name == "wonhee" for folder in cards.folders(SHIPPED_WEIGHTS)):
        gap_models.write_model(running_app.home / "models")
    folder = tmp_path_factory.mktemp("files")
    for name, data in wfdb_files("one", LEADS).items():
        (folder / name).write_bytes(data)
    page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
    upload(page, running_app.url, *sorted(folder.glob("one.*")))
    open_record(page, "one")
    page.context.close()
    return Store(running_app.home).list()[0].id


@pytest.fixture
def begin(app: App, record: str) -> Callable[[Page], Restore]:
    """Opens the Restore page; nothing is reconstructed there yet."""
    kept = Reconstructions(Store(app.home))
    for one in kept.of(record):
        kept.discard(one.id, "local")

    def opened(page: Page) -> Restore:
        page.goto(f"{app.url}/restore?record={record}")
        return Restore(page)

    return opened


def test_a_gap_marked_with_the_mouse_is_filled_accepted_and_still_there(app: App, page: Page, record: str, begin):
    strip = begin(page)
    height = strip.box["y"] + strip.told("geometry")["top"] + 60
    strip.drag((strip.x(5.2), height), (strip.x(6.0), height), held="Shift")
    page.keyboard.press("Shift+G")
    expect(strip.field("From, s")).to_have_value(re.compile(r"^5\.(19|20|21)\d?$"))
    expect(strip.field("To, s")).to_have_value(re.compile(r"^(5\.99|6\.0[01])\d?$"))
    at_rest(page)
    strip.press_button("Fill")
    expect(page.get_by_text("Not accepted: MLII 0:00:05")).to_be_visible()
    strip.says(r"dashed where reconstructed: MLII 0:00:05\.2 to 0:00:06\.0, not accepted$")
    assert strip.accented(5.2, 6.0) > 100
    assert strip.accented(6.5, 8.0) == 0
    assert Reconstructions(Store(app.home)).of(record) == ()
    strip.press_button("Accept")
    expect(page.get_by_text("Accepted reconstructions: 1")).to_be_visible()
    page.reload()
    strip = Restore(page)
    strip.says(r"dashed where reconstructed: MLII 0:00:05\.2 to 0:00:06\.0$")
    assert strip.accented(5.2, 6.0) > 100
    page.get_by_role("link", name="Review").click()
    Review(page)
    strip.says(r"dashed where reconstructed: MLII 0:00:05\.2 to 0:00:06\.0$")
    expect(strip.locator("button[name=gap]")).to_be_hidden()


def test_a_gap_is_filled_and_let_go_of_by_keyboard_alone(app: App, page: Page, record: str, begin):
    strip = begin(page)
    for name, value in (("From, s", "7.2"), ("To, s", "8")):
        strip.field(name).fill(value)
        strip.field(name).press("Enter")
        at_rest(page)
    page.get_by_role("button", name="Fill", exact=True).press("Enter")
    expect(page.get_by_text("Not accepted: MLII 0:00:07.20 to 0:00:08.00 (0.80 s)")).to_be_visible()
    page.get_by_role("button", name="Accept", exact=True).press("Enter")
    expect(page.get_by_text("Accepted reconstructions: 1")).to_be_visible()
    at_rest(page)
    page.get_by_role("button", name="Discard", exact=True).press("Enter")
    expect(page.get_by_text("Accepted reconstructions: 0")).to_be_visible()
    at_rest(page)  # the number before stands beside the new one until then
    expect(page.get_by_text("Discarded: ")).to_be_visible()
    (gone,) = [one for one in Reconstructions(Store(app.home)).of(record, discarded=True) if one.made.start_sample == 1800]
    assert gone.discarded_by == "local"


def test_a_proposed_gap_is_marked_by_a_click_on_its_lead(app: App, page: Page, begin):
    strip = begin(page)
    page.get_by_role("combobox", name="Lead").click()
    page.get_by_role("option", name="V1").click()
    expect(page.get_by_text("Gaps to fill on V1: 1")).to_be_visible()
    strip.until("d.leads === 'V1'")
    List(page, page.get_by_test_id("stDataFrame").first).click(0)
    expect(strip.field("From, s")).to_have_value("12.000")
    expect(strip.field("To, s")).to_have_value("14.000")
    at_rest(page)
    strip.press_button("Fill")
    strip.says(r"V1 0:00:12\.0 to 0:00:14\.0, not accepted$")
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.get_by_text("Not accepted:")).to_have_count(0)
    expect(strip.locator("canvas.tracing")).not_to_have_attribute("aria-label", re.compile("dashed"))


def test_what_comes_after_the_end_is_drawn_after_it(app: App, page: Page, begin):
    strip = begin(page)
    page.get_by_role("radio", name="Forecast").click()
    expect(page.get_by_role("radio", name="1 s")).to_be_visible()
    at_rest(page)
    strip.press_button("Forecast")
    strip.says(r"MLII 0:00:40\.0 to 0:00:41\.0, not accepted$")
    assert strip.number("stop") == pytest.approx(41, abs=0.02)
    assert strip.accented(40.05, 40.95) > 20


def test_calipers_over_it_say_that_it_is_not_measured(app: App, page: Page, begin):
    strip = begin(page)
    for name, value in (("From, s", "5.2"), ("To, s", "6")):
        strip.field(name).fill(value)
        strip.field(name).press("Enter")
        at_rest(page)
    strip.press_button("Fill")
    strip.says("not accepted$")
    strip.press_button("Calipers")
    height = strip.box["y"] + strip.told("geometry")["top"] + 60
    strip.drag((strip.x(5.4), height), (strip.x(5.8), height))
    expect(strip.locator(".measured")).to_contain_text("reconstructed signal is never counted or measured")
    strip.drag((strip.x(7.4), height), (strip.x(7.8), height))
    expect(strip.locator(".measured")).not_to_contain_text("reconstructed")


def test_a_gap_too_long_is_said_and_leaves_nothing(page: Page, begin):
    strip = begin(page)
    strip.field("To, s").fill("20")
    strip.field("To, s").press("Enter")
    at_rest(page)
    strip.press_button("Fill")
    expect(page.get_by_test_id("stAlert").filter(has_text="is too long")).to_be_visible()
    expect(page.get_by_role("button", name="Accept", exact=True)).to_have_count(0)


def test_the_record_in_hand_goes_along_from_review(app: App, page: Page, record: str):
    page.goto(f"{app.url}/review?record={record}")
    Review(page)
    page.get_by_role("link", name="Restore").click()
    Restore(page)
    expect(page.get_by_role("heading", name="one", exact=True)).to_be_visible()
