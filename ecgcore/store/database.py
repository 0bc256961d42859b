"""The database: how it is reached, and how its tables come to be those of this version."""

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError

from ecgcore.errors import StoreError

BUSY_TIMEOUT_S: Final = 30
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 0x1EAD  # any number that all processes agree on


def connect(url: str) -> Engine:
    """An engine for a SQLAlchemy URL; creates the folder of a SQLite file. Raises StoreError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no database URL; one looks like sqlite:////path/leadwise.db") from error
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write.

    On SQLite they take the write lock when they begin: a reader that turns writer is refused at once, whatever the timeout.
    """
    return engine.execution_options(writes=True)


def migrate(engine: Engine) -> None:
    """Bring the tables to this version; a second process that comes meanwhile waits. Raises StoreError."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(f"the database was written by a newer Leadwise: {error}") from error


def _set_up_sqlite(connection: DBAPIConnection, _: Any) -> None:
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101  # a promise of SQLAlchemy, not user input
    connection.isolation_level = None  # transactions begin in `_begin_sqlite`, not at the driver's whim
    connection.execute("PRAGMA foreign_keys = ON")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _switch_to_wal(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """WAL lets readers read while one writes. SQLite does not wait for its turn to switch, so this does."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def one_line(error: DBAPIError) -> str:
    """What the database said, without the statement it said it to."""
    return str(error.orig).splitlines()[0] if error.orig else "the database did not answer"
