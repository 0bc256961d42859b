"""Several processes edit one reading; one is killed right after an edit."""

import signal
import subprocess
import sys

import pytest

from ecgcore.settings import ROOT
from ecgcore.store import Reviews, Store

BEGIN = """
import os, signal, sys
from pathlib import Path
from ecgcore.review import Add, Relabel
from ecgcore.store import Reviews, Sessions, Store
store = Store(Path(sys.argv[1]), sys.argv[2])
reviews, who = Reviews(store), sys.argv[4]
print("here", flush=True)
sys.stdin.readline()
"""
EDIT = BEGIN + "for i in range(50): reviews.edit(sys.argv[3], who, Add(2 * i + (who == 'ben@x'), 'V'), f'{who} {i}')"
MAKE = (
    BEGIN
    + """
record_id, analysis_id, session_id = sys.argv[3].split()
for i in range(5):
    print(reviews.reading(record_id, analysis_id, reader=f'reader {i}').id)
print(Sessions(store).adjudication(session_id, record_id, who).id)
"""
)
DIE = BEGIN + "reviews.edit(sys.argv[3], who, Relabel((350,), 'F'), 'last'); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def at_once(tmp_path, database_url, store):
    """Run code in processes that wait for each other before they begin; what each printed, and how it ended."""

    def run(code: str, argument: str, users: tuple[str, ...]) -> list[tuple[list[str], int]]:
        command = [sys.executable, "-c", code, str(tmp_path / "home"), database_url, argument]
        running = [subprocess.Popen([*command, who], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for who in users]  # noqa: S603
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n", process.communicate()[1]
        for process in running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ended = []
        for process in running:
            printed, said = process.communicate(timeout=60)
            assert process.returncode in (0, -signal.SIGKILL), said
            ended.append((printed.split(), process.returncode))
        return ended

    return run


def test_edits_of_two_processes_all_get_in_in_order(at_once, reviews, reading):
    at_once(EDIT, reading.id, ("anna@x", "ben@x"))
    events = reviews.events(reading.id)
    assert [event.seq for event in events] == list(range(1, 101))
    assert [event.at for event in events] == sorted(event.at for event in events)
    for who in ("anna@x", "ben@x"):
        assert [event.command for event in events if event.who == who] == [f"{who} {i}" for i in range(50)]
    state = reviews.state(reading.id)
    assert state.seq == 100
    assert state.samples.tolist() == [*range(100), 100, 350]
    assert state.authors[:100].tolist() == ["anna@x", "ben@x"] * 50
    folded = reviews.state(reading.id, 0)
    for event in events:
        folded = folded.applied(event.change, event.seq, event.model)
    assert folded == state


def test_processes_make_one_and_the_same_reading(at_once, reviews, sessions, stored):
    session = sessions.start("n", [stored[0]], ["anna@x", "ben@x"], "carl@x", analyses=dict([stored]))
    for reading in sessions.readings(session.id):
        reviews.sign(reading.id, reading.reader, "")
    (first, _), (second, _) = at_once(MAKE, f"{stored[0]} {stored[1]} {session.id}", ("carl@x", "dora@x"))
    assert first == second
    assert {reading.id for reading in reviews.readings(stored[0]) if reading.kind != "session"} == set(first)
    assert len(set(first)) == 6
    assert [event.kind for event in reviews.events(first[-1])] == ["consensus"]


def test_an_edit_outlives_the_process_that_made_it(at_once, tmp_path, database_url, store, reading):
    assert at_once(DIE, reading.id, ("anna@x",)) == [([], -signal.SIGKILL)]
    store.close()
    again = Store(tmp_path / "home", database_url)
    assert [event.command for event in Reviews(again).events(reading.id)] == ["last"]
    assert Reviews(again).state(reading.id).codes.tolist() == ["N", "F"]
    again.close()
