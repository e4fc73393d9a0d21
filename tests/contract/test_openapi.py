"""GET /docs.json is valid, and lists every option, status, code and header."""

from typing import Any

import httpx
import pytest
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.schemas import OpenApiSchema

from pipeline.errors import BackgroundRemovalError
from pipeline.options import Options
from serving.parsing import URLRequest
from serving.project import VERSION
from serving.responses import EXPOSED_HEADERS, STATUSES, error_response
from tests.support.environment import ROOT
from tests.support.errors import every_error
from tests.support.openapi import assert_documented
from tests.support.removebg import ACCOUNT, REMOVEBG
from tests.support.serving import UPLOAD, URL, Server

# The status of the errors that only links have (test_links.py).
LINKS_ONLY = 403

# The contract, by route: each status and its codes.
COMMON = {
    401: {"unauthorized"},
    413: {"request_too_large"},
    415: {"unsupported_media_type"},
    429: {"busy"},
    500: {"internal_error"},
    503: {"shutting_down", "out_of_memory"},
}
IMAGE_CODES = {
    "empty_source",
    "unsupported_image_type",
    "image_corrupt",
    "image_too_large",
    "format_unsupported",
    "no_subject_found",
}
CODES: dict[str, dict[int, set[str]]] = {
    URL: {
        **COMMON,
        400: {"invalid_request", "invalid_url", "url_not_allowed"},
        422: IMAGE_CODES
        | {"source_http_error", "too_many_redirects", "source_too_large", "unsupported_encoding"},
        502: {"source_unreachable"},
        504: {"source_timeout", "deadline_exceeded"},
    },
    UPLOAD: {**COMMON, 400: {"invalid_request"}, 422: IMAGE_CODES, 504: {"deadline_exceeded"}},
}


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    schema: OpenApiSchema = schemathesis.openapi.from_dict(document)
    schema.validate()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_document_names_the_project(document: dict[str, Any]) -> None:
    info = document["info"]
    assert (info["title"], info["version"]) == ("background-remover", "0.1.0")
    assert info["license"]["name"] == "MIT"
    assert "bentoml" not in str(info).lower()
    assert f"## {info['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_route_is_documented(document: dict[str, Any], service: Server) -> None:
    assert document["paths"].keys() == {
        URL,
        UPLOAD,
        REMOVEBG,
        ACCOUNT,
        "/health",
        "/livez",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs.json",
    }
    for path, operations in document["paths"].items():
        if "get" in operations:
            assert_documented(document, operations["get"]["responses"]["200"], service.get(path))
    assert document["paths"]["/readyz"]["get"]["responses"].keys() == {"200", "503"}


def test_every_option_has_its_range_and_default(document: dict[str, Any]) -> None:
    color = {"type": "string", "pattern": "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"}
    side = {"type": "integer", "minimum": 64, "maximum": 65_535}
    options: dict[str, dict[str, Any]] = {
        "subject": {"enum": ["largest", "all"], "type": "string", "default": "largest"},
        "crop": {"type": "boolean", "default": True},
        "margin": {"type": "integer", "minimum": 0, "maximum": 500, "default": 0},
        "output": {"enum": ["cutout", "mask"], "type": "string", "default": "cutout"},
        "edges": {"enum": ["refined", "raw"], "type": "string", "default": "refined"},
        "passes": {"enum": ["auto", 1, 2], "default": "auto"},
        "max_side": {"anyOf": [side, {"type": "null"}], "default": None},
        "format": {"enum": ["png", "webp", "jpeg"], "type": "string", "default": "png"},
        "background": {"anyOf": [color, {"type": "null"}], "default": None},
    }
    assert options.keys() == Options.model_fields.keys()
    for path, media_type, name, required in (
        (URL, "application/json", "URLRequest", "image_url"),
        (UPLOAD, "multipart/form-data", "Upload", "image"),
    ):
        body = document["paths"][path]["post"]["requestBody"]
        assert body["required"]
        assert body["content"] == {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        schema = document["components"]["schemas"][name]
        assert (schema["required"], schema["additionalProperties"]) == ([required], False)
        assert schema["properties"].keys() == {required, *options}
        for option, promised in options.items():
            stated = schema["properties"][option]
            assert stated["description"]
            assert {
                key: value for key, value in stated.items() if key not in ("title", "description")
            } == promised
    image_url = document["components"]["schemas"]["URLRequest"]["properties"]["image_url"]
    assert (image_url["type"], image_url["format"], image_url["maxLength"]) == (
        "string",
        "uri",
        2048,
    )


def test_the_example_of_a_request_is_valid(document: dict[str, Any]) -> None:
    for url in document["components"]["schemas"]["URLRequest"]["properties"]["image_url"][
        "examples"
    ]:
        assert URLRequest(image_url=url).image_url == url


@pytest.mark.parametrize("path", [URL, UPLOAD])
def test_every_status_and_code_is_documented(document: dict[str, Any], path: str) -> None:
    responses = document["paths"][path]["post"]["responses"]
    stated = {}
    for status, response in responses.items():
        if status != "200":
            content = response["content"]["application/json"]
            stated[int(status)] = set(content["schema"]["allOf"][1]["properties"]["code"]["enum"])
            assert content["examples"].keys() == stated[int(status)]
            for example in content["examples"].values():
                Draft202012Validator(
                    {**content["schema"], "components": document["components"]}
                ).validate(example["value"])
    assert stated == CODES[path]
    assert responses["200"]["content"].keys() == {"image/png", "image/webp", "image/jpeg"}
    assert responses["200"]["headers"].keys() == set(EXPOSED_HEADERS) - {"Retry-After"}


def test_every_error_is_documented(document: dict[str, Any]) -> None:
    tree = {error.code for error, status in STATUSES.items() if status != LINKS_ONLY}
    by_route = set().union(*CODES[URL].values(), *CODES[UPLOAD].values())
    assert by_route | {"not_found", "method_not_allowed"} == tree
    assert set(document["components"]["schemas"]["Error"]["properties"]["code"]["enum"]) == tree


@pytest.mark.parametrize(
    "error",
    [error for error in every_error() if STATUSES[type(error)] != LINKS_ONLY],
    ids=lambda error: error.code,
)
def test_every_error_response_is_as_documented(
    document: dict[str, Any], error: BackgroundRemovalError
) -> None:
    headers = {
        "X-BentoML-Request-ID": "0" * 16,
        "X-Service-Version": VERSION,
        **({"Allow": "POST"} if STATUSES[type(error)] == 405 else {}),
    }
    made = error_response(error, headers)
    response = httpx.Response(made.status_code, headers=made.raw_headers, content=bytes(made.body))
    by_status = {**document["paths"][URL]["post"]["responses"]}
    by_status |= {"404": document["components"]["responses"]["NotFound"]}
    by_status |= {"405": document["components"]["responses"]["MethodNotAllowed"]}
    assert_documented(document, by_status[str(STATUSES[type(error)])], response)


def test_only_source_http_error_has_the_sources_status(document: dict[str, Any]) -> None:
    validator = Draft202012Validator(document["components"]["schemas"]["Error"])
    assert validator.is_valid({"error": "x.", "code": "source_http_error", "status": 404})
    assert not validator.is_valid({"error": "x.", "code": "source_http_error"})
    assert not validator.is_valid({"error": "x.", "code": "busy", "status": 404})
    assert not validator.is_valid({"error": "x.", "code": "busy", "detail": "more"})
    assert not validator.is_valid({"error": "x.", "code": "unknown_code"})


def test_keys_are_documented_and_optional(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {"type": "apiKey", "in": "header", "name": "X-Api-Key"} in schemes.values()
    assert {"type": "http", "scheme": "bearer"} in schemes.values()
    for path in (URL, UPLOAD):
        assert document["paths"][path]["post"]["security"] == [
            {},
            *({name: []} for name in schemes),
        ]


def test_swagger_ui_supports_the_document(service: Server) -> None:
    """OpenAPI 3.1 needs version 5 of Swagger UI. tests/browser looks at the page."""
    assert 'src="static_content/swagger-ui-bundle.js"' in service.get("/docs").text
    assert 'url: "docs.json"' in service.get("/docs.js").text
    assert "isOAS31" in service.get("/static_content/swagger-ui-bundle.js").text
