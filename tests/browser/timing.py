"""How long a user waits: from start to the first page, from upload to beats on screen. For `python -m tests.bench app`."""

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import TIMEOUT_MS, App

REPEATS = 3


def measure(folder: Path) -> dict[str, Any]:
    """Medians in s over fresh starts; `folder` holds mitdb."""
    first, beats = zip(*(_once(folder) for _ in range(REPEATS)), strict=True)
    return {"first_page_s": round(statistics.median(first), 2), "upload_to_beats_s": round(statistics.median(beats), 2), "starts": REPEATS}


def _once(folder: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(TIMEOUT_MS)
        begun = time.perf_counter()
        app = App(Path(name) / "home")
        try:
            page.goto(app.wait().url)
            page.get_by_text("Nothing is stored yet").wait_for()
            first = time.perf_counter() - begun
            return first, _upload(page, folder)
        finally:
            app.stop()


def _upload(page: Page, folder: Path) -> float:
    begun = time.perf_counter()
    page.locator("input[type=file]").set_input_files([str(folder / f"119{end}") for end in (".hea", ".dat", ".atr")])
    page.get_by_role("button", name="119", exact=True).click()
    page.get_by_text("V beats").wait_for()
    page.locator("[aria-label*='Beats by']").wait_for()
    return time.perf_counter() - begun
