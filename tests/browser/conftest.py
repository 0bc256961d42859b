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


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


class App:
    """A running app; `url` is where it answers, `home` its folder. `secrets` is its secrets file, none by default; `script` what is run."""

    def __init__(self, home: Path, secrets: Path | None = None, script: str = "streamlit_app.py") -> None:
        port = str(free_port())
        self.home = home
        self.url = f"http://localhost:{port}"
        self._command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", port, "--server.headless", "true"]
        self._command += ["--secrets.files", str(secrets or home.parent / "none.toml")]
        self._log = (home.parent / f"app-{port}.log").open("a+")
        self._read = 0
        self._process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "LEADWISE_HOME": str(self.home)}
        environment.pop("LEADWISE_DATABASE_URL", None)
        return subprocess.Popen(self._command, cwd=ROOT, env=environment, stdout=self._log, stderr=subprocess.STDOUT)  # noqa: S603  # our own interpreter

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def wait(self) -> "App":
        """Wait until it answers; fail with what it said if it ended instead."""
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):  # noqa: S310  # our own server
                    return self
            except URLError:
                if self._process.poll() is not None:
                    pytest.fail(f"the app did not start:\n{self.stop()}")

    def kill(self) -> None:
        """End it as `kill -9` does: it can do nothing more."""
        self._process.kill()
        self._process.wait(timeout=20)

    def again(self) -> "App":
        """Start it anew after it was killed, in the same folder and at the same address."""
        self._process = self._started()
        return self.wait()

    def said(self) -> str:
        """What it said since this was asked last."""
        self._log.seek(self._read)
        said = self._log.read()
        self._read = self._log.tell()
        return said

    def stop(self) -> str:
        """End the app; what it said."""
        self._process.terminate()
        self._process.wait(timeout=20)
        self._read = 0
        said = self.said()
        self._log.close()
        return said


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """Starts the app; at the end every one started is stopped, and none may have logged a traceback."""
    started: list[App] = []
    stopped: list[str] = []

    def start(secrets: Path | None = None) -> App:
        stopped.extend(app.stop() for app in started)
        started[:] = [App(tmp_path / "home", secrets).wait()]
        return started[0]

    yield start
    stopped.extend(app.stop() for app in started)
    assert not any("Traceback" in said for said in stopped), "\n".join(stopped)


@pytest.fixture(scope="module")
def running_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One app for all tests of a file."""
    running = App(tmp_path_factory.mktemp("app") / "home").wait()
    yield running
    assert "Traceback" not in running.stop()


@pytest.fixture
def app(running_app: App) -> Iterator[App]:
    """The app that the tests of a file share; during none of them may it log a traceback."""
    yield running_app
    said = running_app.said()
    assert "Traceback" not in said, said


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


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a browser of its own as far as cookies and storage go, whose scripts may not fail."""
    opened: list[Page] = []
    failures: list[str] = []

    def open_page(color_scheme: str = "light") -> Page:
        context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme=color_scheme)
        context.set_default_timeout(TIMEOUT_MS)
        opened.append(context.new_page())
        opened[-1].on("pageerror", lambda error: failures.append(str(error)))
        return opened[-1]

    yield open_page
    for page in opened:
        page.context.close()
    assert failures == []


@pytest.fixture(params=["light"])
def page(new_page: Callable[..., Page], request: pytest.FixtureRequest) -> Page:
    """A page whose scripts may not fail."""
    return new_page(request.param)
