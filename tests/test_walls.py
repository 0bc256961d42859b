"""The walls of the house: who may import what, how long a file may be, and what runs at import."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ecgcore
from ecgcore.settings import ROOT

FILES = sorted([*(ROOT / "ecgcore").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "streamlit_app.py"])
FORBIDDEN = {  # folder of ecgcore → parts of ecgcore it must not know
    "readers": {"store", "analysis", "models", "training", "inference", "evaluation", "figures"},
    "writers": {"store", "analysis", "models", "training", "inference", "evaluation", "figures"},
    "signals": {"store", "analysis", "models", "training", "inference", "evaluation", "figures", "readers", "record"},
    "evaluation": {"store", "figures", "training", "models"},
    "figures": {"store", "training", "models", "readers"},
    "store": {"figures", "training", "models", "pages"},
    "inference": {"store", "figures", "training", "models", "readers"},
    "service": {"store", "figures", "training", "models", "evaluation"},
    "jobs": {"figures", "models", "evaluation", "readers", "service"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_streamlit_and_torch_stay_in_their_rooms(path):
    roots = {module.partition(".")[0] for module in imports(path)}
    if name(path).startswith("ecgcore/"):
        assert "streamlit" not in roots
        assert not any(module == "pages" or module.startswith("pages.") for module in imports(path))
    if not name(path).startswith(("ecgcore/models/", "ecgcore/training/")):
        assert not roots & {"torch", "lightning"}


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[-2] in FORBIDDEN or path.parts[-3] in FORBIDDEN], ids=name)
def test_no_room_reaches_back(path):
    room = path.relative_to(ROOT / "ecgcore").parts[0]
    reached = {module.split(".")[1] for module in imports(path) if module.startswith("ecgcore.")}
    assert not reached & FORBIDDEN[room]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_is_too_long_and_none_is_a_drawer(path):
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in ("utils", "helpers")


def test_the_router_is_short():
    assert len((ROOT / "streamlit_app.py").read_text().splitlines()) < 60


def test_importing_the_package_is_light():
    """No work at import, and nothing heavy: the app and the command line start at once."""
    heavy = "torch lightning streamlit scipy.signal pandas wfdb pydicom neurokit2 onnxruntime plotly sqlalchemy".split()
    code = f"import sys, ecgcore; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603 - our own words
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_sorted_and_there():
    assert ecgcore.__all__ == sorted(ecgcore.__all__)
    assert sorted(name for names in ecgcore._HOMES.values() for name in names) == ecgcore.__all__
    assert all(callable(getattr(ecgcore, public)) for public in ecgcore.__all__)


def test_the_version_stands_once():
    assert f'version = "{ecgcore.__version__}"' in (ROOT / "pyproject.toml").read_text().splitlines()


ANALYSES = "assert len(ecgcore.analyze(ecgcore.make_demo('demo-12-lead')).beats) == 11"
READS = "assert ecgcore.read({demo!r}).n_samples == 5000"
WRITES = "assert ecgcore.convert(ecgcore.make_demo('demo-12-lead'), {out!r})"
STORES = "from ecgcore.store import Store; Store({home!r}).list()"


@pytest.mark.parametrize(
    ("folder", "still_works"),
    [
        ("readers", (ANALYSES,)),
        ("writers", (ANALYSES, READS, STORES)),
        ("models", (ANALYSES, READS, WRITES, STORES)),
        ("training", (ANALYSES, READS, WRITES, STORES)),
        ("inference", (READS, WRITES, STORES)),
        ("evaluation", (ANALYSES, READS, WRITES, STORES)),
        ("figures", (ANALYSES, READS, WRITES, STORES)),
        ("store", (ANALYSES, READS, WRITES)),
        ("service", (ANALYSES, READS, WRITES, STORES)),
    ],
)
def test_deleting_a_folder_breaks_only_what_its_name_says(folder, still_works, tmp_path):
    ecgcore.write_demos(tmp_path / "demos")
    shutil.copytree(ROOT / "ecgcore", tmp_path / "ecgcore")
    shutil.copytree(ROOT / "weights", tmp_path / "weights")
    shutil.rmtree(tmp_path / "ecgcore" / folder)
    places = {"demo": str(tmp_path / "demos" / "demo-12-lead"), "out": str(tmp_path / "out.hea"), "home": tmp_path / "home"}
    code = "\n".join(["import ecgcore", "from pathlib import PosixPath, WindowsPath", *(line.format(**places) for line in still_works)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stderr
