import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgcore.record import Annotation

PROJECT = Path(__file__).parents[2]
GOLDEN_RECORDS = "100 105 119 200 203 207 232 233".split()
FS_HZ = 360.0


def folder(variable: str, default: Path, what: str) -> Path:
    path = Path(os.environ.get(variable) or default)
    if not path.is_dir():
        pytest.skip(f"{what} are not at {path}; {variable} names their folder")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    return folder("LEADWISE_GOLDEN", PROJECT.parent / "shared" / "golden" / "ec57", "the golden EC57 figures")


@pytest.fixture(scope="session")
def annotations(golden: Path) -> dict[str, tuple[Annotation, Annotation]]:
    """Reference and test annotation of every golden record."""
    mitdb = folder("LEADWISE_DATA", PROJECT / ".data", "the recordings") / "mitdb"
    if not mitdb.is_dir():
        pytest.skip(f"no mitdb in {mitdb.parent}")
    return {name: (read(mitdb / name, "atr"), read(golden / name, "tst")) for name in GOLDEN_RECORDS}


def read(record: Path, annotator: str) -> Annotation:
    import wfdb

    raw = wfdb.rdann(str(record), annotator)
    numbers = np.zeros(raw.ann_len, np.int16)
    subtypes = np.asarray(raw.subtype, np.int16)
    return Annotation(annotator, np.asarray(raw.sample, np.int64), tuple(raw.symbol), ("",) * raw.ann_len, subtypes, numbers, numbers)


@pytest.fixture(scope="session")
def marks() -> Callable[..., Annotation]:
    """Annotations by hand: "N@100 V@200 ~48@300" (code, subtype where there is one, sample)."""

    def make(text: str, annotator: str = "hand") -> Annotation:
        items = [item.rsplit("@", 1) for item in text.split()]
        codes = [code[:1] for code, _ in items]
        subtypes = np.array([int(code[1:] or 0) for code, _ in items], np.int16)
        zeros = np.zeros(len(items), np.int16)
        return Annotation(annotator, np.array([int(sample) for _, sample in items], np.int64), tuple(codes), ("",) * len(items), subtypes, zeros, zeros)

    return make
