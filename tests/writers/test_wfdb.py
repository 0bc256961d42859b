from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgcore.errors import InputError
from ecgcore.readers import read
from ecgcore.record import Annotation, Record, Source
from ecgcore.writers import write
from ecgcore.writers.wfdb import write_annotation

MakeRecord = Callable[..., Record]
DataSet = Callable[[str], Path]


def assert_same_marks(one: Annotation, other: Annotation) -> None:
    assert (one.annotator, one.symbols, one.notes) == (other.annotator, other.symbols, other.notes)
    for name in ("samples", "subtypes", "channels", "numbers"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def assert_same(one: Record, other: Record) -> None:
    np.testing.assert_array_equal(one.adc, other.adc)
    assert one.adc.dtype == other.adc.dtype
    np.testing.assert_array_equal(one.gain, other.gain)
    np.testing.assert_array_equal(one.baseline, other.baseline)
    assert (one.fs_hz, one.leads, one.start, one.comments, one.patient) == (other.fs_hz, other.leads, other.start, other.comments, other.patient)
    assert len(one.annotations) == len(other.annotations)
    for ours in one.annotations:
        assert_same_marks(ours, other.annotation(ours.annotator))


@pytest.mark.parametrize("encoding", ["212", "16", "24", "32", "61", "160", "516", ""])
@pytest.mark.parametrize("start", [None, datetime(2020, 1, 2, 3, 4, 5), datetime(2020, 1, 2, 3, 4, 5, 600)])
def test_a_round_trip_is_exact(make_record: MakeRecord, tmp_path: Path, encoding: str, start: datetime | None) -> None:
    record = make_record(source=Source("WFDB", "x.hea", "", encoding), start=start, fs_hz=360.25)
    paths = write(record, tmp_path / "t")
    assert [path.name for path in paths] == ["t.hea", "t.dat", "t.atr"]
    found = read(tmp_path / "t")
    assert_same(found, record)
    assert found.source.encoding == (encoding if encoding not in ("516", "") else "16")


def test_eight_bits(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record(adc=np.array([[-127, 127, -32768], [0, 1, 2]], np.int16), source=Source("WFDB", "x.hea", "", "80"), annotations=())
    write(record, tmp_path / "t.hea")
    assert_same(read(tmp_path / "t"), record)


def test_samples_that_no_longer_fit_get_a_wider_format(make_record: MakeRecord, tmp_path: Path) -> None:
    for top, encoding in ((5000, "16"), (1 << 20, "24"), (1 << 30, "32")):
        record = make_record(adc=np.array([[0, top], [1, -top]], np.int32 if top > 5000 else np.int16), annotations=())
        write(record, tmp_path / f"as{encoding}")
        found = read(tmp_path / f"as{encoding}")
        assert found.source.encoding == encoding
        assert_same(found, record)


def test_wfdb_reads_what_was_written(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    write(record, tmp_path / "t")
    theirs = wfdb.rdrecord(str(tmp_path / "t"))
    np.testing.assert_allclose(theirs.p_signal.T, record.mv(), atol=1e-5)
    assert theirs.sig_name == ["MLII", "V1"]
    raw = wfdb.rdrecord(str(tmp_path / "t"), physical=False)
    assert [c % 65536 for c in raw.checksum] == [c % 65536 for c in raw.calc_checksum()]
    marks = wfdb.rdann(str(tmp_path / "t"), "atr")
    assert list(marks.symbol) == list(record.annotations[0].symbols)
    assert list(marks.aux_note) == list(record.annotations[0].notes)
    assert marks.fs == 360


def test_annotations_can_be_given(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(), tmp_path / "t", [Annotation.of("lw", np.array([5, 3]), "VN")])
    found = read(tmp_path / "t")
    assert [a.annotator for a in found.annotations] == ["lw"]
    assert found.annotations[0].symbols == ("N", "V")


def test_one_annotation_file(tmp_path: Path, marks: Annotation) -> None:
    far = Annotation.of("lw", np.array([1, 5_000_000_000]), ("N", "own"))
    path = write_annotation(far, 250.5, tmp_path / "119.lw")
    found = wfdb.rdann(str(tmp_path / "119"), "lw")
    assert found.sample.tolist() == [1, 5_000_000_000]
    assert found.fs == 250.5
    assert path == write_annotation(marks, 250.5, tmp_path / "119.lw")
    assert [p.name for p in tmp_path.iterdir()] == ["119.lw"]


def test_a_long_note_is_cut_between_characters(tmp_path: Path) -> None:
    zeros = np.zeros(1, np.int16)
    path = write_annotation(Annotation("lw", np.array([5]), ("N",), ("ü" * 200,), zeros, zeros, zeros), 360, tmp_path / "t.lw")
    from ecgcore.readers.wfdb_annotations import decode

    assert decode(path.read_bytes(), "t.lw").notes == ["ü" * 127]


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("a b", "'a b'"), ("ü", "'ü'"), ("a.b.hea", "'a.b'")],
)
def test_names_that_wfdb_does_not_allow(make_record: MakeRecord, tmp_path: Path, name: str, quoted: str) -> None:
    with pytest.raises(InputError, match=quoted):
        write(make_record(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("marks_given", "quoted"),
    [
        (Annotation.of("hea", np.array([1]), "N"), "annotator 'hea'"),
        (Annotation.of("../x", np.array([1]), "N"), "annotator '../x'"),
        (Annotation.of("a", np.array([-1]), "N"), "sample -1"),
        (Annotation.of("a", np.arange(9), [f"x{i}" for i in range(9)]), "no codes for the annotation symbols 'x0'"),
        (Annotation("a", np.array([1]), ("N",), ("",), np.array([300], np.int16), np.zeros(1, np.int16), np.zeros(1, np.int16)), "subtype must be between -128 and 127"),
    ],
)
def test_annotations_that_do_not_fit_leave_nothing(make_record: MakeRecord, tmp_path: Path, marks_given: Annotation, quoted: str) -> None:
    with pytest.raises(InputError, match=quoted):
        write(make_record(), tmp_path / "t", [marks_given])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
@pytest.mark.parametrize(("name", "record_path"), [("mitdb", "100"), ("mitdb", "119"), ("svdb", "800"), ("ptbxl", "records500/00000/00449_hr"), ("ludb", "data/1")])
def test_public_records_come_back_byte_for_byte(data_set: DataSet, tmp_path: Path, name: str, record_path: str) -> None:
    path = data_set(name) / record_path
    record = read(path)
    write(record, tmp_path / path.name)
    assert_same(read(tmp_path / path.name), record)
    assert (tmp_path / f"{path.name}.dat").read_bytes() == Path(f"{path}.dat").read_bytes()
    ours, theirs = (wfdb.rdheader(str(folder / path.name)) for folder in (tmp_path, path.parent))
    assert [c % 65536 for c in ours.checksum] == [c % 65536 for c in theirs.checksum]  # signed in some, unsigned in others
    assert ours.init_value == theirs.init_value
