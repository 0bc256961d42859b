import struct
import uuid
from unittest.mock import patch

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ecgcore.analysis import analyze
from ecgcore.store import Store
from ecgcore.store.reviews import Reviews
from pages.ui import access, routes, tokens


@pytest.fixture
def record(store: Store, files):
    return store.add(files())


@pytest.fixture
def reading(store: Store, record):
    kept = store.save_analysis(record.id, analyze(store.open(record.id)))
    return Reviews(store).reading(record.id, kept.id)


@pytest.fixture
def client(home):
    return TestClient(Starlette(routes=routes.ROUTES))


@pytest.fixture
def token(record, reading):
    return tokens.issue("local", record.id, reading.id)


def headers(token: str) -> dict[str, str]:
    return {routes.TOKEN_HEADER: token}


def beats(client, record, token, at: str = ""):
    body = client.get(f"/strip/{record.id}{at}/beats", headers=headers(token)).content
    n, seq = struct.unpack_from("<2I", body)
    assert len(body) == 8 + 7 * n
    samples = np.frombuffer(body, "<i4", n, 8)
    codes = body[8 + 4 * n : 8 + 5 * n].decode("ascii")
    certainty, authors = (np.frombuffer(body, np.uint8, n, 8 + skipped * n) for skipped in (5, 6))
    return seq, samples, codes, certainty, authors


def post(client, record, token, command: dict, command_id: str | None = None):
    return client.post(f"/strip/{record.id}/edit", headers=headers(token), json={"id": command_id or uuid.uuid4().hex, **command})


def test_a_tile_is_the_signal_in_millivolts(client, store, record, token):
    got = client.get(f"/strip/{record.id}/tile?level=0&index=1&leads=V1,MLII", headers=headers(token))
    assert got.status_code == 200
    n_leads, n, per, first = struct.unpack_from("<4I", got.content)
    assert (n_leads, n, per, first) == (2, 2048, 1, 2048)
    scales = np.frombuffer(got.content, "<f4", 4, 16).reshape(2, 2)
    values = np.frombuffer(got.content, "<i2", n_leads * n, 32).reshape(2, n)
    mv = np.where(values == -32768, np.nan, values * scales[:, :1] + scales[:, 1:])
    np.testing.assert_allclose(mv, store.open(record.id).mv(("V1", "MLII"), 2048, 4096), atol=1e-5)
    assert "private" in got.headers["cache-control"]


def test_beats_tell_code_certainty_and_author(client, store, record, reading, token):
    state = Reviews(store).state(reading.id)
    seq, samples, codes, certainty, authors = beats(client, record, token)
    assert seq == 0
    np.testing.assert_array_equal(samples, state.samples)
    assert codes == "".join(state.codes)
    found = store.analysis(reading.analysis_id).beats
    shown = found.probabilities[np.arange(len(found)), [found.classes.index(label) for label in found.labels]]
    np.testing.assert_allclose(certainty / 200, shown, atol=1 / 400 + 1e-6)
    assert set(authors) == {routes.MODEL}


def test_an_edit_is_saved_and_said_and_sending_it_twice_does_no_harm(client, store, record, reading, token):
    sample = int(Reviews(store).state(reading.id).samples[2])
    command, name = {"command": "relabel", "samples": [sample], "code": "V"}, uuid.uuid4().hex
    first, again = (post(client, record, token, command, name) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.json()["said"] == "1 beat made V"
    assert (first.json()["seq"], again.json()["seq"], first.json()["can_undo"]) == (1, 1, True)
    _, samples, codes, certainty, authors = beats(client, record, token)
    place = list(samples).index(sample)
    assert (codes[place], certainty[place], authors[place]) == ("V", routes.NOT_FROM_MODEL, routes.READER)
    assert len(Reviews(store).events(reading.id)) == 1
    undone = post(client, record, token, {"command": "undo"})
    assert undone.json()["can_redo"] is True
    assert post(client, record, token, {"command": "redo"}).json()["counts"]["V"] == first.json()["counts"]["V"]


def test_the_past_can_be_seen_but_not_changed(client, store, record, reading, token):
    sample = int(Reviews(store).state(reading.id).samples[2])
    post(client, record, token, {"command": "delete", "samples": [sample]})
    assert sample not in beats(client, record, token)[1]
    assert sample in beats(client, record, token, "/at/0")[1]
    assert client.get(f"/strip/{record.id}/at/0/state", headers=headers(token)).json()["editable"] is False
    assert client.post(f"/strip/{record.id}/at/0/edit", headers=headers(token), json={}).status_code in (404, 405)


def test_a_signed_reading_is_frozen(client, store, record, reading, token):
    sample = int(Reviews(store).state(reading.id).samples[2])
    Reviews(store).sign(reading.id, "local", "")
    refused = post(client, record, token, {"command": "delete", "samples": [sample]})
    assert refused.status_code == 409
    assert "signed off as version 1 by local; amend it to go on" in refused.json()["error"]
    assert client.get(f"/strip/{record.id}/state", headers=headers(token)).json()["editable"] is False
    assert sample in beats(client, record, token)[1]


@pytest.mark.parametrize("path", ["tile?level=0&index=0&leads=MLII", "beats", "state", "reference?annotator=atr", "bands?lead=MLII&model=segmenter@1"])
def test_without_a_token_that_fits_there_is_nothing(client, store, record, reading, files, path):
    other = store.add(files("two"))
    assert client.get(f"/strip/{record.id}/{path}").status_code == 403
    foreign = {
        "of another user": tokens.issue("somebody@else", record.id, reading.id),
        "of another record": tokens.issue("local", other.id, None),
        "made up": "abc.def.ghi",
    }
    for name, token in foreign.items():
        refused = client.get(f"/strip/{record.id}/{path}", headers=headers(token))
        assert refused.status_code == 403, name
        assert "\n" not in refused.json()["error"]


def test_an_expired_token_says_so(client, record, reading):
    with patch("itsdangerous.timed.TimestampSigner.get_timestamp", return_value=1_000_000):
        old = tokens.issue("local", record.id, reading.id)
    refused = client.get(f"/strip/{record.id}/state", headers=headers(old))
    assert refused.status_code == 403
    assert refused.json()["expired"] is True


def test_a_reader_who_may_only_look_cannot_edit(client, store, record, reading, token, monkeypatch):
    monkeypatch.setitem(access.PERMISSIONS, "admin", frozenset({"read"}))
    refused = post(client, record, token, {"command": "delete", "samples": [int(Reviews(store).state(reading.id).samples[0])]})
    assert refused.status_code == 403
    assert "may look but not edit" in refused.json()["error"]
    assert Reviews(store).events(reading.id) == ()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("tile?level=0&index=0&leads=V9", 404, "V9"),
        ("tile?level=0&index=0&leads=", 404, "no lead"),
        ("tile?level=0&index=99&leads=MLII", 400, "99"),
        ("tile?level=0&index=-1&leads=MLII", 400, "-1"),
        ("tile?level=40&index=0&leads=MLII", 400, "40"),
        ("tile?level=x&index=0&leads=MLII", 400, "level must be a whole number"),
        ("tile?level=0&index=0&leads=MLII&filter=none", 400, "no filter"),
        ("tile?level=0&index=0&leads=MLII&notch=55", 400, "55"),
        ("reference?annotator=nobody", 400, "nobody"),
        ("at/7/beats", 404, "7"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(client, record, token, path, status, said):
    refused = client.get(f"/strip/{record.id}/{path}", headers=headers(token))
    assert refused.status_code == status
    assert said in refused.json()["error"]
    assert "\n" not in refused.json()["error"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"command": "relabel", "samples": [1], "code": "V"}, 409),
        ({"command": "relabel", "samples": [10**9], "code": "V"}, 400),
        ({"command": "relabel", "samples": "all", "code": "V"}, 400),
        ({"command": "add", "sample": 20, "code": "X"}, 400),
        ({"command": "explode"}, 400),
        ({"command": "mark", "kind": "rhythm", "start": 900, "stop": 100, "text": "AFIB"}, 400),
        ({"command": "unmark", "item": "none"}, 409),
        ({"command": "undo"}, 409),
        ({"id": "short", "command": "undo"}, 400),
    ],
)
def test_edits_that_cannot_be_are_refused_and_nothing_changes(client, store, record, reading, token, sent, status):
    refused = post(client, record, token, sent) if "id" not in sent else client.post(f"/strip/{record.id}/edit", headers=headers(token), json=sent)
    assert refused.status_code == status
    assert "\n" not in refused.json()["error"]
    assert Reviews(store).events(reading.id) == ()


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff\xfe", b"{" * 3_000_000])
def test_what_is_no_edit_is_refused(client, record, token, body):
    refused = client.post(f"/strip/{record.id}/edit", headers=headers(token), content=body)
    assert refused.status_code == 400


def test_a_deleted_record_is_gone_at_once(client, store, record, token):
    path = f"/strip/{record.id}/tile?level=0&index=0&leads=MLII"
    assert client.get(path, headers=headers(token)).status_code == 200
    store.delete(record.id)
    gone = client.get(path, headers=headers(token))
    assert gone.status_code == 404
    assert "deleted" in gone.json()["error"]


def test_a_token_for_the_signal_alone_opens_no_beats(client, record, reading):
    alone = tokens.issue("local", record.id, None)
    assert client.get(f"/strip/{record.id}/tile?level=0&index=0&leads=MLII", headers=headers(alone)).status_code == 200
    assert client.get(f"/strip/{record.id}/beats", headers=headers(alone)).status_code == 400
