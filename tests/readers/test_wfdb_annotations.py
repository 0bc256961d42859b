import struct
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgcore.errors import FormatError
from ecgcore.readers.wfdb_annotations import annotation, decode


def words(*pairs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<H", code << 10 | low) for code, low in pairs)


END = (0, 0)


def test_read_equals_wfdb(tmp_path: Path) -> None:
    samples = np.array([5, 10, 2000, 2001, 5_000_000, 5_000_000])
    symbols = ["N", "V", "+", "~", '"', "r"]
    notes = ["", "", "(AFIB", "", "a longer note", ""]
    wfdb.wrann("t", "atr", samples, symbols, np.array([0, 1, -1, 0, 0, 3]), np.array([0, 0, 1, 1, 0, 0]), np.array([0, 2, 2, 0, 0, 4]), notes, fs=360, write_dir=str(tmp_path))
    marks = decode((tmp_path / "t.atr").read_bytes(), "t.atr")
    found = annotation(marks, "atr", 360, 360, 10_000_000, [])
    theirs = wfdb.rdann(str(tmp_path / "t"), "atr")
    np.testing.assert_array_equal(found.samples, theirs.sample)
    assert list(found.symbols) == theirs.symbol == symbols
    assert list(found.notes) == theirs.aux_note == notes
    for ours, other in ((found.subtypes, theirs.subtype), (found.channels, theirs.chan), (found.numbers, theirs.num)):
        np.testing.assert_array_equal(ours, other)
    assert marks.fs_hz == 360


def test_marks_past_the_end_are_left_out_and_counted() -> None:
    notes: list[str] = []
    found = annotation(decode(words((1, 10), (5, 500), (1, 1000), END), "x"), "atr", 360, 360, 600, notes)
    assert found.symbols == ("N", "V")
    assert notes == ["annotations atr: 1 outside the record's 600 samples left out"]


def test_marks_out_of_order_are_sorted_and_told() -> None:
    back = words((59, 0)) + struct.pack("<HH", 0xFFFF, 0x10000 - 50) + words((5, 0))
    notes: list[str] = []
    found = annotation(decode(words((1, 100)) + back + words(END), "x"), "atr", 360, 360, 600, notes)
    assert found.samples.tolist() == [50, 100]
    assert found.symbols == ("V", "N")
    assert "not in time order" in notes[0]


def test_a_file_cut_short_keeps_what_is_there() -> None:
    notes: list[str] = []
    assert annotation(decode(words((1, 10), (5, 20)), "x"), "atr", 360, 360, 600, notes).symbols == ("N", "V")
    assert "without an end mark" in notes[0]


def test_another_time_resolution_is_brought_to_the_record() -> None:
    text = b"## time resolution: 1000"
    marks = decode(words((22, 0), (63, len(text))) + text + words((1, 1000), END), "x")
    assert annotation(marks, "atr", 250, 250, 600, []).samples.tolist() == [250]


def test_two_notes_that_make_wfdb_hang_are_read() -> None:
    text = b"## x"
    note = words((22, 0), (63, len(text))) + text
    assert decode(note + note + words((1, 7), END), "x").codes == [1]


def test_a_genuine_note_at_sample_0_is_kept() -> None:
    assert decode(words((22, 0), (63, 2)) + b"hi" + words(END), "x").notes == ["hi"]


def test_symbols_of_ones_own_and_codes_without_symbol() -> None:
    texts = [b"## annotation type definitions", b"42 XX a description", b"## end of definitions"]
    notes = b"".join(words((22, 0), (63, len(t))) + t + b"\0" * (len(t) % 2) for t in texts)
    found = annotation(decode(notes + words((42, 1), (43, 1), END), "x"), "atr", 360, 360, 10, [])
    assert found.symbols == ("XX", "[43]")


@pytest.mark.parametrize("data", [words((1, 5), (55, 0), END), words((1, 5), END, (1, 5))])
def test_other_bytes_are_no_annotations(data: bytes) -> None:
    with pytest.raises(FormatError, match="no WFDB annotation file"):
        decode(data, "x.atr")


@pytest.mark.parametrize("data", [b"", b"\x00", words((59, 0)), words((63, 200)), words((62, 1), END)])
def test_stubs_hold_no_marks(data: bytes) -> None:
    assert decode(data, "x").codes == []
