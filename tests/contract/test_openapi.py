"""GET /docs.json: valid, complete, and what the service really answers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from jsonschema import Draft202012Validator

from pipeline.errors import BackgroundRemovalError, ImageTooLarge, SourceHTTPError, SourceTooLarge
from pipeline.options import Options
from serving.parsing import URLRequest
from serving.project import VERSION
from serving.responses import EXPOSED_HEADERS, STATUSES, error_response
from tests.support.environment import ROOT
from tests.support.serving import Server
from tests.support.source import Source

URL, UPLOAD = "/remove-background", "/remove-background/upload"

# The contract, by route: each status and its codes.
COMMON = {
    401: {"unauthorized"},
    413: {"request_too_large"},
    415: {"unsupported_media_type"},
    429: {"busy"},
    500: {"internal_error"},
    503: {"shutting_down", "out_of_memory"},
}
PICTURE_CODES = {
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
        422: PICTURE_CODES
        | {"source_http_error", "too_many_redirects", "source_too_large", "unsupported_encoding"},
        502: {"source_unreachable"},
        504: {"source_timeout", "deadline_exceeded"},
    },
    UPLOAD: {**COMMON, 400: {"invalid_request"}, 422: PICTURE_CODES, 504: {"deadline_exceeded"}},
}

# Headers of HTTP itself, of the server, and of CORS: a document declares none of them.
UNDECLARED = {"connection", "content-length", "content-type", "date", "server", "vary"}


@pytest.fixture(scope="module")
def document(service: Server) -> dict[str, Any]:
    response = service.get("/docs.json")
    assert response.headers["content-type"] == "application/json"
    content: dict[str, Any] = response.json()
    return content


def assert_answers_as(
    document: dict[str, Any], documented: dict[str, Any], response: httpx.Response
) -> None:
    """The answer has a documented media type, a body of its schema, and the documented headers, all of them and no others."""
    media_type = response.headers["content-type"].partition(";")[0]
    schema = documented["content"][media_type]["schema"]
    if media_type == "application/json":
        Draft202012Validator({**schema, "components": document["components"]}).validate(
            response.json()
        )
    names = {name.lower(): name for name in documented["headers"]}
    assert set(response.headers) - UNDECLARED == names.keys()
    for lower, name in names.items():
        declared = document["components"]["headers"][name]["schema"]
        value: Any = response.headers[lower]
        Draft202012Validator(declared).validate(
            {"integer": int, "number": float, "string": str}[declared["type"]](value)
        )


def test_it_is_valid(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_it_says_whose_it_is(document: dict[str, Any]) -> None:
    info = document["info"]
    assert (info["title"], info["version"]) == ("background-remover", "0.1.0")
    assert info["license"]["name"] == "MIT"
    assert "bentoml" not in str(info).lower()
    assert f"## {info['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_route(document: dict[str, Any], service: Server) -> None:
    assert document["paths"].keys() == {
        URL,
        UPLOAD,
        "/health",
        "/livez",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs.json",
    }
    for path, operations in document["paths"].items():
        if "get" in operations:
            assert_answers_as(document, operations["get"]["responses"]["200"], service.get(path))
    assert document["paths"]["/readyz"]["get"]["responses"].keys() == {"200", "503"}


def test_every_option_with_its_range_and_default(document: dict[str, Any]) -> None:
    color = {"type": "string", "pattern": "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"}
    options: dict[str, dict[str, Any]] = {
        "subject": {"enum": ["largest", "all"], "type": "string", "default": "largest"},
        "crop": {"type": "boolean", "default": True},
        "margin": {"type": "integer", "minimum": 0, "maximum": 500, "default": 0},
        "output": {"enum": ["cutout", "mask"], "type": "string", "default": "cutout"},
        "edges": {"enum": ["refined", "raw"], "type": "string", "default": "refined"},
        "format": {"enum": ["png", "webp"], "type": "string", "default": "png"},
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


def test_the_example_of_a_request_is_one(document: dict[str, Any]) -> None:
    for url in document["components"]["schemas"]["URLRequest"]["properties"]["image_url"][
        "examples"
    ]:
        assert URLRequest(image_url=url).image_url == url


@pytest.mark.parametrize("path", [URL, UPLOAD])
def test_every_status_and_code(document: dict[str, Any], path: str) -> None:
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
    assert responses["200"]["content"].keys() == {"image/png", "image/webp"}
    assert responses["200"]["headers"].keys() == set(EXPOSED_HEADERS) - {"Retry-After"}


def test_it_has_every_error_of_the_tree(document: dict[str, Any]) -> None:
    tree = {error.code for error in STATUSES}
    by_route = set().union(*CODES[URL].values(), *CODES[UPLOAD].values())
    assert by_route | {"not_found", "method_not_allowed"} == tree
    assert set(document["components"]["schemas"]["Error"]["properties"]["code"]["enum"]) == tree


ERRORS: list[BackgroundRemovalError] = [
    SourceHTTPError(403),
    SourceTooLarge(5),
    ImageTooLarge(5),
    *(kind() for kind in STATUSES if kind not in (SourceHTTPError, SourceTooLarge, ImageTooLarge)),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_becomes_the_answer_that_is_documented(
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
    assert_answers_as(document, by_status[str(STATUSES[type(error)])], response)


def test_the_source_s_status_stands_in_no_other_error(document: dict[str, Any]) -> None:
    validator = Draft202012Validator(document["components"]["schemas"]["Error"])
    assert validator.is_valid({"error": "x.", "code": "source_http_error", "status": 404})
    assert not validator.is_valid({"error": "x.", "code": "source_http_error"})
    assert not validator.is_valid({"error": "x.", "code": "busy", "status": 404})
    assert not validator.is_valid({"error": "x.", "code": "busy", "detail": "more"})
    assert not validator.is_valid({"error": "x.", "code": "unheard_of"})


REAL_ANSWERS: list[tuple[str, int, Callable[[Server, Source, bytes], httpx.Response]]] = [
    (URL, 200, lambda service, source, photo: service.post(image_url=source.url("/photo.jpg"))),
    (
        URL,
        200,
        lambda service, source, photo: service.post(
            image_url=source.url("/photo.jpg"), format="webp", output="mask"
        ),
    ),
    (URL, 400, lambda service, source, photo: service.post()),
    (URL, 400, lambda service, source, photo: service.post(image_url="nothing")),
    (URL, 400, lambda service, source, photo: service.post(image_url="http://10.0.0.1/")),
    (URL, 413, lambda service, source, photo: service.post(image_url="x" * 70_000)),
    (
        URL,
        415,
        lambda service, source, photo: httpx.post(
            service.url + URL, data={"a": "b"}, trust_env=False
        ),
    ),
    (URL, 422, lambda service, source, photo: service.post(image_url=source.url("/status/404"))),
    (URL, 422, lambda service, source, photo: service.post(image_url=source.url("/redirect/4"))),
    (URL, 502, lambda service, source, photo: service.post(image_url=source.url("/status/500"))),
    (URL, 504, lambda service, source, photo: service.post(image_url=source.url("/drip"))),
    (UPLOAD, 200, lambda service, source, photo: service.upload(photo)),
    (UPLOAD, 400, lambda service, source, photo: service.upload(photo, margin="501")),
    (UPLOAD, 413, lambda service, source, photo: service.upload(bytes(20_000_001))),
    (
        UPLOAD,
        415,
        lambda service, source, photo: httpx.post(service.url + UPLOAD, json={}, trust_env=False),
    ),
    (UPLOAD, 422, lambda service, source, photo: service.upload(b"<svg/>")),
]


@pytest.mark.parametrize(("path", "status", "ask"), REAL_ANSWERS)
def test_real_answers(
    document: dict[str, Any],
    service: Server,
    source: Source,
    photo: bytes,
    path: str,
    status: int,
    ask: Callable[[Server, Source, bytes], httpx.Response],
) -> None:
    response = ask(service, source, photo)
    assert response.status_code == status
    assert_answers_as(document, document["paths"][path]["post"]["responses"][str(status)], response)


def test_real_answers_at_other_paths_and_for_other_methods(
    document: dict[str, Any], service: Server
) -> None:
    assert_answers_as(
        document, document["components"]["responses"]["NotFound"], service.get("/nothing")
    )
    for path, operations in document["paths"].items():
        other = httpx.put(service.url + path, trust_env=False)
        assert other.status_code == 405
        assert_answers_as(document, document["components"]["responses"]["MethodNotAllowed"], other)
        assert {method.upper() for method in operations} <= set(other.headers["allow"].split(", "))


def test_keys_are_documented_and_optional(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {"type": "apiKey", "in": "header", "name": "X-Api-Key"} in schemes.values()
    assert {"type": "http", "scheme": "bearer"} in schemes.values()
    for path in (URL, UPLOAD):
        assert document["paths"][path]["post"]["security"] == [
            {},
            *({name: []} for name in schemes),
        ]


def test_swagger_ui_reads_it(service: Server) -> None:
    """What /docs loads is there, and draws OpenAPI 3.1, as it does from its version 5 on; tests/browser/test_page.py looks at it."""
    assert 'src="static_content/swagger-ui-bundle.js"' in service.get("/docs").text
    assert 'url: "docs.json"' in service.get("/docs.js").text
    assert "isOAS31" in service.get("/static_content/swagger-ui-bundle.js").text
