"""The app as its users run it: a process of its own, seen through Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecgcore.settings import ROOT

TIMEOUT_MS = 30_000


class App:
    """A running app; `url` is where it answers."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", port, "--server.headless", "true"]
        environment = {**os.environ, "LEADWISE_HOME": str(home)}
        environment.pop("LEADWISE_DATABASE_URL", None)
        self.url = f"http://localhost:{port}"
        self._log = (home.parent / f"app-{port}.log").open("w+")
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self._log, stderr=subprocess.STDOUT)  # noqa: S603  # our own interpreter

    def wait(self) -> "App":
        """Wait until it answers; fail with what it said if it ended instead."""
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):  # noqa: S310  # our own server
                    return self
            except URLError:
                if self._process.poll() is not None:
                    pytest.fail(f"the app did not start:\n{self.stop()}")

    def stop(self) -> str:
        """End the app; what it said."""
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.seek(0)
        said = self._log.read()
        self._log.close()
        return said


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[Callable[[], App]]:
    """Starts the app; at the end every one started is stopped, and none may have logged a traceback."""
    started: list[App] = []
    stopped: list[str] = []

    def start() -> App:
        stopped.extend(app.stop() for app in started)
        started[:] = [App(tmp_path / "home").wait()]
        return started[0]

    yield start
    stopped.extend(app.stop() for app in started)
    assert not any("Traceback" in said for said in stopped), "\n".join(stopped)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine; on Debian: apt-get install chromium")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture(params=["light"])
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page whose scripts may not fail."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme=request.param)
    context.set_default_timeout(TIMEOUT_MS)
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    yield opened
    context.close()
    assert failures == []
