"""Compare responses with the OpenAPI document."""

from typing import Any

import httpx
from jsonschema import Draft202012Validator

# Headers of HTTP, of the server and of CORS. An OpenAPI document declares none of them.
UNDECLARED = {"connection", "content-length", "content-type", "date", "server", "vary"}


def assert_documented(
    document: dict[str, Any], documented: dict[str, Any], response: httpx.Response
) -> None:
    """Assert that a response has the documented media type, schema and headers, and no others."""
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
