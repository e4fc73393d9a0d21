"""Responses with a cutout or an error, and the error of any exception."""

import json
import logging
from typing import Any

import pytest

from pipeline.errors import (
    BackgroundRemovalError,
    NoSubjectFound,
    OutOfMemory,
    SourceHTTPError,
    SourceUnreachable,
)
from pipeline.image.box import Box
from pipeline.remove_background import Cutout
from serving.errors import Busy, InternalError, MethodNotAllowed, ShuttingDown
from serving.logging import LOGGER
from serving.responses import STATUSES, cutout_response, error_response, to_error

CUTOUT: dict[str, Any] = {
    "content": b"PNG",
    "media_type": "image/png",
    "width": 30,
    "height": 40,
    "subject": Box(1, 2, 25, 35),
    "confidence": 0.98765,
    "parts": 2,
    "source_pixels": 5_000,
}


def test_a_cutout_has_its_dimensions_and_durations_in_headers() -> None:
    response = cutout_response(Cutout(**CUTOUT), {"decode": 12.345, "segment": 100})
    assert (response.status_code, response.body) == (200, b"PNG")
    assert {
        "content-type": "image/png",
        "x-width": "30",
        "x-height": "40",
        "x-foreground-left": "1",
        "x-foreground-top": "2",
        "x-foreground-width": "25",
        "x-foreground-height": "35",
        "x-subject-confidence": "0.9877",
        "x-subject-parts": "2",
        "server-timing": "decode;dur=12.3, segment;dur=100.0",
    }.items() <= dict(response.headers).items()


def test_an_unknown_confidence_has_no_header() -> None:
    response = cutout_response(Cutout(**{**CUTOUT, "confidence": None}), {})
    assert "x-subject-confidence" not in response.headers


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (NoSubjectFound(), 422, None),
        (SourceHTTPError(404), 422, None),
        (Busy(), 429, "1"),
        (ShuttingDown(), 503, "5"),
        (OutOfMemory(), 503, "5"),
        (InternalError(), 500, None),
    ],
)
def test_an_error_has_its_status_and_body(
    error: BackgroundRemovalError, status: int, retry_after: str | None
) -> None:
    response = error_response(error)
    assert response.status_code == status == STATUSES[type(error)]
    assert json.loads(bytes(response.body)) == error.body
    assert response.headers.get("retry-after") == retry_after


def test_more_headers_can_be_added() -> None:
    response = error_response(MethodNotAllowed(), {"Allow": "POST"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The records of the service's log."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def test_an_error_of_the_contract_is_returned_and_its_cause_logged(log: Any) -> None:
    error = SourceUnreachable()
    assert to_error(error) is error
    assert not log.records
    error.__cause__ = ConnectionRefusedError("10.0.0.1")
    assert to_error(error) is error
    assert "source_unreachable: ConnectionRefusedError('10.0.0.1')" in log.text
    assert "10.0.0.1" not in str(error.body)


def test_a_lack_of_memory_is_its_own_error(log: Any) -> None:
    assert isinstance(to_error(MemoryError()), OutOfMemory)


def test_a_defect_is_an_internal_error_and_logged_with_its_traceback(log: Any) -> None:
    try:
        raise TypeError("ours")
    except TypeError as exc:
        error = to_error(exc)
    assert isinstance(error, InternalError)
    assert "ours" not in error.message
    (record,) = log.records
    assert record.levelno == logging.ERROR
    assert record.exc_info[0] is TypeError
