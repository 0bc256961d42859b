"""An installation of the tests' own, workers of its own, and servers of Redis."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecgcore.settings import ROOT
from ecgcore.store import Store
from ecgcore.store.jobs import Jobs
from ecgcore.store.workers import Workers

WORKER_APP = Path(__file__).with_name("worker_app.py")


def until(condition: Callable[[], object], what: str = "it", seconds: float = 120) -> None:
    """Look again and again until it is so; the test fails where it does not come to be."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} has not come to be in {seconds:g} s"
        pause.wait(0.05)


class Running:
    """A worker as a process."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a+")
        self.process = subprocess.Popen([sys.executable, WORKER_APP], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=self._log, stderr=self._log)  # noqa: S603  # our own interpreter

    def kill(self) -> None:
        """As the system kills what takes too much memory."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """In good order; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._log.close()


@pytest.fixture
def home(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the installation lives; the processes it begins live there too."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(migrated, folder / "leadwise.db")
    monkeypatch.setenv("LEADWISE_HOME", str(folder))
    monkeypatch.setenv("LEADWISE_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("LEADWISE_DATABASE_URL", "LEADWISE_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


@pytest.fixture
def workers(store: Store) -> Workers:
    return Workers(store)


@pytest.fixture
def begin(home: Path) -> Iterator[Callable[[], Running]]:
    """Begins a worker; what it says is shown where the test fails."""
    begun: list[Running] = []

    def one() -> Running:
        begun.append(Running(home / "worker.log"))
        return begun[-1]

    yield one
    for running in begun:
        running.close()
    print((home / "worker.log").read_text() if begun else "")  # noqa: T201  # shown where the test fails


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis server of the tests' own, which keeps nothing; the test is skipped where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis on this machine; on Debian: apt-get install redis-server")
    folder = Path(tempfile.mkdtemp(prefix="lw-redis-"))  # not in pytest's folder: a socket's path has at most 107 characters
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # found on this machine
            said = []
            for line in process.stdout or ():
                said.append(line)
                if "accept connections" in line:
                    break
            else:
                raise AssertionError("Redis did not start: " + "".join(said))
            yield f"unix://{socket}"
            process.terminate()
    finally:
        shutil.rmtree(folder)
