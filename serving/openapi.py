"""BentoML's OpenAPI document, completed by what the service itself promises: every option, answer, header, status and code.

Pure: what it says of options, errors and headers is read from the classes that make them.
"""

import copy
import tomllib
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

from pipeline.errors import (
    BackgroundRemovalError,
    ImageTooLarge,
    InvalidURL,
    SourceHTTPError,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    TooManyRedirects,
    UnsupportedEncoding,
    URLNotAllowed,
)
from pipeline.options import Options
from serving.errors import MethodNotAllowed, NotFound, ShuttingDown
from serving.parsing import MAX_JSON_BYTES, UPLOAD_ENDPOINT, URL_ENDPOINT, URLRequest
from serving.responses import CUTOUT_HEADERS, REQUEST_ID, RETRY_AFTER, STATUSES
from serving.settings import Settings

JSON = dict[str, Any]

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"

# What only the download raises, and so an upload never meets.
_DOWNLOAD_ERRORS = frozenset(
    {
        InvalidURL,
        URLNotAllowed,
        SourceHTTPError,
        TooManyRedirects,
        SourceTooLarge,
        UnsupportedEncoding,
        SourceUnreachable,
        SourceTimeout,
    }
)
# What answers other paths and other methods than the document's.
_ROUTING_ERRORS = frozenset({NotFound, MethodNotAllowed})

_ABOUT = f"""

Every answer but a picture is JSON. An error's is `{{"error": "<one sentence>", "code": "<code>"}}`, also at another path
(`{NotFound.code}`) and for another method (`{MethodNotAllowed.code}`); match on the code.
"""

_HEADERS: dict[str, JSON] = {
    **{
        name: {"description": text, "schema": schema}
        for name, (text, schema) in CUTOUT_HEADERS.items()
    },
    REQUEST_ID: {
        "description": "The request's id in the log.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    },
    "Retry-After": {
        "description": "The seconds after which the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {"description": "The methods that the path answers.", "schema": {"type": "string"}},
}

_SECURITY_SCHEMES: JSON = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}

_PLAIN_TEXT: JSON = {"text/plain": {"schema": {"type": "string"}}}


def complete(document: JSON, settings: Settings) -> JSON:
    """Return the whole document, in OpenAPI 3.1, made from what BentoML generates for the service.

    BentoML's paths, names and descriptions stay; the limits in the examples are those of `settings`.
    """
    project = tomllib.loads(_PROJECT.read_text())["project"]
    errors = _errors(settings)
    paths = copy.deepcopy(document["paths"])
    by_url, upload = paths[URL_ENDPOINT]["post"], paths[UPLOAD_ENDPOINT]["post"]
    by_url["requestBody"] = _body(
        "application/json", "URLRequest", f"At most {MAX_JSON_BYTES:,} bytes."
    )
    upload["requestBody"] = _body(
        "multipart/form-data",
        "Upload",
        f"A picture of at most {settings.max_source_bytes:,} bytes.",
    )
    for operation, unmet in (
        (by_url, _ROUTING_ERRORS),
        (upload, _ROUTING_ERRORS | _DOWNLOAD_ERRORS),
    ):
        operation["responses"] = {
            "200": _picture(),
            **_error_responses([error for error in errors if type(error) not in unmet]),
        }
        # Keys are a setting: the empty requirement says that a service without them is open.
        operation["security"] = [{}, *({name: []} for name in _SECURITY_SCHEMES)]
    for path in ("/livez", "/healthz", "/readyz", "/metrics"):
        paths[path]["get"]["responses"] = {"200": _success(_PLAIN_TEXT)}
    paths["/healthz"]["get"]["deprecated"] = True
    paths["/readyz"]["get"]["responses"] |= _error_responses([ShuttingDown()])
    paths["/health"] = _get(
        "Whether the service answers.",
        {"type": "object", "properties": {"status": {"const": "ok"}}},
    )
    paths["/docs.json"] = _get("This document.", {"type": "object"})
    return {
        **document,
        "openapi": "3.1.0",
        "paths": paths,
        "info": {
            "title": project["name"],
            "version": project["version"],
            "description": project["description"] + _ABOUT,
            "license": {"name": project["license"], "identifier": project["license"]},
        },
        "components": {
            "schemas": {
                "URLRequest": URLRequest.model_json_schema(),
                "Upload": _upload_schema(),
                "Error": _error_schema(errors),
            },
            # The answers that are no operation's: at another path, and for another method.
            "responses": {
                type(error).__name__: _error_response([error])
                for error in errors
                if type(error) in _ROUTING_ERRORS
            },
            "headers": _HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _errors(settings: Settings) -> list[BackgroundRemovalError]:
    """One error of each kind, in the tree's order."""
    with_figures: dict[type[BackgroundRemovalError], BackgroundRemovalError] = {
        SourceHTTPError: SourceHTTPError(HTTPStatus.NOT_FOUND),
        SourceTooLarge: SourceTooLarge(settings.max_source_bytes),
        ImageTooLarge: ImageTooLarge(settings.max_pixels),
    }
    return [with_figures.get(kind) or kind() for kind in STATUSES]


def _upload_schema() -> JSON:
    schema = Options.model_json_schema()
    image = {"type": "string", "format": "binary", "description": "The picture's file."}
    return {
        **schema,
        "title": "Upload",
        "description": "A file, and the options as fields beside it: bare, or encoded as JSON.",
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
                "description": "One sentence: what was wrong, and what would be accepted.",
            },
            "code": {
                "enum": [error.code for error in errors],
                "description": "The stable name to match on.",
            },
            "status": {
                "type": "integer",
                "description": f"What the source answered; for `{SourceHTTPError.code}` alone.",
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


def _picture() -> JSON:
    formats = get_args(Options.model_fields["format"].annotation)
    content = {
        f"image/{name}": {"schema": {"type": "string", "format": "binary"}} for name in formats
    }
    return {
        **_success(content, *CUTOUT_HEADERS),
        "description": "The picture, in the format that was asked for.",
    }


def _get(description: str, schema: JSON) -> JSON:
    answer = _success({"application/json": {"schema": schema}})
    return {
        "get": {
            "tags": ["Infrastructure"],
            "description": description,
            "responses": {"200": answer},
        }
    }


def _success(content: JSON, *headers: str) -> JSON:
    return {
        "description": HTTPStatus.OK.phrase,
        "headers": _header_references(*headers),
        "content": content,
    }


def _error_responses(errors: list[BackgroundRemovalError]) -> JSON:
    statuses = sorted({STATUSES[type(error)] for error in errors})
    by_status = {
        status: [error for error in errors if STATUSES[type(error)] == status]
        for status in statuses
    }
    return {str(status): _error_response(same) for status, same in by_status.items()}


def _error_response(errors: list[BackgroundRemovalError]) -> JSON:
    """The answer of one status, which all the errors have: the codes it may hold, each with an example."""
    codes = {"properties": {"code": {"enum": [error.code for error in errors]}}}
    headers = ["Retry-After"] if type(errors[0]) in RETRY_AFTER else []
    headers += ["Allow"] if isinstance(errors[0], MethodNotAllowed) else []
    return {
        "description": HTTPStatus(STATUSES[type(errors[0])]).phrase,
        "headers": _header_references(*headers),
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, codes]},
                "examples": {error.code: {"value": error.body} for error in errors},
            }
        },
    }


def _header_references(*names: str) -> JSON:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, REQUEST_ID)}
