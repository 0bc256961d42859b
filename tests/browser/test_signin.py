import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Page, expect

from ecgcore.settings import ROOT
from tests.browser import oidc
from tests.browser.conftest import App, free_port

pytestmark = pytest.mark.browser

SECRETS = """
[auth]
redirect_uri = "http://localhost:{{port}}/oauth2callback"
cookie_secret = "a cookie secret that nobody can guess"
client_id = "{client_id}"
client_secret = "{client_secret}"
server_metadata_url = "http://localhost:{port}/.well-known/openid-configuration"
[roles]
reader = [{readers}]
reviewer = ["Reviewer@Heart.Example"]
"""
ADDRESSES = sorted(path.stem.replace("records", "") for path in (ROOT / "pages").glob("*.py"))  # the first page has no name in its address


class Desk:
    """A Leadwise that asks for sign-in, and the provider it asks."""

    def __init__(self, start_app: Callable[..., App], folder: Path) -> None:
        self._port = free_port()
        self._secrets = folder / "secrets.toml"
        self.readers("reader@heart.example", "doubtful@heart.example")
        self.url = start_app(self._secrets).url
        self._log = (folder / "provider.log").open("w+")
        command = [sys.executable, str(ROOT / "tests" / "browser" / "oidc.py"), str(self._port), f"{self.url}/oauth2callback"]
        self._provider = subprocess.Popen(command, cwd=folder, stdout=self._log, stderr=subprocess.STDOUT)  # noqa: S603  # our own interpreter
        self._wait()

    def _wait(self) -> None:
        while True:
            try:
                with urllib.request.urlopen(f"http://localhost:{self._port}/.well-known/openid-configuration", timeout=5) as answer:
                    assert b"S256" in answer.read()
                    return
            except URLError:
                if self._provider.poll() is not None:
                    pytest.fail(f"the provider did not start:\n{self.stop()}")

    def readers(self, *names: str) -> None:
        """Who is a reader from now on."""
        readers = ", ".join(f'"{name}"' for name in names)
        self._secrets.write_text(SECRETS.format(client_id=oidc.CLIENT_ID, client_secret=oidc.CLIENT_SECRET, port=self._port, readers=readers))

    def stop(self) -> str:
        """End the provider; what it said."""
        self._provider.terminate()
        self._provider.wait(timeout=20)
        self._log.seek(0)
        said = self._log.read()
        self._log.close()
        return said


@pytest.fixture
def desk(start_app: Callable[..., App], tmp_path: Path) -> Iterator[Desk]:
    started = Desk(start_app, tmp_path)
    yield started
    said = started.stop()
    assert "Traceback" not in said, said


def asks_for_sign_in(page: Page) -> None:
    """The page says its name, the notice and "Sign in", and nothing else."""
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_role("heading")).to_have_text(["Leadwise"])
    says_no_more(page)


def says_no_more(page: Page) -> None:
    expect(page.get_by_text("Not a medical device; every finding needs a physician's over-read.")).to_be_visible()
    expect(page.get_by_role("button").filter(visible=True)).to_have_count(1)
    expect(page.get_by_role("link").filter(has_not_text="Skip to main content")).to_have_count(0)
    for part in ("stTopNav", "stSidebarNav", "stFileUploader", "stDialog", "stException", "stPlotlyChart"):
        expect(page.get_by_test_id(part)).to_have_count(0)


def sign_in(page: Page, desk: Desk, name: str) -> None:
    """Through the provider's own pages: name, then password."""
    page.goto(desk.url)
    asks_for_sign_in(page)
    with page.expect_request("**/oauth/authorize?*") as asked:
        page.get_by_role("button", name="Sign in").click()
    assert "code_challenge_method=S256" in asked.value.url
    page.get_by_role("textbox").fill(name)
    page.get_by_role("textbox").press("Enter")
    page.locator("input[type=password]").fill(oidc.PASSWORD)
    page.locator("input[type=password]").press("Enter")
    page.wait_for_url(f"{desk.url}/**")


def refused(page: Page, name: str, reason: str) -> None:
    """The page says who is signed in, why he is not let in, and "Sign out", and nothing else."""
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    expect(page.get_by_text(reason)).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("heading")).to_have_text(["Leadwise"])
    says_no_more(page)


def fetched(page: Page, desk: Desk) -> int:
    """What the app answers to a fetch beside the pages, with the cookies of this browser: 404 where it was let through, since there is no such file."""
    return page.request.get(f"{desk.url}/media/export.json").status


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    asks_for_sign_in(page)


def test_a_reader_signs_in_and_out(desk, page, tmp_path):
    for address in ADDRESSES:
        page.goto(f"{desk.url}/{address}")
        asks_for_sign_in(page)
    assert fetched(page, desk) == 403
    sign_in(page, desk, "reader")
    expect(page.get_by_role("heading", name="Records")).to_be_visible()
    expect(page.get_by_text("reader@heart.example, reader", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Evidence")).to_be_visible()
    assert fetched(page, desk) == 404
    (tmp_path / "empty.dat").touch()
    page.locator("input[type=file]").set_input_files(tmp_path / "empty.dat")
    expect(page.get_by_test_id("stAlert").filter(has_text="empty.dat")).to_be_visible()  # it came through, and is no recording
    sign_out(page)
    page.goto(f"{desk.url}/evidence")
    asks_for_sign_in(page)
    assert fetched(page, desk) == 403


def test_who_has_no_role_sees_nothing(desk, page):
    sign_in(page, desk, "stranger")
    refused(page, "stranger@heart.example", "This e-mail address has no role in Leadwise")
    for address in ADDRESSES:
        page.goto(f"{desk.url}/{address}")
        refused(page, "stranger@heart.example", "This e-mail address has no role in Leadwise")
    assert fetched(page, desk) == 403
    sign_out(page)
    sign_in(page, desk, "reviewer")  # the provider too has forgotten who was there
    expect(page.get_by_text("reviewer@heart.example, reviewer", exact=True)).to_be_visible()


def test_an_e_mail_address_that_is_not_verified_opens_nothing(desk, page):
    sign_in(page, desk, "doubtful")
    refused(page, "doubtful@heart.example", "has not verified this e-mail address")
    assert fetched(page, desk) == 403


def test_a_role_taken_away_is_gone_at_once(desk, page, tmp_path):
    sign_in(page, desk, "reader")
    expect(page.get_by_role("button", name="Open demo")).to_be_visible()
    desk.readers("somebody.else@heart.example")
    assert fetched(page, desk) == 403
    page.get_by_role("button", name="Open demo").click()  # on the page as it was
    refused(page, "reader@heart.example", "This e-mail address has no role in Leadwise")
    assert not [path for path in (tmp_path / "home").rglob("blobs/*") if path.is_file()]
    page.goto(f"{desk.url}/evidence")
    refused(page, "reader@heart.example", "This e-mail address has no role in Leadwise")
    desk.readers("reader@heart.example")
    page.goto(f"{desk.url}/evidence")
    expect(page.get_by_role("heading", name="Evidence")).to_be_visible()


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_sign_in_asks_in_the_middle_of_the_page_of_the_theme(desk, page):
    page.goto(f"{desk.url}/evidence")  # the first page of this process, so that Streamlit runs the file by itself
    asks_for_sign_in(page)
    card = page.locator(".st-key-signin").bounding_box()
    assert card["x"] + card["width"] / 2 == pytest.approx(720, abs=2)
    assert card["width"] <= 460
    colour = page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    brightness = [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    assert (sum(brightness) > 384) == page.evaluate("() => matchMedia('(prefers-color-scheme: light)').matches")
