"""The strip alone on a page, and a hand to work it: what the tests of the component share."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode

import pytest
from playwright.sync_api import ElementHandle, Locator, Page

from ecgcore.settings import ROOT
from tests.browser.conftest import free_port

_numbers = count(1)


@pytest.fixture(scope="module")
def strip_url() -> Iterator[str]:
    """Where the page with the strip answers. It may not log a traceback."""
    port = str(free_port())
    command = [sys.executable, "-m", "streamlit", "run", "tests/browser/strip_app.py", "--server.port", port, "--server.headless", "true"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603  # our own interpreter
    url = f"http://localhost:{port}"
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):  # noqa: S310  # our own server
                break
        except URLError:
            if process.poll() is not None:
                pytest.fail(f"the page did not start:\n{process.communicate()[0]}")
    yield url
    process.terminate()
    said, _ = process.communicate(timeout=20)
    assert "Traceback" not in said, said


class Strip:
    """The strip on a page. Each has a reading of its own, so that no test sees another's edits."""

    def __init__(self, page: Page, url: str, record: str, reading: str = "r", **query: str) -> None:
        self.page, self.url, self.record = page, url, record
        self.reading = f"{reading}{next(_numbers)}"
        self.address = f"{url}/?{urlencode({'record': record, 'reading': self.reading, **query})}"
        page.goto(self.address)
        self.arrived()

    def arrived(self) -> None:
        """Wait for signal and beats."""
        self.locator("").and_(self.page.locator("[data-tiles=ready]:not([data-seq='-1'])")).wait_for()

    @property
    def root(self) -> ElementHandle:
        found = self.locator("").element_handle()
        assert found is not None
        return found

    def locator(self, inside: str) -> Locator:
        return self.page.locator(f".strip {inside}".strip())

    def data(self, name: str) -> str:
        """What the root element says of itself."""
        said: str = self.root.evaluate("(e, name) => e.dataset[name]", name)
        return said

    def number(self, name: str) -> float:
        return float(self.data(name))

    def told(self, name: str) -> Any:
        return json.loads(self.data(name))

    def until(self, condition: str, *arguments: Any) -> None:
        """Wait until an expression of the root's data `d` (and arguments `a`) holds."""
        self.page.wait_for_function(f"([e, ...a]) => {{ const d = e.dataset; return {condition} }}", arg=[self.root, *arguments])

    def settled(self, act: Any) -> None:
        """Do something, and wait for the frame with the right tiles that answers it, not for one that was under way."""
        before = self.data("frames")
        act()
        self.page.evaluate("() => new Promise(requestAnimationFrame)")
        self.until("d.tiles === 'ready' && +d.frames > +a[0]", before)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.settled(lambda key=key: self.page.keyboard.press(key))

    def choose(self, name: str, value: str) -> None:
        self.settled(lambda: self.locator(f"select[name={name}]").select_option(value))

    def go_to(self, time: str) -> None:
        """Have the strip begin at a time."""
        self.page.keyboard.press("g")
        self.locator(".popup input").fill(time)
        self.settled(lambda: self.page.keyboard.press("Enter"))

    @property
    def box(self) -> dict[str, float]:
        found = self.locator(".stage").bounding_box()
        assert found is not None
        return dict(found)

    def x(self, seconds: float) -> float:
        """Where a moment stands, in pixels of the page."""
        geometry = self.told("geometry")
        return float(self.box["x"] + geometry["left"] + (seconds - self.number("start")) * geometry["pxPerS"])

    def y(self, lead: str) -> float:
        """The middle of a lead's row, in pixels of the page."""
        middle = next(cell["middle"] for cell in self.told("geometry")["cells"] if cell["lead"] == lead)
        return float(self.box["y"] + middle)

    def lane(self, name: str) -> float:
        """The middle of a lane above the rows, in pixels of the page."""
        lane = next(lane for lane in self.told("geometry")["lanes"] if lane["name"] == name)
        return float(self.box["y"] + lane["y"] + lane["heightPx"] / 2)

    def drag(self, start: tuple[float, float], stop: tuple[float, float], held: str | None = None) -> None:
        if held:
            self.page.keyboard.down(held)
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*stop, steps=4)
        self.page.mouse.up()
        if held:
            self.page.keyboard.up(held)

    def came(self) -> list[dict[str, Any]]:
        """The edits that reached the server."""
        answer = self.page.request.get(f"{self.url}/strip/{self.record}/came?reading={self.reading}")
        return list(answer.json())

    def saved(self, seq: int) -> None:
        """Wait until nothing is unsaved and the reading is at an event."""
        self.until("d.pending === '0' && +d.seq === a[0]", seq)

    def status(self) -> Locator:
        return self.locator(".status")
