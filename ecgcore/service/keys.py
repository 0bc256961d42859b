"""API keys: kept as their SHA-256, so that who reads the settings can use none of them."""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ecgcore.errors import InputError
from ecgcore.service.config import KEYS

PREFIX: Final = "lw_"
_RANDOM_BYTES: Final = 32  # guessed by nobody, so that a plain digest keeps them
_ENTRY: Final = re.compile(r"(?:([\w.@-]{1,64}):)?([0-9a-fA-F]{64})")
_LONGEST: Final = 512


@dataclass(frozen=True)
class Keys:
    """The keys that are good: (name, SHA-256 in hex) of each."""

    digests: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.digests)

    def name_of(self, key: str) -> str | None:
        """Whose key this is; None where it is nobody's. It takes as long for every key."""
        digest = digest_of(key[:_LONGEST])
        found = None
        for name, known in self.digests:
            if hmac.compare_digest(digest, known):
                found = name
        return found


def new_key() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(key: str) -> str:
    """What is kept of a key: its SHA-256 in hex."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def keys_of(environ: Mapping[str, str]) -> Keys:
    """The keys that the environment states now; none where it states none. Raises InputError."""
    stated = environ.get(KEYS, "").strip()
    if not stated:
        return Keys()
    if _ENTRY.fullmatch(re.split(r"[,\s]", stated)[0]):
        return parse(stated, KEYS)
    path = Path(stated)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{KEYS} must be SHA-256 digests of 64 hex digits, or the path of a file of them, and it is neither; keys themselves are not written there") from error
    found = parse("\n".join(line.partition("#")[0] for line in text.splitlines()), path.name)
    if not found:
        raise InputError(f"{path.name} states no key; write the SHA-256 of one on each line, as `python -m ecgcore serve --new-key` prints it")
    return found


def parse(text: str, source: str) -> Keys:
    """Entries with commas or blanks between them, each a digest or name:digest. Raises InputError quoting none of them."""
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    found = [_ENTRY.fullmatch(entry) for entry in entries]
    for place, match in enumerate(found, 1):
        if match is None:
            raise InputError(f"entry {place} in {source} is no SHA-256 of 64 hex digits, perhaps name:digest; keys themselves are not written there")
    return Keys(tuple((match[1] or f"key{place}", match[2].lower()) for place, match in enumerate(found, 1) if match))
