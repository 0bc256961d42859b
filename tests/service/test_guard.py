"""Who may ask, how often, and how much at once."""

import asyncio
import os
import re
from hashlib import sha256

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from ecgcore.cli import main
from ecgcore.errors import InputError
from ecgcore.service import bodies, keys
from ecgcore.service.app import create
from ecgcore.service.bodies import Held
from ecgcore.service.config import KEYS, MB, config
from ecgcore.service.keys import Keys, keys_of, new_key
from ecgcore.service.rate import MOST_CLIENTS, Rate
from ecgcore.service.refused import Refused
from ecgcore.service.serve import application, is_this_machine
from ecgcore.service.work import Pool
from tests.service.conftest import NO_KEYS, post

KEY, OTHER = new_key(), new_key()
GOOD = Keys((("anna", keys.digest_of(KEY)), ("bert", keys.digest_of(OTHER))))


def keyed(known=GOOD, rate="0", keyless=""):
    return TestClient(create(config({"LEADWISE_API_RATE": rate}, keyed=True), keys=lambda: known, keyless=lambda: keyless))


PROTECTED = [*(("post", path) for path in ("/v1/rhythm", "/v1/rhythm/trend", "/v1/beats", "/v1/batch/rhythm")), ("get", "/v1/models"), ("get", "/metrics")]
ALONE = ("127.0.0.1", "localhost", "::1", "127.8.8.8")
REACHED = ("0.0.0.0", "::", "10.0.0.7", "ward")  # noqa: S104  # these are asked for, not listened at


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_a_key_is_needed_everywhere_but_for_health(method, path):
    client = keyed()
    for headers in ({}, {"x-api-key": "lw_made-up"}, {"authorization": f"Basic {KEY}"}, {"authorization": "Bearer"}, {"x-api-key": keys.digest_of(KEY)}, {"x-api-key": "ä" * 900}):
        told = getattr(client, method)(path, headers={name: value.encode() for name, value in headers.items()})
        assert (told.status_code, told.headers["www-authenticate"]) == (401, "Bearer")
        assert "X-API-Key" in told.json()["detail"]
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("headers", [{"x-api-key": KEY}, {"authorization": f"Bearer {OTHER}"}, {"authorization": f"bearer  {KEY}"}])
def test_a_key_opens_by_either_header(sent, headers):
    assert post(keyed(), "/v1/beats", sent, **headers).status_code == 200


def test_the_document_says_that_a_key_is_needed():
    document = keyed().get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    assert document["paths"]["/v1/beats"]["post"]["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_without_keys_nobody_is_let_in_where_one_is_needed(sent):
    told = post(keyed(NO_KEYS, keyless="keys are needed"), "/v1/rhythm", sent, **{"x-api-key": KEY})
    assert (told.status_code, told.json()) == (403, {"detail": "keys are needed"})


def test_keys_that_cannot_be_read_let_nobody_in(sent):
    def broken() -> Keys:
        raise InputError("keys.txt is gone")

    told = post(TestClient(create(config({}, keyed=True), keys=broken)), "/v1/rhythm", sent, **{"x-api-key": KEY})
    assert told.status_code == 403
    assert "keys.txt is gone" in told.json()["detail"]


class TestKeys:
    """Keys in the environment."""

    def test_in_the_variable_itself(self):
        stated = keys_of({KEYS: f"anna:{keys.digest_of(KEY)}, {keys.digest_of(OTHER).upper()}"})
        assert (stated.name_of(KEY), stated.name_of(OTHER), stated.name_of("x")) == ("anna", "key2", None)
        assert keys.digest_of("abc") == sha256(b"abc").hexdigest()

    def test_in_a_file_that_is_read_anew(self, tmp_path):
        file = tmp_path / "keys.txt"
        file.write_text(f"# of the ward\nanna:{keys.digest_of(KEY)}  # till May\n{keys.digest_of(OTHER)}\n")
        assert keys_of({KEYS: str(file)}).name_of(OTHER) == "key2"
        file.write_text(f"{keys.digest_of(OTHER)}\n")
        assert keys_of({KEYS: str(file)}).name_of(KEY) is None

    def test_none(self):
        assert not keys_of({})
        assert not keys_of({KEYS: "  "})

    @pytest.mark.parametrize("stated", ["/nowhere/keys.txt", KEY, f"{'a' * 64},{KEY}", "a\0b"], ids=["a path", "a key", "a digest and a key", "no text"])
    def test_what_is_none_is_refused_and_not_told(self, stated):
        with pytest.raises(InputError) as error:
            keys_of({KEYS: stated})
        assert "64 hex digits" in str(error.value)
        assert len(stated) < 40 or stated[-43:] not in str(error.value)

    def test_a_file_of_none(self, tmp_path):
        (tmp_path / "keys.txt").write_text("# none yet\n")
        with pytest.raises(InputError, match="states no key"):
            keys_of({KEYS: str(tmp_path / "keys.txt")})

    def test_the_command_line_makes_one(self, capsys):
        assert main(["serve", "--new-key"]) == 0
        said = capsys.readouterr().out
        key, digest = re.search(r"lw_\S+", said)[0], re.search(r"[0-9a-f]{64}", said)[0]
        assert keys_of({KEYS: digest}).name_of(key) == "key1"


class TestConfig:
    """Limits in the environment."""

    def test_defaults_go_by_whether_keys_are_needed(self):
        assert config({}, keyed=False).rate_per_min == 0
        assert config({}, keyed=True).rate_per_min == 6000
        assert config({}, keyed=True).workers == os.cpu_count()
        assert config({}, keyed=True).held_bytes == 4 * 64 * MB

    @pytest.mark.parametrize(("name", "value"), [("RATE", "-1"), ("RATE", "many"), ("WORKERS", "0"), ("BODY_MB", "1e3"), ("QUEUE", "٣")])
    def test_what_is_no_number_that_can_be_is_quoted(self, name, value):
        with pytest.raises(InputError, match=f"LEADWISE_API_{name} must be a whole number"):
            config({f"LEADWISE_API_{name}": value}, keyed=False)


@pytest.mark.parametrize(("host", "alone"), [*((host, True) for host in ALONE), *((host, False) for host in REACHED)])
def test_other_machines_need_keys(host, alone):
    assert is_this_machine(host) == alone
    if alone:
        assert application(host, {}).title == "Leadwise"
    else:
        with pytest.raises(InputError, match="keys are needed"):
            application(host, {})
    assert application(host, {KEYS: keys.digest_of(KEY)}).title == "Leadwise"


def test_keys_that_are_taken_away_while_it_runs_do_not_open_it(sent):
    environ = {KEYS: keys.digest_of(KEY)}
    client = TestClient(application("0.0.0.0", environ))  # noqa: S104  # nobody listens
    assert client.get("/v1/models", headers={"x-api-key": KEY}).status_code == 200
    del environ[KEYS]
    assert client.get("/v1/models").status_code == 403


def test_other_addresses_are_refused_by_the_command_line(capsys, monkeypatch):
    monkeypatch.delenv(KEYS, raising=False)
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2  # noqa: S104  # it must refuse
    assert "keys are needed" in capsys.readouterr().err
    assert main(["serve", "--port", "99999"]) == 2
    assert "cannot listen at 127.0.0.1:99999" in capsys.readouterr().err


class TestRate:
    """So many a minute, for each client."""

    def test_a_minutes_worth_at_once_then_as_they_come(self):
        now_s = 0.0
        rate = Rate(60, lambda: now_s)
        for _ in range(60):
            rate.take("anna")
        with pytest.raises(Refused, match="more than 60 recordings a minute") as refused:
            rate.take("anna")
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "2"})
        rate.take("bert")
        now_s = 3.0
        rate.take("anna", 3)
        with pytest.raises(Refused):
            rate.take("anna")

    def test_none(self):
        rate = Rate(0)
        for _ in range(1000):
            rate.take("anna", 100)

    def test_clients_are_forgotten(self):
        rate = Rate(1, lambda: 0.0)
        for client in range(MOST_CLIENTS + 5):
            rate.take(str(client))
        assert len(rate._buckets) == MOST_CLIENTS

    def test_of_requests_by_key(self, sent):
        client = keyed(rate="3")
        one = {**sent, "leads": {"II": sent["leads"]["II"]}}
        told = post(client, "/v1/batch/rhythm", {"recordings": [one] * 4}, **{"x-api-key": KEY})
        assert (told.status_code, int(told.headers["retry-after"]) > 0) == (429, True)
        assert [client.get("/v1/models", headers={"x-api-key": KEY}).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/v1/models", headers={"x-api-key": OTHER}).status_code == 200


class TestPool:
    """So many at once, and so many that wait."""

    def test_who_finds_the_queue_full_is_sent_away(self):
        async def fill() -> None:
            pool = Pool(1, 1)
            async with pool.place(), pool.place():
                assert pool.admitted == 2
                with pytest.raises(Refused) as refused:
                    async with pool.place():
                        pass
                assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "2")
            assert pool.admitted == 0
            async with pool.place():
                assert await pool.run(lambda: 7) == 7

        asyncio.run(fill())

    def test_work_that_fails_leaves_its_place(self):
        async def fail() -> None:
            pool = Pool(1, 1)
            with pytest.raises(InputError):
                async with pool.place():
                    await pool.run(lambda: application("ward", {}))
            assert pool.admitted == 0

        asyncio.run(fail())


class TestBodies:
    """What is read of a body, and held."""

    @staticmethod
    def request(messages, **headers):
        async def receive():
            return messages.pop(0) if messages else await asyncio.Event().wait()

        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return Request({"type": "http", "method": "POST", "path": "/", "headers": sent}, receive)

    def test_all_that_is_held_has_a_limit(self):
        async def hold() -> None:
            held = Held(10)
            async with bodies.received(self.request([{"type": "http.request", "body": b"1234567"}]), 100, held) as body:
                assert (bytes(body), held.bytes) == (b"1234567", 7)
                with pytest.raises(Refused, match="7 bytes are worked on already") as refused:
                    async with bodies.received(self.request([{"type": "http.request", "body": b"8901"}]), 100, held):
                        pass
                assert refused.value.status == 503
            assert held.bytes == 0

        asyncio.run(hold())

    @pytest.mark.parametrize(
        ("messages", "status"),
        [([{"type": "http.request", "body": b"1", "more_body": True}], 408), ([{"type": "http.request", "body": b"1", "more_body": True}, {"type": "http.disconnect"}], 400)],
    )
    def test_a_body_that_stalls_or_breaks_off(self, monkeypatch, messages, status):
        monkeypatch.setattr(bodies, "STALLED_S", 0.01)

        async def receive() -> None:
            held = Held(10)
            with pytest.raises(Refused) as refused:
                async with bodies.received(self.request(messages), 100, held):
                    pass
            assert (refused.value.status, held.bytes) == (status, 0)

        asyncio.run(receive())

    @pytest.mark.parametrize(("headers", "left"), [({}, 0), ({"expect": "100-continue"}, 3)])
    def test_the_rest_of_a_refused_body_is_read_unless_the_client_waits(self, monkeypatch, headers, left):
        monkeypatch.setattr(bodies, "_DRAIN_PAUSE_S", 0.01)
        messages = [{"type": "http.request", "body": b"1", "more_body": True} for _ in range(3)]
        asyncio.run(bodies.drain(self.request(messages, **headers)))
        assert len(messages) == left
