"""readings, events, signoffs, sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEPT = ("events", "signoffs")


def upgrade() -> None:
    """Sessions with their records and readers; readings; their events and signatures, which a trigger keeps as they are."""
    _sessions()
    _readings()
    _events()
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Records, files and analyses alone; what readers did is lost."""
    for table in ("signoffs", "events", "readings", "session_readers", "session_records", "sessions"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION kept_as_it_is()")


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(254), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_table(
        "session_records",
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("record_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_session_records_session_id_sessions"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_session_records_record_id_records"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "record_id", name=op.f("pk_session_records")),
    )
    op.create_table(
        "session_readers",
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("reader", sa.String(254), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_session_readers_session_id_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "reader", name=op.f("pk_session_readers")),
    )


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("record_id", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(32), nullable=True),
        sa.Column("reader", sa.String(254), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("first_analysis_id", sa.String(32), nullable=False),
        sa.Column("analysis_id", sa.String(32), nullable=False),
        sa.Column("model", sa.String(254), nullable=False),
        sa.Column("leads", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("signed_version", sa.Integer(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disagreements", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_readings_record_id_records"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_readings_session_id_sessions"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["first_analysis_id"], ["analyses.id"], name=op.f("fk_readings_first_analysis_id_analyses")),
        sa.ForeignKeyConstraint(["analysis_id"], ["analyses.id"], name=op.f("fk_readings_analysis_id_analyses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.UniqueConstraint("record_id", "session_id", "reader", name=op.f("uq_readings_record_id_session_id_reader")),
    )
    shared = sa.text("session_id IS NULL")
    op.create_index("uq_readings_shared", "readings", ["record_id", "reader"], unique=True, sqlite_where=shared, postgresql_where=shared)


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("reading_id", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(254), nullable=False),
        sa.Column("analysis_id", sa.String(32), nullable=False),
        sa.Column("of", sa.BigInteger(), nullable=True),
        sa.Column("command", sa.String(64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name=op.f("fk_events_reading_id_readings"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("reading_id", "seq", name=op.f("pk_events")),
        sa.UniqueConstraint("reading_id", "command", name=op.f("uq_events_reading_id_command")),
    )
    op.create_table(
        "signoffs",
        sa.Column("reading_id", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name=op.f("fk_signoffs_reading_id_readings"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("reading_id", "version", name=op.f("pk_signoffs")),
    )


def _guard_sqlite() -> None:
    """No row is changed; one is removed only when its reading is gone, that is by the cascade that removes both."""
    for table in KEPT:
        refuse = f"SELECT RAISE(ABORT, '{table} are never changed')"
        there = "EXISTS (SELECT 1 FROM readings WHERE id = OLD.reading_id)"  # fixed names, nobody's input
        op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {refuse}; END")
        op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN {there} BEGIN {refuse}; END")


def _guard_postgresql() -> None:
    """The same as on SQLite."""
    op.execute(
        "CREATE FUNCTION kept_as_it_is() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' THEN IF NOT EXISTS (SELECT 1 FROM readings WHERE id = OLD.reading_id) THEN RETURN OLD; END IF; END IF; "
        "RAISE EXCEPTION '% are never changed', TG_TABLE_NAME; END $$"
    )
    for table in KEPT:
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION kept_as_it_is()")
        op.execute(f"CREATE TRIGGER {table}_kept_whole BEFORE TRUNCATE ON {table} EXECUTE FUNCTION kept_as_it_is()")
