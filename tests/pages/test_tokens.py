import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from itsdangerous import TimestampSigner

from ecgcore.settings import ROOT
from pages.ui import access, tokens

SECRET = "a secret of these tests, long enough"  # noqa: S105  # of these tests alone
READS_KEY = "import sys; from pathlib import Path; from pages.ui import tokens; print(tokens.kept_key(Path(sys.argv[1])).hex())"


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv(tokens.SECRET, SECRET)


@pytest.fixture
def local(home, monkeypatch):
    """Local mode without a stated secret."""
    monkeypatch.delenv(tokens.SECRET, raising=False)
    monkeypatch.setattr(access, "rules", lambda: access.Rules(None, {}))
    return home


def issued(monkeypatch, ago_s: float, **changed) -> str:
    """A token of some time ago."""
    with monkeypatch.context() as patched:
        patched.setattr(TimestampSigner, "get_timestamp", lambda signer: int(time.time() - ago_s))
        return tokens.issue(**({"user": "anna@heart.example", "record_id": "one", "reading_id": "r1"} | changed))


@pytest.mark.parametrize("reading_id", ["r1", None])
def test_a_token_opens_what_it_names(key, reading_id):
    token = tokens.issue("anna@heart.example", "one", reading_id)
    assert tokens.check(token, "anna@heart.example", "one") == tokens.Grant("anna@heart.example", "one", reading_id)
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()  # fit for a header


def test_a_token_lives_half_an_hour(key, monkeypatch):
    assert tokens.LIFETIME_S == 1800
    assert tokens.check(issued(monkeypatch, ago_s=tokens.LIFETIME_S - 60), "anna@heart.example", "one").reading_id == "r1"
    with pytest.raises(tokens.TokenError, match="older than 30 minutes") as caught:
        tokens.check(issued(monkeypatch, ago_s=tokens.LIFETIME_S + 60), "anna@heart.example", "one")
    assert caught.value.expired


@pytest.mark.parametrize(
    ("user", "record", "said"),
    [("bert@heart.example", "one", "another user"), ("anna@heart.example", "two", "another record"), ("", "one", "another user"), ("anna@heart.example", "", "another record")],
)
def test_a_token_of_another_user_or_record_is_refused(key, user, record, said):
    with pytest.raises(tokens.TokenError, match=said) as caught:
        tokens.check(tokens.issue("anna@heart.example", "one", "r1"), user, record)
    assert not caught.value.expired


@pytest.mark.parametrize("token", ["", None])
def test_a_missing_token_is_refused(key, token):
    with pytest.raises(tokens.TokenError, match="no token"):
        tokens.check(token, "anna@heart.example", "one")


def test_a_forged_token_is_refused(key, monkeypatch):
    token = tokens.issue("anna@heart.example", "one", "r1")
    body, moment, signature = token.split(".")
    other = tokens.issue("anna@heart.example", "one", "r2").split(".")[0]
    forged = [f"{other}.{moment}.{signature}", f"{body}.AAAAAA.{signature}", f"{body}.{moment}.{signature[:-4]}AAAA", f"{body}.{moment}.", body, token + "A", "…", "a.b.c", "." * 9]
    monkeypatch.setenv(tokens.SECRET, SECRET[::-1])
    forged.append(tokens.issue("anna@heart.example", "one", "r1"))  # signed by somebody else
    monkeypatch.setenv(tokens.SECRET, SECRET)
    for sent in forged:
        with pytest.raises(tokens.TokenError, match="not signed here") as caught:
            tokens.check(sent, "anna@heart.example", "one")
        assert not caught.value.expired


def test_an_old_token_that_is_forged_as_well_is_not_called_expired(key, monkeypatch):
    body, moment, _ = issued(monkeypatch, ago_s=tokens.LIFETIME_S + 60).split(".")
    with pytest.raises(tokens.TokenError, match="not signed here"):
        tokens.check(f"{body}.{moment}.AAAA", "anna@heart.example", "one")


def test_a_short_secret_is_refused(monkeypatch):
    for short in ("", "short"):
        monkeypatch.setenv(tokens.SECRET, short)
        with pytest.raises(access.AccessError, match=f"LEADWISE_SECRET has {len(short)} characters; make it 32"):
            tokens.issue("anna@heart.example", "one", None)


def test_machines_with_the_same_cookie_secret_take_each_others_tokens(home, monkeypatch):
    monkeypatch.delenv(tokens.SECRET, raising=False)
    rules = {secret: access.Rules({"cookie_secret": secret * 16}, {}) for secret in ("ab", "cd")}
    monkeypatch.setattr(access, "rules", lambda: rules["ab"])
    token = tokens.issue("anna@heart.example", "one", None)
    monkeypatch.setenv("LEADWISE_HOME", str(home / "another"))
    assert tokens.check(token, "anna@heart.example", "one").reading_id is None
    monkeypatch.setattr(access, "rules", lambda: rules["cd"])
    with pytest.raises(tokens.TokenError):
        tokens.check(token, "anna@heart.example", "one")
    assert not home.exists()


def test_the_key_is_kept_for_its_owner_alone(local):
    token = tokens.issue("local", "one", None)
    path = local / "token.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert [file.name for file in local.iterdir()] == ["token.key"]
    assert tokens.check(token, "local", "one")
    path.unlink()
    with pytest.raises(tokens.TokenError, match="not signed here"):
        tokens.check(token, "local", "one")


def test_all_who_make_the_key_at_once_get_the_same(tmp_path):
    with ThreadPoolExecutor(16) as many:
        keys = set(many.map(tokens.kept_key, [tmp_path / "token.key"] * 64))
    assert len(keys) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["token.key"]


def test_two_processes_agree_on_the_key(tmp_path):
    command = [sys.executable, "-c", READS_KEY, str(tmp_path / "token.key")]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]  # noqa: S603  # our own interpreter
    said = [process.communicate()[0].strip() for process in running]
    assert said == [(tmp_path / "token.key").read_bytes().hex()] * 2


def test_who_loses_the_race_takes_the_key_of_who_wins(tmp_path):
    (tmp_path / "token.key").write_bytes(bytes(32))
    tokens._make(tmp_path / "token.key")
    assert tokens.kept_key(tmp_path / "token.key") == bytes(32)
    assert [file.name for file in tmp_path.iterdir()] == ["token.key"]


def test_a_key_that_cannot_be_used_is_said(local):
    local.mkdir()
    (local / "token.key").write_bytes(b"half a key")
    with pytest.raises(access.AccessError, match="has 10 bytes instead of 32; delete it"):
        tokens.issue("local", "one", None)
    (local / "token.key").unlink()
    (local / "token.key").mkdir()
    with pytest.raises(access.AccessError, match="cannot be used: Is a directory"):
        tokens.issue("local", "one", None)
