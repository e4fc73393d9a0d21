"""Errors in remove.bg's shape, with its codes and statuses."""

import json

import pytest

from pipeline.errors import DOWNLOAD_ERRORS, BackgroundRemovalError, InvalidURL, SourceTimeout
from serving.errors import Busy, NotFound
from serving.removebg.errors import (
    ANSWERS,
    BackdropFailed,
    InvalidParameter,
    RemovebgError,
    error_response,
)
from serving.responses import STATUSES
from tests.support.errors import every_error


def test_every_error_has_an_answer() -> None:
    assert ANSWERS.keys() == STATUSES.keys()


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_the_shape_is_an_object_of_texts_alone(error: BackgroundRemovalError) -> None:
    response = error_response(error, {"X-A": "b"})
    body = json.loads(bytes(response.body))
    assert body.keys() == {"errors"}
    (one,) = body["errors"]
    assert one.keys() == {"title", "code", "detail"}
    assert all(isinstance(value, str) for value in one.values())
    assert one["title"].endswith(".")
    assert one["detail"].endswith(".")
    assert response.headers["x-a"] == "b"
    assert ("retry-after" in response.headers) == (response.status_code in (429, 503))


def test_what_is_the_sources_fault_is_400() -> None:
    assert {ANSWERS[error].status for error in DOWNLOAD_ERRORS} == {400}
    ours = {error for error, status in STATUSES.items() if status == 422}
    assert {ANSWERS[error].status for error in ours} == {400}
    assert {answer.status for answer in ANSWERS.values()} == {
        *(400, 403, 404, 405, 415, 429, 500, 503, 504)
    }


def test_retry_after_is_in_whole_seconds() -> None:
    response = error_response(Busy(), {})
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")


def test_details_name_their_paths_and_not_the_native_ones() -> None:
    for error in (NotFound(), InvalidURL()):
        assert b"remove-background" not in error_response(error, {}).body
        assert b"image_url must" not in error_response(error, {}).body


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (InvalidURL(), "invalid_bg_image_url"),
        (SourceTimeout(), "failed_bg_download"),
        (InvalidParameter("roi_region_empty", "roi", "it is empty"), "roi_region_empty"),
    ],
)
def test_a_failed_background_has_codes_of_its_own(cause: BackgroundRemovalError, code: str) -> None:
    error = BackdropFailed(cause)
    assert (error.answer.status, error.answer.code) == (400, code)
    assert "background" in error.answer.title


def test_their_own_errors_count_as_invalid_requests() -> None:
    error = RemovebgError("missing_source", "No image given.", "Send one.")
    assert error.code == "invalid_request"
    body = json.loads(bytes(error_response(error, {}).body))
    assert body["errors"] == [
        {"title": "No image given.", "code": "missing_source", "detail": "Send one."}
    ]
