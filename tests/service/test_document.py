"""Requests made up from the service's own OpenAPI document, sound ones and others: none fails it, and every answer is as the document states."""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from starlette.testclient import TestClient

from ecgcore.service.app import create
from ecgcore.service.config import config
from ecgcore.service.keys import Keys, digest_of
from tests.service.conftest import post

KEY = "lw_of-this-test"
# positive_data_acceptance is none of them: no schema can state that leads are equally long, last 5 s and look like an ECG in their units.
HELD = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
)
FEW = settings(max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


schema = schemathesis.openapi.from_asgi("/openapi.json", create(config({}, keyed=False), keys=Keys))
KNOWN = Keys((("test", digest_of(KEY)),))
schema_with_keys = schemathesis.openapi.from_asgi("/openapi.json", create(config({}, keyed=True), keys=lambda: KNOWN)).include(path_regex="^/(v1|metrics)")


@schema.parametrize()
@FEW
def test_every_answer_is_as_the_document_states(case):
    case.call_and_validate(checks=list(HELD))


@schema_with_keys.parametrize()
@settings(FEW, max_examples=5)
def test_no_route_forgets_the_key(case):
    told = case.call()
    assert told.status_code in (401, 405)  # 405 where another method was made up
    case.validate_response(told, checks=[checks.content_type_conformance, checks.response_schema_conformance, checks.status_code_conformance])


def test_the_example_of_the_document_is_answered():
    client = TestClient(create(config({}, keyed=False), keys=Keys))
    content = client.get("/openapi.json").json()["paths"]["/v1/rhythm"]["post"]["requestBody"]["content"]
    assert post(client, "/v1/rhythm", content["application/json"]["example"]).status_code == 200
