"""What a reader can do, what it changes, and what is refused."""

import numpy as np
import pytest

from ecgcore.errors import EcgError, InputError, StoreError
from ecgcore.review import Add, ChangeMark, Delete, Item, Marks, Move, PutMark, Relabel, RemoveMark, ReplaceBeats, command_from
from tests.review.conftest import N_SAMPLES


def test_a_beat_is_added_in_its_place(state, do):
    after = do(state, Add(400, "/"))
    assert after.samples.tolist() == [100, 350, 400, 600, 850]
    assert after.codes.tolist() == list("NV/NN")
    assert after.authors.tolist() == ["beats@2", "beats@2", "anna@x", "beats@2", "beats@2"]
    assert after.changed == 1
    assert state.samples.tolist() == [100, 350, 600, 850]


def test_beats_are_deleted_each_once(state, do):
    after = do(state, Delete((600, 100, 600)))
    assert after.samples.tolist() == [350, 850]


def test_beats_are_relabelled_and_those_that_are_so_stay_by_whom_they_are(state, do):
    change = Relabel((850, 350, 100), "V").change(state, N_SAMPLES, "anna@x")
    assert change.beats_were == Marks.of([100, 850], "NN", "beats@2")
    assert change.beats_are == Marks.of([100, 850], "VV", "anna@x")
    assert do(state, Relabel((100,), "V")).counts == {"N": 2, "S": 0, "V": 2, "F": 0, "Q": 0}
    with pytest.raises(InputError, match=r"the beat at 0:00:01\.400 is V already"):
        do(state, Relabel((350,), "V"))
    with pytest.raises(InputError, match="all 2 beats are N already"):
        do(state, Relabel((100, 600), "N"))


def test_a_beat_is_moved_with_its_code(state, do):
    after = do(state, Move(350, 700))
    assert (after.samples.tolist(), after.codes.tolist()) == ([100, 600, 700, 850], list("NNVN"))
    assert after.authors[2] == "anna@x"


def test_marks_are_put_changed_and_removed(state, do):
    put = do(state, PutMark("rhythm", 10, 20, " AFIB ", "I"))
    item = put.items[0]
    assert (item.kind, item.start, item.stop, item.text, item.lead, item.author) == ("rhythm", 10, 20, "AFIB", "I", "anna@x")
    changed = do(put, ChangeMark(item.id, stop=30), "ben@x")
    assert changed.items == (Item(item.id, "rhythm", 10, 30, "AFIB", "I", "ben@x"),)
    assert do(changed, ChangeMark(item.id, text="AFL")).items[0].text == "AFL"
    assert do(changed, RemoveMark(item.id)).items == ()
    assert do(state, PutMark("artefact", 0, N_SAMPLES)).items[0].text == ""


def test_beats_of_a_file_replace_all_and_its_items_those_it_brought_before(state, do):
    own = do(state, PutMark("comment", 5, 5, "mine"))
    of_file = Item("f" * 32, "rhythm", 0, 500, "AFIB", None, "file:atr")
    command = ReplaceBeats(Marks.of([100, 351], "NV", "file:atr"), (of_file,))
    first = do(own, command, "anna@x")
    assert (first.samples.tolist(), first.authors.tolist()) == ([100, 351], ["file:atr"] * 2)
    assert [item.text for item in first.items] == ["AFIB", "mine"]
    with pytest.raises(InputError, match="the beats are those of file:atr already"):
        do(first, command)
    other = Item("e" * 32, "rhythm", 0, 400, "AFL", None, "file:atr")
    assert [item.text for item in do(first, ReplaceBeats(command.beats, (other,))).items] == ["AFL", "mine"]
    with pytest.raises(InputError, match="sample 10000 is not within"):
        do(state, ReplaceBeats.of([1, 10_000], "NN", "file:atr"))


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        (Add(-1, "N"), InputError, "sample -1 is not within the record's 0 to 9999"),
        (Add(N_SAMPLES, "N"), InputError, "sample 10000 is not within"),
        (Add(5, "X"), InputError, "'X' is no beat code; there are N L R"),
        (Add(5, ""), InputError, "'' is no beat code"),
        (Add(350, "N"), StoreError, r"a beat is at 0:00:01\.400 already: V by beats@2"),
        (Delete(()), InputError, "no beat is named"),
        (Delete((101,)), StoreError, r"no beat is at 0:00:00\.404"),
        (Delete((100, 99_999)), InputError, "sample 99999 is not within"),
        (Relabel((100, 101), "V"), StoreError, "it may have been moved or deleted"),
        (Relabel((100,), "VV"), InputError, "'VV' is no beat code"),
        (Move(100, 100), InputError, "is at 0:00:00.400 already"),
        (Move(100, 350), StoreError, "a beat is at"),
        (Move(99, 300), StoreError, "no beat is at"),
        (Move(100, -5), InputError, "sample -5 is not within"),
        (PutMark("decision", 0, 1, "a"), InputError, "'decision' is none of rhythm, artefact, comment"),
        (PutMark("comment", 5, 4, "a"), InputError, "from sample 5 to 4"),
        (PutMark("comment", 5, 10_001, "a"), InputError, "not within the record's 0 to 10000"),
        (PutMark("comment", 5, 5, "  "), InputError, "text of the comment is empty"),
        (PutMark("comment", 5, 5, "x" * 2001), InputError, "has 2,001 characters; at most 2,000"),
        (PutMark("comment", 5, 5, "nul\0"), InputError, r"'\\x00'"),
        (PutMark("comment", 5, 5, "half \ud800"), InputError, "which is no text"),
        (PutMark("artefact", 5, 5, "", " "), InputError, "the lead is empty"),
        (ChangeMark("c" * 32, "b"), StoreError, "may have been removed"),
        (ChangeMark("d" * 32, "b"), StoreError, "a decision is no mark to be changed"),
        (ChangeMark("a" * 32, "here"), InputError, "is so already"),
        (ChangeMark("a" * 32, stop=1), InputError, "from sample 5 to 1"),
        (RemoveMark("d" * 32), StoreError, "decide again"),
        (ReplaceBeats(Marks.of([1], "+", "file:atr")), InputError, r"'\+' is no beat code"),
    ],
    ids=repr,
)
def test_refused(made, do, command, error, message):
    state = made(items=(Item("a" * 32, "comment", 5, 5, "here", None, "anna@x"), Item("d" * 32, "decision", 5, 5, "a", None, "anna@x")))
    with pytest.raises(error, match=message) as caught:
        do(state, command)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "command"),
    [
        ({"command": "add", "sample": 5, "code": "V"}, Add(5, "V")),
        ({"command": "delete", "samples": [1, 2]}, Delete((1, 2))),
        ({"command": "relabel", "samples": [1], "code": "V"}, Relabel((1,), "V")),
        ({"command": "move", "sample": 5, "to": 6}, Move(5, 6)),
        ({"command": "mark", "kind": "rhythm", "start": 1, "stop": 2, "text": "AFIB", "lead": None}, PutMark("rhythm", 1, 2, "AFIB")),
        ({"command": "mark", "kind": "artefact", "start": 1, "stop": 2}, PutMark("artefact", 1, 2)),
        ({"command": "change_mark", "item": "a", "text": None, "stop": 3}, ChangeMark("a", stop=3)),
        ({"command": "unmark", "item": "a"}, RemoveMark("a")),
    ],
    ids=str,
)
def test_commands_from_json(data, command):
    assert command_from(data) == command


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "command None is none of add, delete, relabel, move, mark, change_mark, unmark"),
        ({"command": ["add"]}, r"command \['add'\] is none of"),
        ({"command": "drop"}, "command 'drop' is none of"),
        ({"command": "add", "sample": 5}, "add needs code"),
        ({"command": "add", "sample": 5, "code": "V", "who": "ben"}, "add has no field 'who'; it has sample, code"),
        ({"command": "add", "sample": "5", "code": "V"}, "sample must be a whole number, not '5'"),
        ({"command": "add", "sample": True, "code": "V"}, "not True"),
        ({"command": "add", "sample": 5.0, "code": "V"}, "not 5.0"),
        ({"command": "add", "sample": 2**70, "code": "V"}, "sample must be a whole number"),
        ({"command": "add", "sample": 5, "code": None}, "code must be text, not None"),
        ({"command": "delete", "samples": "12"}, "samples must be a list of whole numbers, not '12'"),
        ({"command": "delete", "samples": [1, None]}, "samples must be a whole number, not None"),
        ({"command": "mark", "kind": "comment", "start": 1, "stop": 2, "lead": 5}, "lead must be text, not 5"),
    ],
    ids=str,
)
def test_other_json_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        command_from(data)


def test_any_edit_of_a_long_record_can_be_taken_back(made):
    """Random commands on random beats: the inverse of each change brings back the state before it."""
    random = np.random.default_rng(5)
    state = made(np.sort(random.choice(N_SAMPLES, 2000, replace=False)), random.choice(list("NVS"), 2000))
    refused = 0
    for turn in range(200):
        some = tuple(random.choice(state.samples, 20).tolist())
        sample, to = random.integers(0, N_SAMPLES, 2).tolist()
        command = (Add(sample, "F"), Delete(some), Relabel(some, "F"), Move(some[0], to), PutMark("comment", sample, sample, "x"))[turn % 5]
        try:
            change = command.change(state, N_SAMPLES, f"user{turn % 3}")
        except EcgError:
            refused += 1
            continue
        after = state.applied(change, state.seq)
        assert after != state
        assert after.applied(change.inverse(), state.seq) == state
        state = after
    assert refused < 40
