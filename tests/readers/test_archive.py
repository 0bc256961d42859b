import io
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from ecgcore.errors import FormatError, UnsafeFileError
from ecgcore.readers import archive, bundles, read

WfdbFiles = Callable[..., dict[str, bytes]]
CSV = b"# fs_hz: 100\n# units: mV\nII\n0.1\n0.2\n"


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return out.getvalue()


def test_a_zip_reads_like_its_files(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files(t_atr=b"\x0a\x04\x00\x00")
    record = read(zipped(files), name="t.zip")
    np.testing.assert_array_equal(record.adc, read(files).adc)
    assert record.annotation("atr").samples.tolist() == [10]


def test_an_upload_is_split_into_recordings(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files(t_atr=b"\x0a\x04\x00\x00")
    upload = {"all.zip": zipped({f"db/{name}": data for name, data in files.items()} | {"db/RECORDS": b"t\n", "__MACOSX/x": b"?", "db/index.html": b"<html>"}), "x.csv": CSV}
    found = bundles(upload)
    assert [sorted(bundle) for bundle in found] == [["db/t.atr", "db/t.dat", "db/t.hea"], ["x.csv"]]
    assert [read(bundle).name for bundle in found] == ["t", "x"]


def test_two_records_of_one_name_in_two_folders(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files()
    found = bundles({"z.zip": zipped({f"{folder}/{name}": data for folder in "ab" for name, data in files.items()})})
    assert [read(bundle).n_samples for bundle in found] == [3600, 3600]


def test_segments_belong_to_their_record(wfdb_files: WfdbFiles) -> None:
    found = bundles({**wfdb_files(), "m.hea": b"m/1 2 360 3600\nt 3600\n"})
    assert [sorted(bundle) for bundle in found] == [["m.hea", "t.dat", "t.hea"]]
    assert read(found[0]).name == "m"


def test_more_than_one_recording_is_told_with_their_names(wfdb_files: WfdbFiles) -> None:
    with pytest.raises(FormatError, match=r"2 recordings in one upload, where one is wanted: t\.hea, x\.csv"):
        read({**wfdb_files(), "x.csv": CSV})


@pytest.mark.parametrize(
    ("name", "data", "quoted"),
    [
        ("u.dat", b"\1\2\3\4", r"u\.dat belongs to no recording: no WFDB header"),
        ("x.xml", b"<?xml?>", "XML"),
        ("empty.csv", b"", r"empty\.csv is empty"),
        ("x.bin", b"\x89PNG", "begins with"),
    ],
)
def test_a_file_that_belongs_to_no_recording_is_named(wfdb_files: WfdbFiles, name: str, data: bytes, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted):
        bundles({**wfdb_files(), name: data})


def test_nothing_at_all() -> None:
    with pytest.raises(FormatError, match="no files"):
        read({})
    with pytest.raises(FormatError, match="is empty"):
        read(b"")


@pytest.mark.parametrize("name", ["../x.csv", "/x.csv", "a/../../x.csv", "C:/x.csv", "..\\x.csv"])
def test_members_that_reach_outside_are_refused(name: str) -> None:
    with pytest.raises(UnsafeFileError, match="outside its folder"):
        read(zipped({name: CSV}))


def test_nested_zips_are_refused() -> None:
    with pytest.raises(UnsafeFileError, match=r"another zip, inner\.zip"):
        read(zipped({"inner.zip": zipped({"x.csv": CSV})}))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = zipped({"x.csv": b"\0" * (archive.FREE_BYTES + 1)})
    with pytest.raises(UnsafeFileError, match="more than 200 times its size"):
        read(data)


def test_a_total_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(UnsafeFileError, match="at most 10 are unpacked"):
        read(zipped({"x.csv": CSV}))


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    with pytest.raises(UnsafeFileError, match="4 files; at most 3"):
        read(zipped({f"{i}.csv": CSV for i in range(4)}))


def test_a_member_larger_than_it_declares_is_stopped() -> None:
    content = b"0.1\n" * 100_000
    data = zipped({"x.csv": content})
    size = len(content).to_bytes(4, "little")
    assert data.count(size) == 2
    with pytest.raises((UnsafeFileError, FormatError), match=r"declares|no zip that can be unpacked"):
        read(data.replace(size, (10).to_bytes(4, "little")))


@pytest.mark.parametrize("cut", [30, 60, -5])
def test_broken_zips(cut: int) -> None:
    with pytest.raises(FormatError, match="no zip that can be unpacked"):
        read(zipped({"x.csv": CSV})[:cut])


def test_an_office_document_is_named() -> None:
    with pytest.raises(FormatError, match="Office document"):
        read(zipped({"[Content_Types].xml": b"<x/>"}), name="book.xlsx")


def test_two_different_files_of_one_name() -> None:
    with pytest.raises(FormatError, match=r"two different files are called x\.csv"):
        read({"a.zip": zipped({"x.csv": CSV}), "x.csv": CSV + b"0.3\n"})


def test_deflate_is_what_the_ratio_assumes() -> None:
    assert len(zlib.compress(b"\0" * 1_000_000)) * 1100 > 1_000_000
