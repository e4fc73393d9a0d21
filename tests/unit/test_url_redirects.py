"""Where a redirect's Location leads."""

import pytest

from pipeline.errors import InvalidURL, URLNotAllowed
from pipeline.fetch.url import follow, parse_source_url


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://a.com/b"),
        ("c", "https://a.com/x/c"),
        ("//b.com/d", "https://b.com/d"),
        ("https://b.com", "https://b.com/"),
    ],
)
def test_a_location_is_resolved_against_the_url(location: str, target: str) -> None:
    assert str(follow(parse_source_url("https://a.com/x/y"), location)) == target


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "https://u@b.com/",
        "https://b.com:8080/",
        "http://b.com/",
        "//localhost/",
    ],
)
def test_a_redirect_to_a_private_or_less_secure_place_is_refused(location: str) -> None:
    with pytest.raises(URLNotAllowed):
        follow(parse_source_url("https://a.com/"), location)


def test_a_redirect_may_go_from_http_to_https_and_stay_on_http() -> None:
    for location in ("https://b.com/x", "http://b.com/x"):
        assert str(follow(parse_source_url("http://a.com/"), location)) == location


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "https://[", "javascript:alert(1)", "https://b.com/\r\nX: y"]
)
def test_a_location_that_is_not_an_http_url_is_invalid(location: str) -> None:
    with pytest.raises(InvalidURL):
        follow(parse_source_url("https://a.com/"), location)
