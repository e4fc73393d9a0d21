"""The errors that only HTTP knows."""

import pytest

from pipeline import errors as pipeline_errors
from pipeline.errors import BackgroundRemovalError
from serving import errors

EVERY_ERROR = [
    value
    for name, value in vars(errors).items()
    if isinstance(value, type)
    and issubclass(value, BackgroundRemovalError)
    and not hasattr(pipeline_errors, name)
]

CODES = {
    "invalid_request",
    "unauthorized",
    "invalid_signature",
    "expired_signature",
    "not_found",
    "method_not_allowed",
    "request_too_large",
    "unsupported_media_type",
    "busy",
    "internal_error",
    "shutting_down",
}


def test_the_codes_are_the_contracts() -> None:
    assert sorted(error.code for error in EVERY_ERROR) == sorted(CODES)


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_the_default_body_is_one_sentence_and_the_code(kind: type[BackgroundRemovalError]) -> None:
    body = kind().body
    assert body.keys() == {"error", "code"}
    assert body["code"] == kind.code
    sentence = str(body["error"])
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ". " not in sentence
