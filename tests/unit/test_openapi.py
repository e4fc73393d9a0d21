"""The completed OpenAPI document, made from a small one of BentoML's."""

import copy
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from pipeline.errors import ImageTooLarge, SourceHTTPError
from pipeline.options import Options
from serving.links.cache import LINK_HEADERS
from serving.openapi import complete
from serving.responses import CUTOUT_HEADERS, STATUSES
from serving.settings import Settings


def operation() -> dict[str, Any]:
    return {"operationId": "theirs", "responses": {"200": {"description": "theirs"}}}


BENTOML: dict[str, Any] = {
    "openapi": "3.0.2",
    "tags": [{"name": "Infrastructure"}],
    "paths": {
        "/remove-background": {"post": operation()},
        "/remove-background/upload": {"post": operation()},
        **{path: {"get": operation()} for path in ("/livez", "/healthz", "/readyz", "/metrics")},
    },
}
LINK_CODES = {"invalid_signature", "expired_signature"}
SETTINGS = Settings(max_source_bytes=12_345, max_pixels=678)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The completed document."""
    return complete(copy.deepcopy(BENTOML), SETTINGS)


def responses(document: dict[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]["responses"]
    return found


def codes(document: dict[str, Any], path: str) -> set[str]:
    """Return the codes of all errors that an operation documents."""
    return {
        code
        for status, response in responses(document, path).items()
        if status != "200"
        for code in response["content"]["application/json"]["examples"]
    }


def test_the_given_document_is_not_changed() -> None:
    given = copy.deepcopy(BENTOML)
    complete(given, SETTINGS)
    assert given == BENTOML


def test_bentomls_own_parts_stay(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["tags"] == BENTOML["tags"]
    assert document["paths"]["/remove-background"]["post"]["operationId"] == "theirs"
    assert BENTOML["paths"].keys() < document["paths"].keys()
    assert {"/health", "/docs.json"} <= document["paths"].keys()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [found for item in part for found in references(item)]
        if not isinstance(part, dict):
            return []
        own = [part["$ref"]] if "$ref" in part else []
        return own + references([*part.values()])

    found = set(references(document))
    assert len(found) > 10
    for reference in found:
        target: Any = document
        for name in reference.removeprefix("#/").split("/"):
            target = target[name]


def test_every_error_is_documented_where_it_can_occur(document: dict[str, Any]) -> None:
    every = {error.code for error in STATUSES} - LINK_CODES
    routing = {"not_found", "method_not_allowed"}
    assert codes(document, "/remove-background") == every - routing
    download = {
        "invalid_url",
        "url_not_allowed",
        "source_http_error",
        "too_many_redirects",
        "source_too_large",
        "unsupported_encoding",
        "source_unreachable",
        "source_timeout",
    }
    assert codes(document, "/remove-background/upload") == every - routing - download
    routing_errors = {"NotFound", "MethodNotAllowed"}
    assert document["components"]["responses"].keys() == routing_errors | {
        f"Removebg{name}" for name in routing_errors
    }


def test_an_error_is_documented_under_its_status(document: dict[str, Any]) -> None:
    for error, status in STATUSES.items():
        response = responses(document, "/remove-background").get(str(status))
        if error.code not in {"not_found", "method_not_allowed"} | LINK_CODES:
            assert response is not None
            assert error.code in response["content"]["application/json"]["examples"]


def test_removebg_is_documented_while_it_is_on(document: dict[str, Any]) -> None:
    assert "Removebg" in str(document)
    assert {"/v1.0/removebg", "/v1.0/account"} < document["paths"].keys()
    without = complete(copy.deepcopy(BENTOML), Settings(removebg="off"))
    assert "removebg" not in str(without).lower()
    assert not [path for path in without["paths"] if path.startswith("/v1.0")]


def test_links_are_documented_where_keys_are_set(document: dict[str, Any]) -> None:
    assert "signature" not in str(document)
    linked = complete(copy.deepcopy(BENTOML), Settings(url_keys=(SecretStr("k" * 32),)))
    operation = linked["paths"]["/remove-background"]["get"]
    parameters = {one["name"]: one["required"] for one in operation["parameters"]}
    assert parameters.keys() == {"image_url", *Options.model_fields, "expires", "signature"}
    assert [name for name, is_required in parameters.items() if is_required] == [
        "image_url",
        "signature",
    ]
    found = operation["responses"]
    assert LINK_HEADERS.keys() | CUTOUT_HEADERS.keys() < found["200"]["headers"].keys()
    assert LINK_HEADERS.keys() < found["304"]["headers"].keys()
    assert "security" not in operation
    examples = found["403"]["content"]["application/json"]["examples"]
    assert examples.keys() == LINK_CODES
    assert not {"401", "415"} & found.keys()
    assert all("Cache-Control" in response["headers"] for response in found.values())
    posted = linked["paths"]["/remove-background"]["post"]
    assert posted == document["paths"]["/remove-background"]["post"] | {
        "responses": posted["responses"]
    }
    assert "403" not in posted["responses"]


def test_headers_are_documented_where_they_are_sent(document: dict[str, Any]) -> None:
    found = responses(document, "/remove-background")
    assert CUTOUT_HEADERS.keys() < found["200"]["headers"].keys()
    for status, response in found.items():
        assert "X-BentoML-Request-ID" in response["headers"]
        assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
    assert "Allow" in document["components"]["responses"]["MethodNotAllowed"]["headers"]
    assert found["200"]["content"].keys() == {"image/png", "image/webp", "image/jpeg"}


def test_an_example_has_the_limits_of_the_settings(document: dict[str, Any]) -> None:
    examples = responses(document, "/remove-background")["422"]["content"]["application/json"]
    sentence = examples["examples"]["image_too_large"]["value"]["error"]
    assert sentence == ImageTooLarge(678).message
    body = document["paths"]["/remove-background/upload"]["post"]["requestBody"]
    assert "12,345 bytes" in body["description"]


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        (ImageTooLarge(5).body, True),
        (SourceHTTPError(404).body, True),
        ({"error": "A sentence."}, False),
        ({"error": "A sentence.", "code": "another"}, False),
        ({**ImageTooLarge(5).body, "status": 404}, False),
        ({"error": "A sentence.", "code": "source_http_error"}, False),
        ({**ImageTooLarge(5).body, "more": 1}, False),
    ],
)
def test_the_schema_of_errors(
    body: dict[str, Any], is_valid: bool, document: dict[str, Any]
) -> None:
    schema = document["components"]["schemas"]["Error"]
    assert Draft202012Validator(schema).is_valid(body) == is_valid


def test_every_option_is_in_both_schemas(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    options = set(Options.model_fields)
    assert set(schemas["URLRequest"]["properties"]) == options | {"image_url"}
    assert set(schemas["Upload"]["properties"]) == options | {"image"}
    assert (schemas["URLRequest"]["required"], schemas["Upload"]["required"]) == (
        ["image_url"],
        ["image"],
    )


def test_a_key_may_be_required_or_not(document: dict[str, Any]) -> None:
    security = document["paths"]["/remove-background"]["post"]["security"]
    assert security == [{}, {"ApiKey": []}, {"Bearer": []}]
    assert document["components"]["securitySchemes"].keys() == {"ApiKey", "Bearer"}
