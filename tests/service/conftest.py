"""The service under test: within the test's process, or as a process of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from ecgcore.demo import make_demo
from ecgcore.record import Record
from ecgcore.service.app import create
from ecgcore.service.config import config
from ecgcore.service.keys import Keys
from ecgcore.settings import ROOT

NO_KEYS = Keys()
Body = dict[str, Any]


def signals_of(record: Record, units: str = "mV", **more: Any) -> Body:
    """A record as it is sent: missing samples are null."""
    scale = {"mV": 1, "uV": 1e3, "V": 1e-3}[units]
    rows = np.round(record.mv().astype(float) * scale, 7)
    leads = {lead: [None if value != value else value for value in row] for lead, row in zip(record.leads, rows.tolist(), strict=True)}
    return {"fs_hz": record.fs_hz, "units": units, "leads": leads, **more}


@pytest.fixture(scope="session")
def record() -> Record:
    """Ten seconds of twelve leads."""
    return make_demo("demo-12-lead")


@pytest.fixture(scope="session")
def sent(record: Record) -> Body:
    """The same as it is sent."""
    return signals_of(record)


@pytest.fixture
def client() -> TestClient:
    """Asks a service in local mode; one that fails fails the test."""
    return TestClient(create(config({}, keyed=False), keys=lambda: NO_KEYS))


class Server:
    """`python -m ecgcore serve` as a process; `said` is what it said when it ended."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "ecgcore", "serve", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADWISE_API")}
        self._log = log.open("w+")
        self.process = subprocess.Popen(command, cwd=ROOT, env={**kept, **environment}, stdout=self._log, stderr=self._log)  # noqa: S603  # our own interpreter
        self.said = ""

    def stop(self) -> str:
        """End it; what it said."""
        self.process.terminate()
        return self.ended()

    def ended(self) -> str:
        """Wait for its end; what it said."""
        self.process.wait(timeout=60)
        if not self._log.closed:
            self._log.seek(0)
            self.said = self._log.read()
            self._log.close()
        return self.said


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(url: str, is_running: Callable[[], bool]) -> None:
    """Until the server answers, or has ended."""
    while True:
        try:
            httpx.get(url, timeout=5)
        except httpx.TransportError:
            if not is_running():
                pytest.fail(f"nothing answers at {url}: the server has ended")
        else:
            return


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """A service of its own process, and where it answers; it may log no traceback."""
    port = free_port()
    running = Server(tmp_path_factory.mktemp("serve") / "log", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/healthz", lambda: running.process.poll() is None)
    yield url, running
    assert "Traceback" not in running.stop()


def post(client: Any, path: str, body: Any, **more: Any) -> Any:
    """A JSON body sent as it stands: one of bytes is not JSON perhaps."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, content=content, headers={"content-type": "application/json", **more})
