"""Signed, expiring tokens: which record and which reading a user may fetch beside the pages."""

import hmac
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from ecgcore import settings
from pages.ui import access

LIFETIME_S: Final = 1800
SECRET: Final = "LEADWISE_SECRET"  # noqa: S105  # the name of the variable
_PURPOSE: Final = "leadwise strip token"
_KEY_BYTES: Final = 32


class TokenError(access.AccessError):
    """A token that opens nothing; `expired` where a new one would."""

    def __init__(self, message: str, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(frozen=True)
class Grant:
    """What a token opens: one record, and one reading of it where there is one, for one user."""

    user: str
    record_id: str
    reading_id: str | None


def issue(user: str, record_id: str, reading_id: str | None) -> str:
    """A token for LIFETIME_S seconds. Raises AccessError where there is no key to sign by."""
    return _serializer().dumps([user, record_id, reading_id])


def check(token: str | None, user: str, record_id: str) -> Grant:
    """What a token opens to this user. Raises TokenError where it is missing, forged, expired, another's, or for another record."""
    if not token:
        raise TokenError("the request carries no token; open the record anew")
    try:
        grant = Grant(*_serializer().loads(token, max_age=LIFETIME_S))
    except SignatureExpired as error:
        raise TokenError(f"the token is older than {LIFETIME_S // 60} minutes; ask for a new one", expired=True) from error
    except BadData as error:
        raise TokenError("the token was not signed here; open the record anew") from error
    if grant.user != user:
        raise TokenError("the token belongs to another user; open the record anew")
    if grant.record_id != record_id:
        raise TokenError("the token is for another record; open this record anew")
    return grant


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_key(), salt=_PURPOSE, signer_kwargs={"key_derivation": "hmac", "digest_method": sha256})


def _key() -> bytes:
    """Several machines that serve together share the stated secret, or in OIDC mode the cookie's; alone, a key kept in the app's folder will do."""
    stated = os.environ.get(SECRET)
    if stated is not None:
        if len(stated) < access.SECRET_LENGTH:
            raise access.AccessError(f"{SECRET} has {len(stated)} characters; make it {access.SECRET_LENGTH} or more, at random")
        return stated.encode()
    auth = access.rules().auth
    if auth is not None:
        return hmac.digest(auth["cookie_secret"].encode(), _PURPOSE.encode(), "sha256")
    return kept_key(settings.home() / "token.key")


def kept_key(path: Path) -> bytes:
    """The key in this file, 32 bytes that only its owner can read; made where there is none. Raises AccessError."""
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise access.AccessError(f"the key in {path} cannot be used: {error.strerror}") from error
    if len(key) != _KEY_BYTES:
        raise access.AccessError(f"the key in {path} has {len(key)} bytes instead of {_KEY_BYTES}; delete it, and a new one is made")
    return key


def _make(path: Path) -> None:
    """Written aside and linked into place: of two processes that make it at once one wins, and neither sees half a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(aside, path)
        except FileExistsError:
            return
    finally:
        aside.unlink()
