"""The headers of links that caches and browsers read."""

import pytest

from pipeline.errors import BackgroundRemovalError, ImageCorrupt, SourceTimeout, URLNotAllowed
from serving.errors import Busy, InvalidSignature
from serving.links.cache import (
    cache_control,
    disposition,
    entity_tag,
    error_cache_control,
    is_known,
)


@pytest.mark.parametrize(
    ("seconds", "left", "expected"),
    [
        (600, None, "public, max-age=600, stale-while-revalidate=3600, stale-if-error=3600"),
        (600, 90_000.0, "public, max-age=600, stale-while-revalidate=3600, stale-if-error=3600"),
        (600, 700.9, "public, max-age=600, stale-while-revalidate=100, stale-if-error=100"),
        (600, 60.9, "public, max-age=60"),
        (600, 0.0, "public, max-age=0"),
        (0, None, "public, max-age=0, stale-while-revalidate=3600, stale-if-error=3600"),
    ],
)
def test_no_cache_keeps_a_response_past_the_expiry(
    seconds: int, left: float | None, expected: str
) -> None:
    assert cache_control(seconds, left) == expected


@pytest.mark.parametrize(
    ("error", "left", "expected"),
    [
        (ImageCorrupt(), None, "public, max-age=60"),
        (ImageCorrupt(), 5.9, "public, max-age=5"),
        (SourceTimeout(), None, "no-store"),
        (URLNotAllowed(), None, "no-store"),
        (InvalidSignature(), None, "no-store"),
        (Busy(), None, "no-store"),
    ],
)
def test_errors_are_cached_if_the_source_is_at_fault(
    error: BackgroundRemovalError, left: float | None, expected: str
) -> None:
    assert error_cache_control(error, left) == expected


def test_a_tag_is_strong_and_of_the_bytes() -> None:
    assert entity_tag(b"a") == '"ca978112ca1bbdcafac231b39a23dc4d"'
    assert entity_tag(b"a") != entity_tag(b"b")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b"', False),
        ("a", False),
        (" * ", True),
        ('"*"', False),
        ('"xa", "ax"', False),
    ],
)
def test_if_none_match(header: str | None, expected: bool) -> None:
    assert is_known('"a"', header) == expected


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.com/photos/red%20shoe.JPG?w=1#x", "red-shoe.png"),
        ("https://a.com/", "cutout.png"),
        ("https://a.com/%22%0d%0aSet-Cookie:%20a", "Set-Cookie-a.png"),
        ("https://a.com/фото.jpg", "cutout.png"),
        ("https://a.com/.htaccess", "htaccess.png"),
        ("https://a.com/" + "a" * 300, "a" * 64 + ".png"),
    ],
)
def test_the_name_is_the_sources_and_safe(url: str, name: str) -> None:
    assert disposition(url, "image/png") == f'inline; filename="{name}"'
