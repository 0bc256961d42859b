import uuid

import pytest

from ecgcore.analysis import analyze
from ecgcore.review import Relabel
from ecgcore.store.reviews import Reviews
from ecgcore.store.sessions import Sessions
from pages.ui import access, rights

ANNA, BEN, CARA = access.User("anna@x", "reader"), access.User("ben@x", "reader"), access.User("cara@x", "reviewer")


@pytest.fixture
def page(app):
    return app.run().switch_page("pages/sessions.py")


@pytest.fixture
def session(store, files):
    """A blind session of one record with two readers."""
    stored = store.add(files())
    kept = store.save_analysis(stored.id, analyze(store.open(stored.id)))
    return Sessions(store).start("second reading", [stored.id], [ANNA.name, BEN.name], CARA.name, analyses={stored.id: kept.id})


def button(app, label: str):
    return next(one for one in app.button if one.label.startswith(label))


def test_without_records_or_sessions_it_says_what_to_do(page):
    page.run()
    assert not page.exception
    assert "There is no session yet" in page.info[0].value
    assert any("Store a recording" in caption.value for caption in page.caption)


def test_a_session_begins_and_its_reading_is_its_own(page, store, files):
    stored = store.add(files())
    page.run()
    page.text_input[0].set_value("November").run()
    page.multiselect(key="session_records").set_value([stored.id]).run()
    button(page, "Begin").click().run()
    assert not page.exception
    assert not page.error
    (session,) = Sessions(store).list()
    assert (session.name, session.records, session.readers) == ("November", (stored.id,), ("local",))
    assert page.query_params["session"] == session.id
    (reading,) = Sessions(store).readings(session.id)
    button(page, "local: not begun").click().run()
    assert not page.exception
    assert page.query_params["reading"] == reading.id
    assert page.title[0].value == "one"
    Reviews(store).edit(reading.id, "local", Relabel((int(Reviews(store).state(reading.id).samples[0]),), "V"), uuid.uuid4().hex)
    assert Reviews(store).readings(stored.id) == (Reviews(store).get(reading.id),)


def test_readers_are_blind_until_both_have_signed(store, session):
    reviews, sessions = Reviews(store), Sessions(store)
    of_anna, of_ben = sessions.readings(session.id)
    assert rights.reading(ANNA, of_anna.id) == of_anna
    with pytest.raises(access.AccessError, match="another reader's"):
        rights.reading(ANNA, of_ben.id)
    assert rights.reading(CARA, of_ben.id) == of_ben
    assert rights.why_not_editable(CARA, of_ben) == "this is the reading of ben@x"
    reviews.sign(of_anna.id, ANNA.name, "")
    with pytest.raises(access.AccessError, match="another reader's"):
        rights.reading(ANNA, of_ben.id)
    reviews.sign(of_ben.id, BEN.name, "")
    assert rights.reading(ANNA, of_ben.id).id == of_ben.id
    with pytest.raises(access.AccessError, match="reading of ben@x"):
        rights.changeable(ANNA, of_ben.id)


def test_agreement_and_adjudication(page, store, session):
    reviews, sessions = Reviews(store), Sessions(store)
    of_anna, of_ben = sessions.readings(session.id)
    first = [int(sample) for sample in reviews.state(of_ben.id).samples[:3]]
    reviews.edit(of_ben.id, BEN.name, Relabel(tuple(first), "V"), uuid.uuid4().hex)
    page.query_params["session"] = session.id
    page.run()
    assert any("Agreement is shown when every reader has signed" in caption.value for caption in page.caption)
    for reading, user in ((of_anna, ANNA), (of_ben, BEN)):
        reviews.sign(reading.id, user.name, "")
    page.run()
    assert not page.exception
    assert "**all beats**" in " ".join(cell.value for cell in page.markdown)
    button(page, "Adjudicate 3 disagreements").click().run()
    assert not page.exception
    (adjudication,) = [reading for reading in sessions.readings(session.id) if reading.kind == "adjudication"]
    assert page.query_params["reading"] == adjudication.id
    assert any("0 of 3 disagreements decided" in line.value for line in page.markdown)
    for one in sessions.disagreements(adjudication.id):
        sessions.decide(adjudication.id, "local", one, "b", uuid.uuid4().hex)
    page.switch_page("pages/review.py").run()
    assert any("3 of 3 disagreements decided" in line.value for line in page.markdown)
    button(page, "Sign off").click().run()
    assert not page.exception
    assert reviews.get(adjudication.id).signed is not None


def test_a_role_that_may_only_look_makes_no_session(page, monkeypatch):
    monkeypatch.setitem(access.PERMISSIONS, "admin", frozenset({"read"}))
    page.run()
    assert not page.exception
    assert not page.expander
