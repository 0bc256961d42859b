"""Alembic runs this file; `ecgcore.store.database.migrate` hands it an open connection in a transaction."""

from alembic import context

from ecgcore.store import job_tables, review_tables  # noqa: F401  # their tables join those of Base
from ecgcore.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
