"""What the service answers to recordings that are sound."""

import numpy as np
import pytest
from starlette.testclient import TestClient

from ecgcore import settings
from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.readers import read
from ecgcore.rhythm import rhythm_along, rhythm_of
from ecgcore.rhythm_findings import RHYTHMS, Rhythm, RhythmTrend
from ecgcore.service import verbs
from ecgcore.service.answers import RhythmAnswer, TrendAnswer
from ecgcore.service.app import create
from ecgcore.service.config import config
from tests.service.conftest import NO_KEYS, post, signals_of


def test_rhythm_is_what_the_package_says(client, record, sent):
    told = post(client, "/v1/rhythm", sent)
    assert told.status_code == 200
    answer, found = told.json(), rhythm_of(record)
    assert set(answer["confidences"]) == set(RHYTHMS)
    assert answer["confidences"] == pytest.approx(found.probabilities, abs=2e-3)
    assert answer["lead_weights"] == pytest.approx(found.lead_weights, abs=2e-3)
    assert (answer["model"], tuple(answer["leads"]), answer["sure"]) == (found.model, record.leads, found.sure)
    assert (answer["start_s"], answer["stop_s"], answer["checks"]) == (0, 10, None)


def test_a_rhythm_that_is_not_sure_cannot_be_taken_for_one():
    sure = Rhythm({name: 0.9 if name == "AFIB" else 0.1 / 7 for name in RHYTHMS}, {"II": 1.0}, ("II",), "universal@1", 0.0, 10.0)
    unsure = Rhythm(sure.probabilities, sure.lead_weights, sure.leads, sure.model, 0.0, 10.0, doubt="noise")
    assert (RhythmAnswer.of(sure).rhythm, RhythmAnswer.of(sure).doubt) == ("AFIB", "")
    told = RhythmAnswer.of(unsure)
    assert (told.rhythm, told.sure, told.doubt, told.most_probable) == (None, False, "noise", "AFIB")


@pytest.mark.parametrize("units", ["uV", "V"])
def test_units_do_not_matter(client, record, sent, units):
    other = post(client, "/v1/rhythm", signals_of(record, units)).json()
    assert other["confidences"] == pytest.approx(post(client, "/v1/rhythm", sent).json()["confidences"], abs=2e-3)


@pytest.mark.parametrize("leads", [["II"], ["I", "II"], ["V1", "aVF"]])
def test_the_answer_goes_by_the_leads_given_or_chosen(client, sent, leads):
    given = {**sent, "leads": {lead: sent["leads"][lead] for lead in leads}}
    alone, chosen = (post(client, "/v1/rhythm", body).json() for body in (given, {**sent, "use": leads}))
    assert alone["leads"] == chosen["leads"] == leads
    assert alone["confidences"] == chosen["confidences"]
    assert sum(alone["lead_weights"].values()) == pytest.approx(1, abs=1e-3)


def test_leads_that_follow_from_two_can_be_looked_at(client, sent):
    limb = {**sent, "leads": {name: sent["leads"][name] for name in ("I", "II")}, "use": ["aVF", "-aVR"]}
    assert post(client, "/v1/rhythm", limb).json()["leads"] == ["aVF", "-aVR"]


def test_a_lead_of_no_standard_place_is_called_ecg(client, sent):
    told = post(client, "/v1/rhythm", {**sent, "leads": {"ECG": sent["leads"]["II"]}})
    assert (told.status_code, told.json()["leads"]) == (200, ["ECG"])


def test_the_checks_of_the_weights_come_when_asked_for(client, record, sent):
    checks = post(client, "/v1/rhythm", {**sent, "checks": True}).json()["checks"]
    found = rhythm_of(record, checks=True).checks
    assert found is not None
    assert checks["heaviest"] in record.leads
    assert checks["random"] == pytest.approx(found.random, abs=2e-3)
    assert {"highlighted", "correlation", "failed"} < set(checks)


def test_beats_are_what_the_package_says(client, record, sent):
    told = post(client, "/v1/beats", sent)
    assert told.status_code == 200
    answer, found = told.json(), analyze(record).beats
    assert answer["samples"] == found.samples.tolist()
    assert (answer["labels"], answer["counts"], answer["model"]) == (list(found.labels), found.counts, found.model)
    np.testing.assert_allclose(answer["probabilities"], found.probabilities, atol=2e-3)
    assert (answer["fs_hz"], answer["duration_s"], answer["classes"]) == (500, 10, list(found.classes))


def test_another_model_can_be_asked_for(client, sent):
    assert post(client, "/v1/beats", {**sent, "model": "beats-int8"}).json()["model"].startswith("beats-int8@")


def test_missing_samples_are_null(client):
    record = make_demo("demo-artefacts")
    body = signals_of(record)
    assert any(None in values for values in body["leads"].values())
    assert post(client, "/v1/beats", body).json()["samples"] == analyze(record).beats.samples.tolist()


def test_one_rhythm_of_a_minute_and_a_trend_of_more(client, record, sent):
    long = {**sent, "leads": {"II": sent["leads"]["II"] * 7}}
    refused = post(client, "/v1/rhythm", long)
    assert refused.status_code == 422
    assert "/v1/rhythm/trend" in refused.json()["detail"]
    stretch = post(client, "/v1/rhythm", {**long, "start_s": 20, "stop_s": 35.5}).json()
    assert (stretch["start_s"], stretch["stop_s"]) == (20, 35.5)
    trend = post(client, "/v1/rhythm/trend", long).json()
    assert [window["start_s"] for window in trend["windows"]] == [0, 10, 20, 30, 40, 50, 60]
    assert (trend["duration_s"], trend["window_s"], set(trend["shares"])) == (70, 10, set(RHYTHMS))
    assert all(window["rhythm"] is None or not window["doubt"] for window in trend["windows"])


def test_a_trend_says_null_for_windows_that_are_not_sure():
    rows = np.array([[0.1] * 2 + [0.3] + [0.1] * 5] * 3, np.float32)
    trend = RhythmTrend("universal@1", ("II",), RHYTHMS, 10.0, 28.0, np.array([0.0, 10.0, 20.0]), rows, ("", "noise", ""))
    told = TrendAnswer.of(trend)
    assert [window.rhythm for window in told.windows] == ["AFIB", None, "AFIB"]
    assert [(span.start_s, span.stop_s) for span in told.spans] == [(0, 10), (20, 28)]
    assert (told.shares["AFIB"], told.shares["SR"], told.judged) == (1, 0, round(18 / 28, 4))
    nothing = TrendAnswer.of(RhythmTrend("universal@1", ("II",), RHYTHMS, 10.0, 10.0, np.array([0.0]), rows[:1], ("noise",)))
    assert nothing.shares["AFIB"] is None


def test_a_trend_is_what_the_package_says(client, sent, record):
    told, found = post(client, "/v1/rhythm/trend", sent).json(), rhythm_along(record)
    assert told["windows"][0]["confidences"] == pytest.approx(dict(zip(found.classes, found.probabilities[0].tolist(), strict=True)), abs=2e-3)


def test_a_bad_recording_of_a_batch_fails_alone(client, sent):
    one = {**sent, "leads": {"II": sent["leads"]["II"]}}
    bad = [{**one, "units": "mmHg"}, 7, {**one, "leads": {"II": [1.0] * 10}}, {**one, "leads": {"X9": one["leads"]["II"]}}]
    told = post(client, "/v1/batch/rhythm", {"recordings": [one, *bad, one]})
    assert told.status_code == 200
    answers = told.json()["answers"]
    assert [item["status"] for item in answers] == [200, 422, 422, 422, 422, 200]
    assert answers[0]["answer"] == answers[5]["answer"] == post(client, "/v1/rhythm", one).json()
    assert all(item["answer"] is None and item["error"] and "\n" not in item["error"] for item in answers[1:5])


def test_facts_of_the_service(client, sent):
    assert client.get("/healthz").json()["status"] == "ok"
    models = {model["id"]: model for model in client.get("/v1/models").json()["models"]}
    assert {"universal@1", "beats@2"} <= set(models)
    assert models["beats@2"]["figures"][0]["split"]
    post(client, "/v1/rhythm", sent)
    client.get("/made/up")
    text = client.get("/metrics").text
    assert 'leadwise_requests_total{method="POST",route="/v1/rhythm",status="200"} 1.0' in text
    assert 'leadwise_requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert 'leadwise_request_seconds_count{route="/v1/rhythm"} 1.0' in text
    assert "leadwise_requests_in_flight 1.0" in text  # that for the metrics


def test_the_document_states_both_ways_to_send_a_recording(client):
    document = client.get("/openapi.json").json()
    content = document["paths"]["/v1/rhythm"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    assert {"Signals", "Batch", "Files", "RhythmAnswer", "Problem"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert "securitySchemes" not in document["components"]


def test_a_model_that_is_not_installed_is_no_fault_of_the_sender(client, sent, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path)
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path))
    absent = post(client, "/v1/rhythm", sent)
    assert absent.status_code == 503
    assert "no model 'universal'" in absent.json()["detail"]
    assert post(client, "/v1/rhythm", {**sent, "model": "universal"}).status_code == 422


def test_a_failure_of_its_own_is_told_in_the_same_shape_and_counted(sent, monkeypatch):
    def fail(job: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(verbs, "beats", fail)
    client = TestClient(create(config({}, keyed=False), keys=lambda: NO_KEYS), raise_server_exceptions=False)
    told = post(client, "/v1/beats", sent)
    assert (told.status_code, list(told.json())) == (500, ["detail"])
    assert 'route="/v1/beats",status="500"} 1.0' in client.get("/metrics").text


class TestFiles:
    """Recordings sent as files."""

    @pytest.fixture
    def wfdb(self, tmp_path):
        from ecgcore.demo import write_demos

        write_demos(tmp_path)
        return [("file", (path.name, path.read_bytes())) for path in sorted(tmp_path.glob("demo-12-lead.*"))]

    def test_wfdb(self, client, wfdb, sent):
        told = client.post("/v1/rhythm", files=wfdb)
        assert told.status_code == 200, told.text
        assert told.json()["confidences"] == pytest.approx(post(client, "/v1/rhythm", sent).json()["confidences"], abs=2e-3)
        chosen = client.post("/v1/beats", files=wfdb, data={"use": "II, V1"})
        assert chosen.json()["leads"] == ["II", "V1"]

    def test_edf(self, client, record, tmp_path):
        from ecgcore import convert

        convert(record, tmp_path / "one.edf")
        data = (tmp_path / "one.edf").read_bytes()
        told = client.post("/v1/beats", files={"file": ("one.edf", data)}).json()
        assert told["samples"] == analyze(read(data)).beats.samples.tolist()

    def test_a_table_says_what_it_leaves_out(self, client, sent):
        table = "\n".join(str(value) for value in sent["leads"]["II"]).encode()
        refused = client.post("/v1/rhythm", files={"file": ("bare.csv", table)})
        assert refused.status_code == 422
        assert "lead_names" in refused.json()["detail"]
        told = client.post("/v1/rhythm", files={"file": ("bare.csv", table)}, data={"fs_hz": "500", "units": "mV", "lead_names": "II", "stop_s": "8"})
        assert (told.status_code, told.json()["leads"], told.json()["stop_s"]) == (200, ["II"], 8)

    def test_a_zip(self, client, wfdb):
        import io
        import zipfile

        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for _, (name, data) in wfdb:
                archive.writestr(name, data)
        assert client.post("/v1/rhythm", files={"file": ("one.zip", packed.getvalue())}).status_code == 200

    @pytest.mark.data
    def test_a_recording_of_half_an_hour(self, client, data_set):
        files = [("file", (name, (data_set("mitdb") / name).read_bytes())) for name in ("119.hea", "119.dat")]
        told = client.post("/v1/beats", files=files)
        assert told.status_code == 200
        assert told.json()["counts"]["V"] == pytest.approx(444, abs=5)
        trend = client.post("/v1/rhythm/trend", files=files, data={"use": "MLII"}).json()
        assert len(trend["windows"]) == 181
