"""The Rhythm page in a browser: leads chosen, the rhythm followed along a recording, a span accepted, and seen on Review."""

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from ecgcore.settings import SHIPPED_WEIGHTS
from ecgcore.store import Reviews, Store
from tests import rhythm_models
from tests.browser.conftest import App
from tests.browser.review_page import List, Review, at_rest, until

pytestmark = pytest.mark.browser


class Rhythm:
    """A record on the Rhythm page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.get_by_text("On other leads", exact=True).wait_for()
        at_rest(page)

    def lead(self, name: str) -> Locator:
        return self.page.locator("button[data-variant=pills]").filter(has_text=re.compile(f"^{name}$"))

    def only(self, *names: str) -> None:
        """Choose these leads and no others."""
        for lead in self.page.locator("button[data-variant=pills]").all():
            if (lead.get_attribute("aria-pressed") == "true") != (lead.inner_text() in names):
                self.turn(lead, lead.click)
                at_rest(self.page)

    def turn(self, lead: Locator, act: Callable[[], None]) -> None:
        """Choose a lead that was not chosen, or the other way round."""
        turned = "false" if lead.get_attribute("aria-pressed") == "true" else "true"
        until(act, lambda patience: expect(lead).to_have_attribute("aria-pressed", turned, timeout=patience))

    def called(self, name: str) -> None:
        expect(self.page.get_by_role("heading", name=name, exact=True)).to_be_visible()

    def chart(self, alt: str) -> Locator:
        """A figure by how its words begin; while the page runs the one before may still stand beside it."""
        found = self.page.locator(f'[aria-label^="{alt}"]')
        expect(found).to_have_count(1)
        return found

    def weighs(self, leads: str, patience: float | None = None) -> None:
        """Wait until the leads have these weights."""
        expect(self.page.locator(f'[aria-label="Weight of each lead: {leads}."]')).to_be_visible(timeout=patience)

    def follow(self) -> None:
        self.page.get_by_role("button", name="Follow the rhythm along the record").click()
        expect(self.page.get_by_text("AF burden", exact=True)).to_be_visible()
        at_rest(self.page)

    def spans(self) -> List:
        return List(self.page, self.page.get_by_test_id("stDataFrame").filter(has_text="Lasts"))


@pytest.fixture(scope="module")
def running_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with a model of rhythm that answers by rule."""
    home = tmp_path_factory.mktemp("app") / "home"
    shutil.copytree(SHIPPED_WEIGHTS / "beats", home / "shipped" / "beats")
    rhythm_models.write_model(home / "shipped")
    running = App(home, script="tests/browser/rhythm_app.py").wait()
    yield running
    assert "Traceback" not in running.stop()


@pytest.fixture
def begin(app: App) -> Callable[[Page, str], Rhythm]:
    """Opens a demo recording from the Records page and goes on from Review, where its beats are found, to Rhythm."""

    def opened(page: Page, name: str) -> Rhythm:
        page.goto(app.url)
        page.get_by_role("combobox", name="Demo recordings").click()
        page.get_by_role("option", name=re.compile(f"^{name}:")).click()
        at_rest(page)
        page.get_by_role("button", name="Open demo").click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        Review(page)
        page.get_by_role("link", name="Rhythm").click()
        return Rhythm(page)

    return opened


def test_other_leads_chosen_by_mouse_and_keyboard_change_what_is_called(page: Page, begin):
    shown = begin(page, "demo-12-lead")
    shown.called("Sinus rhythm")
    expect(shown.chart("Tracing of I, II, III")).to_have_attribute("aria-label", re.compile("Shaded by weight: I .* II 29 %.* V6 6 %"))
    shown.only("I", "V1")
    shown.weighs("I 29 %, V1 71 %")
    shown.called("Sinus rhythm")
    shown.turn(shown.lead("V1"), lambda: shown.lead("V1").press("Enter"))
    shown.called("Not sure")
    expect(page.get_by_text("The most probable rhythm has 60%, below the 75% from which one is called. Most")).to_be_visible()
    expect(page.get_by_text("Most probable, not called: sinus rhythm (SR)")).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_be_disabled()


def test_a_line_of_the_subsets_chooses_its_leads(page: Page, begin):
    shown = begin(page, "demo-af")
    shown.called("Atrial fibrillation")
    subsets = List(page, page.get_by_test_id("stDataFrame").first)
    assert subsets.texts("Leads") == ["All 12 leads", "Six limb leads", "I, II, V1", "I, II", "II", "I"]
    at_rest(page)
    until(lambda: subsets.click(2), lambda patience: shown.weighs("I 12 %, II 59 %, V1 29 %", patience))
    assert [lead.inner_text() for lead in page.locator("button[data-variant=pills][aria-pressed=true]").all()] == ["I", "II", "V1"]


def test_a_span_is_accepted_and_seen_on_review(app: App, page: Page, begin):
    shown = begin(page, "demo-paroxysmal-af")
    shown.follow()
    assert shown.spans().texts("Rhythm") == ["SR", "AFIB", "AFIB", "SR"]
    expect(shown.chart("Rhythm along the record, 0:10:00, by 10-s windows: sinus rhythm")).to_be_visible()
    shown.spans().click(1)
    shown.called("Atrial fibrillation")
    expect(page.get_by_role("spinbutton", name="From, s")).to_have_value("190.0")
    expect(page.get_by_role("spinbutton", name="To, s")).to_have_value("250.0")
    at_rest(page)
    page.get_by_role("button", name="Accept AFIB 0:03:10 to 0:05:00").press("Enter")
    expect(page.get_by_text("Rhythm marks of this reading: AFIB 0:03:10 to 0:05:00 by local.")).to_be_visible()
    expect(page.get_by_role("button", name="Take back AFIB")).to_be_visible()
    at_rest(page)
    page.get_by_role("button", name="Show on Review").click()
    review = Review(page)
    page.mouse.move(review.x(192), review.lane("items"))
    expect(review.locator(".tooltip")).to_contain_text("rhythm · AFIB · local")
    review.panel("History")
    assert review.list().texts("What")[0].startswith("rhythm AFIB accepted: universal@1 on I, II, V1")
    reviews = Reviews(Store(app.home))
    (item,) = [one for record in Store(app.home).list() for reading in reviews.readings(record.id) for one in reviews.state(reading.id).items]
    assert (item.text, item.start, item.stop) == ("AFIB", 47_500, 75_000)


def test_a_click_on_the_course_shows_that_window(page: Page, begin):
    shown = begin(page, "demo-paroxysmal-af")
    shown.follow()
    shown.called("Sinus rhythm")
    course = shown.chart("Rhythm along the record")
    course.scroll_into_view_if_needed()
    drag = course.locator("rect.nsewdrag[data-subplot=xy2]").or_(course.locator("rect.nsewdrag")).last.bounding_box()
    assert drag is not None
    page.mouse.move(drag["x"] + drag["width"] * 0.555, drag["y"] + 12)
    expect(course.locator(".hoverlayer")).to_contain_text("AFIB")
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("spinbutton", name="From, s")).to_have_value("330.0")
    shown.called("Atrial fibrillation")
    expect(page.get_by_role("button", name="Accept AFIB 0:05:10 to 0:07:00")).to_be_enabled()
