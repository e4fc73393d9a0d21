"""Completes BentoML's OpenAPI document: every option, response, header, status and error code.

Options, errors and headers are read from the classes and tables that implement them.
"""

import copy
from http import HTTPStatus
from typing import get_args

from pipeline.errors import (
    DOWNLOAD_ERRORS,
    BackgroundRemovalError,
    ImageTooLarge,
    SourceHTTPError,
    SourceTooLarge,
)
from pipeline.options import Options
from serving.errors import (
    ExpiredSignature,
    InvalidSignature,
    MethodNotAllowed,
    NotFound,
    ShuttingDown,
    Unauthorized,
    UnsupportedMediaType,
)
from serving.links.cache import CACHE_CONTROL, LINK_HEADERS
from serving.openapi_parts import JSON, header_references, success
from serving.parsing import MAX_JSON_BYTES, UPLOAD_ENDPOINT, URL_ENDPOINT, URLRequest
from serving.project import DESCRIPTION, LICENSE, NAME, VERSION
from serving.removebg import schema as removebg
from serving.responses import COMMON_HEADERS, CUTOUT_HEADERS, RETRY_AFTER, STATUSES
from serving.settings import Settings

# The errors of paths and methods that are not in the document.
_ROUTING_ERRORS = frozenset({NotFound, MethodNotAllowed})
_LINK_ERRORS = frozenset({InvalidSignature, ExpiredSignature})
# A link has no body, and its signature is its authorization.
_BODY_ERRORS = frozenset({UnsupportedMediaType, Unauthorized})

_ABOUT = f"""

The response is an image or JSON. An error is `{{"error": "<one sentence>", "code": "<code>"}}`,
including those for unknown paths (`{NotFound.code}`) and methods (`{MethodNotAllowed.code}`).
Match on the code.
"""


def _describe(headers: dict[str, tuple[str, JSON]]) -> JSON:
    return {
        name: {"description": text, "schema": schema} for name, (text, schema) in headers.items()
    }


_HEADERS: dict[str, JSON] = {
    **_describe({**CUTOUT_HEADERS, **COMMON_HEADERS}),
    "Retry-After": {
        "description": "The number of seconds after which the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {"description": "The methods of the path.", "schema": {"type": "string"}},
}

_SECURITY_SCHEMES: JSON = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}

# The empty requirement: without configured keys, the service is open.
_SECURITY: list[JSON] = [{}, *({name: []} for name in _SECURITY_SCHEMES)]

_PLAIN_TEXT: JSON = {"text/plain": {"schema": {"type": "string"}}}


def complete(document: JSON, settings: Settings) -> JSON:
    """Return BentoML's `document` of the service, completed, in OpenAPI 3.1.

    BentoML's paths, names and descriptions stay. Limits in the examples are those of `settings`.
    """
    errors = _errors(settings)
    has_removebg = settings.removebg == "on"
    return {
        **document,
        "openapi": "3.1.0",
        "paths": _paths(document, settings, errors),
        "info": {
            "title": NAME,
            "version": VERSION,
            "description": DESCRIPTION + _ABOUT,
            "license": {"name": LICENSE, "identifier": LICENSE},
        },
        "components": {
            "schemas": {
                "URLRequest": URLRequest.model_json_schema(),
                "Upload": _upload_schema(),
                "Error": _error_schema(errors),
                **(removebg.schemas() if has_removebg else {}),
            },
            # The responses that belong to no operation.
            "responses": {
                **{
                    type(error).__name__: _error_response([error])
                    for error in errors
                    if type(error) in _ROUTING_ERRORS
                },
                **(removebg.responses() if has_removebg else {}),
            },
            "headers": {
                **_HEADERS,
                **(removebg.headers() if has_removebg else {}),
                **(_describe(LINK_HEADERS) if settings.url_keys else {}),
            },
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _paths(document: JSON, settings: Settings, errors: list[BackgroundRemovalError]) -> JSON:
    paths: JSON = copy.deepcopy(document["paths"])
    by_url, upload = paths[URL_ENDPOINT]["post"], paths[UPLOAD_ENDPOINT]["post"]
    by_url["requestBody"] = _body(
        "application/json", "URLRequest", f"At most {MAX_JSON_BYTES:,} bytes."
    )
    upload["requestBody"] = _body(
        "multipart/form-data",
        "Upload",
        f"An image of at most {settings.max_source_bytes:,} bytes, and options.",
    )
    for operation, impossible in (
        (by_url, _ROUTING_ERRORS | _LINK_ERRORS),
        (upload, _ROUTING_ERRORS | _LINK_ERRORS | DOWNLOAD_ERRORS),
    ):
        operation["responses"] = {
            "200": _image_response(),
            **_error_responses([error for error in errors if type(error) not in impossible]),
        }
        operation["security"] = _SECURITY
    if settings.url_keys:
        paths[URL_ENDPOINT]["get"] = _link_operation(errors)
    for path in ("/livez", "/healthz", "/readyz", "/metrics"):
        paths[path]["get"]["responses"] = {"200": success(_PLAIN_TEXT)}
    paths["/healthz"]["get"]["deprecated"] = True
    paths["/readyz"]["get"]["responses"] |= _error_responses([ShuttingDown()])
    paths["/health"] = _get(
        "Whether the service responds.",
        {"type": "object", "properties": {"status": {"const": "ok"}}},
    )
    paths["/docs.json"] = _get("This document.", {"type": "object"})
    if settings.removebg == "on":
        paths |= removebg.paths(_SECURITY)
    return paths


def _errors(settings: Settings) -> list[BackgroundRemovalError]:
    """Return one error of each class, in the order of STATUSES."""
    with_arguments: dict[type[BackgroundRemovalError], BackgroundRemovalError] = {
        SourceHTTPError: SourceHTTPError(HTTPStatus.NOT_FOUND),
        SourceTooLarge: SourceTooLarge(settings.max_source_bytes),
        ImageTooLarge: ImageTooLarge(settings.max_pixels),
    }
    missing = frozenset() if settings.url_keys else _LINK_ERRORS
    return [with_arguments.get(kind) or kind() for kind in STATUSES if kind not in missing]


def _link_operation(errors: list[BackgroundRemovalError]) -> JSON:
    """Return GET /remove-background: the fields of the POST as parameters, and the signature."""
    schema = URLRequest.model_json_schema()
    fields: dict[str, JSON] = {
        **schema["properties"],
        "expires": {
            "type": "integer",
            "minimum": 0,
            "description": "When the link expires, in seconds since 1970. Without it: never.",
        },
        "signature": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{43}$",
            "description": "HMAC-SHA256 of the canonical form of the request, in base64url.",
        },
    }
    required = {*schema["required"], "signature"}
    impossible = _ROUTING_ERRORS | _BODY_ERRORS
    return {
        "operationId": "open_link",
        "summary": "Cut out the main subject of the image at a URL, by a signed link.",
        "parameters": [
            {"name": name, "in": "query", "required": name in required, "schema": field}
            for name, field in fields.items()
        ],
        "responses": {
            "200": _image_response(*LINK_HEADERS),
            "304": {
                "description": HTTPStatus.NOT_MODIFIED.phrase,
                "headers": header_references(*LINK_HEADERS),
            },
            **_error_responses(
                [error for error in errors if type(error) not in impossible], CACHE_CONTROL
            ),
        },
    }


def _upload_schema() -> JSON:
    schema = Options.model_json_schema()
    image = {"type": "string", "format": "binary", "description": "The image file."}
    return {
        **schema,
        "title": "Upload",
        "description": "A file, and the options as fields: plain text, or JSON.",
        "properties": {"image": image, **schema["properties"]},
        "required": ["image"],
    }


def _error_schema(errors: list[BackgroundRemovalError]) -> JSON:
    return {
        "title": "Error",
        "type": "object",
        "properties": {
            "error": {
                "type": "string",
                "description": "One sentence: what was wrong, and what is accepted.",
            },
            "code": {
                "enum": [error.code for error in errors],
                "description": "The stable name of the error; match on it.",
            },
            "status": {
                "type": "integer",
                "description": f"The source's status; only with `{SourceHTTPError.code}`.",
            },
        },
        "required": ["error", "code"],
        "additionalProperties": False,
        "if": {"properties": {"code": {"const": SourceHTTPError.code}}},
        "then": {"required": ["status"]},
        "else": {"properties": {"status": False}},
    }


def _body(media_type: str, schema: str, description: str) -> JSON:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"required": True, "description": description, "content": content}


def _image_response(*headers: str) -> JSON:
    formats = get_args(Options.model_fields["format"].annotation)
    content = {
        f"image/{name}": {"schema": {"type": "string", "format": "binary"}} for name in formats
    }
    return {
        **success(content, *CUTOUT_HEADERS, *headers),
        "description": "The image in the requested format.",
    }


def _get(description: str, schema: JSON) -> JSON:
    response = success({"application/json": {"schema": schema}})
    return {
        "get": {
            "tags": ["Infrastructure"],
            "description": description,
            "responses": {"200": response},
        }
    }


def _error_responses(errors: list[BackgroundRemovalError], *headers: str) -> JSON:
    statuses = sorted({STATUSES[type(error)] for error in errors})
    by_status = {
        status: [error for error in errors if STATUSES[type(error)] == status]
        for status in statuses
    }
    return {str(status): _error_response(same, *headers) for status, same in by_status.items()}


def _error_response(errors: list[BackgroundRemovalError], *others: str) -> JSON:
    """Return the response of one status, which all `errors` have, with an example per code.

    `others` are more headers of it.
    """
    codes = {"properties": {"code": {"enum": [error.code for error in errors]}}}
    headers = [*others, *(["Retry-After"] if type(errors[0]) in RETRY_AFTER else [])]
    headers += ["Allow"] if isinstance(errors[0], MethodNotAllowed) else []
    return {
        "description": HTTPStatus(STATUSES[type(errors[0])]).phrase,
        "headers": header_references(*headers),
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, codes]},
                "examples": {error.code: {"value": error.body} for error in errors},
            }
        },
    }
