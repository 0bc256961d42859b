"""Workers as processes of their own: what becomes of a job when they are killed, stopped, or two."""

import json
import os
from pathlib import Path

import psutil

from ecgcore.jobs import submit
from ecgcore.jobs.specs import RecomputeSpec, TrainSpec
from tests.jobs.child_app import HERE
from tests.jobs.conftest import until
from tests.training.tiny import tiny_recipe

ANNA = "anna@x"


def texts(jobs, job):
    return [line.text for line in jobs.lines(job.id)]


def stands_still(jobs, job):
    """The process that does a job, once it says that it stands still."""
    until(lambda: jobs.get(job.id).ended or any(text.startswith(HERE) for text in texts(jobs, job)), "the job stands still")
    here = [text.removeprefix(HERE) for text in texts(jobs, job) if text.startswith(HERE)]
    assert here, texts(jobs, job)
    return psutil.Process(int(here[0]))


def is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def until_ended(jobs, job):
    until(lambda: jobs.get(job.id).ended, f"the end of {job.title!r}")
    return jobs.get(job.id)


def weights(result):
    return Path(result["folder"], "model.safetensors").read_bytes()


def play(store, model, title="play"):
    return submit(store, "recompute", title, RecomputeSpec(model=model), ANNA)


def test_jobs_are_done_one_after_the_other(store, jobs, workers, begin):
    first, wished, killed = (play(store, model) for model in ("done", "waits", "killed-first"))
    running = begin()
    process = stands_still(jobs, wished)
    assert jobs.get(first.id).result == '{"attempts": 1}'
    (worker,) = workers.alive()
    assert (worker.pid, worker.device, jobs.get(wished.id).worker_id) == (running.process.pid, "CPU", worker.id)
    assert worker.memory_mb == psutil.virtual_memory().total >> 20
    assert jobs.get(killed.id).status == "queued"
    jobs.cancel(wished.id, ANNA)
    until(lambda: is_gone(process), "the end of what was cancelled", seconds=10)
    assert until_ended(jobs, wished).status == "cancelled"
    assert until_ended(jobs, killed).result == '{"attempts": 2}'
    assert "the process of this job was killed (SIGKILL); goes on with the records that are left" in texts(jobs, killed)
    stopped_amid = play(store, "waits-first")
    process = stands_still(jobs, stopped_amid)
    assert running.stop() == 0
    assert is_gone(process)
    assert (jobs.get(stopped_amid.id).status, jobs.get(stopped_amid.id).attempts) == ("queued", 0)
    assert texts(jobs, stopped_amid)[-1] == "the worker was stopped; goes on with the records that are left"
    assert workers.alive() == ()


def test_a_training_whose_worker_is_killed_ends_as_an_unbroken_one(store, jobs, workers, begin, home, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    (home / "tiny.json").write_text(tiny_recipe(tmp_path / "data").model_dump_json())
    job = submit(store, "train", "tiny", TrainSpec(recipe="beats", device="cpu"), ANNA)
    first = begin()
    process = stands_still(jobs, job)
    run = home / "runs" / job.id
    assert (run / "fold1" / "last.ckpt").is_file()
    assert jobs.get(job.id).doing == "part 2 of 3, epoch 2 of 2"
    first.kill()
    until(lambda: is_gone(process), "the end of what the killed worker ran", seconds=10)
    assert jobs.get(job.id).status == "running"  # by its own account

    begin()
    ended = until_ended(jobs, job)
    assert (ended.status, ended.error, ended.attempts, ended.progress) == ("done", None, 2, 1.0)
    assert "the worker that ran this was killed; goes on from its last checkpoint" in texts(jobs, job)
    broken, unbroken = (json.loads(ended.result)[name] for name in ("broken", "unbroken"))
    assert broken["model"] != unbroken["model"]
    assert broken["figures"] == unbroken["figures"] != []
    assert weights(broken) == weights(unbroken)
    points = [[point.part, point.name, point.epoch, point.value] for point in jobs.points(job.id)]
    assert points == unbroken["points"] != []  # none is missing, none stands twice
    until(lambda: not run.exists(), "the end of what nothing goes on from")
    assert [worker.pid for worker in workers.list() if worker.stopped] == [first.process.pid]


def test_jobs_by_redis(store, jobs, begin, redis_url, monkeypatch):
    monkeypatch.setenv("LEADWISE_QUEUE_URL", redis_url)
    running = begin()
    job = play(store, "done")
    assert until_ended(jobs, job).result == '{"attempts": 1}'
    assert running.stop() == 0
    assert not (Path(os.environ["LEADWISE_HOME"]) / "queue.db").exists()
