"""Going over to another analysis: what a reader did stays, all else is the new model's."""

import numpy as np
import pytest

from ecgcore.findings import Beats
from ecgcore.review import Add, Delete, Move, Relabel, ReplaceBeats, rebased

NOTHING = np.empty(0, np.int64)
FS_HZ = 250.0  # 150 ms are 37.5 samples


def found(samples, codes, model="beats@3"):
    return Beats(np.array(samples, np.int64), tuple(codes), tuple(codes), np.zeros((len(codes), 5), np.float32), model, ("I",), "d@2")


def beats(state):
    return list(zip(state.samples.tolist(), state.codes.tolist(), state.authors.tolist(), strict=True))


def over(state, new, deleted=NOTHING):
    return state.applied(rebased(state, np.array(deleted, np.int64), new, FS_HZ), state.seq + 1, new.model)


def test_beats_nobody_touched_are_those_of_the_new_analysis(state):
    after = over(state, found([101, 350, 900], "NSV"))
    assert beats(after) == [(101, "N", "beats@3"), (350, "S", "beats@3"), (900, "V", "beats@3")]
    assert after.changed == 0


def test_beats_a_reader_touched_stay_as_he_left_them(state, do):
    edited = do(do(do(state, Relabel((350,), "F")), Add(450, "V")), Move(850, 870))
    after = over(edited, found([100, 355, 440, 600, 866], "NNNNN"), deleted=[850])
    assert beats(after) == [(100, "N", "beats@3"), (350, "F", "anna@x"), (450, "V", "anna@x"), (600, "N", "beats@3"), (870, "N", "anna@x")]
    assert after.changed == 3


@pytest.mark.parametrize(("new", "kept"), [(350, False), (387, False), (313, False), (388, True), (312, True)])
def test_a_beat_that_was_deleted_stays_deleted(state, do, new, kept):
    after = over(do(state, Delete((350,))), found([new], "V"), deleted=[350])
    assert (new in after.samples.tolist()) is kept


def test_a_new_beat_that_is_an_untouched_one_does_not_give_way_to_a_deleted_neighbour(made, do):
    state = do(made((100, 130), "NN"), Delete((130,)))
    assert beats(over(state, found([101], "N"), deleted=[130])) == [(101, "N", "beats@3")]
    assert beats(over(state, found([101, 128], "NN"), deleted=[130])) == [(101, "N", "beats@3")]


def test_beats_of_a_file_go_and_those_changed_after_it_stay(state, do):
    imported = do(do(state, ReplaceBeats.of([90, 340], "NN", "file:atr")), Relabel((340,), "V"))
    assert beats(over(imported, found([100, 350], "NN"))) == [(100, "N", "beats@3"), (340, "V", "anna@x")]


@pytest.mark.parametrize("samples", [[], [100, 350]])
def test_there_may_be_no_beats_before_or_after(made, samples):
    empty, new = made((), ""), found(samples, "N" * len(samples))
    assert over(empty, new).samples.tolist() == samples
    assert over(over(empty, new), found([], "")).samples.tolist() == []


def test_one_change_goes_back(state, do):
    edited = do(state, Relabel((350,), "F"))
    change = rebased(edited, NOTHING, found([101, 352, 599], "NNN"), FS_HZ)
    assert edited.applied(change, 2, "beats@3").applied(change.inverse(), 1, "beats@2") == edited
