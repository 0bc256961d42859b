"""Review sessions as their readers meet them: alone on this machine, and signed in, two readers blind to each other and a reviewer over them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import App
from tests.browser.review_page import PATIENCE_MS, Review, at_rest, commit, files, go_to, open_record, until, upload
from tests.browser.test_signin import Desk, refused, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.data]

READER, SECOND, REVIEWER = "reader@heart.example", "second@heart.example", "reviewer@heart.example"
BEATS = 16  # that the model finds in 00409_hr, all of them N


@pytest.fixture
def desk(start_app: Callable[..., App], tmp_path: Path) -> Iterator[Desk]:
    started = Desk(start_app, tmp_path)
    started.readers(READER, SECOND)
    yield started
    said = started.stop()
    assert "Traceback" not in said, said


def begin(page: Page, name: str, readers: tuple[str, ...]) -> None:
    """Begin a session of 00409_hr on the Sessions page; the one who begins it is offered as its reader."""
    expect(page.locator(".strip[data-tiles=ready]:not([data-beats='0'])")).to_be_visible()
    at_rest(page)
    go_to(page, "Sessions")
    page.get_by_text("New session").click()
    page.wait_for_function("() => document.getAnimations().every(one => one.playState !== 'running')")  # a list opened before that closes again
    commit(page, "Name", name)
    choose(page, "Records", "00409_hr")
    choose(page, "Readers", *readers)
    page.get_by_role("button", name="Begin", exact=True).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def choose(page: Page, label: str, *options: str) -> None:
    """Have these chosen and no others."""
    place = page.get_by_test_id("stMultiSelect").filter(has_text=label)
    chosen = place.get_by_role("button", name=re.compile("^Remove "))
    for left in reversed(range(chosen.count())):
        until(chosen.first.click, lambda patience, left=left: expect(chosen).to_have_count(left, timeout=patience))
        at_rest(page)
    for option in options:

        def pick(option: str = option) -> None:
            place.locator("input").click()
            page.get_by_role("option", name=option, exact=True).click(timeout=PATIENCE_MS)
            page.keyboard.press("Escape")

        until(pick, lambda patience, option=option: expect(place.get_by_role("button", name=f"Remove {option}")).to_be_visible(timeout=patience))
        at_rest(page)


def open_session(page: Page, name: str) -> None:
    """Open a session from the list."""
    go_to(page, "Sessions")
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def read(page: Page, who: str, status: str) -> Review:
    """Open a reading from the page of its session."""
    page.get_by_role("button", name=f"{who}: {status}").click()
    expect(page.get_by_role("heading", name="00409_hr")).to_be_visible()
    return Review(page)


def relabel(strip: Review, *edits: tuple[int, str]) -> None:
    """Give beats of 00409_hr, by their place, other classes: step from one to the next, press the key."""
    strip.press("Home")
    place = -1
    for beat, key in edits:
        for _ in range(beat - place):
            strip.press("]")
        strip.edit(key)
        place = beat


def sign(strip: Review, version: int = 1) -> None:
    strip.menu("Sign off").get_by_role("button", name="Sign off").click()
    expect(strip.page.get_by_role("button", name=f"Signed, version {version}")).to_be_visible()
    strip.close_menu()


def test_a_reading_of_a_session_is_apart_from_the_shared_one(app: App, page: Page, data_set: Callable[[str], Path]):
    upload(page, app.url, *files(data_set("ptbxl") / "records500" / "00000" / "00409_hr"))
    open_record(page, "00409_hr")
    begin(page, "Round one", ("local",))
    strip = read(page, "local", "not begun")
    expect(page.get_by_text("Round one: reading of local")).to_be_visible()
    relabel(strip, (0, "v"))
    page.get_by_role("link", name="Records").click()
    strip = open_record(page, "00409_hr")
    strip.letters(BEATS * "N")
    expect(page.get_by_text("Round one")).to_have_count(0)
    relabel(strip, (4, "s"))
    strip.letters("NNNNS" + 11 * "N")
    open_session(page, "Round one")
    strip = read(page, "local", "begun")
    strip.letters("V" + 15 * "N")
    strip.counts(V=1, S=0)
    sign(strip)
    go_to(page, "Sessions")
    expect(page.get_by_text("1 of 1")).to_be_visible()
    open_session(page, "Round one")
    expect(page.get_by_role("button", name="local: signed, version 1")).to_be_visible()


def test_two_readers_are_blind_until_both_signed_and_a_reviewer_decides(desk: Desk, new_page: Callable[[], Page], data_set: Callable[[str], Path]):
    reviewer, one, other, stranger = (new_page() for _ in range(4))
    sign_in(reviewer, desk, "reviewer")
    upload(reviewer, desk.url, *files(data_set("ptbxl") / "records500" / "00000" / "00409_hr"))
    open_record(reviewer, "00409_hr")
    begin(reviewer, "Round one", (READER, SECOND))

    asked: list[Request] = []
    one.on("request", lambda request: asked.append(request) if "/strip/" in request.url else None)
    strips = []
    for page, name, edits in ((one, READER, [(2, "v")]), (other, SECOND, [(2, "s"), (4, "v")])):
        sign_in(page, desk, name.partition("@")[0])
        open_session(page, "Round one")
        strips.append(read(page, name, "not begun"))
        relabel(strips[-1], *edits)
    tile, token = next((request.url, request.headers["x-strip-token"]) for request in asked if "/tile" in request.url)
    sign_in(stranger, desk, "stranger")
    refused(stranger, "stranger@heart.example", "This e-mail address has no role in Leadwise")
    for page, status in ((stranger, 403), (other, 403), (one, 200)):
        assert page.request.get(tile, headers={"X-Strip-Token": token}).status == status

    sign(strips[0])
    address = one.url
    other.goto(address)
    expect(other.get_by_text("this reading is another reader's; it can be seen when every reader of the record has signed his own")).to_be_visible()
    expect(other.locator(".strip")).to_have_count(0)
    open_session(other, "Round one")
    expect(other.get_by_role("button", name=f"{READER}: signed, version 1")).to_be_disabled()
    expect(other.get_by_text("Agreement is shown when every reader has signed.")).to_be_visible()
    strips[1] = read(other, SECOND, "begun")
    sign(strips[1])
    open_session(other, "Round one")
    expect(other.get_by_role("button", name=f"{READER}: signed, version 1")).to_be_enabled()
    expect(other.get_by_role("button", name="Adjudicate")).to_have_count(0)

    reviewer.reload()
    row = reviewer.get_by_role("row", name="all beats")
    expect(row).to_contain_text("0.289")  # 14 of 16 agree, 211/256 by chance
    expect(row).to_contain_text(f"{BEATS}")
    reviewer.get_by_role("button", name="Adjudicate 2 disagreements").click()
    strip = Review(reviewer)
    expect(reviewer.get_by_text("0 of 2 disagreements decided.")).to_be_visible()
    for line, (at, choice) in enumerate((("1.59", f"{READER}: V"), ("2.85", "F"))):
        strip.panel("Events")
        strip.panel("Disagreements")  # drawn anew: the list takes no first click after one elsewhere
        strip.list().click(line)
        expect(reviewer.get_by_text(f"At 0:00:0{at}:")).to_be_visible()
        reviewer.get_by_role("button", name=choice, exact=True).click()
        expect(reviewer.get_by_text(f"{line + 1} of 2 disagreements decided.")).to_be_visible()
    strip.letters("NNVNF" + 11 * "N")
    sign(strip)
    open_session(reviewer, "Round one")
    expect(reviewer.get_by_role("button", name="adjudication: signed, version 1")).to_be_visible()
