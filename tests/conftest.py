"""What all tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecgcore.settings import data_folders
from ecgcore.store import database


@pytest.fixture(scope="session")
def data_set() -> Callable[[str], Path]:
    """The folder of a data set by name; skips the test where it is absent."""

    def find(name: str) -> Path:
        found = next((folder / name for folder in data_folders() if (folder / name).is_dir()), None)
        if found is None:
            pytest.skip(f"data set {name} is in none of {', '.join(map(str, data_folders()))}")
        return found

    return find


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows."""
    path = tmp_path_factory.mktemp("migrated") / "leadwise.db"
    engine = database.connect(f"sqlite:///{path}")
    database.migrate(engine)
    engine.dispose()
    return path
