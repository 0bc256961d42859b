"""Two readings made one: what they agree on, and each decision."""

import uuid
from itertools import permutations

import pytest

from ecgcore.errors import InputError, StoreError
from ecgcore.evaluation.agreement import Disagreement
from ecgcore.review import Add, Decide, Delete, Move, PutMark, Relabel
from ecgcore.review.adjudication import consensus, disagreements, disagreements_from_json, disagreements_to_json, undecided

READING = uuid.uuid4().hex


def beats(state):
    return list(zip(state.samples.tolist(), state.codes.tolist(), state.authors.tolist(), strict=True))


@pytest.fixture
def pair(state, do):
    """Anna finds one beat more and calls 350 fusion; Ben deletes 850; both call 600 V."""
    anna = do(do(do(state, Relabel((350,), "F")), Relabel((600,), "V")), Add(700, "S"))
    ben = do(do(state, Relabel((600,), "V"), "ben@x"), Delete((850,)), "ben@x")
    return anna, ben


def test_what_both_say_stands_and_the_rest_is_open(state, pair):
    apart = disagreements(*pair, 250.0)
    assert apart == (Disagreement(1, 350, "F", 350, "V"), Disagreement(2, 700, "S", None, None), Disagreement(3, 850, "N", None, None))
    agreed = state.applied(consensus(state, *pair, apart), 1)
    assert beats(agreed) == [(100, "N", "beats@2"), (600, "V", "anna@x, ben@x")]
    assert undecided(READING, apart, agreed.items) == apart
    assert disagreements_from_json(disagreements_to_json(apart)) == apart


def test_beats_that_nearly_coincide_are_by_whoever_moved_them(state, do):
    moved = do(state, Move(350, 352), "ben@x")
    assert beats(state.applied(consensus(state, state, moved, ()), 1))[1] == (350, "V", "ben@x")
    assert beats(state.applied(consensus(state, moved, state, ()), 1))[1] == (352, "V", "ben@x")


def test_items_that_both_made_alike_stay(state, do):
    anna = do(do(state, PutMark("rhythm", 1, 50, "AFIB")), PutMark("comment", 5, 5, "?"))
    ben = do(do(state, PutMark("rhythm", 1, 50, "AFIB"), "ben@x"), PutMark("rhythm", 60, 90, "AFIB"), "ben@x")
    assert [item.start for item in state.applied(consensus(state, anna, ben, ()), 1).items] == [1]


def test_two_readings_without_beats_agree(made):
    empty = made((), "")
    assert disagreements(empty, empty, 250.0) == ()
    assert len(made().applied(consensus(made(), empty, empty, ()), 1)) == 0


CHOICES = {"a": [(350, "F")], "b": [(350, "V")], "neither": [], "N": [(350, "N")]}


@pytest.mark.parametrize("choices", [(first,) for first in CHOICES] + list(permutations(CHOICES, 2)), ids=str)
def test_the_last_decision_stands(state, pair, choices):
    apart = disagreements(*pair, 250.0)
    decided = state.applied(consensus(state, *pair, apart), 1)
    for turn, choice in enumerate(choices):
        decided = decided.applied(Decide(READING, apart[0], choice).change(decided, 10_000, ("carl@x", "dora@x")[turn]), turn + 2)
    expected = [(100, "N"), *CHOICES[choices[-1]], (600, "V")]
    assert list(zip(decided.samples.tolist(), decided.codes.tolist(), strict=True)) == expected
    assert [(item.kind, item.start, item.text) for item in decided.items] == [("decision", 350, f"disagreement 1: {choices[-1]}")]
    assert undecided(READING, apart, decided.items) == apart[1:]


def test_a_decision_on_a_beat_that_one_reader_has(state, pair, do):
    apart = disagreements(*pair, 250.0)
    decided = state.applied(consensus(state, *pair, apart), 1)
    assert do(decided, Decide(READING, apart[1], "b"), "carl@x").samples.tolist() == [100, 600]
    assert do(decided, Decide(READING, apart[1], "a"), "carl@x").samples.tolist() == [100, 600, 700]
    assert do(decided, Decide(READING, Disagreement(9, None, None, 702, "V"), "F"), "carl@x").samples.tolist() == [100, 600, 702]


def test_what_cannot_be_decided(state, pair, do):
    apart = disagreements(*pair, 250.0)
    with pytest.raises(InputError, match="choice 'both' is none of a, b, neither or a beat code"):
        do(state, Decide(READING, apart[0], "both"))
    with pytest.raises(StoreError, match="a beat is at"):  # somebody else's, it does not go unasked
        do(state, Decide(READING, apart[2], "a"))
