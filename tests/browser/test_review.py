"""A record on the Review page: edited, measured, signed, replayed, taken out and taken in, by one reader and by two at once."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from ecgcore.review import State
from ecgcore.store import Store
from ecgcore.store.reviews import Reviews
from ecgcore.store.sessions import Sessions
from ecgcore.writers.review import read_review_json
from tests.browser.conftest import App
from tests.browser.review_page import Review, files, open_record, upload

pytestmark = [pytest.mark.browser, pytest.mark.data]

BEATS, V_BEATS = 1988, 445  # that the model finds in 119
FS_HZ = 360
TWELVE = "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"


class Records:
    """What the tests of this file share: 119 and 00409_hr, uploaded and analysed; each test has a reading of its own."""

    def __init__(self, app: App) -> None:
        self.store = Store(app.home)
        self._url = app.url
        self._stored = {record.name: record for record in self.store.list()}

    def address(self, name: str, reading_id: str = "") -> str:
        """Where a record is reviewed: in a reading, or in the one that all share."""
        return f"{self._url}/review?record={self._stored[name].id}" + (f"&reading={reading_id}" if reading_id else "")

    def reading(self, name: str) -> str:
        """A new reading of a record, as a review session gives it to its one reader."""
        record, sessions = self._stored[name], Sessions(self.store)
        latest = record.latest
        assert latest is not None
        begun = sessions.start(uuid.uuid4().hex, [record.id], ["local"], "local", analyses={record.id: latest.id})
        return sessions.readings(begun.id)[0].id

    def shared(self, name: str) -> str:
        """The reading that all share."""
        return Reviews(self.store).readings(self._stored[name].id)[0].id

    def state(self, reading_id: str) -> State:
        """A reading as it is kept."""
        return Reviews(self.store).state(reading_id)


@pytest.fixture(scope="module")
def records(running_app: App, chromium: Browser, data_set: Callable[[str], Path]) -> Records:
    page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
    upload(page, running_app.url, *files(data_set("mitdb") / "119"), *files(data_set("ptbxl") / "records500" / "00000" / "00409_hr"))
    for name in ("119", "00409_hr"):
        open_record(page, name)
        page.get_by_role("link", name="Records").click()
    page.context.close()
    return Records(running_app)


def seconds(state: State, index: int) -> float:
    """When a beat is."""
    return float(state.samples[index] / state.fs_hz)


def offer(strip: Review, path: Path) -> None:
    """Choose a file in the Export menu, and have its beats taken."""
    menu = strip.menu("Export")
    menu.locator("input[type=file]").set_input_files(path)
    menu.get_by_role("button", name=f"by those of {path.name}").click()


def test_edits_are_counted_listed_undone_and_kept(app: App, page: Page, records: Records):
    reading = records.reading("119")
    first = records.state(reading)
    strip = Review(page, records.address("119", reading))
    strip.counts(beats=BEATS, V=V_BEATS, S=0)
    strip.select(seconds(first, 0))
    strip.edit("v")
    strip.counts(beats=BEATS, V=V_BEATS + 1, N=BEATS - V_BEATS - 1)
    strip.press("]", "]")  # from the first beat to the third
    strip.edit("s")
    strip.counts(S=1, V=V_BEATS + 1)
    strip.letters("VVSNNNNVNN")
    strip.select(seconds(first, 3))
    strip.edit("Delete")
    strip.counts(beats=BEATS - 1)
    page.mouse.move(strip.x(seconds(first, 3) + 0.02), strip.y("MLII"))
    strip.edit("a")
    strip.counts(beats=BEATS)
    start = (strip.x(seconds(first, 4)), strip.lane("letters"))
    strip.drag(start, (start[0] + 30, start[1]), "Alt")
    strip.saved(5)
    strip.drag((strip.x(2), strip.y("MLII")), (strip.x(6), strip.y("MLII")), "Shift")
    page.keyboard.press("r")
    strip.locator(".popup select").select_option("AFIB")
    strip.edit("Enter")
    page.keyboard.press("Escape")
    page.mouse.move(strip.x(9), strip.y("V1"))
    page.keyboard.press("k")
    page.keyboard.type("look at the ST segment")
    strip.edit("Enter")
    strip.edit("Control+z")
    strip.edit("Control+z")
    strip.edit("Control+Shift+z")

    strip.panel("History")
    said = strip.list().texts("What")
    assert len(said) == 10
    assert said[-2:] == ["1 beat made S", "1 beat made V"]
    assert [said[row].split()[0] for row in range(3)] == ["change", "change", "change"]
    assert set(strip.list().texts("Who")) == {"local"}
    page.reload()
    strip.arrived()
    strip.letters("VVSNNNNVNN")
    strip.counts(beats=BEATS, V=V_BEATS + 1, S=1)
    kept = records.state(reading)
    assert (kept.seq, [(item.kind, item.text) for item in kept.items]) == (10, [("rhythm", "AFIB")])
    assert abs(kept.samples[3] - first.samples[3]) <= 0.02 * FS_HZ  # on the R peak again, by the page's eye
    assert kept.samples[4] > first.samples[4] + 0.1 * FS_HZ


def test_edits_outlive_a_kill_and_those_made_meanwhile_are_sent_when_the_app_is_back(app: App, page: Page, records: Records):
    reading = records.reading("119")
    first = records.state(reading)
    strip = Review(page, records.address("119", reading))
    strip.select(seconds(first, 0))
    strip.edit("v")
    app.kill()
    assert records.state(reading).codes[0] == "V"
    page.keyboard.press("]")
    page.keyboard.press("]")
    page.keyboard.press("s")
    expect(strip.locator(".unsaved")).to_have_text("1 edit not saved yet, trying again")
    strip.until("d.pending === '1'")
    app.again()
    strip.saved(2)
    strip = Review(page, records.address("119", reading))
    strip.letters("VVSNNNNVNN")
    strip.counts(V=V_BEATS + 1, S=1, beats=BEATS)
    assert "".join(records.state(reading).codes[:3]) == "VVS"


def test_two_browsers_edit_one_record_and_see_each_others_edits(app: App, new_page: Callable[[], Page], records: Records):
    reading = records.shared("119")
    first = records.state(reading)
    one, other = (Review(new_page(), records.address("119")) for _ in range(2))
    one.select(seconds(first, 0))
    other.select(seconds(first, 2))
    one.page.keyboard.press("v")
    other.page.keyboard.press("s")
    for strip in (one, other):
        strip.until("d.pending === '0' && +d.seq === a[0]", first.seq + 2)
        strip.letters("VVSNNNNVNN")
        strip.counts(V=V_BEATS + 1, S=1)
    other.edit("f")  # on what both made
    one.letters("VVFNNNNVNN")
    one.select(seconds(first, 2))
    one.edit("Delete")
    other.counts(F=0, beats=BEATS - 1)
    events = Reviews(records.store).events(reading, first.seq)
    assert [event.seq for event in events] == [first.seq + n for n in (1, 2, 3, 4)]
    assert sorted(event.said for event in events[:2]) == ["1 beat made S", "1 beat made V"]
    assert [event.said for event in events[2:]] == ["1 beat made F", "1 beat deleted"]


def test_a_click_in_the_list_of_events_goes_there_and_criteria_change_the_list(app: App, page: Page, records: Records):
    strip = Review(page, records.address("119", records.reading("119")))
    times, said = strip.list().texts("Time"), strip.list().texts("Event")
    assert (times, said[0]) == (sorted(times), "V bigeminy, 6 cycles of 2")
    strip.list().click(3)
    began = sum(float(part) * scale for part, scale in zip(times[3].split(":"), (3600, 60, 1), strict=True))
    strip.until("+d.start < a[0] && a[0] + 4 < +d.stop", began)
    expect(page.get_by_placeholder("All 60 events")).to_be_visible()
    page.get_by_role("combobox", name="Sort by").click()
    page.get_by_role("option", name="uncertainty").click()
    expect(strip.list().cell(0, "Time")).not_to_have_text(times[0])
    unsure = [float(text) for text in strip.list().texts("Unsure")]
    assert unsure == sorted(unsure, reverse=True)
    menu = strip.menu("Criteria")
    cycles = menu.get_by_role("spinbutton", name="Bigeminy, trigeminy: cycles or more")
    cycles.fill("6")
    cycles.press("Enter")
    expect(page.get_by_placeholder("All 60 events")).to_have_count(0)
    strip.close_menu()
    expect(strip.list().cells("Event").filter(has_text=re.compile(", [345] cycles"))).to_have_count(0)
    expect(strip.list().cells("Event").filter(has_text=re.compile(r", ([6-9]|\d\d) cycles"))).not_to_have_count(0)


def test_what_is_in_view_is_measured(app: App, page: Page, records: Records):
    strip = Review(page, records.address("119"))
    strip.go_to("0:00:10")
    page.keyboard.press("d")
    expect(page.get_by_text("Measured from 0:00:10.0 to 0:00:19.8")).to_be_visible()
    expect(page.get_by_role("radio", name="Measure")).to_have_attribute("aria-checked", "true")
    for name, least, most in (("PR", 120, 220), ("QRS", 70, 130), ("QT", 350, 480), ("QTc Fridericia", 350, 480), ("RR", 800, 1100)):
        row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
        expect(row).to_have_text(re.compile(r"\d+ ms"))
        assert least < int(re.findall(r"(\d+) ms", row.inner_text())[0]) < most
    page.get_by_role("combobox", name="QTc formula").click()
    page.get_by_role("option", name="Bazett").click()
    expect(page.get_by_role("cell", name="QTc Bazett", exact=True)).to_be_visible()
    strip.locator(".stage").focus()  # the keys would else be the choice's
    strip.press("Home")
    strip.locator("button[name=measure]").click()
    expect(page.get_by_text("Measured from 0:00:00.0 to 0:00:09.8")).to_be_visible()


def test_what_is_signed_is_frozen_amended_and_replayed(app: App, page: Page, records: Records):
    reading = records.reading("00409_hr")
    first = records.state(reading)
    strip = Review(page, records.address("00409_hr", reading))
    strip.select(seconds(first, 2))
    strip.edit("v")
    menu = strip.menu("Sign off")
    expect(menu.get_by_text("You sign 16 beats (N 15, V 1) as local.")).to_be_visible()
    menu.get_by_role("textbox", name="Statement").fill("read twice")
    menu.get_by_role("textbox", name="Statement").press("Tab")
    menu.get_by_role("button", name="Sign off").click()
    expect(page.get_by_role("button", name="Signed, version 1")).to_be_visible()
    strip.close_menu()
    strip.until("+d.seq === 2")
    strip.select(seconds(first, 3))
    page.keyboard.press("v")
    expect(strip.status()).to_contain_text("Not edited: signed off as version 1 by local; amend it to go on")
    strip.letters("NNV" + 13 * "N")

    menu = strip.menu("Signed, version 1")
    menu.get_by_role("textbox", name="Reason to amend").fill("one more beat")
    menu.get_by_role("textbox", name="Reason to amend").press("Tab")
    menu.get_by_role("button", name="Amend").click()
    expect(page.get_by_role("button", name="Sign off").first).to_be_visible()
    strip.close_menu()
    strip.until("+d.seq === 3")
    strip.select(seconds(first, 3))
    strip.edit("s")
    strip.counts(N=14, S=1, V=1)

    strip.panel("History")
    expect(page.get_by_text(re.compile(r"Version 1 signed by local, .* UTC, after change 2: read twice"))).to_be_visible()
    replay = page.get_by_role("slider", name="Replay")
    for then, letters, counted in ((1, "NNV" + 13 * "N", {"V": 1, "S": 0}), (0, 16 * "N", {"N": 16, "V": 0})):
        for _ in range(int(replay.input_value()) - then):
            replay.press("ArrowLeft")
        expect(replay).to_have_value(str(then))
        strip.letters(letters)
        strip.counts(**counted)
    strip.select(seconds(first, 1))
    page.keyboard.press("v")
    expect(strip.status()).to_contain_text("Not edited: this is how it was")
    for _ in range(4):
        replay.press("ArrowRight")
    strip.letters("NNVS" + 12 * "N")
    strip.counts(N=14, S=1, V=1)
    assert records.state(reading).seq == 4


def test_exports_hold_what_is_on_screen(app: App, page: Page, records: Records, tmp_path: Path):
    import wfdb

    reading = records.reading("119")
    strip = Review(page, records.address("119", reading))
    strip.select(seconds(records.state(reading), 0))
    strip.edit("v")
    strip.select(seconds(records.state(reading), 2))
    strip.edit("Delete")
    strip.counts(beats=BEATS - 1, V=V_BEATS + 1)
    state, got = records.state(reading), {}
    menu = strip.menu("Export")
    expect(menu.get_by_text("after change 2; not signed off")).to_be_visible()
    for name in ("WFDB annotations", "CSV", "JSON"):
        with page.expect_download() as download:
            menu.get_by_role("button", name=name).click()
        got[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(got[name])
    assert [path.name for path in got.values()] == ["119.lw", "119.beats.csv", "119.review.json"]

    read = wfdb.rdann(str(tmp_path / "119"), "lw")
    beats = [place for place, symbol in enumerate(read.symbol) if symbol in "NSVFQ/"]
    np.testing.assert_array_equal(read.sample[beats], state.samples)
    assert [read.symbol[place] for place in beats] == state.codes.tolist()
    lines = [line for line in got["CSV"].read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "sample,time_s,class,code,author,probability,rr_ms"
    assert [line.split(",")[0] for line in lines[1:]] == [str(sample) for sample in state.samples]
    assert lines[1].split(",")[2:5] == ["V", "V", "local"]
    review = read_review_json(got["JSON"].read_text())
    assert (review.state, len(review.events)) == (state, 2)
    assert [event.said for event in review.events] == ["1 beat made V", "1 beat deleted"]


def test_beats_of_a_file_are_taken_in_where_they_fit(app: App, page: Page, records: Records, data_set: Callable[[str], Path], tmp_path: Path):
    mitdb, reading = data_set("mitdb"), records.reading("119")
    first = records.state(reading)
    strip = Review(page, records.address("119", reading))
    offer(strip, mitdb / "119.atr")
    strip.counts(beats=1987, N=1543, V=444)
    strip.until("+d.seq === 1")
    strip.close_menu()
    strip.select(seconds(records.state(reading), 0))
    strip.edit("Control+z")
    strip.counts(beats=BEATS, V=V_BEATS)
    assert records.state(reading).samples.tolist() == first.samples.tolist()

    shorter = records.reading("00409_hr")
    strip = Review(page, records.address("00409_hr", shorter))
    cut = tmp_path / "cut.atr"
    cut.write_bytes((mitdb / "119.atr").read_bytes()[:500])
    for bad, reason in ((mitdb / "119.atr", "lies outside the record"), (cut, "it is cut off")):
        offer(strip, bad)
        refused = page.get_by_test_id("stAlert").filter(has_text=reason)
        expect(refused).to_be_visible()
        assert "\n" not in refused.get_by_test_id("stMarkdownContainer").inner_text().strip()
        strip.close_menu()
    strip.letters(16 * "N")
    assert records.state(shorter).seq == 0


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_twelve_leads_in_every_layout(app: App, page: Page, records: Records, request: pytest.FixtureRequest):
    strip = Review(page, records.address("00409_hr"))
    assert (strip.data("theme"), strip.data("layout"), strip.data("leads")) == (request.node.callspec.params["page"], "3x4", TWELVE)
    expect(strip.locator(".printed")).to_contain_text("3 × 4 + II, columns in consecutive time")
    paper = "e => { const c = e.querySelector('canvas.tracing'); return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size }"
    for layout, rows in (("12x1", 12), ("6x2", 6), ("stacked", 12), ("lines", 1), ("3x4", 4)):
        strip.choose("layout", layout)
        assert strip.data("layout") == layout
        assert len({cell["middle"] for cell in strip.told("geometry")["cells"]}) == rows
        assert strip.data("leads") == ("II" if layout == "lines" else TWELVE)
        assert strip.root.evaluate(paper) > 20
    strip.locator("button[name=leads]").click()
    strip.settled(lambda: strip.locator("input[name=cabrera]").check())
    assert strip.data("leads") == "aVL,I,-aVR,II,aVF,III,V1,V2,V3,V4,V5,V6"
    page.keyboard.press("Escape")
    strip.letters(16 * "N")
