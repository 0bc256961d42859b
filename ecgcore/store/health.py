"""How the database is: which it is, how fast it answers, how large it is, how much is in it."""

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, text

from ecgcore.store import database
from ecgcore.store import job_tables as job_tables  # its tables, and the next one's, are among those counted
from ecgcore.store import review_tables as review_tables
from ecgcore.store.store import Store
from ecgcore.store.tables import Base

KINDS: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_SIZES: Final = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


@dataclass(frozen=True)
class Health:
    """A database that answers.

    version      of the database's program
    url          without its password
    answered_ms  until it answered the least of questions
    size         bytes on its disk
    rows         by table
    """

    kind: str
    version: str
    url: str
    answered_ms: float
    size: int
    rows: dict[str, int]


def look(store: Store) -> Health:
    """How a store's database is now. Raises StoreError where it does not answer."""
    engine = store.engine
    name = engine.dialect.name
    with database.read(engine) as session:
        session.execute(text("SELECT 1"))  # the connection is made first, where there is none: that is not what is measured
        begun = time.perf_counter()
        session.execute(text("SELECT 1"))
        answered_ms = (time.perf_counter() - begun) * 1000
        size = session.execute(text(_SIZES[name])).scalar_one()
        rows = {table.name: session.execute(select(func.count()).select_from(table)).scalar_one() for table in Base.metadata.sorted_tables}
    version = ".".join(map(str, engine.dialect.server_version_info or ()))
    return Health(KINDS[name], version, engine.url.render_as_string(hide_password=True), answered_ms, int(size), rows)
