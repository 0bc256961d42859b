import time
from datetime import datetime

import pytest

from ecgcore.errors import FormatError, UnsafeFileError
from ecgcore.readers.wfdb_header import looks_like_header, parse


def one(line: str, record: str = "t 1 360 10") -> str:
    return f"{record}\n{line}\n"


def test_every_field() -> None:
    header = parse("# before\nrec/1 1 250.5/360(7) 1000 10:11:12.5 02/03/2001\nseg 1000\n#  after ", "rec.hea")
    assert (header.name, header.fs_hz, header.n_frames) == ("rec", 250.5, 1000)
    assert header.start == datetime(2001, 3, 2, 10, 11, 12, 500000)
    assert header.segments[0].name == "seg"
    assert header.comments == ("before", " after ")
    signal = parse(one("a.dat 212x4:3+24 1e2(-5)/uV 12 1 0 0 0 a name"), "t.hea").signals[0]
    assert (signal.format, signal.per_frame, signal.skew, signal.offset) == ("212", 4, 3, 24)
    assert (signal.gain, signal.baseline, signal.units, signal.name) == (100.0, -5, "uV", "a name")


def test_defaults_of_the_standard() -> None:
    signal = parse(one("a.dat 16 0 11 1024"), "t.hea").signals[0]
    assert (signal.gain, signal.baseline, signal.units, signal.calibrated) == (200.0, 1024, "mV", False)
    header = parse("t 1\na.dat 16\n", "t.hea")
    assert (header.fs_hz, header.n_frames) == (250.0, None)
    assert "250 Hz" in header.notes[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    header = parse(end.join(["t 1 360 10", "a.dat 16 200 11 0 0 0 0 MLII", "# 51 F"]) + end, "t.hea")
    assert header.signals[0].name == "MLII"
    assert header.comments == ("51 F",)


@pytest.mark.parametrize(("stated", "expected"), [("12:33:59 12-May-2020", datetime(2020, 5, 12, 12, 33, 59)), ("12-May-2020 12:33:59", datetime(2020, 5, 12, 12, 33, 59))])
def test_start_in_either_order(stated: str, expected: datetime) -> None:
    assert parse(one("a.dat 16", f"t 1 360 10 {stated}"), "t.hea").start == expected


@pytest.mark.parametrize("stated", ["12:33:59", "99:99:99 99/99/9999"])
def test_a_start_that_is_no_moment_becomes_a_note(stated: str) -> None:
    header = parse(one("a.dat 16", f"t 1 360 10 {stated}"), "t.hea")
    assert header.start is None
    assert "left out" in header.notes[0]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b.dat", "..\\x.dat", "C:\\x.dat", ".."])
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(UnsafeFileError, match="outside its own folder"):
        parse(one(f"{name} 16"), "t.hea")


@pytest.mark.parametrize("record", ["../t 1 360 10", "/t 1 360 10", "a\\t 1 360 10"])
def test_record_names_that_leave_the_folder_are_refused(record: str) -> None:
    with pytest.raises(UnsafeFileError):
        parse(one("a.dat 16", record), "t.hea")


def test_segment_names_that_leave_the_folder_are_refused() -> None:
    with pytest.raises(UnsafeFileError):
        parse("t/1 1 360 10\n../seg 10\n", "t.hea")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "no record line"),
        ("t 1 0 10\na.dat 16\n", "sampling rate 0 Hz"),
        ("t 1 -5 10\na.dat 16\n", "sampling rate -5 Hz"),
        ("t 1 9e9 10\na.dat 16\n", "sampling rate 9e"),
        ("t 1 fast 10\na.dat 16\n", "'fast' is no number"),
        ("t 2 360 10\na.dat 16\n", "promises 2 signals but describes 1"),
        ("t 1 360 -10\na.dat 16\n", "'-10' is not a whole number"),
        ("t 1 360 10\na.dat 99\n", "format 99 is not read"),
        ("t 1 360 10\na.dat 16 nonsense\n", "'nonsense'"),
        ("t 1 360 10\na.dat 16 200 11 x\n", "'x'"),
        ("t 1 360 10\na.dat 16 1e99\n", "beyond all measure"),
        ("t 99999999 360 10\na.dat 16\n", "at most 1024"),
        (f"t {'9' * 5000} 360 10\na.dat 16\n", "not a whole number"),
    ],
)
def test_what_cannot_be_true_is_quoted(text: str, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted.replace("(", r"\(")):
        parse(text, "t.hea")


@pytest.mark.parametrize(
    ("head", "is_header"),
    [
        (b"100 2 360 650000\r\n100.dat 212 200 11 1024 995 -22131 0 MLII\r\n", True),
        (b"A0001 12 500 7500 12-May-2020 12:33:59\nA0001.mat 16+24 1000/mV 16 0 28 -1716 0 I\n", True),
        (b"# comment\nm/2 3 250 100\nm_0 0\nm_1 100\n", True),
        (b"1 2\n3 4\n5 6\n", False),
        (b"100 16\n101 16\n", False),
        (b"II,V1\n1,2\n", False),
        (b"\x00\x01\x02", False),
        (b"", False),
        (b"a b c d e f g\n", False),
    ],
)
def test_headers_are_known_by_their_content(head: bytes, is_header: bool) -> None:
    assert looks_like_header(head) == is_header


def test_sniffing_hostile_text_is_quick() -> None:
    began = time.perf_counter()
    for text in ("a " * 4000, "1" * 8000, "t 1 " + "9" * 8000, " " * 8000 + "x", "a" * 8000 + " 1"):
        looks_like_header(text.encode())
    assert time.perf_counter() - began < 1
