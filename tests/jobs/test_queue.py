"""Handing jobs in, and the queue that carries their ids."""

import os
import pickle
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from ecgcore.errors import InputError, StoreError
from ecgcore.jobs import submit
from ecgcore.jobs.queue import Queue, send
from ecgcore.jobs.specs import RecomputeSpec
from ecgcore.settings import ROOT


@pytest.fixture(params=["sqlite", "redis"])
def where(request, home, monkeypatch):
    """A queue on each of the two."""
    if request.param == "redis":
        monkeypatch.setenv("LEADWISE_QUEUE_URL", request.getfixturevalue("redis_url"))
    return request.param


@pytest.fixture
def taken():
    return []


@pytest.fixture
def queue(where, taken):
    with closing(Queue(taken.append)) as opened:
        yield opened


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_ids_come_out_as_they_went_in(queue, taken):
    send("a" * 32)
    queue.send("b" * 32)
    assert queue.waiting() == ("a" * 32, "b" * 32)
    for _ in range(2):
        queue.huey.execute(queue.huey.dequeue())
    assert taken == ["a" * 32, "b" * 32]
    assert queue.waiting() == ()


@pytest.mark.parametrize("message", [b"", b"[]", b"{}", b'{"job": 7}', b'{"job": ""}', b'{"job": "%s"}' % (b"x" * 65), b"\x80"], ids=repr)
def test_what_is_no_message_is_not_taken(home, message):
    with closing(Queue()) as queue:
        queue.huey.storage.enqueue(message)
        queue.send("a")
        assert queue.waiting() == ("a",)
        with pytest.raises(ValueError, match=r"no job id|Expecting value|utf-8|can't decode"):
            queue.huey.dequeue()
        assert queue.huey.dequeue().id == "a"


def test_nothing_is_unpickled(queue, tmp_path):
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    storage = queue.huey.storage
    storage.enqueue(trap)
    storage.put_data("r:a", trap)
    queue.send("a")
    with pytest.raises(ValueError, match="decode"):
        queue.huey.dequeue()
    task = queue.huey.dequeue()
    task.id, task.revoke_id = "a", "r:a"
    with pytest.raises(ValueError, match="decode"):
        queue.huey.execute(task)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)  # noqa: S301  # else this would prove nothing
    assert (tmp_path / "sprung").exists()


def test_the_file_holds_ids_alone(home):
    send("0123")
    with closing(sqlite3.connect(home / "queue.db")) as file:
        assert file.execute("SELECT data FROM task").fetchall() == [(b'{"job": "0123"}',)]


def test_a_job_handed_in_is_queued_and_sent(store, jobs, queue):
    job = submit(store, "recompute", "all anew", RecomputeSpec(model="beats"), "anna@x")
    assert (job.status, job.created_by) == ("queued", "anna@x")
    assert queue.waiting() == (job.id,)
    assert jobs.list() == (job,)


def test_a_job_waits_where_the_queue_is_away(store, jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_QUEUE_URL", f"unix://:secret@{tmp_path}/none.sock")
    job = submit(store, "recompute", "all anew", RecomputeSpec(model="beats"), "anna@x")
    assert jobs.waiting() == (job,)
    (line,) = jobs.lines(job.id)
    assert line.text.startswith("the queue of jobs cannot be used: ")
    assert line.text.endswith("the job waits until a worker looks for it")
    assert "secret" not in line.text


def test_urls_that_name_no_queue(home, monkeypatch):
    monkeypatch.setenv("LEADWISE_QUEUE_URL", "amqp://guest:secret@host/")
    with pytest.raises(InputError, match="LEADWISE_QUEUE_URL begins with 'amqp'; a queue is at redis://host:6379/0") as caught:
        Queue()
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("LEADWISE_QUEUE_URL", "redis://host:port/0")
    with pytest.raises(StoreError, match="the queue of jobs cannot be used"):
        Queue()


def test_what_the_app_and_the_worker_import_is_light():
    """The app neither torch nor streamlit, nor what waits for jobs; the worker, which does, not the first two either."""
    heavy = "torch lightning streamlit onnxruntime scipy.signal huey redis".split()
    found = f"print([name for name in {heavy} if name in sys.modules])"
    code = f"import sys, ecgcore.jobs, ecgcore.store.jobs; {found}; import ecgcore.jobs.worker, ecgcore.jobs.desk, ecgcore.jobs.child; {found}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603  # our own words
    assert done.stdout.splitlines() == ["[]", "['huey', 'redis']"]
