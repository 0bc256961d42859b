"""Processes that share the work, by Dask: those of this machine, or a cluster's."""

import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ecgcore.archive.rows import Asked, Row, failed, one_line, row_of
from ecgcore.errors import ClusterError, EcgError, InputError
from ecgcore.readers.folder import Found

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S: Final = 15.0
POLL_S: Final = 2.0
WITHOUT_WORKERS_S: Final = 60.0  # a cluster that has had none for so long is given up
QUEUED: Final = 2  # batches handed to a cluster for each of its threads: one in work, one waiting
BATCH: Final = 16  # recordings …
BATCH_BYTES: Final = 8 << 20  # … or so much of them are a batch

# A recording that brings its process down is found out at once, not after three more have gone with it. Nothing is served by HTTP.
_LOCAL: Final = {"distributed.scheduler.allowed-failures": 0, "distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
# Read when Dask is imported: what goes wrong is told by our errors, not by its log.
_QUIET: Final = {"logging": {"distributed": "critical", "distributed.client": "critical"}}
# Loaded by each worker: Ctrl-C in a terminal reaches every process, but it is this one that ends the others.
_DEAF: Final = """
def dask_setup(server):
    import signal

    if type(server).__name__ == "Worker":  # what restarts it lives in this process
        signal.signal(signal.SIGINT, signal.SIG_IGN)
"""
_ONE_THREAD: Final = dict.fromkeys(("LEADWISE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def clients(scheduler: str | None, workers: int | None) -> "Iterator[Client]":
    """A client of the scheduler at an address such as tcp://host:8786; for None of so many processes of this machine, by default one a core.

    Raises ClusterError where no scheduler answers, InputError for an address or a number that is none.
    """
    import dask
    from dask.system import CPU_COUNT

    with dask.config.set(_QUIET):
        from distributed import Client, LocalCluster

    if scheduler is not None and workers is not None:
        raise InputError("--workers is for the processes of this machine; with --scheduler the cluster has its own")
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield client
        return
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot share the work; 1 or more can")
    with (
        dask.config.set(_LOCAL),
        LocalCluster(
            n_workers=workers or CPU_COUNT,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            env=_ONE_THREAD,
            preload=[_DEAF],
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _connected(scheduler: str) -> "Iterator[Client]":
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except OSError as error:  # a time-out is one
        raise ClusterError(f"no Dask scheduler answers at {scheduler}; start one with: dask scheduler") from error
    except ValueError as error:
        raise InputError(f"{scheduler!r} is no address of a Dask scheduler, such as tcp://host:8786: {one_line(error)}") from error
    with client:
        yield client


def check(client: "Client", root: Path, asked: Asked, expected: str) -> None:
    """Raise ClusterError where a worker lacks the folder, or what it would say of a recording is not what this process would."""
    for worker, said in client.run(_unready, root, asked, expected, on_error="return").items():
        if said:
            raise ClusterError(f"worker {worker} cannot take part: {said if isinstance(said, str) else f'{type(said).__name__}: {one_line(said)}'}")


def _unready(root: Path, asked: Asked, expected: str) -> str:
    """Why this process cannot take part; empty where it can. Its models are opened."""
    from ecgcore.archive import versions

    try:
        found = versions(asked)
    except EcgError as error:
        return one_line(error)
    if found != expected:
        return f"it has {found}, wanted is {expected}"
    return "" if root.is_dir() else f"it sees no folder {root}; the recordings must lie at the same path for all"


def batches(recordings: Iterable[Found]) -> list[tuple[Found, ...]]:
    """Recordings by the batch, long ones first, so that none is left alone in the end."""
    made: list[list[Found]] = []
    room = 0
    for found in sorted(recordings, key=lambda found: -found.n_bytes):
        if not made or len(made[-1]) == BATCH or room < found.n_bytes:
            made.append([])
            room = BATCH_BYTES
        made[-1].append(found)
        room -= found.n_bytes
    return [tuple(batch) for batch in made]


def _rows(root: Path, batch: tuple[Found, ...], asked: Asked) -> list[Row]:
    """The rows of a batch, made by a worker."""
    os.environ.setdefault("LEADWISE_THREADS", "1")  # the cores are shared by workers, not by threads of one
    return [row_of(root, found, asked) for found in batch]


@dataclass
class Sharing:
    """Batches of recordings handed to workers until all rows are there.

    A batch in which a worker was killed or a task failed comes again, one recording at a time and nothing beside it, so that
    the one at fault is known; what fails alone too becomes a row with its error.
    """

    client: "Client"
    root: Path
    asked: Asked
    pending: "dict[Future[list[Row]], tuple[Found, ...]]" = field(default_factory=dict)
    suspects: deque[Found] = field(default_factory=deque)
    lonely_since: float | None = None

    def rows(self, waiting: Sequence[tuple[Found, ...]]) -> Iterator[list[Row]]:
        """Rows as they come. Raises ClusterError where the workers stay away."""
        left = deque(waiting)
        alone = False
        try:
            while left or self.pending or self.suspects:
                while left and len(self.pending) < QUEUED * max(1, sum(self.client.nthreads().values())):
                    self._submit(left.popleft())
                if not self.pending:
                    self._submit((self.suspects.popleft(),))
                    alone = True
                yield from self._answers(self._finished(), alone)
        except OSError as error:
            raise ClusterError(f"the scheduler is gone: {one_line(error)[:200]}") from error
        finally:
            with suppress(OSError):
                self.client.cancel(list(self.pending))

    def _submit(self, batch: tuple[Found, ...]) -> None:
        self.pending[self.client.submit(_rows, self.root, batch, self.asked, pure=False)] = batch

    def _answers(self, futures: "Iterable[Future[list[Row]]]", alone: bool) -> Iterator[list[Row]]:
        for future in futures:
            batch = self.pending.pop(future)
            if future.status == "finished":
                try:
                    rows = future.result(timeout=POLL_S)
                except TimeoutError:  # its worker went before the rows were fetched: another makes them
                    self.pending[future] = batch
                    self._look_for_workers()
                else:
                    yield rows
            elif alone:
                yield [failed(found, _why(future.exception(timeout=POLL_S))) for found in batch]
            else:
                self.suspects.extend(batch)

    def _finished(self) -> "list[Future[list[Row]]]":
        """Those that are done; none where that takes long."""
        from distributed import wait
        from distributed.client import FuturesCancelledError

        try:
            with self.client.as_current():
                return list(wait(list(self.pending), timeout=POLL_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            self._look_for_workers()
            return []
        except FuturesCancelledError as error:
            raise ClusterError(f"the scheduler is gone, or has dropped the work: {one_line(error)[:200]}") from error

    def _look_for_workers(self) -> None:
        """Raise ClusterError where there has been none for long."""
        if self.client.nthreads():
            self.lonely_since = None
            return
        self.lonely_since = self.lonely_since or time.monotonic()
        if time.monotonic() - self.lonely_since > WITHOUT_WORKERS_S:
            raise ClusterError(f"no worker has been there for {WITHOUT_WORKERS_S:.0f} s; start one with: dask worker ADDRESS")


def _why(error: BaseException | None) -> str:
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return "the process that analysed it was killed, twice: too little memory, or a crash in a library"
    return f"{type(error).__name__}: {one_line(error) if error else ''}"
