"""Changes applied to a state: what was must be there, what is then is, and the inverse brings back what was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcore.errors import FormatError, InputError, StoreError
from ecgcore.findings import AAMI_OF_MIT, Beats
from ecgcore.review import Change, Item, Marks, ReplaceBeats, State, change_from_json, change_to_json, sha256, state_from_json, state_to_json

COMMENT = Item("a" * 32, "comment", 10, 10, "look here", None, "anna@x")

beats = st.dictionaries(st.integers(0, 60), st.tuples(st.sampled_from("NVSF/"), st.sampled_from(["beats@2", "anna@x", "file:atr"])), max_size=30)


def marks_of(drawn: dict[int, tuple[str, str]]) -> Marks:
    samples = sorted(drawn)
    return Marks(np.array(samples, np.int64), tuple(drawn[s][0] for s in samples), tuple(drawn[s][1] for s in samples))


def as_state(marks: Marks, items: tuple[Item, ...] = ()) -> State:
    return State(0, marks.samples, np.array(marks.codes, "<U1"), np.array(marks.authors, object), items, "beats@2", 250.0)


def test_the_first_state_is_what_the_model_found():
    found = Beats(np.array([5, 9]), ("N", "Q"), ("L", "/"), np.zeros((2, 5), np.float32), "beats@2", ("I",), "d@1")
    state = State.first(found, 250.0)
    assert (state.seq, state.codes.tolist(), state.authors.tolist(), state.changed, len(state)) == (0, ["L", "/"], ["beats@2", "beats@2"], 0, 2)
    assert state.labels.tolist() == ["N", "Q"]
    assert state.counts == {"N": 1, "S": 0, "V": 0, "F": 0, "Q": 1}


def test_labels_are_those_of_the_table_and_q_for_what_is_not_in_it():
    codes = [*AAMI_OF_MIT, "ü", "+", "~"]
    state = State(0, np.arange(len(codes)), np.array(codes), np.full(len(codes), "x", object))
    assert state.labels.tolist() == [*AAMI_OF_MIT.values(), "Q", "Q", "Q"]
    assert sum(state.counts.values()) == len(codes)


def test_nobody_can_write_into_a_state(state):
    for array in (state.samples, state.codes, state.authors):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


@given(beats, beats)
def test_the_difference_of_two_states_leads_from_one_to_the_other_and_back(before, after):
    start, goal = as_state(marks_of(before)), as_state(marks_of(after))
    change = Change(*start.difference(marks_of(after)))
    there = start.applied(change, 0)
    assert there == goal
    assert there.applied(change.inverse(), 0) == start
    shared = {sample for sample in before if after.get(sample) == before[sample]}
    assert not shared & set(change.beats_were.samples.tolist())


@given(beats, beats)
def test_json_gives_changes_and_states_back_equal(before, after):
    change = Change(*as_state(marks_of(before)).difference(marks_of(after)), (COMMENT,), ())
    assert change_from_json(change_to_json(change)) == change
    state = as_state(marks_of(after), (COMMENT,))
    assert state_from_json(state_to_json(state)) == state
    assert sha256(state_from_json(state_to_json(state))) == sha256(state)


def test_the_hash_tells_states_apart(state, do):
    other = do(state, ReplaceBeats.of(state.samples, state.codes.tolist(), "file:atr"))
    assert len({sha256(state), sha256(other), sha256(other.applied(Change(), 9))}) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"beats_were":{"samples":null,"codes":"","authors":[]},"beats_are":{"samples":null,"codes":"","authors":[]},"items_were":[],"items_are":[]}']
)
def test_other_json_is_refused(text):
    for read in (change_from_json, state_from_json):
        with pytest.raises(FormatError, match="of Leadwise"):
            read(text)


def test_what_was_must_be_there(state):
    one = Marks.of([350], "V", "beats@2")
    other = state.applied(Change(one, Marks.of([350], "N", "ben@x")), 1)
    for were, message in (
        (one, "the beat at 0:00:01.400 is no longer V: ben@x made it N"),
        (Marks.of([350], "N", "anna@x"), "the beat at 0:00:01.400 is N by ben@x now, no longer by anna@x"),
        (Marks.of([351], "V", "beats@2"), "the beat at 0:00:01.404 is no longer there"),
        (Marks.of([9000], "V", "beats@2"), "the beat at 0:00:36.000 is no longer there"),
    ):
        with pytest.raises(StoreError) as caught:
            other.applied(Change(were, Marks.none()), 2)
        assert str(caught.value) == message
    with pytest.raises(StoreError, match=r"a beat is at 0:00:00\.400 already: N by beats@2"):
        state.applied(Change(beats_are=Marks.of([100], "V", "ben@x")), 1)


def test_items_are_kept_in_order_and_must_be_as_they_were(state):
    later = Item("b" * 32, "artefact", 20, 40, "", "I", "ben@x")
    both = state.applied(Change(items_are=(later, COMMENT)), 1)
    assert both.items == (COMMENT, later)
    with pytest.raises(StoreError, match="is there already, by anna@x"):
        both.applied(Change(items_are=(COMMENT,)), 2)
    with pytest.raises(StoreError, match="was changed since, by ben@x"):
        both.applied(Change(items_were=(Item("b" * 32, "artefact", 20, 50, "", "I", "ben@x"),)), 2)
    with pytest.raises(StoreError, match=r"comment at 0:00:00\.040 is no longer there"):
        both.applied(Change(items_were=(COMMENT,)), 2).applied(Change(items_were=(COMMENT,)), 3)


def test_marks_ascend_and_have_columns_of_one_length():
    for samples, codes, message in (([5, 5], "NN", "sample 5 comes after 5"), ([9, 5], "NN", "sample 5 comes after 9"), ([5], "NN", "1 beats but 2 codes")):
        with pytest.raises(InputError, match=message):
            Marks.of(samples, codes, "anna@x")
    assert Marks.of([5], "N", "anna@x") != Marks.of([5], "N", "ben@x")
    assert Marks.of([5], "N", "anna@x") != "N"
