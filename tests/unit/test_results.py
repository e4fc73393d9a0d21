"""A composition becomes the bytes or the JSON, and the headers, that remove.bg's clients read."""

import base64
import json
import os
import tracemalloc

import pytest
from starlette.datastructures import Headers

from pipeline.canvas.compose_image import Composed
from pipeline.image.box import Box
from serving.removebg.results import (
    RATE_LIMIT_HEADERS,
    RESULT_HEADERS,
    make_result,
    rate_limit_headers,
    result_response,
    wants_json,
)

COMPOSED = Composed(b"PNG", "image/png", 3, 4, Box(1, 2, 30, 40), (50, 60))


def test_an_image_has_every_header() -> None:
    response = result_response(make_result(COMPOSED, "car", as_json=False), {"X-A": "b"})
    assert (response.status_code, response.body) == (200, b"PNG")
    expected = {
        "content-type": "image/png",
        **{"x-width": "3", "x-height": "4", "x-max-width": "50", "x-max-height": "60"},
        **{"x-foreground-left": "1", "x-foreground-top": "2"},
        **{"x-foreground-width": "30", "x-foreground-height": "40"},
        **{"x-type": "car", "x-credits-charged": "0", "x-a": "b", "content-length": "3"},
    }
    assert dict(response.headers) == expected
    assert {name.lower() for name in RESULT_HEADERS} <= expected.keys()


def test_a_type_that_is_not_wanted_is_not_shown() -> None:
    assert "X-Type" not in make_result(COMPOSED, None, as_json=False).headers


def test_json_has_the_image_in_base64_and_the_subjects_box() -> None:
    content = os.urandom(200_000)
    composed = Composed(content, "image/png", 3, 4, Box(1, 2, 30, 40), (50, 60))
    result = make_result(composed, "other", as_json=True)
    assert result.media_type == "application/json"
    data = json.loads(result.content)["data"]
    assert base64.b64decode(data.pop("result_b64"), validate=True) == content
    assert data == {
        "foreground_top": 2,
        "foreground_left": 1,
        "foreground_width": 30,
        "foreground_height": 40,
    }


def test_json_is_written_without_another_copy_of_the_text() -> None:
    composed = Composed(bytes(6_000_000), "image/png", 3, 4, Box(1, 2, 30, 40), (50, 60))
    tracemalloc.start()
    size = len(make_result(composed, "other", as_json=True).content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * size


def test_the_size_of_a_large_source_is_shown_for_25_megapixels() -> None:
    composed = Composed(b"", "image/png", 3, 4, Box(0, 0, 1, 1), (10_000, 5_000))
    headers = make_result(composed, None, as_json=False).headers
    shown = int(headers["X-Max-Width"]) * int(headers["X-Max-Height"])
    assert 24_900_000 < shown <= 25_000_000


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json, text/plain, */*", False),
        ("*/*", False),
        ("image/*", False),
        ("", False),
    ],
)
def test_json_is_for_clients_that_accept_nothing_else(accept: str, expected: bool) -> None:
    assert wants_json(Headers({"accept": accept})) == expected
    assert not wants_json(Headers())


def test_the_rate_limit_is_the_services_own() -> None:
    headers = rate_limit_headers(capacity=16, active=3, now=1000.2)
    assert headers == {
        "X-RateLimit-Limit": "16",
        "X-RateLimit-Remaining": "13",
        "X-RateLimit-Reset": "1002",
    }
    assert headers.keys() == RATE_LIMIT_HEADERS.keys()
    assert rate_limit_headers(16, 17, 0)["X-RateLimit-Remaining"] == "0"
