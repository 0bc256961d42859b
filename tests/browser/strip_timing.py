"""The strip on a day of three leads at 250 Hz with 100,000 beats: first view, pan and zoom, tiles, memory. For `python -m tests.bench strip`."""

import shutil
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from ecgcore import analyze, read, writers
from ecgcore.record import Record
from ecgcore.review import Relabel
from ecgcore.signals import filters, resampling
from ecgcore.signals.pyramid import Pyramid, n_buckets
from ecgcore.store import Store
from ecgcore.store.reviews import Reviews
from ecgcore.tiles import BUCKETS, tile
from tests.browser.conftest import TIMEOUT_MS, App

DAY_S, FS_HZ, NAME = 24 * 3600, 250.0, "230"  # 2,256 beats in half an hour: 108,000 in a day
STRIP = ".strip[data-start]"
SPANS_S = (1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600)
OPENINGS = 5
STEPS = 20  # pans and zooms at each of them
TILES = 200  # of each level and filter
TAKEN = "s => performance.getEntriesByName('strip-view').filter(e => e.startTime >= s).map(e => e.duration)"


def day(folder: Path) -> Record:
    """Record 230 at 250 Hz, over and over for a day; the third lead is the difference of the two."""
    short = read(folder / NAME)
    mv = np.stack([resampling.resample(lead, short.fs_hz, FS_HZ) for lead in short.mv()])
    both = np.concatenate([mv, mv[:1] - mv[1:]])
    adc = np.clip(np.round(both * 200), -32767, 32767).astype(np.int16)
    long = np.resize(adc.T, (int(DAY_S * FS_HZ), 3)).T.copy()
    return Record("day", long, np.full(3, 200.0), np.zeros(3), FS_HZ, ("MLII", "V1", "V5"), short.source)


def measure(folder: Path) -> dict[str, Any]:
    """Medians and 95th percentiles, in ms unless the name says otherwise."""
    with tempfile.TemporaryDirectory() as name:
        home, files = Path(name) / "home", Path(name) / "files"
        files.mkdir()
        writers.write(day(folder), files / "day.hea")
        found = _stored(home, files)
        return {**found, **_in_the_browser(home)}


def _stored(home: Path, files: Path) -> dict[str, Any]:
    store = Store(home)
    begun = time.perf_counter()
    stored = store.add({path.name: path.read_bytes() for path in files.iterdir()})
    taken_in = time.perf_counter() - begun
    record = store.open(stored.id)
    kept = store.save_analysis(stored.id, analyze(record))
    reading = Reviews(store).reading(stored.id, kept.id)
    found = {
        "beats": sum(kept.counts.values()),
        "taken_in_s": round(taken_in, 2),
        "tiles_ms": tiles(record, store.pyramid(stored.id)),
        "edits_ms": edits(Reviews(store), reading.id),
    }
    store.close()
    return found


def edits(reviews: Reviews, reading_id: str) -> dict[str, Any]:
    """Milliseconds to make 1,000 beats V, saved, and to take it back in one step."""
    samples = tuple(reviews.state(reading_id).samples[5000:6000].tolist())
    work = {
        "relabel": lambda: reviews.edit(reading_id, "local", Relabel(samples, "F"), uuid.uuid4().hex),
        "undo": lambda: reviews.undo(reading_id, "local", uuid.uuid4().hex),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(5):
        for name, do in work.items():
            begun = time.perf_counter()
            do()
            taken[name].append(1000 * (time.perf_counter() - begun))
    return {name: figures(values) for name, values in taken.items()}


def tiles(record: Record, pyramid: Pyramid) -> dict[str, Any]:
    """Server time of tiles of three leads at random places, in ms, bytes and all; the first touch of a filtered minute among them."""
    rng, found = np.random.default_rng(1), {}
    for name, levels in (("unfiltered", range(pyramid.top + 1)), (filters.DIAGNOSTIC, range(3))):
        for level in levels:
            there = -(-n_buckets(record.n_samples, level) // BUCKETS)
            taken = []
            for index in rng.integers(0, there, TILES).tolist():
                begun = time.perf_counter()
                tile(record, pyramid, record.leads, level, index, name).to_bytes()
                taken.append(1000 * (time.perf_counter() - begun))
            found[f"{name}, level {level}"] = figures(taken)
    return found


def _in_the_browser(home: Path) -> dict[str, Any]:
    app = App(home).wait()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            first = browser.new_page()
            first.goto(app.url)
            first.get_by_role("button", name="day", exact=True).first.wait_for()
            before = _memory_mb(app)
            first.close()
            cold, page = _opened(browser, app.url)
            warm = []
            for _ in range(OPENINGS):
                page.close()
                taken, page = _opened(browser, app.url)
                warm.append(taken)
            page.get_by_text("Heart rate of the whole record").wait_for(state="attached")
            every = {span: _moved(page, span) for span in SPANS_S}
            both = [taken for of_span in every.values() for taken in of_span]
            grown = round(_memory_mb(app) - before)
        return {
            "first_view_s": figures(warm),
            "first_view_right_after_start_s": round(cold, 2),
            "pan_and_zoom_ms": figures(both),
            "by_span_ms": {f"{span} s": figures(taken) for span, taken in every.items()},
            "memory_grows_mb": grown,
        }
    finally:
        app.stop()


def _opened(browser: Browser, url: str) -> tuple[float, Page]:
    """Seconds from the click on a record to its strip with tiles and beats, in a browser that has nothing of the app; and the page."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(url)
    page.get_by_role("button", name="day", exact=True).first.wait_for()
    begun = time.perf_counter()
    page.get_by_role("button", name="day", exact=True).first.click()
    page.locator(f"{STRIP}[data-tiles=ready]:not([data-beats='0'])").wait_for()
    return time.perf_counter() - begun, page


def _moved(page: Page, span_s: int) -> list[float]:
    """Milliseconds from each pan or zoom to the frame that answers it with the right tiles."""
    page.locator(".strip .stage").focus()
    page.keyboard.press("0")
    _ready(page)
    box = page.locator(".strip canvas.tracing").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    while (away := float(page.locator(STRIP).get_attribute("data-stop") or 0) - float(page.locator(STRIP).get_attribute("data-start") or 0)) and not 0.7 < away / span_s < 1.45:
        page.keyboard.press("-" if away < span_s else "+")
        if _ready(page) == away:
            break  # no further
    since = float(page.evaluate("performance.now()"))
    for step in range(STEPS):
        if step % 2:
            page.mouse.wheel(0, -120 if step % 4 == 1 else 120)
        else:
            page.keyboard.press("ArrowRight" if step % 8 < 6 else "ArrowLeft")
        _ready(page)
    return [float(taken) for taken in page.evaluate(TAKEN, since)]


def _ready(page: Page) -> float:
    """Wait for the frame with the right tiles; the seconds it shows."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shown = page.locator(f"{STRIP}[data-tiles=ready]")
    shown.wait_for()
    return float(shown.get_attribute("data-stop") or 0) - float(shown.get_attribute("data-start") or 0)


def _memory_mb(app: App) -> float:
    return float(psutil.Process(app.pid).memory_info().rss) / 2**20


def figures(values: list[float]) -> dict[str, Any]:
    """How many, median, 95th percentile, greatest."""
    return {"n": len(values), "median": round(statistics.median(values), 2), "p95": round(float(np.percentile(values, 95)), 2), "greatest": round(max(values), 2)}
