"""What is no sound request is refused in one sentence that says what would be right, and never fails the service."""

import io
import json
import zipfile

import numpy as np
import pytest
from starlette.testclient import TestClient

from ecgcore.service import asked, uploads
from ecgcore.service import signals as limits
from ecgcore.service.app import create
from ecgcore.service.asked import Batch, Options, Signals
from ecgcore.service.config import config
from ecgcore.service.refused import Refused
from tests.service.conftest import NO_KEYS, post

PATHS = ("/v1/rhythm", "/v1/rhythm/trend", "/v1/beats")
WAVE = [round(float(np.sin(i / 20) + np.sin(i / 3) / 3), 4) for i in range(3000)]
USE = b'Content-Disposition: form-data; name="use"\r\n\r\nI\r\n'
SOUND = {"fs_hz": 500, "units": "mV", "leads": {"I": WAVE, "II": WAVE}}


def refused(told, status=422):
    assert told.status_code == status, told.text
    assert list(told.json()) == ["detail"]
    assert "\n" not in told.json()["detail"]
    return told.json()["detail"]


def text(**changes) -> str:
    return json.dumps({**SOUND, **changes})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("[1, 2]", "should be an object"),
        ("null", "should be an object"),
        ("{}", "fs_hz: field required"),
        (text()[:-1] + ', "fs_hz": 250}', '"fs_hz" stands twice'),
        ('{"fs_hz": 500, "units": "mV", "leads": {"I": [1, 2], "I": [3, 4]}}', '"I" stands twice'),
        (text(leads={"I": [float("nan")] * 3000}), "finite number, not NaN"),
        (text(leads={"I": [float("inf")] * 3000}), "finite"),
        (text(leads={"I": ["1.5"] * 3000}), "valid number"),
        (text(leads={"I": [True] * 3000}), "valid number"),
        (text(leads={"I": [[1.0]] * 3000}), "valid number"),
        (text(leads={"I": "1,2,3"}), "valid array"),
        (text(leads={"I": []}), "at least 1 item"),
        (text(leads={}), "at least 1 item"),
        (text(leads=[WAVE]), "leads: input should be"),
        (text(leads={f"ECG{i}": WAVE for i in range(33)}), "at most 32"),
        (text(leads={"I": [1e400]}), "finite"),
        (text(leads={"I": WAVE, "X9": WAVE}), "'X9' is no lead that is known; there are I, II, III"),
        (text(leads={"II": WAVE, "Lead ii": WAVE}), "all name the lead II"),
        (text(leads={"I": WAVE, "II": WAVE[:-1]}), "II has 2,999 samples and I 3,000"),
        (text(leads={"I": WAVE[:2000]}), "lasts 4 s"),
        (text(leads={"I": [None] * 3000}), "missing"),
        (text(leads={"I": [0.0] * 3000}), "10 µV or more"),
        (text(leads={"I": [1e300] * 3000}), "no ECG does: perhaps the values are in uV or V"),
        (text(leads={"I": [value * 1000 for value in WAVE]}), "an ECG stays within 50 mV: perhaps the values are in uV"),
        (text(units="V"), "perhaps the values are in mV or uV"),
        (text(units="uV"), "perhaps the values are in mV or V"),
        (text(units="mmHg"), "'mV', 'uV'"),
        (text(units=None), "'mV', 'uV'"),
        (text(fs_hz=0), "greater than or equal to 50"),
        (text(fs_hz=-500), "greater than or equal to 50"),
        (text(fs_hz=1e9), "less than or equal to 1000"),
        (text(fs_hz="500"), "valid number"),
        (text(use=["V6"]), "it has I, II"),
        (text(use=[]), "at least 1 item"),
        (text(model="magic"), "no model 'magic'"),
        (text(model="../../etc/passwd"), "no model"),
        (text(start_s=9, stop_s=3), "stretch"),
        (text(start_s=-1), "greater than or equal to 0"),
        (text(stop_s=1e5), "stretch"),
        (text(patient="Anna"), "patient: extra inputs are not permitted"),
    ],
)
def test_bodies_that_are_no_recording(client, path, body, said):
    assert said in refused(post(client, path, body.encode()))


LONG_NUMBER = b'{"fs_hz": 500, "units": "mV", "leads": {"I": [1' + b"1" * 5000 + b"]}}"


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b'{"fs_hz": 500, "units": "mV", "leads": {"\\ud800": [1]}}', LONG_NUMBER])
def test_bytes_that_are_no_json(client, body):
    assert "not JSON" in refused(post(client, "/v1/rhythm", body))


def test_a_model_of_another_kind_is_refused(client):
    assert "beats" in refused(post(client, "/v1/rhythm", {**SOUND, "model": "beats"}))
    assert "universal" in refused(post(client, "/v1/beats", {**SOUND, "model": "universal"}))


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
def test_a_body_of_another_kind(client, kind):
    said = refused(client.post("/v1/rhythm", content=text(), headers={"content-type": kind}), 415)
    assert "application/json" in said


def test_a_packed_body(client):
    assert "Content-Encoding" in refused(post(client, "/v1/rhythm", SOUND, **{"content-encoding": "gzip"}), 415)


def test_a_path_or_a_method_that_is_not_there(client):
    assert "openapi.json" in refused(client.get("/v1/nothing"), 404)
    told = client.get("/v1/rhythm")
    assert "POST" in refused(told, 405)
    assert told.headers["allow"] == "POST"


def test_more_values_than_are_taken(client):
    zeros = b'{"fs_hz": 500, "units": "mV", "leads": {"I": [' + b"0," * asked.MOST_VALUES + b"0]}}"
    assert "a longer recording goes as a file" in refused(post(client, "/v1/rhythm", zeros), 413)


@pytest.mark.parametrize("item", [b"[],", b'"a",', b'{"a":1},'])
def test_more_names_arrays_or_objects_than_recordings_have(client, item):
    assert "more names, arrays and objects" in refused(post(client, "/v1/batch/rhythm", b'{"recordings": [' + item * 40_000 + b"0]}"), 413)


def test_a_recording_that_lasts_too_long(client):
    days = b"x 1 1 300000\nx.dat 16 200 16 0 0 0 0 II\n"
    told = client.post("/v1/beats", files=[("file", ("x.hea", days)), ("file", ("x.dat", bytes(600_000)))])
    assert "83.3 h, all leads together; at most 72 h" in refused(told, 413)


def test_a_body_that_is_too_long_by_what_it_says_or_by_what_it_is():
    small = TestClient(create(config({"LEADWISE_API_BODY_MB": "1"}, keyed=False), keys=lambda: NO_KEYS))
    assert "1,048,576 bytes allowed" in refused(post(small, "/v1/rhythm", b"0" * 2_000_000), 413)

    def pieces():
        for _ in range(40):
            yield b"0" * 100_000

    told = small.post("/v1/rhythm", content=pieces(), headers={"content-type": "application/json"})
    assert "1,048,576 bytes allowed" in refused(told, 413)
    assert small.get("/metrics").text.count("leadwise_body_bytes 0.0") == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"recordings": []}, "at least 1 item"),
        ({"recordings": [SOUND] * 65}, "at most 64"),
        ({}, "recordings: field required"),
        ({"recordings": [SOUND], "model": "universal"}, "model"),
        (b'{"recordings": [NaN]}', "not JSON"),
        (b'{"recordings": [1], "recordings": [2]}', "stands twice"),
    ],
)
def test_batches_that_are_none(client, body, said):
    assert said in refused(post(client, "/v1/batch/rhythm", body))


def test_a_batch_of_files(client):
    assert "one recording a request" in refused(client.post("/v1/batch/rhythm", files={"file": ("one.csv", b"1,2")}), 415)


class TestForms:
    """Forms that are none, and files that are no recordings."""

    @pytest.mark.parametrize(
        ("files", "fields", "said"),
        [
            ([("file", ("x.edf", b""))], {}, "empty"),
            ([("file", ("x.edf", b"not a recording"))], {}, "x.edf"),
            ([("picture", ("x.edf", b"abc"))], {}, "files go in fields called 'file'"),
            ([("file", ("x.hea", b"abc")), ("file", ("x.hea", b"abd"))], {}, "two files are called 'x.hea'"),
            ([("file", ("x.hea", b"x 1 250 1000000000\nx.dat 16 200 16 0 0 0 0 II\n")), ("file", ("x.dat", b"\0" * 100))], {}, "promises 1000000000"),
            ([("file", ("x.hea", b"x 1 250 1000\n../../etc/passwd 16 200 16 0 0 0 0 II\n"))], {}, "passwd"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"fs_hz": "5", "units": "mV", "lead_names": "II"}, "from 50 to 1000, not '5'"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"fs_hz": "nan", "units": "mV", "lead_names": "II"}, "from 50 to 1000"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"fs_hz": "[" * 5000}, "from 50 to 1000"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"fs_hz": "500", "units": "furlong", "lead_names": "II"}, "no voltage"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"fs_hz": "500", "units": "mV", "lead_names": "II"}, "lasts 0.006 s"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"colour": "red"}, "there is no field 'colour'; there are file, use"),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"start_s": "soon"}, 'start_s: input should be a valid number, not "soon"'),
            ([("file", ("x.csv", b"1\n2\n3\n"))], {"checks": "perhaps"}, "checks"),
            ([("file", (f"{i}.csv", b"1\n")) for i in range(65)], {}, "more than 64 files"),
        ],
    )
    def test_forms(self, client, files, fields, said):
        assert said in refused(client.post("/v1/rhythm", files=files, data=fields))

    @pytest.mark.parametrize("fields", [{"units": "mV"}, {"units": "uV"}])
    def test_units_stated_beside_a_table_are_looked_at_too(self, client, fields):
        loud = "\n".join(str(value * (1000 if fields["units"] == "mV" else 0.001)) for value in WAVE).encode()
        told = client.post("/v1/rhythm", files={"file": ("x.csv", loud)}, data={"fs_hz": "500", "lead_names": "II", **fields})
        assert "perhaps the values are in" in refused(told)

    @pytest.mark.parametrize(
        ("body", "kind", "said"),
        [
            (b"abc", "multipart/form-data", "names no boundary"),
            (b"abc", "multipart/form-data; boundary=x", "no form of multipart"),
            (b"--x\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x", "Content-Disposition"),
            (b"--x--\r\n", "multipart/form-data; boundary=x", "no file came"),
            (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--x--\r\n', "multipart/form-data; boundary=x", "without a file name"),
            (2 * (b"--x\r\n" + USE) + b"--x--\r\n", "multipart/form-data; boundary=x", "stands twice"),
        ],
    )
    def test_bodies_that_are_no_form(self, client, body, kind, said):
        assert said in refused(client.post("/v1/beats", content=body, headers={"content-type": kind}))

    def test_a_zip_that_unpacks_to_more_than_is_read(self, client):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in range(6):
                archive.writestr(f"{name}.csv", b"0\n" * 30_000_000)
        assert "unpacks" in refused(client.post("/v1/rhythm", files={"file": ("x.zip", packed.getvalue())}))

    def test_a_small_parquet_of_many_samples(self, client):
        import pyarrow as pa
        from pyarrow import parquet

        file = io.BytesIO()
        parquet.write_table(pa.table({"II": np.zeros(limits.MOST_SAMPLES + 1, np.float32)}), file)
        told = client.post("/v1/rhythm", files={"file": ("x.parquet", file.getvalue())}, data={"fs_hz": "500", "units": "mV"})
        assert "at most 33,554,432 are read" in refused(told)


class TestLimitsAreWhatTheDocumentStates:
    """The forms alone, without HTTP."""

    def test_the_first_thing_wrong_is_told_with_its_place(self):
        with pytest.raises(Refused, match=r"leads\.II\.1: input should be a valid number, not \"x\""):
            asked.parse(bytearray(b'{"fs_hz": 500, "units": "mV", "leads": {"II": [1, "x"]}}'), Signals)

    def test_brackets_within_names_are_no_arrays(self):
        body = bytearray(b'{"fs_hz": 500, "units": "mV", "leads": {"a[1]": [1], "a[2]": [2, null]}}')
        assert list(asked.parse(body, Signals).leads) == ["a[1]", "a[2]"]

    def test_names_are_read_as_the_field_writes_them(self):
        assert limits.names_of(["Lead I", "mlii", "avr", "ecg 1"]) == ("I", "MLII", "aVR", "ECG1")

    def test_an_artefact_does_not_make_a_recording_implausible(self):
        lead = np.sin(np.arange(5000) / 20).astype(np.float32)
        lead[100:140] = 300
        assert limits.reach_mv(lead) < 2
        assert np.isnan(limits.reach_mv(np.full(9, np.nan, np.float32)))

    def test_every_option_has_a_field_of_a_form(self):
        form = uploads.Form({"x": b"1"}, {"use": "I, II", "model": "m", "start_s": "1", "stop_s": "9.5", "checks": "true"})
        assert uploads.options_of(form) == Options(use=["I", "II"], model="m", start_s=1.0, stop_s=9.5, checks=True)
        assert set(form.fields) == set(Options.model_fields)

    def test_a_batch_is_not_looked_into(self):
        assert asked.parse_batch(bytearray(b'{"recordings": [1, {"a": null}]}')) == Batch(recordings=[1, {"a": None}])
