"""Dispatch by content, names, digests, and the errors of paths."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecgcore.errors import FormatError, InputError
from ecgcore.readers import FORMATS, read
from ecgcore.readers.sources import DiskFolder

WfdbFiles = Callable[..., dict[str, bytes]]
DataSet = Callable[[str], Path]
CSV = b"# fs_hz: 100\n# units: mV\nII\n0.1\n0.2\n"


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "x.edf").write_bytes(CSV)
    assert read(tmp_path / "x.edf").source.format == "CSV"
    assert read(str(tmp_path / "x.edf")).name == "x"


def test_names() -> None:
    assert read(CSV).name == "recording"
    assert read(CSV, name="holter.csv").name == "holter"
    assert read({"a.csv": CSV}, name="mine").name == "mine"


def test_the_digest_of_one_file_is_that_of_its_bytes() -> None:
    assert read(CSV).source.sha256 == hashlib.sha256(CSV).hexdigest()


def test_the_digest_of_several_files_is_that_of_their_sorted_lines(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files()
    lines = sorted(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    assert read(files).source.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(
    ("make", "error", "quoted"),
    [
        (None, InputError, "no such file"),
        ("folder", InputError, "a folder"),
        ("empty", FormatError, "is empty"),
        ("foreign", FormatError, "these formats are read: DICOM, EDF, WFDB, CSV"),
    ],
)
def test_paths_that_are_no_recording(tmp_path: Path, make: str | None, error: type[InputError], quoted: str) -> None:
    path = tmp_path / "x.bin"
    if make == "folder":
        path.mkdir()
    elif make:
        path.write_bytes(b"" if make == "empty" else b"\x7fELF\x00\x01")
    with pytest.raises(error, match=quoted):
        read(path)


def test_a_folder_that_changed_is_listed_anew(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path)
    assert folder.beside("t") == ()
    (tmp_path / "t.atr").write_bytes(b"x")
    assert [blob.name for blob in folder.beside("t")] == ["t.atr"]


def test_every_format_has_a_name_and_refuses_nothing() -> None:
    for found in FORMATS:
        assert found.NAME
        assert not found.matches(b"")


def test_reading_wfdb_imports_no_heavy_library(tmp_path: Path, wfdb_files: WfdbFiles) -> None:
    for name, data in wfdb_files().items():
        (tmp_path / name).write_bytes(data)
    heavy = ("wfdb", "pandas", "pydicom", "scipy", "pyarrow", "torch")
    code = f"import sys; from ecgcore.readers import read; read({str(tmp_path / 't')!r}); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])  # noqa: S603  # our own interpreter
    assert done.stdout.strip() == "[]"


@pytest.mark.data
@pytest.mark.parametrize("name", ["scp_scpinfo.scp", "cvrg_schiller.xml", "sierra_2020-5-18_15-48-11.xml", "aecg_fda_subject1.xml"])
def test_foreign_files_are_refused_in_one_line(data_set: DataSet, name: str) -> None:
    with pytest.raises(FormatError) as error:
        read(data_set("formats") / name)
    assert "\n" not in str(error.value)
