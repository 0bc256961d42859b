"""What the System part says of workers, queue, database, disk and users. Knows nothing of Streamlit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from ecgcore.store.health import Health
from ecgcore.store.jobs import Worker
from pages.ui import access
from pages.ui.admin.telling import ago, gigabytes, machine
from pages.ui.text import moment, plain

WORKERS: Final = ("Worker", "Process", "Computes on", "Last seen", "Began (UTC)")
STOPPED: Final = 3  # of the workers that have ended so many are named
LOCAL_MODE: Final = "Local mode: no sign-in is configured, so Leadwise answers this machine alone, and whoever sits at it is admin under the name local."
SIGN_IN: Final = "Sign-in by OIDC. Roles are stated under [roles] in {files}; a change there counts from the next request on."
WHAT_ROLES_MAY: Final = "A reader opens and edits records; a reviewer also makes sessions and adjudicates; an admin may do all, this page included."
Rows = list[tuple[str, ...]]


def workers(there: Sequence[Worker], now: datetime) -> Rows:
    """The workers that are alive, and of the others those that began last."""
    alive = [one for one in there if one.alive(now)]
    gone = [one for one in there if not one.alive(now)]
    return [_worker(one, now) for one in (*alive, *gone[:STOPPED])]


def _worker(one: Worker, now: datetime) -> tuple[str, ...]:
    since = (now - one.seen).total_seconds()
    seen = f"alive, {ago(since)}" if one.alive(now) else f"stopped, {ago((now - one.stopped).total_seconds())}" if one.stopped else f"silent, {ago(since)}"
    return plain(one.host), str(one.pid), plain(machine(one)), seen, moment(one.started)


def database(found: Health) -> tuple[tuple[str, str], Rows]:
    """Which database it is, and what is known of it."""
    return ("Database", plain(f"{found.kind} {found.version}")), [
        ("URL", plain(found.url)),
        ("Answers in", f"{found.answered_ms:.2g} ms"),
        ("Size", gigabytes(found.size)),
    ]


def rows(found: Health) -> str:
    """How many rows each table has, those that have none together."""
    filled = [f"{name} {count:,}" for name, count in sorted(found.rows.items(), key=lambda item: -item[1]) if count]
    empty = sorted(name for name, count in found.rows.items() if not count)
    return f"Rows: {', '.join(filled) or 'none'}." + (f" Empty: {', '.join(empty)}." if empty else "")


def queue(url: str | None) -> str:
    """Which queue it is; of a URL neither user nor password."""
    if url is None:
        return "SQLite file queue.db"
    parts = urlsplit(url)
    place = parts.hostname or parts.path
    return f"Redis at {place}{f':{parts.port}' if parts.port else ''}"


def storage(taken: Mapping[str, int], free: int) -> Rows:
    """Room by what it is for, the sum, and what is left."""
    return [*((plain(what), gigabytes(size)) for what, size in taken.items()), ("**in all**", f"**{gigabytes(sum(taken.values()))}**"), ("free on this disk", gigabytes(free))]


def users(rules: access.Rules, last: Mapping[str, datetime], now: datetime) -> Rows:
    """Everyone who has a role: the role, and when the audit log last heard of him."""
    roles = {access.LOCAL.name: access.LOCAL.role} if rules.auth is None else rules.roles
    order = {role: -number for number, role in enumerate(access.ROLES)}
    ordered = sorted(roles.items(), key=lambda item: (order[item[1]], item[0]))
    return [(plain(name), role, ago((now - last[name]).total_seconds()) if name in last else "never") for name, role in ordered]


def where_roles_are(rules: access.Rules, files: Sequence[str]) -> str:
    """What decides who may do what."""
    return LOCAL_MODE if rules.auth is None else SIGN_IN.format(files=" or ".join(files))
