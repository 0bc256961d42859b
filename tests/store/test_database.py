import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from ecgcore.errors import StoreError
from ecgcore.settings import ROOT
from ecgcore.store import Store, database
from ecgcore.store.tables import Base, UtcDateTime

OPEN = "import sys; from pathlib import Path; from ecgcore.store import Store; Store(Path(sys.argv[1])).close()"
ADD = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/store")
from conftest import wfdb_files
from ecgcore.store import Store
store = Store(Path(sys.argv[1]))
for seed in range(8):
    store.add(wfdb_files("r", seed))
    store.list()
"""


def run_together(code: str, argument: str, count: int) -> None:
    command = [sys.executable, "-c", code, argument]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(count)]  # noqa: S603  # our own interpreter
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said


def test_migrations_give_the_schema_of_the_tables(tmp_path):
    engine = database.connect(f"sqlite:///{tmp_path / 'db'}")
    database.migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
    engine.dispose()


def test_opening_twice_changes_nothing(tmp_path):
    for _ in range(2):
        engine = database.connect(f"sqlite:///{tmp_path / 'db'}")
        database.migrate(engine)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0001"]
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
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
    for url in (None, "nonsense"):
        with pytest.raises(StoreError) as caught:
            Store(tmp_path, url)
        assert "\n" not in str(caught.value)


def test_processes_may_open_a_new_store_at_once(tmp_path):
    run_together(OPEN, str(tmp_path / "new"), 3)
    store = Store(tmp_path / "new")
    assert store.list() == ()
    store.close()


def test_processes_may_add_at_once(tmp_path):
    run_together(ADD, str(tmp_path), 2)
    store = Store(tmp_path)
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
