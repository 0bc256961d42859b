"""From a reader's corrections to another version of the model in use, and back, in a browser with a worker beside the app."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from ecgcore.inference import cards
from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.settings import ROOT
from ecgcore.store import Store
from ecgcore.store.audit import Audit
from ecgcore.store.promotions import Promotions
from ecgcore.store.reviews import Reviews
from ecgcore.writers import write
from tests.browser.conftest import App
from tests.browser.review_page import Review, at_rest, files, go_to, open_record, until, upload

pytestmark = [pytest.mark.browser, pytest.mark.data]

TRAINED_S, TESTED_S = 200, 340  # of 119, in which the model finds 50 V; of DS2, whose first five minutes do not count
CORRECTED = 50
TESTED = ("200", "233")
LONG_MS = 60_000  # a training and a comparison, on two cores that do other things too


def cut(record: Record, stop_s: float) -> Record:
    """The beginning of a recording and of its reference."""
    stop = round(stop_s * record.fs_hz)
    reference = record.annotation("atr")
    inside = reference.samples < stop
    kept = type(reference).of("atr", reference.samples[inside], [symbol for symbol, is_in in zip(reference.symbols, inside, strict=True) if is_in])
    return replace(record, adc=record.adc[:, :stop], annotations=(kept,))


@pytest.fixture
def desk(tmp_path: Path, data_set: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[App]:
    """The app and a worker, on a machine that has two short recordings of DS2 and nothing else to learn from or to compare on."""
    mitdb, noise, data = data_set("mitdb").resolve(), data_set("nstdb-noise").resolve(), tmp_path / "data"
    (data / "mitdb").mkdir(parents=True)
    (data / "nstdb-noise").symlink_to(noise)
    for name in TESTED:
        write(cut(read(mitdb / name), TESTED_S), data / "mitdb" / f"{name}.hea")
    write(replace(cut(read(mitdb / "119"), TRAINED_S), annotations=()), tmp_path / "119.hea")
    monkeypatch.setenv("LEADWISE_DATA", str(data))
    log = (tmp_path / "worker.log").open("w+")
    environment = {**os.environ, "LEADWISE_HOME": str(tmp_path / "home")}
    worker = subprocess.Popen([sys.executable, "-m", "ecgcore", "worker"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)  # our own interpreter
    yield request.getfixturevalue("start_app")()
    worker.terminate()
    worker.wait(timeout=20)
    log.seek(0)
    said = log.read()
    log.close()
    assert "Traceback" not in said, said


def part(page: Page, name: str) -> None:
    """Open a part of the Admin page."""
    page.get_by_role("radio", name=name).click()
    expect(page.get_by_role("radio", name=name)).to_have_attribute("aria-checked", "true")
    at_rest(page)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def corrected(page: Page, desk: App, record: Path) -> Review:
    """The beats of one shape get another class at once, and the reading is signed off."""
    upload(page, desk.url, *files(record))
    review = open_record(page, record.name)
    review.counts(V=CORRECTED)
    review.panel("Shapes")
    button(page, "Group beats by shape").click()
    group = page.get_by_role("combobox", name="Group")
    expect(group).to_be_visible()
    at_rest(page)
    group.click()
    page.get_by_role("option", name=re.compile("V")).first.click()
    page.get_by_role("button", name="F", exact=True).first.click()  # at once: while the page is drawn anew, the one before may still stand beside it
    review.counts(F=CORRECTED, V=0)
    at_rest(page)
    review.menu("Sign off").get_by_role("button", name="Sign off").click()
    expect(button(page, "Signed, version 1")).to_be_visible()
    at_rest(page)
    return review


def fine_tuned(page: Page) -> None:
    """The signed reading is frozen as a data set, alone learned from, and the training followed until it is done."""
    button(page, "Freeze version").click()
    expect(page.get_by_text("Data set version 1 is frozen.")).to_be_visible()
    at_rest(page)
    page.get_by_role("button", name="Clear all").or_(page.locator("[data-testid=stMultiSelect] [aria-label='Clear all']")).first.click()
    expect(page.get_by_text(re.compile(rf"Fine-tunes beats@2 on 1 own patient \(1 recording, whose {CORRECTED} corrected beats weigh"))).to_be_visible()
    at_rest(page)
    button(page, "Start").click()
    expect(page.locator('[aria-label^="Over the epochs: loss"]').first).to_be_visible(timeout=LONG_MS)
    expect(button(page, "Compare it")).to_be_visible(timeout=LONG_MS)
    at_rest(page)


def test_corrections_become_a_version_that_is_compared_put_in_use_and_taken_back(desk: App, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    corrected(page, desk, tmp_path / "119")
    go_to(page, "Admin")
    fine_tuned(page)

    button(page, "Compare it").click()
    expect(page.get_by_role("combobox", name="New model")).to_have_value(re.compile("^beats@2.1, trained"))
    at_rest(page)
    button(page, "Compare").and_(page.locator("[kind=primary]")).click()
    expect(page.get_by_role("heading", name=re.compile("beats@2.1 against beats@2: (better|worse|no difference shown)"))).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text(f"Only {len(TESTED)} of its 22 records are on this machine")).to_be_visible()
    expect(page.locator('[aria-label^="Differences of beats@2.1 less beats@2"]')).to_be_visible()
    at_rest(page)

    refusal = "Whether SVEB sensitivity falls is not known: that takes 10 or more such beats in a set, and mitdb DS2 has"
    expect(page.get_by_text(refusal)).to_be_visible()
    page.get_by_label("Reason").fill("learned from 119")
    button(page, "Put beats@2.1 in use").click()
    expect(page.get_by_text("beats@2.1 is not promoted.")).to_be_visible()
    at_rest(page)
    page.get_by_role("textbox", name="To override, type your own name").fill("local")
    button(page, "Put beats@2.1 in use").click()
    expect(page.get_by_text("beats@2.1 is in use, in place of beats@2.")).to_be_visible()
    at_rest(page)

    go_to(page, "Records")
    review = open_record(page, "119")
    expect(page.get_by_text(re.compile("Beats by beats@2; beats@2.1 is in use since"))).to_be_visible()
    expect(button(page, "Find beats again")).to_be_disabled()  # it is signed
    reason = review.menu("Signed, version 1").get_by_label("Reason to amend")
    reason.fill("another version")
    reason.press("Enter")
    button(page, "Amend").click()
    expect(page.get_by_test_id("stPopoverButton").filter(has_text="Sign off")).to_be_visible()
    review.close_menu()
    at_rest(page)
    until(button(page, "Find beats again").click, lambda patience: expect(page.get_by_text(re.compile("is in use since"))).to_have_count(0, timeout=patience))
    review.counts(F=CORRECTED)

    go_to(page, "Admin")
    part(page, "Models")
    page.get_by_label("Reason to roll back").fill("it was a test")
    button(page, "Roll back to beats@2").click()
    expect(page.get_by_text("beats@2 is in use again, in place of beats@2.1.")).to_be_visible()

    monkeypatch.setenv("LEADWISE_HOME", str(desk.home))
    store = Store(desk.home)
    (record,) = store.list()
    (reading,) = Reviews(store).readings(record.id)
    assert reading.model == "beats@2.1"
    assert (Reviews(store).state(reading.id).codes == "F").sum() == CORRECTED
    assert {f"{one.model}@{one.version}" for one in store.analyses(record.id)} == {"beats@2", "beats@2.1"}
    assert [(one.kind, one.now, one.reason) for one in Promotions(store).history("beats")] == [
        ("promote", "beats@2.1", "learned from 119"),
        ("roll back", "beats@2", "it was a test"),
    ]
    assert Promotions(store).history("beats")[0].overridden.startswith(refusal)
    assert cards.read_card(cards.find("beats")).id == "beats@2"
    trained = cards.read_card(cards.find("beats@2.1"))
    assert (trained.parent, list(trained.training.trained)) == ("beats@2", ["site 1"])
    assert {"model promoted", "model rolled back", "sign", "job done"} <= set(Audit(store).whats())
