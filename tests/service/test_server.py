"""The service as a process of its own: under load, under what is too long, and under the app."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from ecgcore.service.config import KEYS
from ecgcore.service.keys import digest_of
from ecgcore.settings import ROOT
from tests.service.conftest import Server, free_port, post, wait_for

CLIENTS = 16
REQUESTS = 160
MB = 1 << 20
AUTH = """
[auth]
redirect_uri = "http://localhost:8501/oauth2callback"
cookie_secret = "a cookie secret that nobody can guess"
client_id = "leadwise"
client_secret = "known to both"
server_metadata_url = "http://localhost:9/.well-known/openid-configuration"
[roles]
reader = ["anna@heart.example"]
"""


def test_sixteen_clients_at_once(server, sent):
    url, _ = server
    body = json.dumps({**sent, "leads": {lead: sent["leads"][lead] for lead in ("I", "II", "V1")}}).encode()

    def ask(client: httpx.Client) -> tuple[int, float]:
        begun = time.perf_counter()
        told = post(client, "/v1/rhythm", body)
        return told.status_code, time.perf_counter() - begun

    clients = [httpx.Client(base_url=url, timeout=60) for _ in range(CLIENTS)]
    assert ask(clients[0])[0] == 200
    with ThreadPoolExecutor(CLIENTS) as workers:
        told = list(workers.map(ask, clients * (REQUESTS // CLIENTS)))
    for client in clients:
        client.close()
    seconds = [taken for _, taken in told]
    assert {status for status, _ in told} == {200}
    assert np.quantile(seconds, 0.99) <= 10 * np.quantile(seconds, 0.5)


def test_memory_stays_flat_whatever_is_sent(server, sent):
    url, running = server
    process = psutil.Process(running.process.pid)
    zeros = b"0," * (4 * MB)  # 8 MB

    def endless(n_pieces: int):
        yield b'{"fs_hz": 500, "units": "mV", "leads": {"I": ['
        for _ in range(n_pieces):
            yield zeros

    with httpx.Client(base_url=url, timeout=60) as client:
        assert post(client, "/v1/rhythm", sent).status_code == 200
        assert client.post("/v1/rhythm", content=endless(9), headers={"content-type": "application/json"}).status_code == 413
        before = process.memory_info().rss
        for _ in range(6):
            told = client.post("/v1/rhythm", content=endless(20), headers={"content-type": "application/json"})  # 160 MB, and no length is stated
            assert (told.status_code, "bytes allowed" in told.json()["detail"]) == (413, True)
            assert post(client, "/v1/rhythm", zeros * 7).status_code == 413  # of an allowed length, with too many values
        assert process.memory_info().rss - before < 64 * MB
        assert post(client, "/v1/rhythm", sent).status_code == 200


def test_a_length_that_is_only_stated_is_refused_at_once(server):
    import socket

    url, _ = server
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"POST /v1/rhythm HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 6000000000\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_keys_open_a_service_that_others_reach(tmp_path):
    port = free_port()
    running = Server(tmp_path / "log", "--host", "0.0.0.0", "--port", str(port), **{KEYS: digest_of("the key")})  # noqa: S104  # with a key, for a moment
    wait_for(f"http://127.0.0.1:{port}/healthz", lambda: running.process.poll() is None)
    assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{port}/v1/models", headers={"X-API-Key": "the key"}).status_code == 200
    assert "Leadwise answers at http://0.0.0.0" in running.stop()


def test_a_port_that_is_taken_is_told_in_one_line(server, tmp_path):
    url, _ = server
    second = Server(tmp_path / "log", "--port", url.rpartition(":")[2])
    said = second.ended()
    assert (second.process.returncode, said.count("\n")) == (2, 1)
    assert "name a port that is free" in said


@pytest.fixture
def app(tmp_path):
    """Starts the app with the text of a secrets file; where it answers."""
    started = []

    def start(secrets: str, **environment: str) -> str:
        (tmp_path / "secrets.toml").write_text(secrets)
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port), "--server.headless", "true"]
        command += ["--secrets.files", str(tmp_path / "secrets.toml")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADWISE")}
        log = Path(tmp_path / "app.log").open("w")  # noqa: SIM115  # it is closed when the app has ended
        process = subprocess.Popen(command, cwd=ROOT, env={**kept, "LEADWISE_HOME": str(tmp_path), **environment}, stdout=log, stderr=log)  # noqa: S603  # our own interpreter
        started.append((process, log))
        wait_for(f"http://localhost:{port}/_stcore/health", lambda: process.poll() is None)
        return f"http://localhost:{port}/api"

    yield start
    for process, log in started:
        process.terminate()
        process.wait(timeout=20)
        log.close()
    assert "Traceback" not in (tmp_path / "app.log").read_text()


def test_under_the_app_in_local_mode(app, sent):
    with httpx.Client(base_url=app(""), timeout=60) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        told = post(client, "/v1/rhythm", sent)
        assert (told.status_code, told.json()["model"].partition("@")[0]) == (200, "universal")
        assert post(client, "/v1/beats", sent).json()["counts"]["N"] == 11
        document = client.get("/openapi.json").json()
        assert (document["servers"], "securitySchemes" in document["components"]) == ([{"url": "/api"}], False)
        assert 'route="/v1/rhythm",status="200"} 1.0' in client.get("/metrics").text
        assert client.get("/v1/nothing").status_code == 404


def test_under_the_app_where_users_sign_in(app, sent):
    with httpx.Client(base_url=app(AUTH), timeout=60) as client:
        told = post(client, "/v1/rhythm", sent, **{"x-api-key": "any"})
        assert told.status_code == 403
        assert "LEADWISE_API_KEYS" in told.json()["detail"]
        assert client.get("/healthz").status_code == 200
    with httpx.Client(base_url=app(AUTH, **{KEYS: digest_of("the key")}), timeout=60) as client:
        assert client.get("/v1/models").status_code == 401
        assert post(client, "/v1/beats", sent, **{"x-api-key": "the key"}).status_code == 200
        assert "securitySchemes" in client.get("/openapi.json").json()["components"]
