from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgcore.store import Store

Files = dict[str, bytes]


def wfdb_files(name: str = "one", seed: int = 0, n_samples: int = 1000) -> Files:
    """A WFDB recording of two leads in format 16, in memory."""
    samples = np.random.default_rng(seed).integers(-900, 900, (n_samples, 2), np.int16)
    header = f"{name} 2 250 {n_samples} 12:30:00 01/02/2024\n{name}.dat 16 200/mV 16 0 0 0 0 I\n{name}.dat 16 200/mV 16 0 0 0 0 II\n"
    return {f"{name}.hea": header.encode(), f"{name}.dat": samples.astype("<i2").tobytes()}


@pytest.fixture
def files() -> Callable[..., Files]:
    return wfdb_files


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()
