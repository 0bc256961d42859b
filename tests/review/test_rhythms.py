"""A called rhythm that a reader accepts: the mark it becomes, what is refused, and what leaves as WFDB annotation."""

import json

import numpy as np
import pytest

from ecgcore.errors import InputError, StoreError
from ecgcore.review import AcceptRhythm, PutMark, RemoveMark, change_from_json, change_to_json, command_from
from ecgcore.review.rhythms import WFDB_NAMES
from ecgcore.rhythm_findings import RHYTHMS, Rhythm, RhythmSpan, RhythmTrend
from ecgcore.writers.review import annotation
from tests.review.conftest import N_SAMPLES

FS_HZ = 250.0


def found(best: str = "AFIB", doubt: str = "", stop_s: float = 10.0) -> Rhythm:
    return Rhythm({label: 0.93 if label == best else 0.01 for label in RHYTHMS}, {"I": 0.4, "II": 0.6}, ("I", "II"), "universal@1", 0.0, stop_s, doubt)


def trend() -> RhythmTrend:
    """Two windows of sinus rhythm, two of atrial fibrillation, one not sure."""
    rows = np.array([[0.9 if label == one else 0.01 for label in RHYTHMS] for one in ("SR", "SR", "AFIB", "AFIB", "AFIB")], np.float32)
    return RhythmTrend("universal@1", ("II",), RHYTHMS, 10.0, 50.0, np.arange(5) * 10.0, rows, ("", "", "", "", "noise"))


def test_every_rhythm_has_a_name_of_its_own_in_wfdb():
    assert set(WFDB_NAMES) == set(RHYTHMS)
    assert len(set(WFDB_NAMES.values())) == len(RHYTHMS)
    assert (WFDB_NAMES["AF"], WFDB_NAMES["AFIB"], WFDB_NAMES["SR"], WFDB_NAMES["SB"], WFDB_NAMES["SVT"]) == ("AFL", "AFIB", "N", "SBR", "SVTA")


def test_an_accepted_rhythm_is_a_mark_by_its_reader(state, do):
    after = do(state, AcceptRhythm.of(found(), FS_HZ, N_SAMPLES))
    (item,) = after.items
    assert (item.kind, item.start, item.stop, item.text, item.lead, item.author) == ("rhythm", 0, 2500, "AFIB", None, "anna@x")
    assert do(after, RemoveMark(item.id)).items == ()
    assert after.applied(AcceptRhythm.of(found("SB"), FS_HZ, N_SAMPLES).change(state, N_SAMPLES, "ben@x"), 9).seq == 9


def test_it_says_which_model_called_it_on_which_leads():
    assert AcceptRhythm.of(found(), FS_HZ, N_SAMPLES).basis == "universal@1 on I, II, probability 0.93"
    span = trend().spans()[1]
    command = AcceptRhythm.of_span(span, trend(), FS_HZ, N_SAMPLES)
    assert (command.label, command.start, command.stop, command.basis) == ("AFIB", 5000, 10_000, "universal@1 on II, probability 0.90")


def test_a_stretch_ends_with_the_record():
    assert AcceptRhythm.of(found(stop_s=40.0031), FS_HZ, N_SAMPLES).stop == N_SAMPLES


def test_what_is_not_sure_is_never_accepted():
    with pytest.raises(InputError, match="none can be accepted: too noisy"):
        AcceptRhythm.of(found(doubt="too noisy"), FS_HZ, N_SAMPLES)
    for span in (RhythmSpan("AFIB", 40.0, 50.0, 0.9), RhythmSpan("", 40.0, 50.0, 0.9), RhythmSpan("SR", 20.0, 40.0, 0.9)):
        with pytest.raises(InputError, match="so it cannot be accepted"):
            AcceptRhythm.of_span(span, trend(), FS_HZ, N_SAMPLES)


@pytest.mark.parametrize(("label", "basis", "said"), [("", "x", "rhythm '' is none of SB, SR"), ("VF", "x", "'VF' is none of"), ("SR", " ", "basis of the rhythm is empty")])
def test_what_is_no_rhythm_is_refused(state, label, basis, said):
    with pytest.raises(InputError, match=said):
        AcceptRhythm(label, 0, 2500, basis).change(state, N_SAMPLES, "anna@x")


@pytest.mark.parametrize("span", [(-1, 5), (9, 5), (0, N_SAMPLES + 1)])
def test_what_lies_outside_the_record_is_refused(state, span):
    with pytest.raises(InputError, match="not within the record"):
        AcceptRhythm("SR", *span, "x").change(state, N_SAMPLES, "anna@x")


def test_the_same_rhythm_is_not_marked_twice_but_another_may_lie_over_it(state, do):
    marked = do(state, PutMark("rhythm", 1000, 3000, "AFIB"), "ben@x")
    with pytest.raises(StoreError, match=r"AFIB is marked from 0:00:04\.000 to 0:00:12\.000 already, by ben@x"):
        do(marked, AcceptRhythm("AFIB", 2999, 5000, "m"))
    assert [item.text for item in do(marked, AcceptRhythm("AFIB", 3000, 5000, "m")).items] == ["AFIB", "AFIB"]
    assert [item.text for item in do(marked, AcceptRhythm("SVT", 1500, 2000, "m")).items] == ["AFIB", "SVTA"]


def test_its_change_is_kept_and_taken_back(state):
    change = AcceptRhythm.of(found(), FS_HZ, N_SAMPLES).change(state, N_SAMPLES, "anna@x")
    assert change_from_json(change_to_json(change)) == change
    assert state.applied(change, 1).applied(change.inverse(), 2).items == ()


def test_no_browser_can_send_one():
    """Only what a model called is accepted: the page makes the command from its finding."""
    with pytest.raises(InputError, match="'accept' is none of"):
        command_from(json.loads('{"command": "accept", "label": "AFIB", "start": 0, "stop": 5, "basis": "x"}'))


@pytest.mark.parametrize("label", RHYTHMS)
def test_it_leaves_as_the_rhythm_that_wfdb_tools_know(state, do, label):
    after = do(state, AcceptRhythm.of(found(label), FS_HZ, N_SAMPLES))
    marks = annotation(after, FS_HZ)
    assert [(sample, note) for sample, symbol, note in zip(marks.samples.tolist(), marks.symbols, marks.notes, strict=True) if symbol == "+"] == [
        (0, f"({WFDB_NAMES[label]}"),
        (2500, "(N"),
    ]
