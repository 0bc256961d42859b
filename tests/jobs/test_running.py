"""The process of a job: looked after by its worker, and what it does by itself."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest

from ecgcore.errors import InputError, LeadError
from ecgcore.jobs import child, machine, running, work
from ecgcore.jobs.specs import CompareSpec, RecomputeSpec, TrainSpec
from ecgcore.progress import watch
from ecgcore.settings import ROOT
from tests.jobs.conftest import until
from tests.store.conftest import analysis_of, wfdb_files

ANNA = "anna@x"


def command(code):
    """A process that does no more than this."""
    return (sys.executable, "-I", "-S", "-c", f"import os, signal, sys, time\n{code}")


WAITS = command("print('waits', file=sys.stderr, flush=True); sys.stdin.read()")
DEAF = command("signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stdin.read()")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(running, "LOOK_S", 0.02)
    monkeypatch.setattr(running, "GRACE_S", 0.2)


@pytest.fixture
def worker(workers):
    return workers.register("here", 1, "CPU", 1)


@pytest.fixture
def job(jobs, worker):
    return jobs.claim(jobs.submit("recompute", "t", RecomputeSpec(model="beats@1"), ANNA).id, worker.id)


@pytest.fixture
def amid(jobs, job):
    """Runs a job in another thread and does something meanwhile."""

    def run(meanwhile, process=WAITS, stop=None):
        with ThreadPoolExecutor(1) as beside:
            ended = beside.submit(running.run, jobs, job, stop or threading.Event(), process)
            until(lambda: children(process), "its process")
            meanwhile()
            ended.result(60)
        assert not children(process)
        return jobs.get(job.id)

    return run


def children(process):
    return [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE and one.cmdline()[: len(process)] == list(process)]


def texts(jobs, job):
    return [line.text for line in jobs.lines(job.id)]


def test_a_process_that_is_killed_is_begun_again_three_times_in_all(jobs, job, worker):
    killed = command("print('one' * 5000 + '\\ntoo much\\0memory', file=sys.stderr, flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    for attempt in (1, 2, 3):
        assert jobs.get(job.id).status == "running"
        running.run(jobs, job, threading.Event(), killed)
        if attempt < 3:
            jobs.claim(job.id, worker.id)
    failed = jobs.get(job.id)
    assert (failed.status, failed.attempts) == ("failed", 3)
    assert failed.error.startswith("given up after 3 attempts, the last because the process of this job was killed (SIGKILL)")
    lines = texts(jobs, job)
    assert lines[1:3] == ["too much�memory", "the process of this job was killed (SIGKILL); goes on with the records that are left"]


@pytest.mark.parametrize(("code", "said"), [("os.kill(os.getpid(), signal.SIGSEGV)", "was killed (SIGSEGV)"), ("os._exit(7)", "ended with status 7 before the job was done")])
def test_how_a_process_ended_is_said(jobs, job, code, said):
    running.run(jobs, job, threading.Event(), command(code))
    assert jobs.get(job.id).status == "queued"
    assert texts(jobs, job) == [f"the process of this job {said}; goes on with the records that are left"]


@pytest.mark.parametrize("process", [WAITS, DEAF], ids=["obeys", "is deaf"])
def test_what_is_cancelled_is_ended(jobs, job, amid, process):
    run = work.run_of(job.id)
    run.mkdir(parents=True)
    ended = amid(lambda: jobs.cancel(job.id, ANNA), process)
    assert (ended.status, ended.error) == ("cancelled", None)
    assert not run.exists()


def test_a_worker_that_is_to_end_puts_its_job_back(jobs, job, amid):
    stop = threading.Event()
    back = amid(stop.set, stop=stop)
    assert (back.status, back.attempts, back.worker_id) == ("queued", 0, None)


def test_what_another_worker_has_taken_over_is_left_to_it(jobs, job, workers, amid):
    other = workers.register("there", 2, "CPU", 1)

    def taken_over():
        jobs.requeue(job.id, "seemed dead")
        jobs.claim(job.id, other.id)

    taken = amid(taken_over)
    assert (taken.status, taken.worker_id, taken.attempts) == ("running", other.id, 2)


def test_what_has_ended_stays_so_though_its_process_does_not_go(jobs, job, amid):
    assert amid(lambda: jobs.finish(job.id, "{}")).status == "done"


def test_a_process_ends_with_its_worker():
    """A job's process whose worker is gone without a word, amid work that hears nothing."""
    code = "from ecgcore.jobs import child; child._end_with_the_worker(); print('works', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:  # noqa: S603  # our own words
        assert process.stdout.readline() == "works\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(30) == 1


@pytest.fixture
def play(store, jobs, job, monkeypatch):
    """Does the job in this process, with another function for it."""
    monkeypatch.setattr(child, "_end_with_the_worker", lambda: None)
    monkeypatch.setattr(child, "_step_back", lambda: None)
    monkeypatch.setattr(child.faulthandler, "enable", lambda: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def main(function):
        monkeypatch.setitem(work.FUNCTIONS, "recompute", function)
        child.main(job.id)
        return jobs.get(job.id)

    return main


def test_a_job_is_done_and_nothing_is_left_to_go_on_from(play, job):
    work.run_of(job.id).mkdir(parents=True)
    done = play(lambda store, job, spec: json.dumps({"model": spec.model, "attempt": job.attempts}))
    assert (done.status, json.loads(done.result)) == ("done", {"model": "beats@1", "attempt": 1})
    assert not work.run_of(job.id).exists()


def test_what_goes_wrong_on_purpose_is_one_line(play, jobs, job):
    def refuses(store, job, spec):
        raise LeadError("no lead 'V9';\nthere are I, II")

    failed = play(refuses)
    assert (failed.status, failed.error) == ("failed", "no lead 'V9'; there are I, II")
    assert texts(jobs, job) == ["no lead 'V9'; there are I, II"]


def test_what_goes_wrong_otherwise_leaves_its_traceback(play, store, jobs, job):
    with pytest.raises(ZeroDivisionError) as caught:
        play(lambda *_: 1 / 0)
    sys.excepthook(caught.type, caught.value, caught.tb)
    failed = jobs.get(job.id)
    assert (failed.status, failed.error) == ("failed", "ZeroDivisionError: division by zero")
    lines = texts(jobs, job)
    assert lines[0] == "Traceback (most recent call last):"
    assert any("test_running.py" in line for line in lines)


def test_a_training_is_asked_for_as_its_job_says(store, jobs, workers, worker, monkeypatch):
    asked = []
    figure = SimpleNamespace(model_dump=lambda: {"name": "VEB Se", "value": 0.9})

    def retrain(how):
        asked.append(how)
        watch().said("followed")
        return SimpleNamespace(id="beats@2.1", figures=(figure,)), ROOT

    monkeypatch.setitem(sys.modules, "ecgcore.training.tuning", SimpleNamespace(Retraining=SimpleNamespace, retrain=retrain))
    spec = TrainSpec(recipe="beats", start="beats@2", public=("mitdb",), weight=7, minutes=2, device="cpu", seed=3)
    job = jobs.claim(jobs.submit("train", "t", spec, ANNA).id, worker.id)
    assert json.loads(work.train(store, job, spec)) == {"model": "beats@2.1", "folder": str(ROOT), "figures": [{"name": "VEB Se", "value": 0.9}]}
    work.run_of(job.id).mkdir(parents=True)
    work.train(store, job, spec)
    expected = {"recipe": "beats", "start": "beats@2", "public": ("mitdb",), "site": None, "weight": 7, "minutes": 2, "device": "cpu", "seed": 3, "run": work.run_of(job.id)}
    assert [vars(how) for how in asked] == [{**expected, "resume": False}, {**expected, "resume": True}]
    assert texts(jobs, job) == ["followed", "followed"]


def test_a_comparison_goes_onto_the_card(store, jobs, worker, monkeypatch):
    asked, written = [], []
    made = SimpleNamespace(model_dump_json=lambda: '{"verdict": "better"}')

    def compare_models(new, current, *, site, progress):
        asked.append((new, current, site))
        progress(0.5, "DS2: 100")
        return made

    monkeypatch.setitem(sys.modules, "ecgcore.comparing", SimpleNamespace(compare_models=compare_models, onto_card=written.append))
    spec = CompareSpec(new="beats@2.1", current="beats@2")
    job = jobs.claim(jobs.submit("compare", "t", spec, ANNA).id, worker.id)
    assert work.compare(store, job, spec) == '{"verdict": "better"}'
    assert (asked, written) == ([("beats@2.1", "beats@2", None)], [made])
    assert (jobs.get(job.id).progress, jobs.get(job.id).doing) == (0.5, "DS2: 100")


@pytest.fixture
def records(store):
    """Three recordings: one analysed on lead II, one by the model asked for, one not at all."""
    ids = [store.add(wfdb_files(name, seed)).id for seed, name in enumerate("abc")]
    store.save_analysis(ids[0], analysis_of(store.open(ids[0]), "beats@1", ("II",)))
    store.save_analysis(ids[1], analysis_of(store.open(ids[1]), "beats@2", ("I",)))
    return ids


def test_records_are_analysed_anew_and_the_old_analyses_stay(store, jobs, job, records, monkeypatch):
    asked = []

    def analyze(record, leads, *, model):
        asked.append((record.name, leads, model))
        if record.name == "c":
            raise InputError("too short")
        return analysis_of(record, model, tuple(leads))

    monkeypatch.setattr("ecgcore.analysis.analyze", analyze)
    spec = RecomputeSpec(model="beats@2")
    made = json.loads(work.recompute(store, replace(job, spec=spec.model_dump_json()), spec))
    assert made == {"model": "beats@2", "analysed": 1, "there": 1, "failures": [{"record": records[2], "why": "too short"}]}
    assert sorted(asked) == [("a", ("II",), "beats@2"), ("c", None, "beats@2")]
    assert [(one.model, one.version, one.leads) for one in store.analyses(records[0])] == [("beats", "2", ("II",)), ("beats", "1", ("II",))]
    assert texts(jobs, job)[-1].endswith("too short")
    asked.clear()
    again = json.loads(work.recompute(store, job, RecomputeSpec(model="beats@2", records=(records[0], "gone"))))
    assert (again["analysed"], again["there"], asked) == (0, 1, [])
    assert again["failures"][0]["record"] == "gone"
    assert "no record 'gone' is stored" in again["failures"][0]["why"]


def test_a_worker_is_dead_when_its_process_is_gone_or_is_another(workers):
    mine = workers.register(machine.host(), os.getpid(), "CPU", 1)
    assert not machine.is_dead(mine)
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "pass"]) as process:
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert machine.is_dead(replace(mine, pid=process.pid))
    assert machine.is_dead(replace(mine, pid=process.pid))
    assert machine.is_dead(replace(mine, started=mine.started.replace(year=2001)))
    assert not machine.is_dead(replace(mine, pid=process.pid, host="there"))


def test_the_gpu_is_asked_for_in_another_process(monkeypatch):
    memory_mb = psutil.virtual_memory().total >> 20
    monkeypatch.setattr(machine, "_built_for_gpu", lambda: True)
    for asked, expected in (
        ("print('[\"NVIDIA H100\", 81559]')", machine.Device("NVIDIA H100", 81559)),
        ("print('null')", machine.Device("CPU", memory_mb)),
        ("import os; os._exit(3)", machine.Device("CPU", memory_mb)),
        ("print('nonsense')", machine.Device("CPU", memory_mb)),
    ):
        monkeypatch.setattr(machine, "_ASKED", asked)
        assert machine.device() == expected
    monkeypatch.setattr(machine, "_built_for_gpu", lambda: False)
    monkeypatch.setattr(machine, "_ASKED", "raise SystemExit(1)")
    assert machine.device() == machine.Device("CPU", memory_mb)


def test_signals_that_have_no_name():
    assert running._how(-signal.SIGTERM) == "was killed (SIGTERM)"
    assert running._how(-40) == "was killed (signal 40)"
