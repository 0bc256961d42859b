import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ecgcore import findings
from ecgcore.record import Record
from ecgcore.store import Reading, Reviews, Sessions, Store

Files = dict[str, bytes]


def wfdb_files(name: str = "one", seed: int = 0, n_samples: int = 1000) -> Files:
    """A WFDB recording of two leads in format 16, in memory."""
    samples = np.random.default_rng(seed).integers(-900, 900, (n_samples, 2), np.int16)
    header = f"{name} 2 250 {n_samples} 12:30:00 01/02/2024\n{name}.dat 16 200/mV 16 0 0 0 0 I\n{name}.dat 16 200/mV 16 0 0 0 0 II\n"
    return {f"{name}.hea": header.encode(), f"{name}.dat": samples.astype("<i2").tobytes()}


def analysis_of(record: Record, model: str = "beats@1", leads: tuple[str, ...] = ("I",), samples: tuple[int, ...] = (100, 350), codes: str = "NV") -> findings.Analysis:
    """Findings that were not computed: these beats, by this model."""
    labels = tuple(findings.AAMI_OF_MIT[code] for code in codes)
    probabilities = np.eye(5, dtype=np.float32)[[findings.AAMI_CLASSES.index(label) for label in labels]]
    beats = findings.Beats(np.array(samples, np.int64), labels, tuple(codes), probabilities, model=model, leads=leads, detector="d@1")
    return findings.Analysis(findings.Info.of(record), leads, beats, None, findings.Quality(10.0, {"I": 1.0}, ()), {"total": 0.5})


def piece_of(start: int = 200, stop: int = 250, lead: str = "I", kind: str = "gap", fs_hz: float = 250.0, height_mv: float = 0.5) -> findings.Reconstruction:
    """A reconstruction that no model made: a wave of a height, in a band of ±0.1 mV."""
    signal = (height_mv * np.sin(np.arange(stop - start) / 5)).astype(np.float32)
    return findings.Reconstruction("wonhee@1", lead, kind, start, stop, fs_hz, signal, signal - np.float32(0.1), signal + np.float32(0.1))


@pytest.fixture
def piece() -> Callable[..., findings.Reconstruction]:
    return piece_of


@pytest.fixture
def files() -> Callable[..., Files]:
    return wfdb_files


@pytest.fixture
def found() -> Callable[..., findings.Analysis]:
    return analysis_of


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of the tests' own; the test is skipped where none is installed."""
    from tests.store import postgres as servers

    programs = servers.programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine; on Debian: apt-get install postgresql")
    with servers.running(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for each test, on each of the two: a copy of one that has the tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('migrated'), tmp_path / 'leadwise.db')}"
        return
    server = request.getfixturevalue("postgres")
    url = server.new()
    yield url
    server.drop(url)


@pytest.fixture
def store(tmp_path: Path, database_url: str):
    opened = Store(tmp_path / "home", database_url)
    yield opened
    opened.close()


@pytest.fixture
def reviews(store: Store) -> Reviews:
    return Reviews(store)


@pytest.fixture
def sessions(store: Store) -> Sessions:
    return Sessions(store)


@pytest.fixture
def stored(store: Store) -> tuple[str, str]:
    """The ids of a record with beats N at 100 and V at 350, and of the analysis that found them."""
    record_id = store.add(wfdb_files()).id
    return record_id, store.save_analysis(record_id, analysis_of(store.open(record_id))).id


@pytest.fixture
def reading(reviews: Reviews, stored: tuple[str, str]) -> Reading:
    """The shared reading of that record."""
    return reviews.reading(*stored)
