"""What the descriptions of all routes in the OpenAPI document have in common."""

from http import HTTPStatus
from typing import Any

from serving.responses import COMMON_HEADERS

JSON = dict[str, Any]


def success(content: JSON, *headers: str) -> JSON:
    """Return a response with status 200, with these headers and those of every response."""
    return {
        "description": HTTPStatus.OK.phrase,
        "headers": header_references(*headers),
        "content": content,
    }


def header_references(*names: str) -> JSON:
    """Return references to headers and to those of every response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, *COMMON_HEADERS)}
