from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from ecgcore.analysis import analyze
from ecgcore.errors import FormatError, InputError
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.imports import Imported, annotation_file, fits
from ecgcore.readers import read
from ecgcore.record import Annotation, Record, Source
from ecgcore.review import Item, Marks, ReplaceBeats, State
from ecgcore.writers.review import annotation
from ecgcore.writers.wfdb import write_annotation
from ecgcore.writers.wfdb_annotations import encode

DataSet = Callable[[str], Path]
FS_HZ = 360.0
N_SAMPLES = 3600
LEADS = ("MLII", "V1", "V5")
Row = tuple[int, str] | tuple[int, str, str] | tuple[int, str, str, int]


def record(leads: Sequence[str] = LEADS) -> Record:
    n = len(leads)
    return Record("119", np.zeros((n, N_SAMPLES), np.int16), np.full(n, 200.0), np.zeros(n), FS_HZ, tuple(leads), Source("WFDB", "119.hea", "0" * 64, "212"))


def marks(*rows: Row, annotator: str = "atr") -> Annotation:
    """Marks by hand: sample, symbol, note, subtype."""
    full = [(*row, *("", 0)[len(row) - 2 :]) for row in rows]
    zeros = np.zeros(len(rows), np.int16)
    samples, subtypes = np.array([row[0] for row in full], np.int64), np.array([row[3] for row in full], np.int16)
    return Annotation(annotator, samples, tuple(row[1] for row in full), tuple(row[2] for row in full), subtypes, zeros, zeros)


def content(items: Sequence[Item]) -> list[tuple[Any, ...]]:
    """Items without ids and authors, in order."""
    return sorted((item.kind, item.start, item.stop, item.text, item.lead or "") for item in items)


def imported(*rows: Row, leads: Sequence[str] = LEADS) -> list[tuple[Any, ...]]:
    return content(fits(marks((10, "N"), *rows), record(leads)).items)


def through_a_file(state: State, leads: Sequence[str] = LEADS) -> Imported:
    return annotation_file(encode(annotation(state, FS_HZ, "lw", leads), FS_HZ), "119.lw", record(leads))


def test_beats_come_with_their_codes_by_the_file() -> None:
    found = fits(marks((0, "N"), (5, "+", "(N"), (400, "V"), (900, "/"), (3599, "?")), record())
    assert found.beats.samples.tolist() == [0, 400, 900, 3599]
    assert found.beats.codes == ("N", "V", "/", "?")
    assert set(found.beats.authors) == {"file:atr"}
    assert found.notes == ()


def test_a_rhythm_lasts_until_the_next_or_the_end() -> None:
    rows: list[Row] = [(5, "+", "(N"), (400, "+", "(AFIB\0"), (900, "+", "(VT"), (950, "+", "(N"), (2000, "+", "(B")]
    assert imported(*rows) == [("rhythm", 400, 900, "AFIB", ""), ("rhythm", 900, 950, "VT", ""), ("rhythm", 2000, N_SAMPLES, "B", "")]


def test_rhythms_without_a_name_or_a_length_are_none() -> None:
    assert imported((400, "+", "(AFIB"), (400, "+", "(VT"), (500, "+")) == [("rhythm", 400, 500, "VT", "")]


def test_notes_are_comments() -> None:
    assert imported((400, '"', "MISSB\0"), (500, '"'), (600, '"', "a\x01b\tc\0d"), (3600, '"', "end")) == [
        ("comment", 400, 400, "MISSB", ""),
        ("comment", 600, 600, "a b\tc", ""),
        ("comment", 3600, 3600, "end", ""),
    ]


@pytest.mark.parametrize(
    ("leads", "subtype", "expected"),
    [
        (("MLII", "V1"), 0, []),
        (("MLII", "V1"), 1, [("noisy", "MLII")]),
        (("MLII", "V1"), 2, [("noisy", "V1")]),
        (("MLII", "V1"), 3, [("noisy", "")]),
        (("MLII", "V1"), -1, [("unreadable", "")]),
        (("MLII", "V1"), 0x20, [("unreadable", "V1")]),
        (("MLII", "V1"), 0x23, [("noisy", "")]),
        (("MLII", "V1"), 4, []),  # there is no third signal
        (("MLII", "V1", "V5"), 0x15, [("noisy", "V5"), ("unreadable", "MLII")]),
        (("I", "II", "III", "V1", "V2"), 0x0F, [("noisy", "")]),
    ],
)
def test_artefact_is_of_the_signals_named(leads: tuple[str, ...], subtype: int, expected: list[tuple[str, str]]) -> None:
    assert imported((400, "~", "", subtype), (900, "~", "", 0), leads=leads) == [("artefact", 400, 900, text, lead) for text, lead in expected]


def test_artefact_without_an_end_lasts_to_the_end() -> None:
    assert imported((400, "~", "", 3), leads=("MLII", "V1")) == [("artefact", 400, N_SAMPLES, "noisy", "")]


def test_what_a_review_has_no_place_for_is_told() -> None:
    found = fits(marks((5, "["), (10, "N"), (20, "!"), (30, "!"), (40, "]")), record())
    assert found.notes == ("left out, for a review has no such marks: 2 of !, 1 of [, 1 of ]",)
    assert len(found.beats) == 1


BEATS = st.lists(st.tuples(st.integers(0, N_SAMPLES - 1), st.sampled_from(sorted(AAMI_OF_MIT))), min_size=1, max_size=30, unique_by=lambda beat: beat[0]).map(sorted)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=400).map(str.strip)
SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda ends: (min(ends) * 90, max(ends) * 90))
LEAD = st.sampled_from([None, *LEADS, "aVR"])
ITEM = st.one_of(
    st.builds(lambda span, text: ("rhythm", span, text, None), SPAN, st.sampled_from(["N", "AFIB", "VT", "(odd @ V5)"])),
    st.builds(lambda span, text, lead: ("artefact", span, text, lead), SPAN, TEXT, LEAD),
    st.builds(lambda span, text, lead: ("comment", span, text, lead), SPAN, TEXT.filter(bool), LEAD),
    st.builds(lambda span, text, lead: ("comment", (span[0], span[0]), text, lead), SPAN, st.sampled_from(["## time resolution: 5", "a @", "@ V5", "a @ b", "a\n\nb"]), LEAD),
)


def built(beats: Sequence[tuple[int, str]], items: Sequence[tuple[str, tuple[int, int], str, str | None]]) -> State:
    made = tuple(Item(str(i), kind, *span, text, lead, "anna@x") for i, (kind, span, text, lead) in enumerate(items))
    state = State(0, np.array([sample for sample, _ in beats], np.int64), np.array([code for _, code in beats], "<U1"), np.full(len(beats), "anna@x", object))
    return replace(state, items=made)


@given(BEATS, st.lists(ITEM, max_size=12))
def test_what_leaves_comes_back(beats: list[tuple[int, str]], items: list[tuple[str, tuple[int, int], str, str | None]]) -> None:
    state = built(beats, items)
    found = through_a_file(state)
    assert found.notes == ()
    assert list(zip(found.beats.samples.tolist(), found.beats.codes, strict=True)) == beats
    assert content(found.items) == content(state.items)
    assert len({item.id for item in found.items}) == len(items)
    assert {item.author for item in found.items} <= {"file:lw"}


def test_long_texts_on_the_first_sample_do_not_get_mixed_up() -> None:
    long = [f"{letter * 300}\n{letter}" for letter in "abcdef"]
    items = [("rhythm", (0, 0), long[0], None), ("artefact", (0, 0), long[1], None), ("artefact", (0, 90), long[2], "V1"), ("artefact", (1, 90), "x", None)]
    items += [("comment", (0, 0), long[3], None), ("comment", (0, 90), long[4], None), ("comment", (1, 1), long[5], None)]
    state = built([(0, "N"), (1, "V")], items)
    assert content(through_a_file(state).items) == content(state.items)


def test_an_import_is_an_edit_like_any_other() -> None:
    state = built([(100, "N"), (400, "V")], [("rhythm", (0, N_SAMPLES), "AFIB", None), ("comment", (0, 0), "all", "V1")])
    found = through_a_file(state)
    change = ReplaceBeats(found.beats, found.items).change(replace(state, items=()), N_SAMPLES, "ben@x")
    now = replace(state, items=()).applied(change, 1)
    assert (now.samples.tolist(), now.codes.tolist()) == ([100, 400], ["N", "V"])
    assert content(now.items) == content(state.items)
    with pytest.raises(InputError, match="already"):
        ReplaceBeats(*(lambda again: (again.beats, again.items))(through_a_file(state))).change(now, N_SAMPLES, "ben@x")


def test_it_comes_back_through_the_wfdb_package_too(tmp_path: Path) -> None:
    state = built([(0, "N"), (100, "N"), (400, "V")], [("rhythm", (0, 400), "AFIB", None), ("rhythm", (100, 900), "VT", None), ("comment", (0, 5), f"two\n{'lines' * 200}", "V1")])
    write_annotation(annotation(state, FS_HZ, "lw", LEADS), FS_HZ, tmp_path / "119.lw")
    read_back = wfdb.rdann(str(tmp_path / "119"), "lw")
    columns = {name: getattr(read_back, name) for name in ("sample", "symbol", "subtype", "chan", "num", "aux_note", "fs")}
    wfdb.wrann("119", "again", write_dir=str(tmp_path), **columns)
    found = annotation_file((tmp_path / "119.again").read_bytes(), "119.again", record())
    assert found.beats.samples.tolist() == [0, 100, 400]
    assert content(found.items) == content(state.items)


def test_our_file_changed_by_another_tool_is_read_like_any_other() -> None:
    whole = annotation(built([(100, "N")], [("rhythm", (200, 400), "AFIB", None), ("artefact", (500, 600), "", None)]), FS_HZ, "lw", LEADS)
    kept = [i for i in range(len(whole)) if whole.samples[i] not in (400, 600)]  # the ends are gone
    columns = (whole.samples[kept], tuple(whole.symbols[i] for i in kept), tuple(whole.notes[i] for i in kept), whole.subtypes[kept], whole.channels[kept], whole.numbers[kept])
    found = fits(Annotation("lw", *columns), record())
    assert content(found.items) == [("artefact", 500, N_SAMPLES, "noisy", ""), ("rhythm", 200, N_SAMPLES, "AFIB", "")]
    assert found.notes == ("its spans no longer begin and end as Leadwise wrote them; they are read like those of any other file",)


def test_a_file_need_not_state_its_rate() -> None:
    stated = encode(marks((10, "N")), FS_HZ)
    unstated = stated[stated.index(b"360") + 4 :]  # without the note and the byte that makes it even
    assert annotation_file(unstated, "119.atr", record()).beats == annotation_file(stated, "119.atr", record()).beats == Marks.of([10], "N", "file:atr")


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        (marks(), "atr does not fit 119: of its 0 marks none is a beat; beats are N L R"),
        (marks((5, "+", "(AFIB"), (9, "~")), "of its 2 marks none is a beat"),
        (marks((5, "N"), (3600, "V"), (3700, "V")), r"'V' at sample 3600 \(0:00:10.000\) lies outside the record, which ends with sample 3599 \(0:00:09.997\)"),
        (marks((5, "N"), (3601, "+", "(N")), r"'\+' at sample 3601 \(0:00:10.003\) lies outside the record"),
        (marks((-1, "N")), "'N' at sample -1 lies outside the record"),
        (marks((5, "N"), (360, "V"), (360, "N"), (400, "N")), r"'N' at sample 360 \(0:00:01.000\) does not come after the beat before it, at sample 360"),
        (marks((5, "N"), (360, "V"), (6, "N")), "'N' at sample 6 .* does not come after the beat before it, at sample 360"),
        (marks((5, "N"), (360, "own")), r"'own' at sample 360 \(0:00:01.000\) has no meaning in a review, whose beats are N L R"),
        (marks((5, "N"), (360, "r")), "'r' at sample 360"),  # a beat, but AAMI_OF_MIT gives it no class
        (marks((5, "N"), (360, "[44]")), r"'\[44\]' at sample 360"),
    ],
)
def test_annotations_that_do_not_fit(given: Annotation, quoted: str) -> None:
    before = (given.samples.copy(), given.symbols)
    with pytest.raises(InputError, match=quoted) as refused:
        fits(given, record())
    assert "\n" not in str(refused.value)
    np.testing.assert_array_equal(given.samples, before[0])


def backward() -> bytes:
    """Sample 500, then 495."""
    first = encode(marks((500, "N")), FS_HZ)[:-2]
    return first + bytes([0, 59 << 2, 0xFF, 0xFF, 0xFB, 0xFF]) + bytes([0, 1 << 2]) + b"\0\0"


@pytest.mark.parametrize(
    ("data", "kind", "quoted"),
    [
        (encode(marks((10, "N")), 250.0), InputError, "x.atr does not fit 119: it counts 250 samples a second, the record has 360"),
        (b"", FormatError, "x.atr has no end mark: it is cut off after 0 marks"),
        (encode(marks((10, "N"), (20, "N")), FS_HZ)[:-2], FormatError, "cut off after 2 marks"),
        (encode(marks((10, "N")), FS_HZ) + b"more", FormatError, "4 bytes follow its end mark"),
        (b"\0\xe0", FormatError, "code 56 at byte 0 has no meaning"),
        (backward(), InputError, "its marks must ascend from sample 0, but 495 comes after 500"),
        (bytes([0, 59 << 2, 0xFF, 0xFF, 0xFB, 0xFF, 0, 1 << 2, 0, 0]), InputError, "but -5 comes after 0"),
        (encode(marks((4000, "N")), FS_HZ), InputError, "'N' at sample 4000"),
        (b"\0" * ((32 << 20) + 1), InputError, "33,554,433 bytes long; an annotation file has at most 33,554,432"),
    ],
)
def test_bytes_that_do_not_fit(data: bytes, kind: type[InputError], quoted: str) -> None:
    with pytest.raises(kind, match=quoted):
        annotation_file(data, "folder/x.atr", record())


@pytest.mark.data
@pytest.mark.parametrize("name", ["100", "119", "207", "228"])
def test_public_annotations_come_in_and_go_out(data_set: DataSet, name: str) -> None:
    folder = data_set("mitdb")
    signals = read(folder / name)
    found = annotation_file((folder / f"{name}.atr").read_bytes(), f"{name}.atr", signals)
    theirs = wfdb.rdann(str(folder / name), "atr")
    beats = [(sample, symbol) for sample, symbol in zip(theirs.sample.tolist(), theirs.symbol, strict=True) if symbol in AAMI_OF_MIT]
    assert list(zip(found.beats.samples.tolist(), found.beats.codes, strict=True)) == beats
    rhythms = [note.rstrip("\0")[1:] for symbol, note in zip(theirs.symbol, theirs.aux_note, strict=True) if symbol == "+" and note.rstrip("\0") != "(N"]
    assert [item.text for item in found.items if item.kind == "rhythm"] == rhythms
    assert sum(item.kind == "comment" for item in found.items) == theirs.symbol.count('"')
    assert sum(item.kind == "artefact" for item in found.items) == int((theirs.subtype[np.array(theirs.symbol) == "~"] != 0).sum())
    reading = State.first(analyze(signals).beats, signals.fs_hz)
    reading = reading.applied(ReplaceBeats(found.beats, found.items).change(reading, signals.n_samples, "anna@x"), 1)
    out = encode(annotation(reading, signals.fs_hz, "lw", signals.leads), signals.fs_hz)
    again = annotation_file(out, f"{name}.lw", signals)
    assert (again.beats.samples.tolist(), again.beats.codes) == (found.beats.samples.tolist(), found.beats.codes)
    assert content(again.items) == content(found.items)
