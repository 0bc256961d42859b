import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from ecgcore.errors import StoreError
from ecgcore.settings import ROOT
from ecgcore.store import LOCAL_USER, Reconstructions, Reviews, Store, database
from ecgcore.store.tables import AnalysisRow, Base, FileRow, RecordRow, UtcDateTime

OPEN = "import sys; from pathlib import Path; from ecgcore.store import Store; Store(Path(sys.argv[1]), sys.argv[2]).close()"
ADD = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/store")
from conftest import wfdb_files
from ecgcore.store import Store
store = Store(Path(sys.argv[1]), sys.argv[2])
for seed in range(8):
    store.add(wfdb_files("r", seed))
    store.list()
"""


def run_together(code: str, arguments: tuple[str, ...], count: int) -> None:
    running = [subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(count)]  # noqa: S603  # our own interpreter
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said


def migrated_to(url: str, revision: str) -> None:
    """Bring a database to a version, up or down."""
    engine = database.connect(url)
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        at = MigrationContext.configure(connection).get_current_revision()
        (command.upgrade if at is None or at < revision else command.downgrade)(config, revision)
    engine.dispose()


def tables(url: str) -> set[str]:
    engine = database.connect(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


@pytest.fixture
def empty_url(request, tmp_path, database_url):
    """A database without tables, of the same kind."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgres")
    url = server.new("template0")
    yield url
    server.drop(url)


def test_migrations_give_the_schema_of_the_tables(empty_url):
    engine = database.connect(empty_url)
    database.migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
    engine.dispose()


def test_opening_twice_changes_nothing(tmp_path):
    for _ in range(2):
        engine = database.connect(f"sqlite:///{tmp_path / 'db'}")
        database.migrate(engine)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0004"]
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        engine.dispose()


def test_an_old_database_keeps_its_rows(tmp_path, empty_url, found):
    migrated_to(empty_url, "0001")
    engine = database.connect(empty_url)
    now = datetime.now(UTC)
    with Session(database.writing(engine)) as session, session.begin():
        row = RecordRow(
            id="r", name="old", sha256="0" * 64, fingerprint="f", format="wfdb", leads=["I"], fs_hz=250.0, n_samples=1000, start=None, created=now, owner=LOCAL_USER, facts={}
        )
        row.files = [FileRow(name="old.hea", sha256="1" * 64, size=3)]
        session.add(row)
        session.flush()
        session.add(AnalysisRow(id="a", record_id="r", leads='["I"]', model="beats", version="1", detector="d@1", created=now, counts={"N": 1}, body="{}"))
    engine.dispose()
    store = Store(tmp_path / "home", empty_url)
    assert [(record.id, record.name, record.created, len(record.files)) for record in store.list()] == [("r", "old", now, 1)]
    assert [analysis.id for analysis in store.analyses("r")] == ["a"]
    assert Reviews(store).reading("r", "a").model == "beats@1"
    store.close()


def test_the_tables_of_reviews_can_be_taken_back(empty_url):
    migrated_to(empty_url, "0001")
    before = tables(empty_url)
    migrated_to(empty_url, "0002")
    assert {"events", "readings", "sessions", "signoffs"} < tables(empty_url)
    migrated_to(empty_url, "0001")
    assert tables(empty_url) == before
    migrated_to(empty_url, "0002")


def test_reconstructions_come_to_a_database_that_has_readings(tmp_path, empty_url, found, files, piece):
    migrated_to(empty_url, "0002")
    before = tables(empty_url)
    store = Store(tmp_path / "home", empty_url)
    record_id = store.add(files()).id
    reading = Reviews(store).reading(record_id, store.save_analysis(record_id, found(store.open(record_id))).id)
    Reviews(store).sign(reading.id, "anna", "")
    kept = Reconstructions(store).accept(record_id, piece(), "anna")
    assert Reconstructions(store).of(record_id) == (kept,)
    store.close()
    migrated_to(empty_url, "0002")
    assert tables(empty_url) == before
    store = Store(tmp_path / "home", empty_url)  # which brings it up again
    assert Reviews(store).get(reading.id).signed is not None
    assert Reconstructions(store).of(record_id) == ()
    store.close()


@pytest.mark.parametrize("spelling", ["postgres://", "postgresql://", "postgresql+psycopg2://"])
def test_any_postgresql_url_is_spoken_to_through_psycopg(spelling):
    engine = database.connect(f"{spelling}anna@nowhere/leadwise")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")
    engine.dispose()


def test_a_server_that_does_not_answer_is_told_in_one_line(tmp_path):
    with pytest.raises(StoreError, match="the database cannot be used") as caught:
        Store(tmp_path, f"postgresql://anna:secret@/leadwise?host={tmp_path}")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nobody_waits_for_a_lock_without_end(postgres):
    engine = database.connect(postgres.url("migrated"))
    with engine.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "30s"
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused(tmp_path):
    engine = database.connect(f"sqlite:///{tmp_path / 'leadwise.db'}")
    database.migrate(engine)
    with database.writing(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="newer Leadwise"):
        Store(tmp_path)


def test_a_foreign_file_and_a_foreign_url_are_refused(tmp_path):
    (tmp_path / "leadwise.db").write_bytes(b"this is no database at all" * 100)
    for url in (None, "nonsense", "mysql://localhost/leadwise"):
        with pytest.raises(StoreError) as caught:
            Store(tmp_path, url)
        assert "\n" not in str(caught.value)


def test_processes_may_open_a_new_store_at_once(tmp_path, empty_url):
    run_together(OPEN, (str(tmp_path / "new"), empty_url), 3)
    store = Store(tmp_path / "new", empty_url)
    assert store.list() == ()
    store.close()


def test_processes_may_add_at_once(tmp_path, database_url):
    run_together(ADD, (str(tmp_path), database_url), 2)
    store = Store(tmp_path, database_url)
    assert len(store.list()) == 8
    assert len(list((tmp_path / "cache").iterdir())) == 8
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []
    store.close()


def test_threads_are_never_told_that_the_database_is_locked(store, files):
    added = store.add(files())
    failures: list[Exception] = []

    def work(seed: int) -> None:
        try:
            for turn in range(5):
                store.add(files("t", 10 * seed + turn))
                store.open(added.id)
                store.list()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.list()) == 31


def test_times_are_utc():
    column = UtcDateTime()
    east = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=3)))
    assert column.process_bind_param(east, None) == datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert column.process_result_value(datetime(2024, 1, 1, 9), None) == datetime(2024, 1, 1, 9, tzinfo=UTC)
    with pytest.raises(ValueError, match="no time zone"):
        column.process_bind_param(datetime(2024, 1, 1), None)
