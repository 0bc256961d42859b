"""How fast the service answers: whole requests, as a client of another process sees them."""

import http.client
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ecgcore.demo import make_demo
from ecgcore.service import verbs
from tests.service.conftest import Server, free_port, signals_of, wait_for

CLIENTS = 16
LOAD_S = 10.0
ALONE = 60
PATH = "/v1/rhythm"


def measure() -> dict[str, Any]:
    """Twelve leads of 10 s at 500 Hz as JSON: one client, then sixteen for 10 s; and what the service does of it in its own process."""
    body = json.dumps(signals_of(make_demo("demo-12-lead"))).encode()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "log", "--port", str(port))
        wait_for(f"http://127.0.0.1:{port}/healthz", lambda: server.process.poll() is None)
        alone, _ = _asking(port, body, 0.0, ALONE)
        process = psutil.Process(server.process.pid)
        begun, cpu_s = time.perf_counter(), sum(process.cpu_times()[:2])
        with ThreadPoolExecutor(CLIENTS) as workers:
            told = list(workers.map(lambda _: _asking(port, body, LOAD_S, 0), range(CLIENTS)))
        whole_s, cpu_s = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - cpu_s
        server.stop()
    seconds = np.array([one for each, _ in told for one in each])
    return {
        "body_bytes": len(body),
        "one_client_ms": _ms(np.array(alone[5:])),
        "sixteen_clients_ms": _ms(seconds),
        "requests": len(seconds),
        "errors": sum(errors for _, errors in told),
        "requests_per_s": round(len(seconds) / whole_s, 1),
        "cpu_ms_a_request": round(1000 * cpu_s / len(seconds), 1),
        "p99_over_p50": round(float(np.quantile(seconds, 0.99) / np.quantile(seconds, 0.5)), 2),
        "parts_ms": _parts(bytearray(body)),
    }


def _asking(port: int, body: bytes, for_s: float, at_least: int) -> tuple[list[float], int]:
    """Seconds of each request of one client, and how many were not answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    taken, errors, stop_s = [], 0, time.perf_counter() + for_s
    while len(taken) < at_least or time.perf_counter() < stop_s:
        begun = time.perf_counter()
        connection.request("POST", PATH, body, {"Content-Type": verbs.JSON})
        told = connection.getresponse()
        told.read()
        taken.append(time.perf_counter() - begun)
        errors += told.status != 200
    connection.close()
    return taken, errors


def _parts(body: bytearray) -> dict[str, float]:
    """Medians within one process: JSON to a checked Record, and the rhythm of that."""
    os.environ.setdefault("LEADWISE_THREADS", "1")  # as the service itself has it
    job = verbs.job_of(body, verbs.JSON)
    verbs.rhythm(job)
    parts = {"json_to_record": lambda: verbs.job_of(body, verbs.JSON), "rhythm": lambda: verbs.rhythm(job)}
    return {name: round(1000 * statistics.median(_timed(work) for _ in range(30)), 1) for name, work in parts.items()}


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _ms(seconds: Any) -> dict[str, float]:
    return {f"p{round(100 * q)}": round(1000 * float(np.quantile(seconds, q)), 1) for q in (0.5, 0.99)}
