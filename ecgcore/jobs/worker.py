"""The worker: takes jobs from the queue, one at a time, and has each done in a process of its own. python -m ecgcore worker"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

from huey.consumer import Consumer

from ecgcore.errors import StoreError
from ecgcore.jobs import machine, running
from ecgcore.jobs.queue import Queue
from ecgcore.store import Store
from ecgcore.store.jobs import Jobs
from ecgcore.store.promotions import Promotions
from ecgcore.store.workers import Workers

BEAT_S: Final = 2.0  # how often it says that it is there
SWEEP_S: Final = 10.0  # how often it looks for jobs that nobody runs, or that no message is there of
TICK_S: Final = 0.2
QUEUE_S: Final = 1.0  # the longest pause between two looks at an empty queue
KILLED: Final = "the worker that ran this was killed"
LOST: Final = "the worker lost sight of this"
SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # of which each system has some


def work(said: Callable[[str], None], child: Sequence[str] = running.CHILD) -> None:
    """Do jobs until a signal says to end; the running job is then queued again, for the next worker. `said` gets a line now and then. Raises StoreError, InputError."""
    with closing(Store()) as store:
        Promotions(store).sync()  # models are in use here as they are wherever the app runs
        worker = Worker(store, said, child)
        for name in SIGNALS:
            if number := getattr(signal, name, None):
                signal.signal(number, worker.end)
        worker.work()


class _Consumer(Consumer):  # type: ignore[misc]  # Huey has no types
    def _set_signal_handlers(self) -> None:
        """They are ours: the job that runs is not waited for, which may take hours."""


class Worker:
    """A worker on this machine."""

    def __init__(self, store: Store, said: Callable[[str], None], child: Sequence[str] = running.CHILD) -> None:
        self._jobs, self._workers = Jobs(store), Workers(store)
        self._said, self._child = said, child
        self._queue = Queue(self._take)
        self._me = ""
        self._current: str | None = None
        self._ending = self._complained = False
        self._stop, self._free = threading.Event(), threading.Event()

    def end(self, *_: Any) -> None:
        """Have `work` end soon. A signal may come at any moment, so that this takes no lock."""
        self._ending = True

    def work(self) -> None:
        """Do jobs until `end` is called. Raises StoreError where it cannot begin."""
        device = machine.device()
        self._me = self._workers.register(machine.host(), os.getpid(), device.name, device.memory_mb).id
        self._said(f"worker on {device.name}, {device.memory_mb:,} MB; waits for jobs")
        self._sweep()
        consumer = _Consumer(self._queue.huey, workers=1, periodic=False, max_delay=QUEUE_S)
        consumer.start()
        try:
            self._keep_watch(consumer)
        finally:
            self._stop.set()
            consumer.stop(graceful=True)
            self._workers.gone(self._me)
            self._queue.close()
        self._said("worker ended")

    def _keep_watch(self, consumer: Consumer) -> None:
        """Say that it is there, and see to what is left lying, until it is to end."""
        ticks = 0
        while not self._ending:
            free = self._free.wait(TICK_S)
            self._free.clear()
            ticks += 1
            if ticks % round(BEAT_S / TICK_S) == 0:
                self._try(lambda: self._workers.beat(self._me))
            if free or ticks % round(SWEEP_S / TICK_S) == 0:
                consumer.check_worker_health()
                self._try(self._sweep)

    def _try(self, do: Callable[[], None]) -> None:
        """The database and the queue may be away for a while; that is said once."""
        try:
            do()
        except StoreError as error:
            if not self._complained:
                self._said(f"{error}; tries again")
            self._complained = True
        else:
            self._complained = False

    def _take(self, job_id: str) -> None:
        """Run the job that a message names. A message that came twice, or of a job that is not queued, does nothing."""
        self._current = job_id
        try:
            job = self._jobs.claim(job_id, self._me)
            if job is None:
                return
            self._jobs.log(job.id, f"begun on {machine.host()}" + (f", attempt {job.attempts}" if job.attempts > 1 else ""))
            self._said(f"{job.title}: begun")
            running.run(self._jobs, job, self._stop, self._child)
            self._said(f"{job.title}: {self._jobs.get(job.id).status}")
            self._free.set()
        finally:
            self._current = None

    def _sweep(self) -> None:
        """Queue again what dead workers left running, and send anew what is queued and has no message. Raises StoreError."""
        for worker in self._workers.list():
            if worker.stopped is None and worker.id != self._me and machine.is_dead(worker):
                self._workers.gone(worker.id)
        for job in self._jobs.orphans():
            if job.worker_id != self._me:
                self._jobs.requeue(job.id, KILLED, job.worker_id)
        running_now = self._current
        for job in self._jobs.held_by(self._me):
            if job.id not in (running_now, self._current):
                self._jobs.requeue(job.id, LOST, self._me)
        sent = set(self._queue.waiting())
        for job in self._jobs.waiting():
            if job.id not in sent and job.id != self._current:
                self._queue.send(job.id)
