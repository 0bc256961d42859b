"""Which reading of a record counts, whose it is, and which part its patient is in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ecgcore import demo
from ecgcore.record import Patient, Record
from ecgcore.store.manifest import Manifest, ManifestRecord, Refused, beats, parts_of, patient_of, patients, reading_that_counts
from ecgcore.store.readings import Reading, SignOff

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def a_reading(name: str, kind: str = "open", session: str | None = None, signed: int | None = None, seq: int = 3) -> Reading:
    """A reading signed so many minutes after the begin, or not at all."""
    signature = None if signed is None else SignOff(name, 1, seq, "anna@x", BEGUN + timedelta(minutes=signed), "", "0" * 64)
    return Reading(name, "r", session, "" if kind != "session" else name, "a", kind, "beats@1", ("I",), seq, signature, BEGUN)


SHARED = a_reading("shared", signed=9)
ALONE, ALONE_LATER = a_reading("alone", "session", "s1", 1), a_reading("later", "session", "s2", 2)
ANNA, BEN = a_reading("anna", "session", "s3", 3), a_reading("ben", "session", "s3", 4)
BEN_OPEN = a_reading("ben", "session", "s3")
JUDGED, JUDGED_LATER = a_reading("judged", "adjudication", "s3", 5), a_reading("judged later", "adjudication", "s4", 6)
JUDGED_OPEN = a_reading("judged", "adjudication", "s3")
CARL = a_reading("carl", "session", "s3", 5)


@pytest.mark.parametrize(
    ("readings", "counts"),
    [
        pytest.param([SHARED], "shared", id="the shared one"),
        pytest.param([SHARED, ALONE], "alone", id="a session's before the shared one"),
        pytest.param([ALONE_LATER, SHARED, ALONE], "later", id="of two sessions the one signed last"),
        pytest.param([SHARED, ALONE_LATER, ANNA, BEN, JUDGED], "judged", id="an adjudication before all"),
        pytest.param([JUDGED_LATER, ANNA, BEN, JUDGED], "judged later", id="of two adjudications the one signed last"),
        pytest.param([ANNA, BEN_OPEN, SHARED], "shared", id="the shared one while one of two has not signed"),
        pytest.param([ALONE, a_reading("shared")], "alone", id="an open one does not count"),
    ],
)
def test_the_reading_that_counts(readings, counts):
    found = reading_that_counts(readings, {"shared", "judged"})
    assert isinstance(found, Reading)
    assert found.id == counts


@pytest.mark.parametrize(
    ("readings", "why"),
    [
        pytest.param([], "", id="none"),
        pytest.param([a_reading("x", seq=0)], "", id="none begun"),
        pytest.param([a_reading("x")], "not signed off", id="begun"),
        pytest.param([a_reading("amended"), a_reading("x", seq=0)], "opened again and not signed off since", id="amended"),
        pytest.param([ANNA, BEN_OPEN], "not all readers of its session have signed off", id="one of two"),
        pytest.param([ANNA, BEN, SHARED, ALONE], "two readers, no adjudication", id="two"),
        pytest.param([ANNA, BEN, JUDGED_OPEN], "two readers, and their adjudication is not signed off", id="adjudication begun"),
        pytest.param(
            [ANNA, BEN, a_reading("amended", "adjudication", "s3")], "two readers, and their adjudication is opened again and not signed off since", id="adjudication amended"
        ),
        pytest.param([ANNA, BEN, CARL], "3 readers, and only two can be adjudicated", id="three"),
    ],
)
def test_why_none_counts(readings, why):
    assert reading_that_counts(readings, {"amended", "anna"}) == why


def of_patient(stated: str | None) -> Record:
    return replace(demo.record_of("x", np.zeros((1, 100)), [], ("I",), 100.0), patient=Patient(id=stated))


def test_a_patient_is_the_id_that_a_file_states_else_the_signal():
    stated = {patient_of(of_patient(written), signal) for written in ("Case 7", " case  7 ") for signal in ("s1", "s2")}
    assert len(stated) == 1
    unstated = [patient_of(of_patient(none), signal) for none in (None, "", "  ") for signal in ("s1", "s2")]
    assert unstated == unstated[:2] * 3
    assert len({*stated, *unstated}) == 3
    assert patient_of(of_patient("s1"), "s2") != patient_of(of_patient(None), "s1")


def test_about_every_fifth_patient_is_held_out_and_stays_so():
    found = parts_of([f"p{number}" for number in range(5000)], {})
    parts = list(found.values())
    assert parts.count("trained") + parts.count("held out") == 5000
    assert 0.18 < parts.count("held out") / 5000 < 0.22
    assert "".join(part[0] for part in parts[:12]) == "htttttththth"
    assert parts_of(["p0", *(f"q{number}" for number in range(9))], {})["p0"] == found["p0"]


def test_none_of_few_patients_is_held_out_and_who_was_frozen_stays_where_he_is():
    assert set(parts_of(["p0", "p7", "p9", "p1"], {}).values()) == {"trained"}
    more = parts_of(["p0", "p7", "p9", "p1", "p11"], {"p0": "trained", "p1": "held out"})
    assert more == {"p0": "trained", "p7": "held out", "p9": "held out", "p1": "held out", "p11": "held out"}


def a_line(name: str = "one", patient: str = "p1", part: str = "trained", **other) -> ManifestRecord:
    plain = {"record_id": name, "sha256": "a", "signal_sha256": name, "reading_id": "r", "version": 1, "annotation_sha256": "b", "n_beats": 3, "corrected": 1}
    return ManifestRecord(name=name, patient=patient, part=part, counts={"N": 2, "S": 0, "V": 1, "F": 0, "Q": 0}, **{**plain, **other})


def test_a_manifest_is_known_by_its_records_alone():
    one = Manifest(records=(a_line(), a_line("two", "p2", "held out")))
    assert Manifest.model_validate_json(one.model_dump_json()) == one
    assert Manifest(records=one.records, refused=(Refused(record_id="x", name="x", why="not signed off"),)).sha256 == one.sha256
    others = [Manifest(), Manifest(records=one.records[:1]), Manifest(records=(a_line(version=2), one.records[1])), Manifest(records=(a_line(part="held out"), one.records[1]))]
    assert len({one.sha256, *(other.sha256 for other in others)}) == 5


def test_parts_patients_and_beats_are_counted():
    manifest = Manifest(records=(a_line(), a_line("two"), a_line("three", "p2", "held out")))
    assert ([one.name for one in manifest.trained], [one.name for one in manifest.held_out]) == (["one", "two"], ["three"])
    assert (patients(manifest.trained), patients(manifest.records), patients(())) == (1, 2, 0)
    assert beats(manifest.trained) == {"N": 4, "S": 0, "V": 2, "F": 0, "Q": 0}
