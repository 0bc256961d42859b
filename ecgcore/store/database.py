"""The database: how it is reached, and how its tables come to be those of this version."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from ecgcore.errors import StoreError

BUSY_TIMEOUT_S: Final = 30
MIGRATIONS: Final = Path(__file__).parent / "migrations"
URLS: Final = "sqlite:////path/leadwise.db or postgresql://user@host/leadwise"
# Any numbers that all processes agree on.
_MIGRATION_LOCK: Final = 0x1EAD
_FILES_LOCK: Final = 0x1EAE
_DATASETS_LOCK: Final = 0x1EAF


def connect(url: str) -> Engine:
    """An engine for a SQLAlchemy URL of SQLite or PostgreSQL; creates the folder of a SQLite file. Raises StoreError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no database URL; one looks like {URLS}") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend in ("postgresql", "postgres"):
        return _postgresql(parsed)
    raise StoreError(f"{backend!r} is no database that Leadwise knows; a URL looks like {URLS}")


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: URL) -> Engine:
    """Spoken to through psycopg, whatever the URL calls it; a connection that was lost meanwhile is made anew."""
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write.

    On SQLite they take the write lock when they begin: a reader that turns writer is refused at once, whatever the timeout.
    """
    return engine.execution_options(writes=True)


@contextmanager
def read(engine: Engine) -> Iterator[Session]:
    """A session that reads. What the database refuses becomes a StoreError."""
    with as_store_errors(), Session(engine) as session:
        yield session


@contextmanager
def write(engine: Engine) -> Iterator[Session]:
    """A session whose changes are kept all or none. What the database refuses becomes a StoreError."""
    with as_store_errors(), Session(writing(engine), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def as_store_errors() -> Iterator[None]:
    """What the disk or the database refuses is said in one line."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"the store's folder cannot be used: {error.strerror or error} ({error.filename or 'no file named'})") from error
    except DBAPIError as error:
        raise StoreError(f"the database cannot be used: {one_line(error)}") from error


def lock_files(session: Session) -> None:
    """Be the only one who adds or removes stored files until the transaction ends. On SQLite whoever writes is the only one anyway."""
    _lock(session, _FILES_LOCK)


def lock_datasets(session: Session) -> None:
    """Be the only one who adds a data set version until the transaction ends."""
    _lock(session, _DATASETS_LOCK)


def _lock(session: Session, key: int) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


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


def _set_up_postgresql(connection: Any, _: Any) -> None:
    """Nobody waits for a lock longer than on SQLite."""
    connection.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S}s'")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def one_line(error: DBAPIError) -> str:
    """What the database said, without the statement it said it to."""
    return str(error.orig).splitlines()[0] if error.orig else "the database did not answer"
