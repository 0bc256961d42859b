"""reconstructions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MADE_OF = "id, record_id, lead, kind, model, start_sample, stop_sample, fs_hz, samples, coverage, who, at"


def upgrade() -> None:
    """Accepted reconstructions, of which a trigger lets nothing change but that they are discarded, once."""
    op.create_table(
        "reconstructions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("record_id", sa.String(32), nullable=False),
        sa.Column("lead", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("model", sa.String(254), nullable=False),
        sa.Column("start_sample", sa.BigInteger(), nullable=False),
        sa.Column("stop_sample", sa.BigInteger(), nullable=False),
        sa.Column("fs_hz", sa.Float(53), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.Column("coverage", sa.Float(53), nullable=False),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("discarded_by", sa.String(254), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_reconstructions_record_id_records"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconstructions")),
    )
    op.create_index(op.f("ix_reconstructions_record_id"), "reconstructions", ["record_id"])
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Without them; those accepted are lost."""
    op.drop_table("reconstructions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION kept_with_its_record()")


def _guard_sqlite() -> None:
    """A row is discarded once, is otherwise never changed, and goes only by the cascade that removes its record."""
    refuse = "BEGIN SELECT RAISE(ABORT, 'reconstructions are never changed'); END"
    there = "EXISTS (SELECT 1 FROM records WHERE id = OLD.record_id)"
    op.execute(f"CREATE TRIGGER reconstructions_no_update BEFORE UPDATE OF {MADE_OF} ON reconstructions {refuse}")
    op.execute(f"CREATE TRIGGER reconstructions_discarded_once BEFORE UPDATE ON reconstructions WHEN OLD.discarded_at IS NOT NULL {refuse}")
    op.execute(f"CREATE TRIGGER reconstructions_no_delete BEFORE DELETE ON reconstructions WHEN {there} {refuse}")


def _guard_postgresql() -> None:
    """The same as on SQLite."""
    op.execute(
        "CREATE FUNCTION kept_with_its_record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT 1 FROM records WHERE id = OLD.record_id) THEN RAISE EXCEPTION '% are never changed', TG_TABLE_NAME; END IF; "
        "RETURN OLD; END $$"
    )
    row = "FOR EACH ROW"
    op.execute(f"CREATE TRIGGER reconstructions_no_update BEFORE UPDATE OF {MADE_OF} ON reconstructions {row} EXECUTE FUNCTION kept_as_it_is()")
    op.execute(f"CREATE TRIGGER reconstructions_discarded_once BEFORE UPDATE ON reconstructions {row} WHEN (OLD.discarded_at IS NOT NULL) EXECUTE FUNCTION kept_as_it_is()")
    op.execute(f"CREATE TRIGGER reconstructions_no_delete BEFORE DELETE ON reconstructions {row} EXECUTE FUNCTION kept_with_its_record()")
    op.execute("CREATE TRIGGER reconstructions_kept_whole BEFORE TRUNCATE ON reconstructions EXECUTE FUNCTION kept_as_it_is()")
