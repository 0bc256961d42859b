"""Review sessions: each reader his own reading, blind to the other's; and the adjudication of what they see differently."""

from dataclasses import replace

import pytest

from ecgcore.errors import InputError, StoreError
from ecgcore.review import Add, Delete, PutMark, Relabel, ReplaceBeats
from ecgcore.store import folding

ANNA, BEN, CARL, DORA = "anna@x", "ben@x", "carl@x", "dora@x"


@pytest.fixture
def two(store, files, found):
    """Two records, each with its analysis."""
    made = {}
    for seed, name in enumerate("pq"):
        record_id = store.add(files(name, seed)).id
        made[record_id] = store.save_analysis(record_id, found(store.open(record_id), samples=(100, 350, 600, 850), codes="NVNN")).id
    return made


@pytest.fixture
def session(sessions, two):
    return sessions.start(" Second reading ", list(two), [BEN, ANNA], CARL, analyses=two)


@pytest.fixture
def pair(reviews, sessions, session):
    """The two readings of the first record, ben's first, edited and signed."""
    ben, anna = sessions.readings(session.id)[:2]
    for reading, command in (
        (ben, Relabel((350,), "F")),
        (ben, Add(700, "S")),
        (ben, PutMark("rhythm", 0, 50, "AFIB")),
        (anna, Delete((850,))),
        (anna, PutMark("rhythm", 0, 50, "AFIB")),
        (anna, PutMark("rhythm", 60, 90, "AFL")),
    ):
        reviews.edit(reading.id, reading.reader, command, repr(command)[:60])
    for reading in (ben, anna):
        reviews.sign(reading.id, reading.reader, "")
    return reviews.get(ben.id), reviews.get(anna.id)


@pytest.fixture
def adjudicated(sessions, session, pair):
    return sessions.adjudication(session.id, pair[0].record_id, CARL)


def beats(state):
    return list(zip(state.samples.tolist(), state.codes.tolist(), strict=True))


def test_each_reader_gets_his_own_reading_of_each_record(reviews, sessions, session, two):
    assert (session.name, session.records, session.readers, session.blind, session.created_by) == ("Second reading", tuple(two), (BEN, ANNA), True, CARL)
    assert sessions.get(session.id) == session
    made = sessions.readings(session.id)
    assert [(one.record_id, one.reader, one.kind, one.session_id, one.analysis_id) for one in made] == [
        (record_id, reader, "session", session.id, two[record_id]) for record_id in two for reader in (BEN, ANNA)
    ]
    assert reviews.reading(made[0].record_id, made[0].analysis_id, session_id=session.id, reader=BEN) == made[0]
    assert reviews.reading(made[0].record_id, made[0].analysis_id).kind == "open"  # beside it, the one shared by all


def test_sessions_are_listed_for_those_who_have_a_part_in_them(sessions, session, two):
    later = sessions.start("later", list(two)[:1], [DORA], ANNA, blind=False, analyses=two)
    assert sessions.list() == (later, session)
    assert [sessions.list(user) for user in (ANNA, BEN, CARL, DORA, "nobody")] == [(later, session), (session,), (session,), (later,), ()]


def test_only_its_reader_changes_and_signs_a_reading(reviews, sessions, session):
    ben = sessions.readings(session.id)[0]
    for work in (lambda: reviews.edit(ben.id, ANNA, Add(5, "N"), "x"), lambda: reviews.undo(ben.id, ANNA, "x"), lambda: reviews.sign(ben.id, ANNA, "")):
        with pytest.raises(StoreError, match="this is the reading of ben@x; anna@x cannot change it"):
            work()
    assert reviews.edit(ben.id, BEN, Add(5, "N"), "x").seq == 1


def test_readers_are_blind_until_both_have_signed_the_record(reviews, sessions, session):
    ben, anna, other, _ = sessions.readings(session.id)

    def seen() -> list[bool]:
        asked = ((BEN, anna), (ANNA, ben), (BEN, ben), (DORA, ben))
        return [sessions.may_see(session, reader, reading) for reader, reading in asked]

    assert seen() == [False, False, True, False]
    assert sessions.may_see(session, DORA, ben, adjudicates=True)
    assert not sessions.may_see(session, ANNA, ben, adjudicates=True)
    assert sessions.may_see(replace(session, blind=False), ANNA, ben)
    reviews.sign(ben.id, BEN, "")
    assert seen() == [False, False, True, False]
    reviews.sign(anna.id, ANNA, "")
    assert seen() == [True, True, True, True]
    assert not sessions.may_see(session, ANNA, other)
    reviews.amend(anna.id, ANNA, "missed one")
    assert seen() == [False, False, True, False]


def test_an_adjudication_begins_with_what_both_say(reviews, sessions, session, pair, adjudicated):
    assert (adjudicated.kind, adjudicated.reader, adjudicated.session_id, adjudicated.seq) == ("adjudication", "", session.id, 1)
    event = reviews.events(adjudicated.id)[0]
    assert (event.kind, event.who, event.note) == ("consensus", CARL, "ben@x version 1 and anna@x version 1")
    state = reviews.state(adjudicated.id)
    assert beats(state) == [(100, "N"), (600, "N")]
    assert [(item.kind, item.text) for item in state.items] == [("rhythm", "AFIB")]
    assert [(one.sample, one.code_a, one.code_b) for one in sessions.disagreements(adjudicated.id)] == [(350, "F", "V"), (700, "S", None), (850, "N", None)]
    assert sessions.open_disagreements(adjudicated.id) == sessions.disagreements(adjudicated.id)
    assert sessions.adjudication(session.id, pair[0].record_id, DORA) == adjudicated
    assert sessions.readings(session.id)[2] == adjudicated
    assert reviews.edits_of(pair[0].record_id) == 6
    assert reviews.can(adjudicated.id, CARL) == (False, False)  # what both say is not taken back


def test_it_is_signed_when_all_is_decided(reviews, sessions, adjudicated):
    first, second, third = sessions.disagreements(adjudicated.id)
    with pytest.raises(StoreError, match=r"3 of 3 disagreements are not decided yet; the first is at 0:00:01\.400"):
        reviews.sign(adjudicated.id, CARL, "")
    event = sessions.decide(adjudicated.id, CARL, first, "a", "1")
    assert (event.kind, event.said) == ("decision", "decision disagreement 1: a")
    assert sessions.decide(adjudicated.id, CARL, first, "b", "1") == event  # sent twice
    sessions.decide(adjudicated.id, CARL, second, "neither", "2")
    sessions.decide(adjudicated.id, CARL, third, "V", "3")
    assert sessions.open_disagreements(adjudicated.id) == ()
    assert beats(reviews.state(adjudicated.id)) == [(100, "N"), (350, "F"), (600, "N"), (850, "V")]
    reviews.undo(adjudicated.id, CARL, "4")
    assert sessions.open_disagreements(adjudicated.id) == (third,)
    with pytest.raises(StoreError, match="1 of 3 disagreements"):
        reviews.sign(adjudicated.id, CARL, "")
    sessions.decide(adjudicated.id, DORA, third, "a", "5")
    sessions.decide(adjudicated.id, DORA, first, "b", "6")
    assert reviews.sign(adjudicated.id, DORA, "final").version == 1
    assert beats(reviews.state(adjudicated.id)) == [(100, "N"), (350, "V"), (600, "N"), (850, "N")]
    with pytest.raises(StoreError, match="signed off as version 1 by dora@x"):
        sessions.decide(adjudicated.id, DORA, first, "a", "7")


def test_decisions_that_are_none(sessions, reviews, adjudicated, pair):
    first = sessions.disagreements(adjudicated.id)[0]
    with pytest.raises(InputError, match="choice 'c' is none of a, b, neither"):
        sessions.decide(adjudicated.id, CARL, first, "c", "x")
    with pytest.raises(InputError, match="disagreement 1 at sample 351 is none of this adjudication"):
        sessions.decide(adjudicated.id, CARL, replace(first, sample_a=351, sample_b=352), "a", "x")
    with pytest.raises(StoreError, match="is no adjudication"):
        sessions.disagreements(pair[0].id)
    with pytest.raises(StoreError, match="rests on what two readers signed"):
        reviews.edit(adjudicated.id, CARL, ReplaceBeats.of([5], "N", "file:atr"), "x")
    with pytest.raises(StoreError, match="rests on what two readers signed"):
        reviews.rebase(adjudicated.id, CARL, adjudicated.analysis_id, "x")
    assert len(reviews.events(adjudicated.id)) == 1


def test_what_an_adjudication_rests_on_is_not_amended(reviews, pair, adjudicated):
    with pytest.raises(StoreError, match="the adjudication rests on version 1 of this reading"):
        reviews.amend(pair[0].id, BEN, "too late")
    assert reviews.get(pair[0].id) == pair[0]


def test_no_adjudication_before_both_have_signed_nor_of_other_than_two(reviews, sessions, session, two, pair):
    _, other = two
    with pytest.raises(StoreError, match="ben@x has not signed the record yet"):
        sessions.adjudication(session.id, other, CARL)
    for readers in ([BEN], [BEN, ANNA, DORA]):
        more = sessions.start("more", [other], readers, CARL, analyses=two)
        with pytest.raises(StoreError, match=f"needs exactly two readers of the record, not {len(readers)}"):
            sessions.adjudication(more.id, other, CARL)


def test_an_amendment_that_comes_between_is_noticed(reviews, sessions, session, pair, monkeypatch):
    from ecgcore.review import adjudication

    before = adjudication.consensus

    def meanwhile(*given):
        reviews.amend(pair[1].id, ANNA, "one more look")
        return before(*given)

    monkeypatch.setattr(adjudication, "consensus", meanwhile)
    with pytest.raises(StoreError, match="anna@x was amended meanwhile"):
        sessions.adjudication(session.id, pair[0].record_id, CARL)
    assert len(sessions.readings(session.id)) == 4


def test_an_adjudication_is_read_back_from_its_events(reviews, sessions, adjudicated):
    known = reviews.state(adjudicated.id)
    reviews._open = folding.OpenReadings()
    assert reviews.state(adjudicated.id) == known


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": " "}, InputError, "name of the session is empty"),
        ({"name": "x" * 201}, InputError, "at most 200"),
        ({"record_ids": []}, InputError, r"one record or more, each once, not \[\]"),
        ({"readers": [BEN, BEN]}, InputError, "one reader or more, each once"),
        ({"readers": [""]}, InputError, "the user is empty"),
        ({"analyses": {}}, InputError, "no analysis is named for the record"),
        ({"record_ids": ["nobody"], "analyses": {"nobody": "x"}}, StoreError, "no record 'nobody' is stored"),
    ],
    ids=str,
)
def test_sessions_that_are_none(sessions, two, change, error, message):
    asked = {"name": "n", "record_ids": list(two), "readers": [BEN], "analyses": two, **change}
    with pytest.raises(error, match=message):
        sessions.start(by=CARL, **asked)
    assert sessions.list() == ()


def test_an_analysis_of_another_record_begins_no_session(sessions, reviews, two):
    crossed = dict(zip(two, reversed(two.values()), strict=True))
    with pytest.raises(StoreError, match="is of the record"):
        sessions.start("n", list(two), [BEN], CARL, analyses=crossed)
    assert sessions.list() == ()
    assert reviews.readings(next(iter(two))) == ()


def test_a_deleted_record_leaves_its_sessions(store, sessions, session, two, adjudicated):
    first, second = two
    store.delete(first)
    assert sessions.get(session.id).records == (second,)
    assert {reading.record_id for reading in sessions.readings(session.id)} == {second}
    with pytest.raises(StoreError, match="no session 'none'"):
        sessions.get("none")
