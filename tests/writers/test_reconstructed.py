"""A reconstruction is marked in every file that leaves: who accepted it, of which lead, by which model; samples stay those recorded."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgcore import convert, imports
from ecgcore.errors import FormatError, InputError
from ecgcore.findings import Analysis, Beats, Info, Quality, Reconstruction
from ecgcore.readers import read
from ecgcore.reconstructed import Accepted, accepted_from_dict, accepted_to_dict, overlapping
from ecgcore.record import Record
from ecgcore.review import Item, State
from ecgcore.writers import write
from ecgcore.writers.review import Provenance, annotation, beats_csv, read_review_json, reconstructed_csv, review_json
from ecgcore.writers.wfdb import write_annotation

MakeRecord = Callable[..., Record]
AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
FS_HZ = 360.0


def accepted(start: int, stop: int, lead: str = "V1", kind: str = "gap", who: str = "anna@x", **more: object) -> Accepted:
    signal = np.sin(np.arange(stop - start, dtype=np.float32) / 7) / 3
    made = Reconstruction("wonhee@1", lead, kind, start, stop, FS_HZ, signal, signal - np.float32(0.1), signal + np.float32(0.1))
    return Accepted(f"{lead}-{start}", made, who, AT, **more)


GAP = accepted(100, 200)
FORECAST = accepted(3600, 3960, "MLII", "forecast")
GONE = accepted(500, 600, discarded_by="ben@x", discarded_at=AT)
ALL = (GAP, GONE, FORECAST)
BEATS = State(3, np.array([50, 400, 760]), np.array(["N", "V", "N"]), np.array(["beats@2"] * 3, object), (Item("1", "comment", 100, 100, "mine", None, "anna"),), "beats@2", FS_HZ)
PROVENANCE = Provenance(
    "t", "a" * 64, "t.hea", ("MLII",), "beats@2", "b" * 64, "d", "r" * 32, (), None, 3, None, "0.2.0", AT, tuple(one.said for one in (GAP, FORECAST))
)  # fmt: skip


def names_them(text: str) -> bool:
    """Whether lead, span, model and who accepted are told of both that stand, and nothing of the one that does not."""
    return all(said in text for said in ("V1", "100", "200", "MLII", "3600", "3960", "wonhee@1", "anna@x", "reconstructed")) and "ben@x" not in text


def test_what_is_said_of_one_names_lead_span_model_and_who() -> None:
    assert GAP.said == ("V1 0.278 to 0.556 s, samples 100 to 200, gap by wonhee@1, accepted by anna@x at 2026-03-01T12:00:05+00:00; not in the record; not counted, not measured")
    assert "discarded by ben@x at 2026-03-01T12:00:05+00:00" in GONE.said


def test_those_that_share_a_sample_of_a_lead() -> None:
    assert overlapping(ALL, "V1", 199, 300) == (GAP,)
    assert overlapping(ALL, "V1", 200, 650) == ()
    assert overlapping(ALL, "MLII", 0, 3600) == ()


@pytest.mark.parametrize("one", ALL)
def test_one_comes_back_equal_from_json(one: Accepted) -> None:
    assert accepted_from_dict(json.loads(json.dumps(accepted_to_dict(one)))) == one


@pytest.mark.parametrize("broken", [{}, {"accepted_at": "yesterday"}, {"reconstructed_mv": ["high"]}])
def test_json_that_is_none_is_refused(broken: dict[str, object]) -> None:
    data = {} if not broken else accepted_to_dict(GAP) | broken
    with pytest.raises(FormatError, match="not an accepted reconstruction"):
        accepted_from_dict(data)


def test_the_review_holds_them_with_their_values_and_the_discarded_too(make_record: MakeRecord) -> None:
    found = Beats(np.array([50]), ("N",), ("N",), np.ones((1, 1), np.float32), "beats@2", ("MLII",), "d", ("N",))
    analysis = Analysis(Info.of(make_record()), ("MLII",), found, None, Quality(10.0, {"MLII": 1.0}, ()), {})
    text = review_json(BEATS, (), analysis, PROVENANCE, ALL)
    back = read_review_json(text)
    assert back.reconstructions == ALL
    assert back.provenance == PROVENANCE
    assert back.analysis == analysis
    first = json.loads(text)["reconstructions"][0]
    assert first["reconstructed_mv"] == pytest.approx(GAP.made.signal_mv.tolist(), abs=5e-5)
    data = json.loads(text)
    del data["reconstructions"], data["provenance"]["reconstructed"]  # as an earlier version wrote it
    assert read_review_json(json.dumps(data)).reconstructions == ()


def test_the_table_of_values_says_what_it_is() -> None:
    text = reconstructed_csv(ALL, PROVENANCE.lines())
    assert text.startswith("# reconstructed signal: not in the record; not counted, not measured\n# leadwise: 0.2.0\n")
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert len(table) == 100 + 360
    assert set(table["lead"]) == {"V1", "MLII"}
    gap = table[table["lead"] == "V1"]
    assert gap["sample"].tolist() == list(range(100, 200))
    np.testing.assert_allclose(gap["reconstructed_mv"], GAP.made.signal_mv, atol=5e-5)
    assert (gap["reconstructed_high_mv"] > gap["reconstructed_mv"]).all()
    assert set(table["accepted_by"]) == {"anna@x"}


def test_the_table_of_values_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "t.reconstructed.csv"
    path.write_text(reconstructed_csv(ALL))
    with pytest.raises(InputError):
        read(path)


def test_the_head_of_the_beats_names_them_and_the_beats_are_the_same() -> None:
    with_them, without = (beats_csv(BEATS, FS_HZ, one).splitlines() for one in (PROVENANCE, replace(PROVENANCE, reconstructed=())))
    assert names_them("\n".join(with_them))
    assert [line for line in with_them if not line.startswith("# reconstructed")] == without


def test_annotations_tell_of_them_where_they_begin_and_our_reader_takes_none_for_a_comment(make_record: MakeRecord, tmp_path: Path) -> None:
    marks = annotation(BEATS, FS_HZ, leads=("MLII", "V1"), provenance=PROVENANCE, reconstructions=ALL)
    path = write_annotation(marks, FS_HZ, tmp_path / "t.lw")
    theirs = wfdb.rdann(str(tmp_path / "t"), "lw")
    told = {sample: note for sample, note in zip(theirs.sample.tolist(), theirs.aux_note, strict=True) if note.startswith("# reconstructed ") and sample > 1}
    assert told == {
        100: "# reconstructed V1 to sample 200, gap by wonhee@1, accepted by anna@x; not in the record; not counted, not measured",
        3599: "# reconstructed MLII to sample 3960, forecast by wonhee@1, accepted by anna@x; not in the record; not counted, not measured",
    }
    back = imports.annotation_file(path.read_bytes(), "t.lw", make_record())
    assert [(item.kind, item.start, item.text) for item in back.items] == [("comment", 100, "mine")]
    assert back.notes == ()


def test_conversions_keep_the_samples_and_tell_of_them(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    for name in ("with.hea", "with.edf", "with.csv"):
        paths = convert(record, tmp_path / name.replace("with", name.partition(".")[2]), ALL)
        assert paths[-1].name == f"{name.partition('.')[2]}.reconstructed.csv"
        assert names_them(paths[-1].read_text())
        plain = tmp_path / "plain" / name
        write(record, plain)
        np.testing.assert_array_equal(read(paths[0]).mv(), read(plain).mv())
        assert np.isnan(read(paths[0]).mv(("V1",), 100, 200)).all()
    assert names_them((tmp_path / "hea.hea").read_text())
    assert names_them("\n".join(read(tmp_path / "hea.hea").comments))
    assert names_them((tmp_path / "csv.csv").read_text().partition("time_s")[0])
    told = [(one.onset, one.duration, one.text) for one in edfio.read_edf(tmp_path / "edf.edf").annotations if one.text.startswith("reconstructed: ")]
    assert [text for _, _, text in told] == [f"reconstructed: {one.said}" for one in (GAP, FORECAST)]
    assert told[0][:2] == pytest.approx((100 / 360, 100 / 360), abs=1e-4)


def test_without_any_nothing_is_written_beside(make_record: MakeRecord, tmp_path: Path) -> None:
    assert [path.name for path in write(make_record(), tmp_path / "t.edf", reconstructions=(GONE,))] == ["t.edf"]
