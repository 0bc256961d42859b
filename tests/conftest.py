"""What all tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecgcore.settings import data_folders


@pytest.fixture(scope="session")
def data_set() -> Callable[[str], Path]:
    """The folder of a data set by name; skips the test where it is absent."""

    def find(name: str) -> Path:
        found = next((folder / name for folder in data_folders() if (folder / name).is_dir()), None)
        if found is None:
            pytest.skip(f"data set {name} is in none of {', '.join(map(str, data_folders()))}")
        return found

    return find
