"""From an empty desk to records on the strip, and what a new user and a new process meet."""

import re

import pytest
from playwright.sync_api import Page, expect

from ecgcore.inference.cards import find, read_card
from tests.browser.conftest import App
from tests.browser.review_page import Review, at_rest, files, open_record, upload

pytestmark = pytest.mark.browser

NOTHING = "Nothing is stored yet"


def test_bad_uploads_are_refused_and_the_app_goes_on(start_app, page: Page, tmp_path):
    empty, photo = tmp_path / "empty.dat", tmp_path / "photo.jpg"
    empty.write_bytes(b"")
    photo.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500))
    app = start_app()
    for bad in (empty, photo):
        upload(page, app.url, bad)
        error = page.get_by_test_id("stAlert").filter(has_text=bad.name)
        expect(error).to_be_visible()
        assert "\n" not in error.get_by_test_id("stMarkdownContainer").inner_text().strip()
        expect(page.get_by_text(NOTHING)).to_be_visible()
        at_rest(page)
        page.reload()
        expect(page.get_by_text(NOTHING)).to_be_visible()
    blobs = app.home / "blobs"
    assert [path for path in blobs.rglob("*") if path.is_file()] == []
    page.get_by_role("button", name="Open demo").click()
    strip = Review(page)
    strip.counts(beats=int(strip.data("beats")))


@pytest.mark.data
def test_records_are_uploaded_read_and_still_there_after_a_restart(start_app, page: Page, data_set):
    app = start_app()
    upload(page, app.url, *files(data_set("mitdb") / "119"), *files(data_set("ptbxl") / "records500" / "00000" / "00409_hr"))
    strip = open_record(page, "119")
    expect(page.get_by_text("WFDB · 360 Hz · 0:30:06 · 51 years · female")).to_be_visible()
    assert 1980 <= int(strip.data("beats")) <= 1995
    expect(strip.metric("Beats")).to_have_text(f"{int(strip.data('beats')):,}")
    expect(strip.metric("V beats")).to_have_text(re.compile(r"^4[345]\d · 22\.\d%$"))
    strip.letters("NVNNNNNVNN")
    for printed in ("0:00:00–0:00:10", "25 mm/s", "10 mm/mV", "0.05–150 Hz", "360 Hz", read_card(find("beats")).id):
        expect(strip.locator(".printed")).to_contain_text(printed)
    address = page.url
    page.get_by_role("link", name="Records").click()
    expect(page.get_by_text("1,988 beats · V 22.4%")).to_be_visible()
    strip = open_record(page, "00409_hr")
    assert (strip.data("beats"), strip.data("leads")) == ("16", "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6")

    app.kill()
    app.again()
    strip = Review(page, address)
    expect(page.get_by_role("heading", name="119", exact=True)).to_be_visible()
    strip.letters("NVNNNNNVNN")
    page.get_by_role("link", name="Records").click()
    open_record(page, "00409_hr").letters("N" * 16)


@pytest.mark.parametrize("address", ["records", "review", "rhythm", "restore", "sessions", "evidence"])
def test_a_page_asked_for_first_has_its_frame(app: App, page: Page, address: str):
    app.kill()
    app.again()
    page.goto(f"{app.url}/{address}")
    expect(page.get_by_role("link", name="Evidence")).to_be_visible()
    at_rest(page)
