"""The audit log: what is noted, how it is found again, and the table of it."""

import csv
import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from ecgcore.review import Change, Delete, Relabel, change_to_json
from ecgcore.store import Reconstructions, database
from ecgcore.store.audit import HEADER, Audit, note
from ecgcore.store.review_tables import EventRow


@pytest.fixture
def audit(store):
    return Audit(store)


def told(entries):
    return [(entry.who, entry.what, entry.subject, entry.detail) for entry in entries]


def test_a_row_is_kept_with_its_transaction_or_not_at_all(store, audit):
    with database.write(store.engine) as session:
        note(session, "ann", "model promoted", "beats@2.1", "better")
    with database.write(store.engine) as session:
        note(session, "bob", "model promoted", "beats@2.2")
        session.flush()
        session.rollback()
    assert told(audit.search()) == [("ann", "model promoted", "beats@2.1", "better")]


def test_rows_are_never_changed(store, audit):
    audit.note("ann", "model exported", "beats@2")
    for statement in ("UPDATE audit SET who = 'bob'", "DELETE FROM audit"):
        with pytest.raises((DBAPIError, IntegrityError), match="never changed"), store.engine.begin() as connection:
            connection.execute(text(statement))
    assert audit.search()[0].who == "ann"


def test_edits_and_signatures_stand_among_what_was_noted(audit, reviews, reading):
    reviews.edit(reading.id, "ann", Relabel((100,), "V"), "1")
    reviews.undo(reading.id, "ann", "2")
    signed = reviews.sign(reading.id, "bob", "read in full")
    reviews.amend(reading.id, "bob", "one more look")
    assert told(audit.search()) == [
        ("bob", "amend", "one", "opened again: one more look"),
        ("bob", "sign", "one", f"version 1, sha256 {signed.sha256[:12]}…: signed off: read in full"),
        ("ann", "undo", "one", "change 1 undone"),
        ("ann", "relabel", "one", "1 beat made V"),
        ("local", "record added", "one", audit.search(what="record added")[0].detail),
    ]
    assert audit.count() == 5
    assert audit.users() == ("ann", "bob", "local")
    assert audit.whats() == ("amend", "record added", "relabel", "sign", "undo")


def test_a_record_taken_in_is_noted_once(store, audit, files):
    added = store.add(files(), owner="ann")
    store.add(files(), owner="bob")
    assert told(audit.search()) == [("ann", "record added", "one", f"WFDB, 2 files, sha256 {added.sha256[:12]}…")]


def test_a_deleted_record_leaves_who_deleted_it_and_what_was_lost(store, audit, reviews, reading):
    reviews.edit(reading.id, "ann", Relabel((100,), "V"), "1")
    reviews.edit(reading.id, "ann", Delete((350,)), "2")
    reviews.sign(reading.id, "ann", "")
    sha256 = store.get(reading.record_id).sha256
    store.delete(reading.record_id, "chief")
    assert told(audit.search())[0] == ("chief", "record deleted", "one", f"sha256 {sha256[:12]}…; lost with it: 2 edits and 1 signature")
    assert audit.whats() == ("record added", "record deleted")  # the events went with it


def test_sessions_and_reconstructions_are_noted(store, audit, sessions, stored, piece):
    record_id, analysis_id = stored
    sessions.start("November", [record_id], ["ann", "bob"], "chief", analyses={record_id: analysis_id})
    kept = Reconstructions(store)
    accepted = kept.accept(record_id, piece(), "ann")
    kept.discard(accepted.id, "bob")
    kept.discard(accepted.id, "bob")  # no second time
    assert told(audit.search(who="chief")) == [("chief", "session begun", "November", "1 record read by ann, bob, blind to each other")]
    assert told(audit.search("reconstruction")) == [
        ("bob", "reconstruction discarded", "one", "gap in I, 0.800 to 1.000 s, by wonhee@1"),
        ("ann", "reconstruction accepted", "one", "gap in I, 0.800 to 1.000 s, by wonhee@1"),
    ]


def test_what_matches_is_found(audit, reviews, reading):
    audit.note("Ann@x.org", "model exported", "beats@2", "100 % sure")
    reviews.edit(reading.id, "bob", Relabel((100,), "V"), "1")
    reviews.sign(reading.id, "bob", "100% read")
    assert [entry.what for entry in audit.search("ann@X")] == ["model exported"]
    assert [entry.what for entry in audit.search("100%")] == ["sign"]  # a wildcard of the database is taken as it is written
    assert [entry.what for entry in audit.search("_")] == []
    assert [entry.what for entry in audit.search("ONE")] == ["sign", "relabel", "record added"]
    assert [entry.what for entry in audit.search(who="bob", what="sign")] == ["sign"]
    assert audit.count(who="Ann") == 0
    assert audit.count("one", who="bob") == 2
    assert audit.search("nothing of the kind") == ()


def test_times_bound_the_search(audit, reviews, reading):
    reviews.edit(reading.id, "bob", Relabel((100,), "V"), "1")
    audit.note("ann", "model exported", "beats@2")
    newest, edited, *_ = audit.search()
    assert [entry.what for entry in audit.search(since=newest.at)] == ["model exported"]
    assert [entry.what for entry in audit.search(since=edited.at, until=newest.at)] == ["relabel"]
    assert audit.count(until=edited.at - timedelta(days=1)) == 0
    assert newest.at.tzinfo is UTC


def test_the_table_holds_all_that_matches_and_no_formula(audit):
    for who, detail in (("=1+1", "plain, with a comma"), ("ann", "-2"), ("ann", "two\nlines"), ("ann", " =SUM(1)"), ("@ann", "+1"), ("ann", "\tx")):
        audit.note(who, "model exported", "beats@2", detail)
    audit.note("ann", "model imported", "beats@3")
    rows = list(csv.reader(io.StringIO(audit.csv(what="model exported"))))
    assert tuple(rows[0]) == HEADER
    assert [(row[1], row[4]) for row in reversed(rows[1:])] == [
        ("'=1+1", "plain, with a comma"),
        ("ann", "'-2"),
        ("ann", "two\nlines"),
        ("ann", "' =SUM(1)"),
        ("'@ann", "'+1"),
        ("ann", "'\tx"),
    ]
    assert all(datetime.fromisoformat(row[0]).utcoffset() == timedelta(0) for row in rows[1:])


def test_a_page_of_ten_thousand_edits_comes_at_once(store, audit, reading):
    """Every page is there once, in order, and none takes longer than a reader notices."""
    began, n = datetime(2024, 1, 1, tzinfo=UTC), 10_000
    shared = {"reading_id": reading.id, "kind": "relabel", "who": "ann", "model": "beats@1", "analysis_id": reading.analysis_id, "of": None, "note": ""}
    change = change_to_json(Change())
    with store.engine.begin() as connection:
        connection.execute(insert(EventRow), [{**shared, "seq": i, "at": began + timedelta(seconds=i), "command": str(i), "change": change} for i in range(1, n + 1)])
    audit.search(what="relabel")  # the statement is made once
    took = []
    for offset in (0, 5000, 9900):
        start = time.perf_counter()
        page = audit.search(limit=100, offset=offset, what="relabel")
        took.append(time.perf_counter() - start)
        assert [entry.at for entry in page] == [began + timedelta(seconds=n - offset - i) for i in range(100)]
    assert min(took) < 0.1, took
    assert audit.csv(what="relabel").count("\r\n") == n + 1
