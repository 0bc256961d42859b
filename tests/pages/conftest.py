import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ecgcore import settings
from ecgcore.settings import ROOT
from ecgcore.store import Store
from tests.window_models import write_model

Files = dict[str, bytes]


def wfdb_files(name: str = "one", leads: tuple[str, ...] = ("MLII", "V1"), duration_s: int = 40) -> Files:
    """A WFDB recording at 250 Hz with a beat each second, and where it has several leads a gap of 2 s in the last."""
    time_s = np.arange(duration_s * 250) / 250
    beat = np.exp(-((np.mod(time_s, 1.0) - 0.5) ** 2) / 2e-4) + 0.2 * np.exp(-((np.mod(time_s, 1.0) - 0.8) ** 2) / 3e-3)
    samples = np.round(200 * beat[:, None] * np.ones(len(leads))).astype("<i2")
    if len(leads) > 1:
        samples[12 * 250 : 14 * 250, -1] = -32768
    lines = [f"{name} {len(leads)} 250 {len(time_s)}", *(f"{name}.dat 16 200/mV 16 0 0 0 0 {lead}" for lead in leads)]
    return {f"{name}.hea": ("\n".join(lines) + "\n").encode(), f"{name}.dat": samples.tobytes()}


@pytest.fixture
def files():
    return wfdb_files


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the app under test, and of no other."""
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LEADWISE_DATABASE_URL", raising=False)
    return tmp_path / "home"


@pytest.fixture
def store(home: Path):
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def install(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Has the default model and, of those named, a tiny one each stand where shipped models do; the folder of the last."""
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "weights")
    shutil.copytree(ROOT / "weights" / "beats", tmp_path / "weights" / "beats")

    def put(*names: str, **changes: object) -> Path:
        return [write_model(tmp_path / "weights", name, **changes) for name in names][-1] if names else tmp_path / "weights" / "beats"

    return put


@pytest.fixture
def app(home: Path) -> AppTest:
    return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30)
