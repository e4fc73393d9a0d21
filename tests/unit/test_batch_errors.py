"""Failures of a run: a code and a sentence."""

from batch.errors import ImageFailed


def test_a_failed_image_has_a_code_and_a_sentence() -> None:
    failed = ImageFailed("timeout", "The image took more than 1 s.")
    assert (failed.code, str(failed)) == ("timeout", "The image took more than 1 s.")
