"""Synthetic recordings in memory, so that the readers are tested without data."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

WfdbFiles = Callable[..., dict[str, bytes]]


@pytest.fixture
def wave() -> NDArray[np.int16]:
    """Two leads of 3600 samples, small integers."""
    t = np.arange(3600)
    return np.stack([np.rint(400 * np.sin(t / 30)), np.rint(300 * np.cos(t / 17)) - 100]).astype(np.int16)


@pytest.fixture
def wfdb_files(wave: NDArray[np.int16]) -> WfdbFiles:
    """Builds a record "t" in format 16 from its header text; `{n}` stands for the number of samples."""

    def build(header: str = "t 2 360 {n}\nt.dat 16 200(0)/mV 16 0 0 0 0 II\nt.dat 16 200(0)/mV 16 0 0 0 0 V1\n", **files: bytes) -> dict[str, bytes]:
        named = {name.replace("_", "."): data for name, data in files.items()}
        return {"t.hea": header.replace("{n}", str(wave.shape[1])).encode(), "t.dat": wave.T.astype("<i2").tobytes(), **named}

    return build
