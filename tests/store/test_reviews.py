"""Readings and their events: everything is kept, in order, with what was and what is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ecgcore.errors import InputError, StoreError
from ecgcore.review import AcceptRhythm, Add, Delete, Marks, Move, PutMark, Relabel, ReplaceBeats, sha256
from ecgcore.store import Reviews, Store, database, folding

ANNA, BEN = "anna@x", "ben@x"


@pytest.fixture
def do(reviews, reading):
    """Edit the shared reading; ids are made up."""

    def edit(command, who=ANNA):
        return reviews.edit(reading.id, who, command, f"c{reviews.get(reading.id).seq}")

    return edit


@pytest.fixture
def step(reviews, reading):
    """Undo or redo in the shared reading."""
    return lambda kind, who=ANNA: getattr(reviews, kind)(reading.id, who, f"c{reviews.get(reading.id).seq}")


def fresh(store) -> Reviews:
    """The same readings seen by a process that has none in memory."""
    made = Reviews(store)
    made._open = folding.OpenReadings()
    return made


def beats(state):
    return list(zip(state.samples.tolist(), state.codes.tolist(), state.authors.tolist(), strict=True))


def test_a_reading_begins_with_the_beats_of_its_analysis(reviews, reading, stored):
    assert (reading.record_id, reading.analysis_id) == stored
    assert (reading.kind, reading.reader, reading.session_id, reading.seq, reading.signed) == ("open", "", None, 0, None)
    assert (reading.model, reading.leads) == ("beats@1", ("I",))
    assert reading.created.tzinfo is UTC
    assert beats(reviews.state(reading.id)) == [(100, "N", "beats@1"), (350, "V", "beats@1")]
    assert reviews.events(reading.id) == ()
    assert reviews.get(reading.id) == reading


def test_there_is_one_shared_reading_of_a_record(store, reviews, reading, stored, found):
    newer = store.save_analysis(stored[0], found(store.open(stored[0]), "beats@2"))
    assert reviews.reading(stored[0], newer.id) == reading
    assert reviews.readings(stored[0]) == (reading,)
    own = reviews.reading(stored[0], newer.id, reader=ANNA)
    assert (own.model, own.reader) == ("beats@2", ANNA)
    assert reviews.readings(stored[0]) == (reading, own)


def test_an_event_tells_who_when_what_was_and_what_is(reviews, reading, store):
    before = datetime.now(UTC)
    event = reviews.edit(reading.id, ANNA, Relabel((350,), "F"), "first")
    assert (event.seq, event.kind, event.who, event.model, event.of, event.note, event.command) == (1, "relabel", ANNA, "beats@1", None, "", "first")
    assert before <= event.at <= datetime.now(UTC)
    assert event.at.utcoffset() == timedelta(0)
    assert (event.change.beats_were, event.change.beats_are) == (Marks.of([350], "V", "beats@1"), Marks.of([350], "F", ANNA))
    assert event.said == "1 beat made F"
    for seen in (reviews, fresh(store)):
        assert seen.events(reading.id) == (event,)
        assert seen.events(reading.id, after=1) == ()
        assert beats(seen.state(reading.id)) == [(100, "N", "beats@1"), (350, "F", ANNA)]
        assert seen.get(reading.id).seq == 1


def test_an_edit_sent_twice_is_done_once(reviews, reading):
    event = reviews.edit(reading.id, ANNA, Add(500, "N"), "same")
    assert reviews.edit(reading.id, ANNA, Add(500, "N"), "same") == event
    assert reviews.edit(reading.id, ANNA, Delete((100,)), "same") == event
    assert len(reviews.events(reading.id)) == 1
    reviews.sign(reading.id, ANNA, "")
    assert reviews.edit(reading.id, ANNA, Add(500, "N"), "same") == event


def test_a_refused_edit_changes_nothing(store, reviews, reading):
    for command, error in ((Add(1000, "N"), InputError), (Add(100, "N"), StoreError), (Delete((7,)), StoreError)):
        with pytest.raises(error):
            reviews.edit(reading.id, ANNA, command, "x")
    for who, command_id in (("", "x"), (ANNA, ""), (ANNA, "x" * 65), ("a" * 255, "x"), ("nul\0", "x")):
        with pytest.raises(InputError):
            reviews.edit(reading.id, who, Add(5, "N"), command_id)
    assert (reviews.events(reading.id), reviews.get(reading.id).seq, reviews.state(reading.id).seq) == ((), 0, 0)
    assert reviews.edit(reading.id, ANNA, Add(5, "N"), "x").seq == 1
    assert fresh(store).state(reading.id) == reviews.state(reading.id)


def test_undo_and_redo_go_all_the_way(reviews, reading, do, step):
    states = [reviews.state(reading.id)]
    for sample in range(10, 60, 10):
        do(Add(sample, "N"))
        states.append(reviews.state(reading.id))
    for turn in range(5, 0, -1):
        undone = step("undo")
        assert (undone.kind, undone.of, undone.said) == ("undo", turn, f"change {turn} undone")
        assert beats(reviews.state(reading.id)) == beats(states[turn - 1])
    assert reviews.can(reading.id, ANNA) == (False, True)
    with pytest.raises(StoreError, match="nothing that anna@x changed is left to undo"):
        step("undo")
    for turn in range(1, 6):
        again = step("redo")
        assert (again.kind, again.of) == ("redo", turn)
        assert beats(reviews.state(reading.id)) == beats(states[turn])
    assert reviews.can(reading.id, ANNA) == (True, False)
    with pytest.raises(StoreError, match="left to redo"):
        step("redo")
    assert step("undo").of == 5
    assert [event.seq for event in reviews.events(reading.id)] == list(range(1, 17))


def test_each_user_takes_back_his_own(reviews, reading, do, step):
    do(Add(10, "N"))
    do(Add(20, "V"), BEN)
    assert step("undo").of == 1
    assert reviews.state(reading.id).samples.tolist() == [20, 100, 350]
    assert reviews.can(reading.id, BEN) == (True, False)
    assert reviews.can(reading.id, "nobody") == (False, False)
    assert step("undo", BEN).of == 2
    assert step("redo").of == 1
    assert reviews.state(reading.id).samples.tolist() == [10, 100, 350]


def test_an_accepted_rhythm_is_kept_with_the_model_that_called_it_and_taken_back(store, reviews, reading, do, step):
    event = do(AcceptRhythm("AF", 100, 900, "universal@1 on I, probability 0.93"))
    assert (event.kind, event.who, event.note) == ("accept", ANNA, "universal@1 on I, probability 0.93")
    assert event.said == "rhythm AFL accepted: universal@1 on I, probability 0.93"
    assert [(item.text, item.start, item.stop, item.author) for item in fresh(store).state(reading.id).items] == [("AFL", 100, 900, ANNA)]
    assert fresh(store).events(reading.id) == (event,)
    step("undo")
    assert reviews.state(reading.id).items == ()
    step("redo")
    assert [item.text for item in reviews.state(reading.id).items] == ["AFL"]
    with pytest.raises(StoreError, match="AFL is marked from"):
        do(AcceptRhythm("AF", 899, 950, "m"))


def test_a_new_edit_ends_what_can_be_done_again(reviews, reading, do, step):
    do(Add(10, "N"))
    step("undo")
    do(Add(30, "N"), BEN)
    assert reviews.can(reading.id, ANNA) == (False, True)  # by someone else: that does not count
    do(Add(20, "N"))
    assert reviews.can(reading.id, ANNA) == (True, False)
    with pytest.raises(StoreError, match="a new change ends what can be done again"):
        step("redo")


def test_what_someone_else_changed_since_is_not_taken_back(reviews, reading, do, step):
    do(Relabel((350,), "F"))
    do(Relabel((350,), "N"), BEN)
    with pytest.raises(StoreError, match=r"change 1 cannot be undone: the beat at 0:00:01\.400 is no longer F: ben@x made it N"):
        step("undo")
    do(Relabel((350,), "F"), BEN)
    with pytest.raises(StoreError, match="is F by ben@x now, no longer by anna@x"):
        step("undo")
    step("undo", BEN)
    step("undo", BEN)
    step("undo")
    assert beats(reviews.state(reading.id))[1] == (350, "V", "beats@1")


def test_many_beats_are_taken_back_in_one_step(store, reviews, files, found, step):
    record_id = store.add(files("long", 3, 20_000)).id
    samples = tuple(range(5, 20_000, 10))
    long = reviews.reading(record_id, store.save_analysis(record_id, found(store.open(record_id), samples=samples, codes="N" * 2000)).id)
    event = reviews.edit(long.id, ANNA, Relabel(samples[:1000], "V"), "a")
    assert (event.said, reviews.state(long.id).counts["V"]) == ("1,000 beats made V", 1000)
    reviews.undo(long.id, ANNA, "b")
    assert reviews.state(long.id).changed == 0


def test_any_moment_can_be_seen_again(store, reviews, reading, do, step, found):
    newer = store.save_analysis(reading.record_id, found(store.open(reading.record_id), "beats@2", samples=(90, 600), codes="NS")).id
    random = np.random.default_rng(1)
    states = [reviews.state(reading.id)]
    for turn in range(30):
        who = (ANNA, BEN)[turn % 2]
        try:
            if turn == 15:
                reviews.rebase(reading.id, who, newer, "rebase")
            elif turn % 5 == 4:
                step("undo", who)
            else:
                do((Add(int(random.integers(1000)), "V"), PutMark("comment", turn, turn, "x"))[turn % 3 == 0], who)
        except StoreError:
            continue
        states.append(reviews.state(reading.id))
    assert len(states) > 20
    for seen in (reviews, fresh(store)):
        for seq in [*random.permutation(len(states)).tolist(), 0, len(states) - 1]:
            assert seen.state(reading.id, seq) == states[seq]
        assert seen.state(reading.id) == states[-1]
    with pytest.raises(StoreError, match=f"has no event 99; it has 0 .* to {len(states) - 1}"):
        reviews.state(reading.id, 99)


def test_an_imported_file_is_taken_back_in_one_step(reviews, reading, do, step):
    event = do(ReplaceBeats.of([90, 340, 600], "NNF", "file:atr"))
    assert event.said == "2 beats replaced by 3 beats of file:atr"
    assert reviews.state(reading.id).counts == {"N": 2, "S": 0, "V": 0, "F": 1, "Q": 0}
    step("undo")
    assert beats(reviews.state(reading.id)) == [(100, "N", "beats@1"), (350, "V", "beats@1")]


def test_going_over_to_another_analysis(store, reviews, reading, found, step, do):
    analysis = found(store.open(reading.record_id), "beats@2", ("I", "II"), samples=(98, 351, 500, 700), codes="NSNN")
    newer = store.save_analysis(reading.record_id, analysis).id
    do(Delete((100,)))
    do(Add(690, "F"))
    do(Add(800, "V"))
    step("undo")  # a beat put and taken back is none that was deleted
    event = reviews.rebase(reading.id, BEN, newer, "over")
    assert (event.kind, event.model, event.who) == ("rebase", "beats@2", BEN)
    assert event.said == "went over to beats of beats@2: found on I, II: 1 beat replaced by 2 beats"
    now = reviews.get(reading.id)
    assert (now.analysis_id, now.model, now.leads) == (newer, "beats@2", ("I", "II"))
    assert beats(reviews.state(reading.id)) == [(351, "S", "beats@2"), (500, "N", "beats@2"), (690, "F", ANNA)]
    assert reviews.state(reading.id).changed == 1
    assert [reviews.basis(reading.id, seq) for seq in (0, event.seq - 1, event.seq, None)] == [reading.analysis_id, reading.analysis_id, newer, newer]
    with pytest.raises(StoreError, match="no event 99"):
        reviews.basis(reading.id, 99)
    with pytest.raises(StoreError, match="stands on this analysis already, beats@2 on I, II"):
        reviews.rebase(reading.id, BEN, newer, "twice")
    back = step("undo", BEN)
    assert (back.model, reviews.get(reading.id)) == ("beats@1", replace(now, analysis_id=reading.analysis_id, model="beats@1", leads=("I",), seq=back.seq))
    assert beats(reviews.state(reading.id)) == [(350, "V", "beats@1"), (690, "F", ANNA)]
    assert step("redo", BEN).model == "beats@2"
    assert reviews.get(reading.id).analysis_id == newer


def test_a_deleted_beat_stays_deleted_through_several_analyses(store, reviews, reading, found, do):
    do(Delete((100,)))
    do(Move(350, 360))
    for model, at in (("beats@2", 101), ("beats@3", 99)):
        newer = store.save_analysis(reading.record_id, found(store.open(reading.record_id), model, samples=(at, 352, 500), codes="NVN")).id
        reviews.rebase(reading.id, ANNA, newer, model)
        assert beats(reviews.state(reading.id)) == [(360, "V", ANNA), (500, "N", model)]


def test_analyses_of_other_records_are_refused(store, reviews, reading, files, found):
    other = store.add(files("other", 9)).id
    foreign = store.save_analysis(other, found(store.open(other))).id
    for work in (lambda: reviews.rebase(reading.id, ANNA, foreign, "x"), lambda: reviews.reading(reading.record_id, foreign, reader=BEN)):
        with pytest.raises(StoreError, match="is of the record"):
            work()
    assert reviews.get(reading.id) == reading


def test_signing_freezes_a_version(reviews, reading, do, step, store, found):
    do(Relabel((350,), "F"))
    signed = reviews.sign(reading.id, ANNA, "seen")
    assert (signed.reading_id, signed.version, signed.seq, signed.who, signed.statement) == (reading.id, 1, 2, ANNA, "seen")
    assert signed.sha256 == sha256(reviews.state(reading.id, signed.seq))
    assert reviews.get(reading.id).signed == signed
    assert reviews.readings(reading.record_id)[0].signed == signed
    assert reviews.can(reading.id, ANNA) == (False, False)
    newer = store.save_analysis(reading.record_id, found(store.open(reading.record_id), "beats@2")).id
    refused = (
        lambda: do(Add(5, "N")),
        lambda: do(ReplaceBeats.of([5], "N", "file:atr")),
        lambda: step("undo"),
        lambda: step("redo"),
        lambda: reviews.rebase(reading.id, ANNA, newer, "x"),
        lambda: reviews.sign(reading.id, BEN, ""),
    )
    for work in refused:
        with pytest.raises(StoreError, match="one is signed off as version 1 by anna@x; amend it to go on"):
            work()
    assert len(reviews.events(reading.id)) == 2


def test_amending_opens_again_and_keeps_what_was_signed(store, reviews, reading, do, step):
    do(Relabel((350,), "F"))
    first = reviews.sign(reading.id, ANNA, "")
    frozen = reviews.state(reading.id)
    with pytest.raises(InputError, match="reason to amend is empty"):
        reviews.amend(reading.id, BEN, " ")
    event = reviews.amend(reading.id, BEN, "a beat was missed")
    assert (event.kind, event.who, event.note, event.said) == ("amend", BEN, "a beat was missed", "opened again: a beat was missed")
    assert reviews.get(reading.id).signed is None
    assert step("undo").of == 1  # neither signature nor amendment is a step
    second = reviews.sign(reading.id, BEN, "again")
    assert second.version == 2
    assert reviews.signoffs(reading.id) == (first, second)
    assert [event.kind for event in reviews.events(reading.id)] == ["relabel", "sign", "amend", "undo", "sign"]
    assert fresh(store).state(reading.id, first.seq) == frozen
    assert sha256(frozen) == first.sha256 != second.sha256
    with pytest.raises(StoreError, match="version 2 by ben@x"):
        do(Add(5, "N"))


def test_only_a_signed_reading_is_amended(reviews, reading):
    with pytest.raises(StoreError, match="not signed off"):
        reviews.amend(reading.id, ANNA, "why not")


@pytest.mark.parametrize("statement", ["UPDATE events SET who = 'ben'", "DELETE FROM events", "UPDATE signoffs SET who = 'ben'", "DELETE FROM signoffs"])
def test_the_database_itself_refuses_to_change_what_happened(store, reviews, reading, do, statement):
    do(Add(5, "N"))
    reviews.sign(reading.id, ANNA, "")
    with pytest.raises(DBAPIError, match="are never changed"), database.writing(store.engine).begin() as connection:
        connection.execute(text(statement))
    assert [event.who for event in reviews.events(reading.id)] == [ANNA, ANNA]
    assert len(reviews.signoffs(reading.id)) == 1


def test_nor_are_whole_tables_emptied(postgres):
    engine = database.connect(postgres.url("migrated"))
    for table in ("events", "signoffs"):
        with pytest.raises(DBAPIError, match=f"{table} are never changed"), engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {table}"))
    engine.dispose()


def test_readings_go_with_their_record(store, reviews, reading, do):
    do(Add(5, "N"))
    do(Add(6, "N"))
    reviews.sign(reading.id, ANNA, "")
    assert reviews.edits_of(reading.record_id) == 2
    store.delete(reading.record_id)
    assert reviews.edits_of(reading.record_id) == 0
    asked = (
        lambda: reviews.get(reading.id),
        lambda: reviews.state(reading.id),
        lambda: reviews.events(reading.id),
        lambda: reviews.signoffs(reading.id),
        lambda: do(Add(7, "N")),
        lambda: reviews.sign(reading.id, ANNA, ""),
        lambda: reviews.can(reading.id, ANNA),
    )
    for ask in asked:
        with pytest.raises(StoreError, match=r"no reading '\w+' is stored"):
            ask()
    with database.read(store.engine) as session:
        assert [session.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("readings", "events", "signoffs")] == [0, 0, 0]  # noqa: S608  # our own words


def test_unknown_records_sessions_and_analyses(reviews, stored):
    with pytest.raises(StoreError, match="no record 'nobody' is stored"):
        reviews.reading("nobody", stored[1])
    with pytest.raises(StoreError, match="no analysis 'none' is stored"):
        reviews.reading(stored[0], "none")
    with pytest.raises(StoreError, match="anna@x does not read the record"):
        reviews.reading(*stored, session_id="none", reader=ANNA)
    assert reviews.readings(stored[0]) == ()


def test_the_readings_in_memory_are_few_and_shared(store, reviews, stored, monkeypatch):
    monkeypatch.setattr(folding, "MOST_OPEN", 2)
    made = [reviews.reading(*stored, reader=f"user{i}") for i in range(4)]
    for reading in made:
        reviews.edit(reading.id, "anna", Add(5, "N"), "c")
    assert list(reviews._open._opened) == [reading.id for reading in made[-2:]]
    assert Reviews(store)._open is reviews._open
    for reading in made:
        assert reviews.state(reading.id).samples.tolist() == [5, 100, 350]


def test_an_older_state_never_replaces_a_newer_in_memory(store, reviews, reading, do):
    do(Add(5, "N"))
    older = reviews._open._opened[reading.id]
    do(Add(6, "N"))
    reviews._open.keep(reading.id, older)
    assert reviews.state(reading.id).seq == 2


def test_another_process_is_followed(tmp_path, database_url, store, reviews, reading, do):
    other = Store(tmp_path / "home", database_url)
    theirs = Reviews(other)
    do(Add(5, "N"))
    assert theirs.state(reading.id).seq == 1
    theirs.edit(reading.id, BEN, Delete((5,)), "theirs")
    assert reviews.state(reading.id) == theirs.state(reading.id)
    with pytest.raises(StoreError, match="cannot be undone"):
        reviews.undo(reading.id, ANNA, "u")
    other.close()
