import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgcore.analysis import analyze
from ecgcore.errors import FormatError, InputError
from ecgcore.evaluation.ec57_marks import SHUTDOWN_BITS
from ecgcore.findings import Analysis, Beats, Info, Quality
from ecgcore.readers import read
from ecgcore.readers.wfdb_annotations import annotation as read_annotation
from ecgcore.readers.wfdb_annotations import decode
from ecgcore.record import Annotation, Record
from ecgcore.review import Change, Event, Item, Marks, State
from ecgcore.writers.review import Provenance, ReviewFile, Signed, annotation, beats_csv, read_review_json, review_json
from ecgcore.writers.wfdb import write_annotation

MakeRecord = Callable[..., Record]
DataSet = Callable[[str], Path]
FS_HZ = 360.0
SIGNED = Signed("anna@x", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC), 2, "over-read, all beats seen", "c" * 64)
PROVENANCE = Provenance(
    record_name="119",
    record_sha256="a" * 64,
    file_name="119.hea",
    leads=("MLII", "V1"),
    model="beats@2",
    weights_sha256="b" * 64,
    detector="envelope 1",
    reading_id="r" * 32,
    readers=("anna@x", "ben@x"),
    session="Ward, second\nreading",
    state_seq=12,
    signed=SIGNED,
    version="0.2.0",
    made_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
)


def item(kind: str, start: int, stop: int, text: str = "", lead: str | None = None) -> Item:
    return Item(f"{kind}-{start}-{stop}", kind, start, stop, text, lead, "anna@x")


def state(*items: Item, beats: str = "N@100 V@400 N@700", author: str = "beats@2") -> State:
    found = [one.split("@") for one in beats.split()]
    samples = np.array([int(sample) for _, sample in found], np.int64)
    return State(12, samples, np.array([code for code, _ in found], "<U1"), np.full(samples.size, author, object), items, "beats@2", FS_HZ)


def seen(marks: Annotation) -> list[tuple[Any, ...]]:
    """Sample, symbol, text and subtype of what is no beat and not about the file."""
    rows = zip(marks.samples.tolist(), marks.symbols, marks.notes, marks.subtypes.tolist(), strict=True)
    return [row for row in rows if row[1] in '+~"' and not (row[1] == '"' and row[3] == 1)]


def labels(marks: Annotation) -> list[tuple[int, str]]:
    return [(sample, note) for sample, symbol, note, _ in seen(marks) if symbol == "+"]


def quality(marks: Annotation) -> list[tuple[int, int]]:
    return [(sample, subtype) for sample, symbol, _, subtype in seen(marks) if symbol == "~"]


def as_wfdb_reads(marks: Annotation, folder: Path) -> Any:
    write_annotation(marks, FS_HZ, folder / f"119.{marks.annotator}")
    assert all(sample > 0 for sample, symbol in zip(marks.samples.tolist(), marks.symbols, strict=True) if symbol == '"')  # rdann may never end
    return wfdb.rdann(str(folder / "119"), marks.annotator)


EVERYTHING = (
    item("rhythm", 0, 3600, "AFIB"),
    item("rhythm", 400, 700, "VT"),
    item("artefact", 0, 100, "muscle"),
    item("artefact", 50, 400, "unreadable", "V1"),
    item("comment", 0, 0, "of the whole record"),
    item("comment", 100, 100, "at a beat", "MLII"),
    item("comment", 100, 900, "over\tsome\ntime"),
    item("comment", 700, 700, "x" * 600),
    item("decision", 400, 400, "disagreement 1: a"),
)


def test_the_wfdb_package_reads_what_was_written(tmp_path: Path) -> None:
    marks = annotation(state(*EVERYTHING), FS_HZ, leads=("MLII", "V1"), provenance=PROVENANCE)
    theirs = as_wfdb_reads(marks, tmp_path)
    assert theirs.fs == FS_HZ
    assert theirs.sample.tolist() == marks.samples.tolist()
    assert tuple(theirs.symbol) == marks.symbols
    assert tuple(theirs.aux_note) == marks.notes
    for column, ours in ((theirs.subtype, marks.subtypes), (theirs.chan, marks.channels), (theirs.num, marks.numbers)):
        np.testing.assert_array_equal(column, ours)


def test_our_reader_reads_what_was_written(tmp_path: Path) -> None:
    marks = annotation(state(*EVERYTHING), FS_HZ, leads=("MLII", "V1"), provenance=PROVENANCE)
    path = write_annotation(marks, FS_HZ, tmp_path / "119.lw")
    notes: list[str] = []
    found = read_annotation(decode(path.read_bytes(), "119.lw"), "lw", FS_HZ, FS_HZ, 3601, notes)
    assert notes == []
    assert (found.symbols, found.notes) == (marks.symbols, marks.notes)
    for name in ("samples", "subtypes", "channels", "numbers"):
        np.testing.assert_array_equal(getattr(found, name), getattr(marks, name))


@pytest.mark.parametrize("items", [(), EVERYTHING])
@pytest.mark.parametrize("provenance", [None, PROVENANCE])
def test_tools_count_the_beats_that_are_there(tmp_path: Path, items: tuple[Item, ...], provenance: Provenance | None) -> None:
    theirs = as_wfdb_reads(annotation(state(*items, beats="N@0 V@1 A@400 /@3599"), FS_HZ, provenance=provenance), tmp_path)
    beats = [(sample, symbol, chan) for sample, symbol, chan in zip(theirs.sample.tolist(), theirs.symbol, theirs.chan.tolist(), strict=True) if symbol not in '+~"']
    assert beats == [(0, "N", 0), (1, "V", 0), (400, "A", 0), (3599, "/", 0)]


def test_marks_on_one_sample_have_channels_of_their_own_and_the_beat_comes_first() -> None:
    marks = annotation(state(*EVERYTHING), FS_HZ)
    places = list(zip(marks.samples.tolist(), marks.channels.tolist(), strict=True))
    assert places == sorted(set(places))  # the canonical order of the WFDB library: time, then channel, no two alike
    assert all(chan == 0 for symbol, chan in zip(marks.symbols, marks.channels.tolist(), strict=True) if symbol in "NV")


def test_a_rhythm_begins_and_the_one_around_it_goes_on() -> None:
    marks = annotation(state(item("rhythm", 100, 3000, "AFIB"), item("rhythm", 400, 700, "VT")), FS_HZ)
    assert labels(marks) == [(100, "(AFIB"), (400, "(VT"), (700, "(AFIB"), (3000, "(N")]


def test_where_one_rhythm_follows_another_the_last_word_is_the_new_one() -> None:
    marks = annotation(state(item("rhythm", 100, 400, "AFIB"), item("rhythm", 400, 700, "VT")), FS_HZ)
    assert labels(marks) == [(100, "(AFIB"), (400, "(VT"), (400, "(VT"), (700, "(N")]


def test_rhythms_that_cross() -> None:
    marks = annotation(state(item("rhythm", 100, 400, "AFIB"), item("rhythm", 300, 700, "VT")), FS_HZ)
    assert labels(marks) == [(100, "(AFIB"), (300, "(VT"), (400, "(VT"), (700, "(N")]


@pytest.mark.parametrize(
    ("leads", "items", "expected"),
    [
        (("MLII", "V1"), (item("artefact", 5, 9),), [(5, 0b11), (9, 0)]),
        (("MLII", "V1"), (item("artefact", 5, 9, "loose", "V1"), item("artefact", 7, 20, "", "MLII")), [(5, 0b10), (7, 0b11), (9, 0b01), (20, 0)]),
        (("MLII", "V1"), (item("artefact", 5, 9, "unreadable"),), [(5, 0x33), (9, 0)]),
        (("I", "II", "III", "V1", "V2"), (item("artefact", 5, 9, "unreadable"),), [(5, -1), (9, 0)]),
        (("I", "II", "III", "V1", "V2"), (item("artefact", 5, 9, "", "V2"),), [(5, 0), (9, 0)]),  # WFDB tells the quality of four signals
        ((), (item("artefact", 5, 9, "", "V1"),), [(5, 0b1111), (9, 0)]),
    ],
)
def test_artefact_tells_the_quality_of_the_signals(leads: tuple[str, ...], items: tuple[Item, ...], expected: list[tuple[int, int]]) -> None:
    assert quality(annotation(state(*items), FS_HZ, leads=leads)) == expected


def test_unreadable_is_a_shutdown_of_ec57() -> None:
    ((_, subtype), _) = quality(annotation(state(item("artefact", 5, 9, "unreadable")), FS_HZ, leads=("MLII", "V1")))
    assert subtype & SHUTDOWN_BITS == SHUTDOWN_BITS


def test_a_comment_stands_as_it_is() -> None:
    assert seen(annotation(state(item("comment", 100, 100, "## look here")), FS_HZ)) == [(100, '"', "## look here", 0)]


def test_a_comment_on_the_first_sample_is_not_lost(tmp_path: Path) -> None:
    """wfdb.rdann drops notes on sample 0, and never ends where one begins with "## "."""
    theirs = as_wfdb_reads(annotation(state(item("comment", 0, 0, "## all of it")), FS_HZ), tmp_path)
    assert (1, '"', "## all of it") in zip(theirs.sample.tolist(), theirs.symbol, theirs.aux_note, strict=True)


def test_a_file_tells_where_it_comes_from(tmp_path: Path) -> None:
    theirs = as_wfdb_reads(annotation(state(), FS_HZ, provenance=PROVENANCE), tmp_path)
    said = [note for sample, note in zip(theirs.sample.tolist(), theirs.aux_note, strict=True) if sample == 1]
    assert said == [f"# {line}" for line in PROVENANCE.lines()]
    assert "# signed: version 2 by anna@x at 2026-03-01T12:00:05+00:00: over-read, all beats seen" in said
    assert "# session: Ward, second reading" in said
    assert {note for note in annotation(state(), FS_HZ).notes if note} == {"# leadwise review at 360 Hz"}


def test_more_spans_than_can_be_told_apart() -> None:
    many = [replace(item("artefact", 5, 9), id=str(i)) for i in range(128)]
    assert len(quality(annotation(state(*many[:127]), FS_HZ))) == 254
    with pytest.raises(InputError, match="128 spans overlap at sample 5"):
        annotation(state(*many), FS_HZ)


def test_numbers_are_used_again() -> None:
    many = [item("artefact", 10 * i, 10 * i + 5) for i in range(300)]
    marks = annotation(state(*many), FS_HZ)
    assert set(marks.numbers.tolist()) == {0, 1}


def test_pandas_reads_the_beats() -> None:
    found = Beats(np.array([100, 400]), ("N", "S"), ("N", "S"), np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), "beats@2", ("MLII",), "d", ("N", "S"))
    reading = State(3, np.array([100, 400, 760]), np.array(["N", "V", "/"]), np.array(["beats@2", 'anna "#1", x', "file:atr"], object), (), "beats@2", FS_HZ)
    text = beats_csv(reading, FS_HZ, PROVENANCE, found)
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert list(table.columns) == ["sample", "time_s", "class", "code", "author", "probability", "rr_ms"]
    assert table["sample"].tolist() == [100, 400, 760]
    assert table["time_s"].tolist() == [0.277778, 1.111111, 2.111111]
    assert table["class"].tolist() == ["N", "V", "Q"]
    assert table["code"].tolist() == ["N", "V", "/"]
    assert table["author"].tolist() == ["beats@2", 'anna " 1", x', "file:atr"]
    assert table["probability"].fillna(-1).tolist() == [0.9, -1, -1]  # of the model's own beats only
    assert table["rr_ms"].fillna(-1).tolist() == [-1, 833.3, 1000.0]


def test_the_head_of_the_table_tells_where_it_comes_from() -> None:
    lines = beats_csv(state(), FS_HZ, PROVENANCE).splitlines()
    n = len(PROVENANCE.lines())
    assert lines[:n] == [f"# {line}" for line in PROVENANCE.lines()]
    assert lines[0] == "# leadwise: 0.2.0"
    assert lines[n:] == ["sample,time_s,class,code,author,probability,rr_ms", "100,0.277778,N,N,beats@2,,", "400,1.111111,V,V,beats@2,,833.3", "700,1.944444,N,N,beats@2,,833.3"]


def test_a_reading_without_beats_is_a_table_without_lines() -> None:
    assert pd.read_csv(io.StringIO(beats_csv(state(beats=""), FS_HZ, replace(PROVENANCE, signed=None, session=None))), comment="#").empty


def test_provenance_that_is_not_signed() -> None:
    lines = replace(PROVENANCE, signed=None, session=None, readers=()).lines()
    assert {"signed: no", "signed sha256: none", "session: none", "readers: shared"} <= set(lines)


def review(make_record: MakeRecord, provenance: Provenance = PROVENANCE) -> ReviewFile:
    """A reading of three events: relabelled, marked, undone."""
    beats = Beats(np.array([100, 400]), ("N", "S"), ("N", "S"), np.array([[0.9, 0.1], [0.25, 0.75]], np.float32), "beats@2", ("MLII",), "d", ("N", "S"))
    analysis = Analysis(Info.of(make_record()), ("MLII",), beats, None, Quality(10.0, {"MLII": 1.0}, ()), {"detection": 0.5}, ("a note",), {"leadwise": "0.2.0"})
    at = datetime(2026, 3, 1, 11, 0, 0, 123456, tzinfo=UTC)
    relabel = Change(Marks.of([400], "S", "beats@2"), Marks.of([400], "V", "anna@x"))
    mark = Change(items_are=(item("comment", 5, 5, "größer als sonst\n\t#"),))
    events = (
        Event(1, "relabel", "anna@x", at, "beats@2", relabel, None, "", "one"),
        Event(2, "mark", "ben@x", at, "beats@2", mark, None, "", "two"),
        Event(3, "undo", "anna@x", at, "beats@2", relabel.inverse(), 1, "", "three"),
    )
    now = State.first(beats, FS_HZ)
    for event in events:
        now = now.applied(event.change, event.seq)
    return ReviewFile(now, events, analysis, provenance)


@pytest.mark.parametrize("provenance", [PROVENANCE, replace(PROVENANCE, signed=None, session=None, readers=())])
def test_a_review_comes_back_equal(make_record: MakeRecord, provenance: Provenance) -> None:
    given = review(make_record, provenance)
    found = read_review_json(review_json(given.state, given.events, given.analysis, given.provenance))
    assert found.state == given.state
    assert found.events == given.events
    assert found.analysis == given.analysis
    assert found.provenance == given.provenance
    assert found == given


def test_a_review_tells_who_when_what_was_and_what_is(make_record: MakeRecord) -> None:
    given = review(make_record)
    event = json.loads(review_json(given.state, given.events, given.analysis, given.provenance))["events"][0]
    assert (event["who"], event["at"], event["model"], event["kind"]) == ("anna@x", "2026-03-01T11:00:00.123456+00:00", "beats@2", "relabel")
    assert event["change"]["beats_were"] == {"samples": [400], "codes": "S", "authors": [["beats@2", 1]]}
    assert event["change"]["beats_are"] == {"samples": None, "codes": "V", "authors": [["anna@x", 1]]}  # in place


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "not a review"),
        ("[]", "not a review"),
        ("{}", "'format'"),
        ('{"format": "leadwise review", "version": 2}', "version 2, where 'leadwise review' version 1 is read"),
        ('{"format": "leadwise review", "version": 1, "state": {}}', "not a state"),
    ],
)
def test_texts_that_are_no_review(text: str, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted):
        read_review_json(text)


@pytest.mark.parametrize(("key", "value"), [("events", [{}]), ("provenance", {}), ("provenance", {"signed": None}), ("analysis", {}), ("state", {"beats": 1})])
def test_a_review_with_a_broken_part(make_record: MakeRecord, key: str, value: Any) -> None:
    given = review(make_record)
    data = json.loads(review_json(given.state, given.events, given.analysis, given.provenance)) | {key: value}
    with pytest.raises(FormatError, match="not a"):
        read_review_json(json.dumps(data))


@pytest.mark.data
@pytest.mark.parametrize("name", ["100", "119"])
def test_public_records_leave_as_all_three(data_set: DataSet, tmp_path: Path, name: str) -> None:
    record = read(data_set("mitdb") / name)
    analysis = analyze(record)
    now = State.first(analysis.beats, record.fs_hz)
    theirs = as_wfdb_reads(annotation(now, record.fs_hz, leads=record.leads, provenance=PROVENANCE), tmp_path)
    assert sum(symbol != '"' for symbol in theirs.symbol) == len(analysis.beats)
    table = pd.read_csv(io.StringIO(beats_csv(now, record.fs_hz, PROVENANCE, analysis.beats)), comment="#")
    assert table["class"].value_counts().to_dict() == {name: n for name, n in analysis.beats.counts.items() if n}
    assert table["probability"].notna().all()
    assert read_review_json(review_json(now, (), analysis, PROVENANCE)).analysis == analysis
