"""The codes, bodies and messages of what can be wrong with a source or an image."""

import pytest

from pipeline import errors
from pipeline.errors import (
    BackgroundRemovalError,
    ImageTooLarge,
    NoSubjectFound,
    SourceHTTPError,
    SourceTooLarge,
)

EVERY_ERROR = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, BackgroundRemovalError)
    and value is not BackgroundRemovalError
]
# The arguments of errors that have no default message.
ARGUMENTS = {SourceHTTPError: (404,), SourceTooLarge: (20_000,), ImageTooLarge: (25_000_000,)}


def made(kind: type[BackgroundRemovalError]) -> BackgroundRemovalError:
    return kind(*ARGUMENTS.get(kind, ()))


def test_every_code_belongs_to_one_error() -> None:
    codes = [kind.code for kind in EVERY_ERROR]
    assert len(codes) == len(set(codes)) == 16


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_the_code_is_the_name_in_snake_case(kind: type[BackgroundRemovalError]) -> None:
    """`URLNotAllowed` is `url_not_allowed`."""
    assert kind.code.replace("_", "") == kind.__name__.lower()


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_the_body_is_one_sentence_and_the_code(kind: type[BackgroundRemovalError]) -> None:
    error = made(kind)
    assert {"error": str(error), "code": kind.code}.items() <= error.body.items()
    assert error.message[0].isupper() or error.message.startswith("image_url")
    assert error.message.endswith(".")
    assert ". " not in error.message


def test_a_message_can_be_more_precise_than_the_default() -> None:
    assert NoSubjectFound("Nothing.").body == {"error": "Nothing.", "code": "no_subject_found"}
    assert NoSubjectFound().message == NoSubjectFound.message


def test_only_the_source_status_is_added_to_the_body() -> None:
    assert SourceHTTPError(403).body["status"] == 403
    assert "403" in SourceHTTPError(403).message
    assert [kind for kind in EVERY_ERROR if made(kind).body.keys() != {"error", "code"}] == [
        SourceHTTPError
    ]


def test_limits_are_named_with_their_unit() -> None:
    assert "20,000 bytes" in SourceTooLarge(20_000).message
    assert "25,000,000 pixels;" in ImageTooLarge(25_000_000).message
    assert "65,535 pixels on a side" in ImageTooLarge(65_535, "pixels on a side").message
