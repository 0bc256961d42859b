"""Who is there, and what he may do: decided before every page and every route.

Local mode, no [auth] in the secrets files: one user, who is admin, and only while the server listens to this machine alone.
OIDC mode: the provider states an e-mail address, [roles] in the same files states what its owner is. Both are looked up at every
request, so that a role taken away is gone at once. What cannot be understood lets nobody in.

AccessError           who is there may not do that, or nobody can be let in
├── NotSignedInError    nobody has signed in yet
└── RefusedError        somebody has, and has no role (`.name` is who)
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from threading import Event
from typing import Any, Final, Literal, get_args

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ecgcore.errors import EcgError

Role = Literal["reader", "reviewer", "admin"]
Permission = Literal["read", "edit", "upload", "session", "adjudicate", "delete", "admin"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    "reader": frozenset({"read", "edit", "upload"}),
    "reviewer": frozenset({"read", "edit", "upload", "session", "adjudicate"}),
    "admin": frozenset(get_args(Permission)),
}
DOING: Final[Mapping[Permission, str]] = {
    "read": "open records",
    "edit": "edit readings",
    "upload": "add recordings",
    "session": "make review sessions",
    "adjudicate": "adjudicate",
    "delete": "delete records",
    "admin": "administer Leadwise",
}
SECRET_LENGTH: Final = 32  # characters that a key must have at least
_NEEDED: Final = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_GUARDED: Final = ("/media/", "/_stcore/upload_file/", "/strip/")  # Streamlit checks nobody at the first two
_signs_in: Final = Event()  # set when this process has seen [auth]: from then on a file that is gone does not make everyone admin


class AccessError(EcgError):
    """Who is there may not do that, or nobody can be let in."""


class NotSignedInError(AccessError):
    """Nobody has signed in yet."""


class RefusedError(AccessError):
    """Somebody has signed in, and has no role."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class User:
    """Who is there: an e-mail address in lower case, or "local"."""

    name: str
    role: Role


@dataclass(frozen=True)
class Rules:
    """What the secrets files say: the [auth] table, None in local mode, and the role of each e-mail address."""

    auth: Mapping[str, Any] | None
    roles: Mapping[str, Role]


LOCAL: Final = User("local", "admin")


def may(user: User, what: Permission) -> bool:
    """Whether the role of this user allows it."""
    return what in PERMISSIONS[user.role]


def require(user: User, what: Permission) -> None:
    """Nothing where the role of this user allows it. Raises AccessError."""
    if not may(user, what):
        allowed = [role for role in ROLES if what in PERMISSIONS[role]]
        raise AccessError(f"{user.name} is {user.role} and may not {DOING[what]}; {' or '.join(allowed)} may")


def current_user() -> User:
    """Who runs this page. Raises AccessError where nobody may."""
    found = rules()
    return LOCAL if found.auth is None else user_of(st.user.to_dict(), found.roles)


def request_user(request: Request) -> User:
    """Who sent this request. Raises AccessError where nobody may."""
    found = rules()
    return LOCAL if found.auth is None else user_of(_cookie_claims(request, found.auth), found.roles)


def renewed(user: User) -> User:
    """A user of a moment ago, with the role he has now. Raises AccessError.

    For what runs later than the page that made it, and before the next page is run: callbacks of buttons, and downloads, which Streamlit
    runs where there is no st.user.
    """
    found = rules()
    return _with_role(user.name, {LOCAL.name: LOCAL.role} if found.auth is None else found.roles)


def is_known() -> bool:
    """Whether whoever runs this page may see any page."""
    try:
        current_user()
    except AccessError:
        return False
    return True


def is_admin() -> bool:
    """Whether whoever runs this page may administer Leadwise."""
    try:
        return may(current_user(), "admin")
    except AccessError:
        return False


def readers() -> tuple[str, ...]:
    """The names of all who have a role, in order. Raises AccessError."""
    found = rules()
    return (LOCAL.name,) if found.auth is None else tuple(sorted(found.roles))


def user_of(claims: Mapping[str, Any], roles: Mapping[str, Role]) -> User:
    """The user whom a provider's claims name. Raises NotSignedInError, RefusedError."""
    if claims.get("is_logged_in") is not True:
        raise NotSignedInError("sign in to open Leadwise")
    name = _folded(str(claims.get("email") or ""))
    if not name:
        raise RefusedError("the sign-in provider states no e-mail address for you, and roles go by e-mail address", str(claims.get("name") or claims.get("sub") or "nameless"))
    verified = claims.get("email_verified")  # some providers never say, some say it as text
    if verified is not None and str(verified).lower() != "true":
        raise RefusedError("the sign-in provider has not verified this e-mail address; verify it there, then sign in again", name)
    return _with_role(name, roles)


def secrets_files() -> tuple[Path, ...]:
    """Where Streamlit looks for secrets; later files replace whole tables of earlier ones."""
    return tuple(Path(path) for path in st.get_option("secrets.files"))


def rules() -> Rules:
    """What the secrets files say now. Raises AccessError.

    They are read anew each time: Streamlit's own watch over them ends for good when it once meets a broken or missing file.
    """
    found = rules_of(tuple((path.name, _text(path)) for path in secrets_files()))
    if found.auth is not None:
        _signs_in.set()
    elif _signs_in.is_set():
        raise AccessError("the secrets file with [auth] is gone; nobody is let in until it is back")
    elif not _is_this_machine(address := st.get_option("server.address")):
        raise AccessError(f"without sign-in Leadwise serves this machine alone, but server.address is {address or 'not set'}; set it to localhost, or add [auth] to the secrets")
    return found


@lru_cache(maxsize=4)
def rules_of(files: tuple[tuple[str, str], ...]) -> Rules:
    """What secrets files, as (name, text), say together. Raises AccessError."""
    stated: dict[str, Any] = {}
    for name, text in files:
        try:
            stated.update(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise AccessError(f"{name} is not TOML: {error}") from error
    if "auth" not in stated:
        if "roles" in stated:
            raise AccessError("[roles] says who may do what, but there is no [auth] to sign in by; add it")
        return Rules(None, {})
    return Rules(_auth(stated["auth"]), _roles(stated.get("roles", {})))


def _auth(stated: Any) -> Mapping[str, Any]:
    missing = [key for key in _NEEDED if not (isinstance(stated, dict) and isinstance(stated.get(key), str) and stated[key])]
    if missing:
        raise AccessError(f"[auth] does not state {', '.join(missing)}")
    if len(stated["cookie_secret"]) < SECRET_LENGTH:  # whoever guesses it can sign in as anyone
        raise AccessError(f"cookie_secret in [auth] has {len(stated['cookie_secret'])} characters; make it {SECRET_LENGTH} or more, at random")
    return dict(stated)


def _roles(stated: Any) -> Mapping[str, Role]:
    if not isinstance(stated, dict):
        raise AccessError(f"[roles] must be a table of roles, not {stated!r}")
    found: dict[str, Role] = {}
    for role, addresses in stated.items():
        if role not in ROLES:
            raise AccessError(f"[roles] has no role {role!r}; there are: {', '.join(ROLES)}")
        if not isinstance(addresses, list) or not all(isinstance(address, str) and "@" in address for address in addresses):
            raise AccessError(f"{role} in [roles] must be a list of e-mail addresses, not {addresses!r}")
        for address in map(_folded, addresses):
            if found.setdefault(address, role) != role:
                raise AccessError(f"{address} is both {found[address]} and {role} in [roles]; state one role")
    return found


def _with_role(name: str, roles: Mapping[str, Role]) -> User:
    if name not in roles:
        raise RefusedError("this e-mail address has no role in Leadwise; ask its administrator for one", name)
    return User(name, roles[name])


def _folded(address: str) -> str:
    """An e-mail address as it is compared. Beyond ASCII nothing is folded: lower case would make the Kelvin sign a k, and another person this one."""
    address = address.strip()
    return address.lower() if address.isascii() else address


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{path.name} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from error


def _is_this_machine(address: str | None) -> bool:
    if address == "localhost":
        return True
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False


def _cookie_claims(request: Request, auth: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Streamlit's sign-in cookie says; nothing where there is none that holds.

    Streamlit has no st.user for routes. This reads the cookie as its websocket does (streamlit/web/server/starlette/starlette_websocket.py:
    signature, age, parts, origin), by its private functions; a test fails when they change.
    """
    from streamlit.auth_util import get_cookie_with_chunks, get_redirect_uri
    from streamlit.runtime.secrets import AttrDict
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
    from streamlit.web.server.starlette.starlette_websocket import _parse_decoded_user_cookie

    def part(name: str) -> bytes | None:
        signed = request.cookies.get(name)
        return decode_signed_value(auth["cookie_secret"], name, signed.encode("latin-1")) if signed else None

    said = get_cookie_with_chunks(part, USER_COOKIE_NAME)
    return _parse_decoded_user_cookie(said, get_redirect_uri(AttrDict(auth)) or "") if said else {}


class Guard:
    """What is fetched beside the pages (exports, uploads, signals) only for those who have a role; for `middleware=` of st.App."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 in place of the app, or let the app answer."""
        if scope["type"] == "http" and _path(scope).startswith(_GUARDED):
            try:
                request_user(Request(scope))
            except AccessError as error:
                await JSONResponse({"error": str(error)}, 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _path(scope: Scope) -> str:
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return str(scope["path"]).removeprefix(f"/{base}") if base else str(scope["path"])
