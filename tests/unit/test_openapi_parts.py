"""Parts that the descriptions of all routes share."""

from serving.openapi_parts import header_references, success
from serving.responses import COMMON_HEADERS


def test_every_response_has_the_common_headers_too() -> None:
    found = header_references("X-A")
    assert found.keys() == {"X-A", *COMMON_HEADERS}
    assert found["X-A"] == {"$ref": "#/components/headers/X-A"}


def test_a_success_has_its_content_and_headers() -> None:
    response = success({"text/plain": {}}, "X-A")
    assert response["description"] == "OK"
    assert response["content"] == {"text/plain": {}}
    assert response["headers"] == header_references("X-A")
