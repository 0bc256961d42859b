"""Models side by side on the Review page, and the beats behind a cell of the Evidence page."""

import re

import pytest
from playwright.sync_api import Page, expect

from ecgcore.figures.clock import seconds
from ecgcore.inference import cards
from ecgcore.settings import SHIPPED_WEIGHTS
from tests.browser.conftest import App
from tests.browser.review_page import List, Review, at_rest
from tests.window_models import write_model

pytestmark = pytest.mark.browser

COUNTED_MS = 180_000  # 22 records of half an hour are classified


@pytest.fixture
def models(app: App) -> list[str]:
    """The papers' models, shipped or else tiny ones: name@version of each."""
    found = []
    for name in ("neural_flow", "hadln"):
        shipped = [folder for folder in cards.folders(SHIPPED_WEIGHTS) if folder.parent.name == name]
        folder = shipped[-1] if shipped else app.home / "models" / name / "1"
        if not folder.exists():
            write_model(app.home / "models", name)
        found.append(cards.read_card(folder).id)
    return found


def test_a_disagreement_is_one_click_away_with_attention_under_the_beat(app: App, page: Page, models: list[str]):
    page.goto(app.url)
    at_rest(page)
    page.get_by_role("button", name="Open demo").click()
    strip = Review(page)
    strip.panel("Models")
    page.get_by_role("button", name="Compare models").click()
    expect(page.get_by_text("on which they disagree")).to_be_visible()
    for model in models:
        expect(page.get_by_role("cell", name=model)).to_be_visible()
    at_rest(page)
    maps = page.get_by_role("figure", name=re.compile("and the attention of"))
    hidden = page.get_by_text("is not shown: what it highlights")
    expect(maps.or_(hidden)).to_have_count(len(models))
    listed = strip.list()
    listed.canvas.scroll_into_view_if_needed()
    time = listed.texts("Time")[2]
    listed.click(2)
    expect(page.get_by_text(f"Beat at {time}")).to_be_visible()
    at_rest(page)
    expect(maps.or_(hidden)).to_have_count(len(models))
    strip.until("d.selected === '1' && +d.start <= a[0] && a[0] <= +d.stop", seconds(time))


@pytest.mark.data
def test_a_cell_lists_its_beats_and_one_opens_in_review(app: App, page: Page, data_set):
    data_set("mitdb")
    page.goto(f"{app.url}/evidence")
    at_rest(page)
    card = page.get_by_test_id("stVerticalBlock").filter(has=page.get_by_role("heading", name=re.compile("^beats@"))).last
    card.get_by_role("button", name="Count the beats on this machine").click()
    cell = card.get_by_role("button", name="V→N")
    expect(cell).to_be_visible(timeout=COUNTED_MS)
    at_rest(page)
    counts = [int(re.sub(r"\D", "", text)) for text in card.get_by_role("button").filter(has_text="→").all_text_contents()]
    assert sum(counts) == 49_712  # the reference beats of DS2
    cell.focus()
    page.keyboard.press("Enter")
    expect(card.get_by_text(re.compile(r"^V called N: [\d,]+ beats$"))).to_be_visible()
    at_rest(page)
    listed = List(page, card.get_by_test_id("stDataFrame").first)
    listed.canvas.scroll_into_view_if_needed()
    record = listed.texts("Record")[1]
    listed.click(1)
    expect(page.get_by_role("figure", name=re.compile(f"MLII of {record} around the beat at"))).to_be_visible()
    at_rest(page)
    page.get_by_role("button", name="Open in Review").click()
    expect(page.get_by_role("heading", name=record, exact=True)).to_be_visible()
    strip = Review(page)
    assert strip.data("beats") != "0"
