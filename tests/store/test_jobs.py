"""Jobs and workers as the store keeps them, on both databases."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from ecgcore.errors import InputError, StoreError
from ecgcore.jobs.specs import CompareSpec, RecomputeSpec, TrainSpec, parse
from ecgcore.store import database
from ecgcore.store.audit import Audit
from ecgcore.store.job_tables import WorkerRow
from ecgcore.store.jobs import ENDED, MAX_ATTEMPTS, STATUSES, Jobs
from ecgcore.store.workers import ALIVE_S, Workers

ANNA, BEN = "anna@x", "ben@x"


@pytest.fixture
def jobs(store):
    return Jobs(store)


@pytest.fixture
def workers(store):
    return Workers(store)


@pytest.fixture
def worker(workers):
    return workers.register("here", 17, "CPU", 8000)


@pytest.fixture
def job(jobs):
    return jobs.submit("recompute", " all anew ", RecomputeSpec(model="beats@2"), ANNA)


@pytest.fixture
def running(jobs, job, worker):
    return jobs.claim(job.id, worker.id)


def texts(jobs, job):
    return [line.text for line in jobs.lines(job.id)]


def audited(store):
    return [(entry.who, entry.what, entry.subject, entry.detail) for entry in reversed(Audit(store).search())]


def unheard(store, worker, seconds):
    """The worker, silent for so long."""
    with database.write(store.engine) as session:
        session.execute(update(WorkerRow).where(WorkerRow.id == worker.id).values(seen=datetime.now(UTC) - timedelta(seconds=seconds)))


def test_a_job_is_kept_as_it_was_handed_in(store, jobs, job):
    assert (job.kind, job.title, job.status, job.created_by, job.attempts, job.progress, job.ended) == ("recompute", "all anew", "queued", ANNA, 0, 0.0, False)
    assert parse(job.kind, job.spec) == RecomputeSpec(model="beats@2")
    assert jobs.get(job.id) == job
    later = jobs.submit("compare", "two", CompareSpec(new="beats@2.1", current="beats@2"), BEN)
    assert jobs.list() == (later, job)
    assert jobs.list(limit=1) == (later,)
    assert jobs.list(kind="recompute") == (job,)
    assert jobs.waiting() == (job, later)
    assert audited(store) == [(ANNA, "job submitted", job.id, "recompute: all anew"), (BEN, "job submitted", later.id, "compare: two")]


@pytest.mark.parametrize(
    ("kind", "title", "who", "message"),
    [
        ("train", "t", ANNA, "RecomputeSpec is not what a job of kind 'train' takes"),
        ("cook", "t", ANNA, r"there are: train \(TrainSpec\), compare \(CompareSpec\), recompute \(RecomputeSpec\)"),
        ("recompute", " ", ANNA, "title of the job is empty"),
        ("recompute", "t", "", "the user is empty"),
    ],
)
def test_jobs_that_are_none(store, jobs, kind, title, who, message):
    with pytest.raises(InputError, match=message):
        jobs.submit(kind, title, RecomputeSpec(model="beats"), who)
    assert jobs.list() == ()
    assert audited(store) == []


def test_a_job_that_is_not_there(jobs):
    for ask in (jobs.get, jobs.cancelling, lambda job_id: jobs.cancel(job_id, ANNA), lambda job_id: jobs.finish(job_id, "{}"), lambda job_id: jobs.requeue(job_id, "x")):
        with pytest.raises(StoreError, match="no job 'none' is stored"):
            ask("none")


def test_only_one_of_many_gets_a_job(jobs, job, workers):
    crowd = [workers.register(f"host {number % 3}", number, "CPU", 1) for number in range(12)]
    with ThreadPoolExecutor(6) as at_once:
        claims = list(at_once.map(lambda worker: jobs.claim(job.id, worker.id), crowd))
    (got,) = filter(None, claims)
    assert got == jobs.get(job.id)
    assert (got.status, got.attempts, got.worker_id) == ("running", 1, crowd[claims.index(got)].id)
    assert got.started is not None
    assert jobs.held_by(got.worker_id) == (got,)


def test_what_is_not_queued_is_not_claimed(jobs, running, worker):
    assert jobs.claim(running.id, worker.id) is None
    jobs.finish(running.id, "{}")
    assert jobs.claim(running.id, worker.id) is None
    assert jobs.claim("none", worker.id) is None
    assert jobs.get(running.id).attempts == 1
    with pytest.raises(StoreError, match="no worker 'none' is known"):
        jobs.claim(running.id, "none")


def test_one_training_a_host_at_a_time(jobs, workers, job):
    trainings = [jobs.submit("train", f"training {number}", TrainSpec(recipe="beats"), ANNA) for number in range(6)]
    here = [workers.register("here", number, "CPU", 1) for number in range(6)]
    with ThreadPoolExecutor(6) as at_once:
        claims = list(at_once.map(lambda pair: jobs.claim(pair[0].id, pair[1].id), zip(trainings, here, strict=True)))
    (running,) = filter(None, claims)
    assert jobs.claim(job.id, here[0].id) is not None  # this one is no training
    left = next(one for one in trainings if one.id != running.id)
    there = workers.register("there", 1, "CPU", 1)
    assert jobs.claim(left.id, there.id) is not None
    jobs.finish(running.id, "{}")
    assert jobs.claim(jobs.waiting()[0].id, here[0].id) is not None


def test_how_far_it_is(jobs, running):
    jobs.tell(running.id, 0.25, "epoch 3 of 12", 90.5)
    told = jobs.get(running.id)
    assert (told.progress, told.doing, told.left_s) == (0.25, "epoch 3 of 12", 90.5)
    jobs.tell(running.id, 1.5, "nearly")
    told = jobs.get(running.id)
    assert (told.progress, told.left_s) == (1.0, None)
    jobs.cancelled(running.id)
    jobs.tell(running.id, 0.5, "too late", 1.0)
    assert (jobs.get(running.id).doing, jobs.get(running.id).left_s) == ("nearly", None)


def test_the_log(jobs, job, running):
    jobs.log(job.id, "one\ntwo\n\n", "thr\x00ee \ud800")
    first, second, third = jobs.lines(job.id)
    assert (first.text, second.text, third.text) == ("one", "two", "thr�ee �")
    assert first.at.tzinfo is not None
    assert jobs.lines(job.id, after=first.seq) == (second, third)
    jobs.log(job.id, "x" * 5000)
    assert len(texts(jobs, job)[-1]) == 2000


def test_the_curves(jobs, job):
    jobs.point(job.id, "fold 1", "loss", 0.5, 2.0)
    jobs.draw(job.id, [("fold 1", "loss", 1, 1.5), ("fold 1", "validation loss", 1.0, 1.75), ("fold 2", "loss", 1.0, 3.0)])
    points = jobs.points(job.id)
    assert [(point.part, point.name, point.epoch, point.value) for point in points] == [
        ("fold 1", "loss", 0.5, 2.0), ("fold 1", "loss", 1.0, 1.5), ("fold 1", "validation loss", 1.0, 1.75), ("fold 2", "loss", 1.0, 3.0),
    ]  # fmt: skip
    assert jobs.points(job.id, after=points[1].seq) == points[2:]
    jobs.redraw(job.id, "fold 1", "loss", 1.0)
    assert jobs.points(job.id) == (points[0], *points[2:])
    for value in (math.nan, math.inf):
        with pytest.raises(InputError, match=f"loss of {value} after 2 epochs cannot be drawn"):
            jobs.point(job.id, "fold 1", "loss", 2, value)


def test_a_job_is_done_once(store, jobs, running):
    jobs.finish(running.id, '{"a": 1}')
    done = jobs.get(running.id)
    assert (done.status, done.result, done.progress, done.error, done.ended) == ("done", '{"a": 1}', 1.0, None, True)
    assert done.finished is not None
    jobs.fail(running.id, "too late")
    jobs.cancelled(running.id)
    jobs.finish(running.id, "{}")
    jobs.requeue(running.id, "too late")
    assert jobs.get(running.id) == done
    assert jobs.list() == (replace(done, result=None),)
    assert [entry[:2] for entry in audited(store)] == [(ANNA, "job submitted"), (ANNA, "job done")]


def test_a_job_that_fails_says_why_in_one_line(store, jobs, running):
    jobs.fail(running.id, "no such\n  model")
    failed = jobs.get(running.id)
    assert (failed.status, failed.error, failed.result) == ("failed", "no such model", None)
    assert texts(jobs, running) == ["no such model"]
    assert audited(store)[-1] == (ANNA, "job failed", running.id, "recompute: all anew; no such model")


def test_cancelling_what_waits_ends_it_at_once(store, jobs, job, worker):
    ended = jobs.cancel(job.id, BEN)
    assert (ended.status, ended.cancelling) == ("cancelled", False)
    assert jobs.claim(job.id, worker.id) is None
    assert texts(jobs, job) == [f"cancelled by {BEN}"]
    assert audited(store)[-1] == (BEN, "job cancelled", job.id, "recompute: all anew")
    with pytest.raises(StoreError, match="'all anew' cannot be cancelled: it is cancelled already"):
        jobs.cancel(job.id, BEN)


def test_cancelling_what_runs_is_a_wish_until_its_worker_sees_it(store, jobs, running):
    assert not jobs.cancelling(running.id)
    for _ in range(2):
        assert jobs.cancel(running.id, BEN).status == "running"
    assert jobs.cancelling(running.id)
    jobs.cancelled(running.id)
    assert jobs.get(running.id).status == "cancelled"
    assert [entry[:2] for entry in audited(store)] == [(ANNA, "job submitted"), (BEN, "job cancelled")]


def test_a_wish_to_end_outlives_the_worker(jobs, running):
    jobs.cancel(running.id, BEN)
    assert jobs.requeue(running.id, "the worker was killed").status == "cancelled"


def test_a_job_goes_on_until_it_was_begun_too_often(store, jobs, job, worker):
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert jobs.claim(job.id, worker.id).attempts == attempt
        again = jobs.requeue(job.id, "its process was killed")
    assert (again.status, again.attempts) == ("failed", 3)
    assert again.error == "given up after 3 attempts, the last because its process was killed; too little memory is the usual reason"
    assert texts(jobs, job)[:2] == ["its process was killed; goes on with the records that are left"] * 2
    assert audited(store)[-1][1] == "job failed"


def test_a_worker_that_is_stopped_in_good_order_costs_no_attempt(jobs, job, worker):
    for _ in range(2 * MAX_ATTEMPTS):
        jobs.claim(job.id, worker.id)
        again = jobs.requeue(job.id, "the worker was stopped", counts=False)
    assert (again.status, again.attempts, again.worker_id) == ("queued", 0, None)


def test_what_another_worker_took_over_is_not_taken_back(jobs, workers, running, worker):
    other = workers.register("there", 1, "CPU", 1)
    jobs.requeue(running.id, "killed", worker.id)
    taken = jobs.claim(running.id, other.id)
    assert jobs.requeue(running.id, "killed", worker.id) == taken


@pytest.mark.parametrize("kind", ["train", "compare", "recompute"])
def test_what_goes_on_says_from_where(jobs, worker, kind):
    spec = {"train": TrainSpec(recipe="beats"), "compare": CompareSpec(new="a@1", current="b@1"), "recompute": RecomputeSpec(model="beats")}[kind]
    job = jobs.submit(kind, "t", spec, ANNA)
    jobs.claim(job.id, worker.id)
    jobs.requeue(job.id, "killed")
    told = {"train": "goes on from its last checkpoint", "compare": "begins again", "recompute": "goes on with the records that are left"}[kind]
    assert texts(jobs, job) == [f"killed; {told}"]


def test_orphans_are_what_no_living_worker_runs(store, jobs, workers, running, worker):
    assert jobs.orphans() == ()
    unheard(store, worker, ALIVE_S + 1)
    assert jobs.orphans() == (running,)
    workers.beat(worker.id)
    assert jobs.orphans() == ()
    workers.gone(worker.id)
    assert jobs.orphans() == (running,)
    jobs.requeue(running.id, "killed")
    assert jobs.orphans() == ()


def test_workers_come_beat_and_go(store, workers, worker):
    other = workers.register("there", 18, "NVIDIA H100", 81559)
    assert workers.list() == workers.alive() == (other, worker)
    assert (other.device, other.memory_mb, other.host, other.pid) == ("NVIDIA H100", 81559, "there", 18)
    unheard(store, other, ALIVE_S + 1)
    assert workers.alive() == (worker,)
    workers.gone(worker.id)
    workers.beat(other.id)
    assert [one.id for one in workers.alive()] == [other.id]
    workers.gone(other.id)
    (first, _) = workers.list()
    stopped = first.stopped
    assert stopped is not None
    workers.gone(other.id)
    assert workers.list()[0].stopped == stopped
    for ask in (workers.beat, workers.gone):
        with pytest.raises(StoreError, match="no worker 'none' is known"):
            ask("none")


def test_statuses():
    assert ("queued", "running", *ENDED) == STATUSES
