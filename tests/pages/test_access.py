import asyncio
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Event

import pytest
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.secrets import secrets_singleton
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette import starlette_auth_routes, starlette_server_config, starlette_websocket

from ecgcore.settings import ROOT
from pages.ui import access, shell, tokens
from pages.ui.text import plain

COOKIE_SECRET = "a cookie secret that nobody can guess"  # noqa: S105  # of these tests alone
AUTH = f"""
[auth]
redirect_uri = "http://localhost:8501/oauth2callback"
cookie_secret = "{COOKIE_SECRET}"
client_id = "leadwise"
client_secret = "known to both"
server_metadata_url = "http://localhost:9/.well-known/openid-configuration"
"""
ROLES = """
[roles]
reader = ["anna@heart.example"]
reviewer = ["Bert@Heart.Example"]
admin = ["carla@heart.example"]
"""
ANNA = {"is_logged_in": True, "email": "anna@heart.example", "email_verified": True}
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "pages").glob("*.py"))


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """Writes the secrets file that this test's Leadwise reads; without a call there is none."""
    path = tmp_path / "secrets.toml"
    monkeypatch.setattr(access, "secrets_files", lambda: (path,))
    monkeypatch.setattr(access, "_signs_in", Event())
    return path.write_text


@pytest.fixture
def signed_in(secrets):
    """OIDC mode with one user for each role."""
    secrets(AUTH + ROLES)


def cookies(claims: dict, monkeypatch) -> dict[str, str]:
    """The cookies that Streamlit itself sets for these claims after a sign-in."""
    with monkeypatch.context() as patched:
        patched.setattr(secrets_singleton, "_secrets", {"auth": {"cookie_secret": COOKIE_SECRET}})
        response = Response()
        said = {**claims, "origin": "http://localhost:8501", "provider": "default"}
        writing = starlette_auth_routes._set_auth_cookie(response, said, {"id_token": "an id token"})
        with ThreadPoolExecutor(1) as apart:  # the loop of a browser test may still run on this thread
            apart.submit(asyncio.run, writing).result()
    lines = [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]
    return {name: value.strip('"') for name, _, value in (line.partition(";")[0].partition("=") for line in lines)}


def request(sent: dict[str, str]) -> Request:
    header = "; ".join(f"{name}={value}" for name, value in sent.items())
    return Request({"type": "http", "headers": [(b"cookie", header.encode("latin-1"))]})


def test_each_role_may_do_what_the_one_below_it_may_and_more():
    users = [access.User("a@heart.example", role) for role in access.ROLES]
    allowed = [{what for what in access.DOING if access.may(user, what)} for user in users]
    assert allowed[0] == {"read", "edit", "upload"}
    assert allowed[1] == allowed[0] | {"session", "adjudicate"}
    assert allowed[2] == set(access.DOING) == allowed[1] | {"delete", "admin"}
    assert not access.may(users[2], "anything else")


def test_what_a_role_may_not_do_is_said():
    access.require(access.User("carla@heart.example", "admin"), "delete")
    with pytest.raises(access.AccessError, match=r"^anna@heart.example is reader and may not make review sessions; reviewer or admin may$"):
        access.require(access.User("anna@heart.example", "reader"), "session")


@pytest.mark.parametrize(
    ("claims", "error", "said"),
    [
        ({}, access.NotSignedInError, "sign in"),
        ({**ANNA, "is_logged_in": False}, access.NotSignedInError, "sign in"),
        ({**ANNA, "is_logged_in": "yes"}, access.NotSignedInError, "sign in"),
        ({**ANNA, "email_verified": False}, access.RefusedError, "not verified"),
        ({**ANNA, "email_verified": "false"}, access.RefusedError, "not verified"),
        ({**ANNA, "email_verified": 0}, access.RefusedError, "not verified"),
        ({**ANNA, "email": "stranger@heart.example"}, access.RefusedError, "no role"),
        ({**ANNA, "email": "\u212aarl@heart.example"}, access.RefusedError, "no role"),  # the Kelvin sign, whose lower case is k
        ({"is_logged_in": True, "sub": "12", "name": "Anna"}, access.RefusedError, "no e-mail address"),
        ({**ANNA, "email": None}, access.RefusedError, "no e-mail address"),
    ],
)
def test_who_is_not_let_in_is_told_why(claims, error, said):
    with pytest.raises(error, match=said):
        access.user_of(claims, {"anna@heart.example": "reader", "karl@heart.example": "admin"})


@pytest.mark.parametrize("email", ["anna@heart.example", "Anna@HEART.example", " anna@heart.example "])
@pytest.mark.parametrize("verified", [{}, {"email_verified": True}, {"email_verified": "true"}, {"email_verified": None}])
def test_the_e_mail_address_gives_the_role(email, verified):
    claims = {"is_logged_in": True, "email": email, **verified}
    assert access.user_of(claims, {"anna@heart.example": "reader"}) == access.User("anna@heart.example", "reader")


def test_without_auth_there_is_one_user_who_is_admin(secrets):
    assert access.current_user() == access.request_user(request({})) == access.LOCAL
    assert access.readers() == ("local",)
    secrets("[other]\nkey = 1\n")
    assert access.current_user() == access.User("local", "admin")


@pytest.mark.parametrize(
    ("address", "alone"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104  # what must be refused
        ("192.168.1.5", False),
        (None, False),
        ("unix:///run/leadwise", False),
    ],
)
def test_without_auth_only_this_machine_is_served(secrets, monkeypatch, address, alone):
    monkeypatch.setattr(access.st, "get_option", {"server.address": address}.get)
    if alone:
        assert access.current_user() == access.LOCAL
    else:
        with pytest.raises(access.AccessError, match=r"server\.address is"):
            access.request_user(request({}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AUTH + '[roles]\nboss = ["a@x"]', "no role 'boss'; there are: reader, reviewer, admin"),
        (AUTH + '[roles]\nreader = ["a@x"]\nadmin = ["A@X"]', "a@x is both reader and admin"),
        (AUTH + '[roles]\nreader = "a@x"', "must be a list of e-mail addresses, not 'a@x'"),
        (AUTH + "[roles]\nreader = [3]", r"must be a list of e-mail addresses, not \[3\]"),
        (AUTH + '[roles]\nreader = ["anna"]', "must be a list of e-mail addresses"),
        ('roles = "all"' + AUTH, "must be a table"),
        (ROLES, r"no \[auth\] to sign in by"),
        (AUTH.replace(COOKIE_SECRET, "short"), "cookie_secret in .auth. has 5 characters"),
        (AUTH.replace("client_id", "client"), "does not state client_id$"),
        ("auth = 1", "does not state redirect_uri, cookie_secret"),
        (AUTH + "[roles", "secrets.toml is not TOML"),
    ],
)
def test_secrets_that_cannot_be_followed_let_nobody_in(secrets, monkeypatch, text, said):
    secrets(text)
    for ask in (access.current_user, access.readers, lambda: access.request_user(request(cookies(ANNA, monkeypatch)))):
        with pytest.raises(access.AccessError, match=said) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_secrets_that_cannot_be_read_let_nobody_in(tmp_path, monkeypatch):
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for path, said in ((tmp_path, "cannot be read: Is a directory"), (tmp_path / "bytes.toml", "it is not UTF-8")):
        monkeypatch.setattr(access, "secrets_files", lambda path=path: (path,))
        with pytest.raises(access.AccessError, match=said):
            access.current_user()


def test_a_later_file_replaces_the_tables_of_an_earlier_one():
    rules = access.rules_of((("one.toml", AUTH + ROLES), ("two.toml", '[roles]\nadmin = ["anna@heart.example"]')))
    assert rules.roles == {"anna@heart.example": "admin"}
    assert rules.auth is not None


def test_the_example_of_a_secrets_file_is_refused_until_it_is_filled_in():
    text = (ROOT / ".streamlit" / "secrets.example.toml").read_text()
    with pytest.raises(access.AccessError, match="does not state cookie_secret, client_id, client_secret"):
        access.rules_of((("secrets.toml", text),))
    filled = text.replace('cookie_secret = ""', f'cookie_secret = "{COOKIE_SECRET}"').replace('= ""', '= "known"')
    assert set(access.rules_of((("secrets.toml", filled),)).roles.values()) == set(access.ROLES)


def test_a_role_taken_away_is_gone_at_the_next_request(secrets, monkeypatch):
    sent = cookies(ANNA, monkeypatch)
    secrets(AUTH + ROLES)
    assert access.request_user(request(sent)).role == "reader"
    secrets(AUTH + ROLES.replace("anna", "hanna"))
    with pytest.raises(access.RefusedError, match="no role"):
        access.request_user(request(sent))
    secrets(AUTH + ROLES)
    assert access.readers() == ("anna@heart.example", "bert@heart.example", "carla@heart.example")
    assert access.request_user(request(sent)).role == "reader"


def test_a_user_of_a_moment_ago_has_the_role_of_now(secrets):
    assert access.renewed(access.LOCAL) == access.LOCAL
    anna = access.User("anna@heart.example", "admin")
    with pytest.raises(access.RefusedError, match="no role"):
        access.renewed(anna)
    secrets(AUTH + ROLES)
    assert access.renewed(anna) == access.User("anna@heart.example", "reader")
    for gone in (access.LOCAL, access.User("hanna@heart.example", "admin")):
        with pytest.raises(access.RefusedError, match="no role"):
            access.renewed(gone)


def test_secrets_that_vanish_make_nobody_admin(secrets, monkeypatch):
    secrets(AUTH + ROLES)
    assert access.request_user(request(cookies(ANNA, monkeypatch))).role == "reader"
    for text in ("", "[other]\nkey = 1\n"):
        secrets(text)
        with pytest.raises(access.AccessError, match="is gone"):
            access.request_user(request({}))
        with pytest.raises(access.AccessError, match="is gone"):
            access.current_user()


@pytest.mark.parametrize("more", [{}, {"groups": [sha256(bytes([number])).hexdigest() for number in range(200)]}], ids=["one cookie", "in parts"])
def test_the_cookie_of_streamlit_is_read_as_streamlit_reads_it(signed_in, monkeypatch, more):
    """Fails when Streamlit changes how it keeps its sign-in: then `_cookie_claims` must follow."""
    sent = cookies({**ANNA, **more}, monkeypatch)
    assert sorted(sent)[0] == "_streamlit_user"
    assert (len(sent) > 2) == bool(more)
    monkeypatch.setattr(secrets_singleton, "_secrets", {"auth": {"cookie_secret": COOKIE_SECRET}})
    raw = starlette_websocket._get_signed_cookie_with_chunks(sent, starlette_server_config.USER_COOKIE_NAME)
    of_page = starlette_websocket._parse_decoded_user_cookie(raw, "http://localhost:8501")
    assert of_page == {**ANNA, **more, "provider": "default"}
    assert access._cookie_claims(request(sent), access.rules().auth) == of_page
    assert access.request_user(request(sent)) == access.User("anna@heart.example", "reader")


def test_a_cookie_that_does_not_hold_signs_nobody_in(signed_in, secrets, monkeypatch):
    good = cookies(ANNA, monkeypatch)
    name = starlette_server_config.USER_COOKIE_NAME
    body, _, signature = good[name].partition(".")
    forged = [{}, {name: ""}, {name: "nonsense"}, {name: f"{body}x.{signature}"}, {name: "ÿ" + good[name]}, {name: good["_streamlit_user_tokens"]}]
    with monkeypatch.context() as patched:
        patched.setattr(TimestampSigner, "get_timestamp", lambda signer: 1_000_000_000)
        forged.append(cookies(ANNA, patched))  # signed in years ago
    for sent in forged:
        with pytest.raises(access.NotSignedInError):
            access.request_user(request(sent))
    secrets(AUTH.replace(COOKIE_SECRET, COOKIE_SECRET[::-1]) + ROLES)
    with pytest.raises(access.NotSignedInError):
        access.request_user(request(good))
    secrets(AUTH.replace("8501", "8502") + ROLES)
    with pytest.raises(access.NotSignedInError):
        access.request_user(request(good))


def served(monkeypatch) -> TestClient:
    """A route that is guarded as those of the strip are, and one that is not, behind the guard of the app."""

    def tile(sent: Request) -> JSONResponse:
        try:
            grant = tokens.check(sent.headers.get("X-Strip-Token"), access.request_user(sent).name, sent.path_params["record_id"])
        except access.AccessError as error:
            return JSONResponse({"error": str(error)}, 403)
        return JSONResponse({"reading": grant.reading_id})

    def everyone(sent: Request) -> JSONResponse:
        return JSONResponse({})

    monkeypatch.setenv(tokens.SECRET, "a secret of these tests, long enough")
    routes = [
        Route("/strip/{record_id}/tile", tile),
        Route("/media/{name}", everyone),
        Route("/_stcore/upload_file/{name}", everyone, methods=["PUT"]),
        Route("/_stcore/health", everyone),
    ]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(access.Guard)]), base_url="http://localhost:8501")


def test_a_route_opens_to_the_user_of_the_token_alone(signed_in, monkeypatch):
    header = {"X-Strip-Token": tokens_of_anna(monkeypatch)}
    anna, bert = served(monkeypatch), served(monkeypatch)
    anna.cookies.update(cookies(ANNA, monkeypatch))
    bert.cookies.update(cookies({**ANNA, "email": "bert@heart.example"}, monkeypatch))
    assert anna.get("/strip/one/tile", headers=header).json() == {"reading": "reading of anna"}
    for client, path, sent, said in (
        (bert, "/strip/one/tile", header, "another user"),
        (anna, "/strip/two/tile", header, "another record"),
        (anna, "/strip/one/tile", {}, "no token"),
        (served(monkeypatch), "/strip/one/tile", header, "sign in"),
    ):
        answer = client.get(path, headers=sent)
        assert answer.status_code == 403
        assert said in answer.json()["error"]


def tokens_of_anna(monkeypatch) -> str:
    monkeypatch.setenv(tokens.SECRET, "a secret of these tests, long enough")
    return tokens.issue("anna@heart.example", "one", "reading of anna")


def test_exports_and_uploads_are_for_those_with_a_role(signed_in, secrets, monkeypatch):
    client = served(monkeypatch)
    assert client.get("/_stcore/health").status_code == 200
    for role, status in ((None, 403), ("stranger", 403), ("anna", 200)):
        if role:
            client.cookies.update(cookies({**ANNA, "email": f"{role}@heart.example"}, monkeypatch))
        assert client.get("/media/export.json").status_code == status
        assert client.put("/_stcore/upload_file/one.dat").status_code == status
    secrets(AUTH)
    assert client.get("/media/export.json").status_code == 403
    monkeypatch.setattr(access, "_path", lambda scope: "/_stcore/health")  # the route itself lets everyone in
    assert client.get("/media/export.json").status_code == 200


def test_the_guard_knows_a_base_path(monkeypatch):
    monkeypatch.setattr(access.st, "get_option", {"server.baseUrlPath": "/ecg/"}.get)
    assert access._path({"path": "/ecg/media/export.json"}) == "/media/export.json"
    assert access._path({"path": "/media/export.json"}) == "/media/export.json"


def test_the_app_has_the_guard():
    import streamlit_app

    assert access.Guard in [entry.cls for entry in streamlit_app.app._user_middleware]


VISITORS = {
    "nobody": ({}, [("button", "Sign in")]),
    "a stranger": (
        {**ANNA, "email": "stranger@heart.example"},
        [("text", "stranger@heart.example"), ("button", "Sign out"), ("warning", plain("This e-mail address has no role in Leadwise; ask its administrator for one."))],
    ),
    "not verified": (
        {**ANNA, "email_verified": False},
        [
            ("text", "anna@heart.example"),
            ("button", "Sign out"),
            ("warning", plain("The sign-in provider has not verified this e-mail address; verify it there, then sign in again.")),
        ],
    ),
}


def opened(page: str, claims: dict) -> AppTest:
    """A page before the router has run, as Streamlit runs its file by itself."""
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30).switch_page(page)
    app.user = dict(claims)
    return app.run()


def seen(app: AppTest) -> list[tuple[str, str]]:
    kinds = (
        "title",
        "header",
        "subheader",
        "markdown",
        "text",
        "button",
        "warning",
        "error",
        "info",
        "caption",
        "selectbox",
        "text_input",
        "file_uploader",
        "page_link",
        "download_button",
    )
    return [(kind, getattr(element, "label", None) or element.value) for kind in kinds for element in app.get(kind)]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("visitor", VISITORS)
def test_no_page_shows_anything_without_a_role(home, signed_in, page, visitor):
    claims, shown = VISITORS[visitor]
    app = opened(page, claims)
    assert not app.exception
    assert seen(app) == [("title", "Leadwise"), ("markdown", "ECG review desk"), *shown, ("caption", shell.NOTICE)]
    assert not home.exists()  # nothing was opened either


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_anything_while_the_secrets_cannot_be_followed(home, secrets, page):
    secrets(AUTH + '[roles]\nboss = ["anna@heart.example"]')
    app = opened(page, ANNA)
    assert not app.exception
    assert seen(app)[2:] == [("error", plain("Nobody can be let in: [roles] has no role 'boss'; there are: reader, reviewer, admin.")), ("caption", shell.NOTICE)]
    assert not home.exists()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_to_a_reader_and_says_who_he_is(home, signed_in, page):
    app = opened(page, ANNA)
    assert not app.exception
    assert ("text", "anna@heart.example, reader") in seen(app)
    assert any(shell.NOTICE in text for kind, text in seen(app) if kind == "markdown")
    assert ("title", "Leadwise") not in seen(app)
    app.button(key="sign-out").click().run()
    assert not app.exception
    assert seen(app)[2:] == [("button", "Sign in"), ("caption", shell.NOTICE)]


def test_local_mode_says_nothing_of_sign_in(app, secrets):
    app.run()
    assert f"**Leadwise** · {shell.NOTICE}" in [caption.value for caption in app.caption]
    assert not any(button.key == "sign-out" for button in app.button)


def test_a_role_taken_away_closes_the_page_that_is_open(home, signed_in, secrets):
    app = opened("pages/records.py", ANNA)
    assert app.title[0].value == "Records"
    secrets(AUTH + ROLES.replace("anna", "hanna"))
    app.run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Leadwise"]
    assert not app.get("file_uploader")
