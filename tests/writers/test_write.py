from collections.abc import Callable
from pathlib import Path

import pytest

from ecgcore.errors import InputError
from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.writers import write
from ecgcore.writers.files import whole

MakeRecord = Callable[..., Record]


def test_another_extension_is_refused_with_those_there_are(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'\.xml' is none of '', '\.hea', '\.edf', '\.csv'"):
        write(make_record(), tmp_path / "t.xml")


@pytest.mark.parametrize("name", ["t.csv", "t.edf", "t.hea"])
def test_the_source_is_never_overwritten(make_record: MakeRecord, tmp_path: Path, name: str) -> None:
    write(make_record(), tmp_path / name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    record = read(tmp_path / name)
    for out in {tmp_path / name, tmp_path / name.removesuffix(".hea")}:
        with pytest.raises(InputError, match="choose another name"):
            write(record, out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_earlier_result_is_replaced(make_record: MakeRecord, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old")
    write(make_record(), tmp_path / "t.csv")
    assert read(tmp_path / "t.csv").n_samples == 3600


def test_folders_are_made(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(), tmp_path / "a" / "b" / "t")
    assert read(tmp_path / "a" / "b" / "t").n_samples == 3600


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    targets = [tmp_path / "t.dat", tmp_path / "t.hea"]

    def half(error: Exception) -> None:
        with whole(targets) as temporary:
            temporary[0].write_bytes(b"half")
            raise error

    with pytest.raises(InputError, match="No space left"):
        half(OSError(28, "No space left on device"))
    with pytest.raises(KeyError):
        half(KeyError())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(make_record: MakeRecord, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write(make_record(), tmp_path / "file" / "t.csv")
