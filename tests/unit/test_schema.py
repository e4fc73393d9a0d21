"""remove.bg's routes as the OpenAPI document describes them."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.responses import Response

from pipeline.canvas.compose_image import Composed
from pipeline.image.box import Box
from serving.removebg import schema
from serving.removebg.errors import ANSWERS, error_response
from serving.removebg.parameters import Parameters, parse_parameters
from serving.removebg.results import RATE_LIMIT_HEADERS, make_result
from serving.responses import COMMON_HEADERS
from tests.support.errors import every_error

SECURITY: list[dict[str, Any]] = [{}]
PATHS = schema.paths(SECURITY)
REMOVEBG = PATHS["/v1.0/removebg"]["post"]


def validate(name: str, value: object) -> None:
    Draft202012Validator(schema.schemas()[name]).validate(value)


def test_every_parameter_is_described() -> None:
    described = {*schema.PARAMETERS, "image_url"}
    assert described == {*Parameters.model_fields}
    for text, one, _ in schema.PARAMETERS.values():
        assert text.endswith(".")
        Draft202012Validator.check_schema(one)


def test_every_default_is_the_one_that_counts() -> None:
    defaults = {
        name: default for name, (_, _, default) in schema.PARAMETERS.items() if default != ""
    }
    whole_image = defaults.pop("roi")
    assert parse_parameters(defaults).plan(False) == parse_parameters({}).plan(False)
    find = parse_parameters({"roi": whole_image}).plan(False).find_region
    assert find is not None
    assert find((30, 20)) == Box(0, 0, 30, 20)


@pytest.mark.parametrize("name", schema.PARAMETERS)
def test_every_value_of_a_list_is_read(name: str) -> None:
    _, one, _ = schema.PARAMETERS[name]
    for value in one.get("enum", []) + one.get("examples", []):
        parse_parameters({name: value})


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_every_error_is_described_under_its_status(error: Any) -> None:
    response = error_response(error, {})
    described = {**REMOVEBG["responses"]}
    described |= {"404": schema.responses()["RemovebgNotFound"]}
    described |= {"405": schema.responses()["RemovebgMethodNotAllowed"]}
    one = described[str(response.status_code)]
    assert ANSWERS[type(error)].code in one["content"]["application/json"]["examples"]
    validate("RemovebgErrors", _json(response))
    assert ("Retry-After" in one["headers"]) == ("retry-after" in response.headers)
    assert {*RATE_LIMIT_HEADERS, *COMMON_HEADERS} <= one["headers"].keys()


def test_a_result_is_described() -> None:
    composed = Composed(b"PNG", "image/png", 3, 4, Box(1, 2, 3, 4), (5, 6))
    result = make_result(composed, "other", as_json=True)
    validate("RemovebgResult", _json(Response(result.content)))
    described = REMOVEBG["responses"]["200"]
    assert result.headers.keys() | {*RATE_LIMIT_HEADERS, *COMMON_HEADERS} == {*described["headers"]}
    assert described["content"].keys() == {
        *("image/png", "image/jpeg", "image/webp", "application/zip", "application/json")
    }


def test_every_header_is_described() -> None:
    assert RATE_LIMIT_HEADERS.keys() < schema.headers().keys()
    assert all(header["description"] for header in schema.headers().values())


def test_both_routes_take_the_same_keys() -> None:
    assert PATHS["/v1.0/account"]["get"]["security"] is SECURITY
    assert REMOVEBG["security"] is SECURITY


def _json(response: Response) -> Any:
    return json.loads(bytes(response.body))
