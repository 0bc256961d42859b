"""The Review page as its users see it: the strip, and the numbers, panels and menus about it."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.browser.strip_server import Strip

NOTICE = "Not a medical device; every finding needs a physician's over-read."
ROW_EM = 2.1875  # height of a line of Streamlit's table
PATIENCE_MS = 10_000


class Review(Strip):
    """A record on the Review page."""

    def __init__(self, page: Page, address: str = "") -> None:
        self.page = page
        if address:
            page.goto(address)
        self.arrived()

    def arrived(self) -> None:
        """Wait for signal, beats and numbers."""
        self.page.locator(".strip[data-tiles=ready]:not([data-beats='0'])").wait_for()
        expect(self.metric("V beats")).to_be_visible()
        at_rest(self.page)

    def metric(self, label: str) -> Locator:
        """The value of a number above the strip."""
        return self.page.get_by_test_id("stMetric").filter(has=self.page.get_by_text(label, exact=True)).get_by_test_id("stMetricValue")

    def counts(self, **counts: int) -> None:
        """Wait until the page and the strip count so many beats: beats=…, and by class."""
        for name, count in counts.items():
            label, option = ("Beats", "all") if name == "beats" else (f"{name} beats", name)
            expect(self.metric(label)).to_have_text(re.compile(rf"^{count:,}\b"))
            expect(self.locator(f"select[name=classes] option[value={option}]")).to_have_text(re.compile(rf" {count:,}$"))

    def letters(self, letters: str) -> None:
        """Wait until the beats in view bear these letters: "NVN"."""
        expect(self.locator("canvas.tracing")).to_have_attribute("aria-label", re.compile(f", beats {' '.join(letters)}$"))

    def select(self, seconds: float) -> None:
        """Click the letter at a moment."""
        self.settled(lambda: self.page.mouse.click(self.x(seconds), self.lane("letters")))

    def edit(self, key: str) -> None:
        """Press a key that edits, and wait until that is saved."""
        seq = int(self.data("seq"))
        self.page.keyboard.press(key)
        self.saved(seq + 1)

    def panel(self, name: str) -> None:
        """Open a panel beside the strip."""
        self.page.get_by_role("radio", name=name).click()
        expect(self.page.get_by_role("radio", name=name)).to_have_attribute("aria-checked", "true")
        at_rest(self.page)

    def menu(self, name: str) -> Locator:
        """Open a menu above the strip; its content."""
        self.page.get_by_role("button", name=name).click()
        return self.page.get_by_test_id("stPopoverBody")

    def close_menu(self) -> None:
        self.page.keyboard.press("Escape")
        expect(self.page.get_by_test_id("stPopoverBody")).to_have_count(0)

    def list(self) -> "List":
        """The list of the panel."""
        return List(self.page, self.page.get_by_test_id("stDataFrame").first)


class List:
    """A table of which a line can be clicked. It is drawn on a canvas, and told in words inside it as far as it is in view."""

    def __init__(self, page: Page, table: Locator) -> None:
        self.page = page
        self.canvas = table.get_by_test_id("data-grid-canvas")

    def _number(self, column: str) -> int:
        """Which column from the left."""
        head = self.canvas.locator("th", has_text=re.compile(f"^{re.escape(column)}$"))
        return int(head.get_attribute("aria-colindex") or 0) - 1  # one look, so that a table drawn anew meanwhile is waited for

    def cell(self, row: int, column: str) -> Locator:
        """A cell by its line, the first is 0, and the name of its column."""
        return self.canvas.get_by_test_id(f"glide-cell-{self._number(column)}-{row}")

    def cells(self, column: str) -> Locator:
        """The cells of a column in view."""
        return self.canvas.locator(f"[data-testid^=glide-cell-{self._number(column)}-]")

    def texts(self, column: str) -> list[str]:
        """What is in them now."""
        expect(self.cell(0, column)).to_be_attached()
        return self.cells(column).all_text_contents()

    def click(self, row: int) -> None:
        """Click a line and wait until it is the one chosen; once more where the table moved under the mouse or was drawn anew."""
        cell = self.canvas.get_by_test_id(f"glide-cell-0-{row}")
        expect(cell).to_be_attached()
        row_px = ROW_EM * self.page.evaluate("() => parseFloat(getComputedStyle(document.documentElement).fontSize)")

        def click() -> None:
            box = self.canvas.bounding_box()
            assert box is not None
            self.page.mouse.click(box["x"] + 30, box["y"] + (row + 1.5) * row_px)

        until(click, lambda patience: expect(cell).to_have_attribute("aria-selected", "true", timeout=patience))


def until(act: Callable[[], None], seen: Callable[[float | None], None]) -> None:
    """Do something until its effect is seen, twice at most: what is drawn anew under the mouse takes no click."""
    try:
        act()
        seen(PATIENCE_MS)
    except (AssertionError, TimeoutError):
        act()
        seen(None)


def go_to(page: Page, name: str) -> None:
    """Go to another page by its link."""
    heading = page.get_by_role("heading", name=name, exact=True)
    until(page.get_by_role("link", name=name).click, lambda patience: expect(heading).to_be_visible(timeout=patience))
    at_rest(page)


def at_rest(page: Page) -> None:
    """The script has run to its end, and nothing went wrong in it."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text(NOTICE)).to_be_visible()


def commit(page: Page, label: str, text: str) -> None:
    """Type into a text field and have the page take it in."""
    field = page.get_by_role("textbox", name=label)
    asked = page.get_by_text("Press Enter to apply")

    def type_in() -> None:
        field.fill(text)
        field.press("Enter")

    def taken(patience: float | None) -> None:
        expect(field).to_have_value(text, timeout=patience)
        expect(asked).to_have_count(0, timeout=patience)

    until(type_in, taken)
    at_rest(page)


def files(record: Path) -> list[Path]:
    """The files of a WFDB record, its reference too where there is one."""
    return sorted(record.parent.glob(f"{record.name}.*"))


def upload(page: Page, url: str, *paths: Path) -> None:
    """Have files taken in on the Records page."""
    page.goto(url)
    page.locator("input[type=file]").set_input_files([str(path) for path in paths])


def open_record(page: Page, name: str) -> Review:
    """Open a record from the list."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    return Review(page)
