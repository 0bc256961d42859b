"""How long a user waits: from start to the first page, from upload to beats on screen, for a page while a training runs. For `python -m tests.bench app busy`."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from ecgcore import jobs
from ecgcore.jobs.specs import TrainSpec
from ecgcore.settings import ROOT
from ecgcore.store import Store
from ecgcore.store.jobs import Jobs
from tests.browser.conftest import TIMEOUT_MS, App
from tests.browser.review_page import at_rest, open_record

REPEATS = 3
PAGES = {"Records": "Records", "Sessions": "Sessions", "Rhythm": "119", "Evidence": "Evidence", "Restore": "119", "Admin": "Admin"}  # and the heading by which each is known
VISITS = 5


def measure(folder: Path) -> dict[str, Any]:
    """Medians in s over fresh starts; `folder` holds mitdb."""
    first, beats = zip(*(_once(folder) for _ in range(REPEATS)), strict=True)
    return {"first_page_s": round(statistics.median(first), 2), "upload_to_beats_s": round(statistics.median(beats), 2), "starts": REPEATS}


def while_training(folder: Path) -> dict[str, Any]:
    """Seconds from a click to the page at rest, by page: with no training, and while the default model is trained; medians of five visits, the first of each left out."""
    with tempfile.TemporaryDirectory() as name, _browser() as page, _home(Path(name) / "home") as home:
        app = App(home)
        try:
            page.goto(app.wait().url)
            _upload(page, folder)
            idle = _visits(page)
            with _training(home):
                busy = _visits(page)
        finally:
            app.stop()
    return {"idle_s": idle, "training_s": busy}


def _visits(page: Page) -> dict[str, float]:
    """Medians of pages visited one after the other; Review is opened from Records."""
    taken: dict[str, list[float]] = {}
    for _ in range(VISITS + 1):
        for name in PAGES:
            taken.setdefault(name, []).append(_timed(lambda name=name: _visit(page, name)))
            if name == "Records":
                taken.setdefault("Review", []).append(_timed(lambda: open_record(page, "119")))
    return {name: round(statistics.median(seconds[1:]), 2) for name, seconds in taken.items()}


def _visit(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=PAGES[name], exact=True).wait_for()
    at_rest(page)


@contextmanager
def _training(home: Path) -> Iterator[None]:
    """A worker that trains the default model anew; it has begun to learn."""
    worker = subprocess.Popen([sys.executable, "-m", "ecgcore", "worker"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store(home)
    try:
        job = jobs.submit(store, "train", "training while pages are timed", TrainSpec(recipe="beats"), "bench")
        while not Jobs(store).points(job.id):
            time.sleep(0.5)
        yield
        if Jobs(store).get(job.id).status != "running":
            raise RuntimeError("the training ended before the pages were timed")
    finally:
        worker.terminate()
        worker.wait()
        store.close()


@contextmanager
def _home(home: Path) -> Iterator[Path]:
    before = os.environ.get("LEADWISE_HOME")
    os.environ["LEADWISE_HOME"] = str(home)
    try:
        yield home
    finally:
        os.environ.pop("LEADWISE_HOME")
        if before is not None:
            os.environ["LEADWISE_HOME"] = before


@contextmanager
def _browser() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(TIMEOUT_MS)
        yield page
        browser.close()


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _once(folder: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name, _browser() as page:
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
    open_record(page, "119")
    return time.perf_counter() - begun
