"""Any text at all, as a URL and as a Location."""

import contextlib

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import InvalidURL, URLNotAllowed
from pipeline.fetch.addresses import is_public
from pipeline.fetch.url import follow, parse_source_url

PIECES = [
    "http",
    "https",
    "://",
    ":",
    "/",
    "//",
    "?",
    "#",
    "@",
    "\\",
    "[",
    "]",
    "%",
    "%2e",
    "..",
    ".",
    "\u3002",
    "xn--",
]
WORDS = [
    "a.com",
    "1.1.1.1",
    "127.0.0.1",
    "localhost",
    "::1",
    "::ffff:10.0.0.1",
    "80",
    "443",
    "22",
    "user:pass",
    "0x7f",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES + WORDS) | st.text(max_size=3), max_size=12).map("".join),
)


@given(text=TEXTS)
@example(text="http://1.1.1.1:443/a?b#c")
def test_a_text_is_refused_or_is_a_url_that_parses_to_itself(text: str) -> None:
    try:
        url = parse_source_url(text)
    except (InvalidURL, URLNotAllowed):
        return
    assert parse_source_url(str(url)) == url
    assert url.port in (80, 443)
    assert url.address is None or is_public(url.address)
    # Another parser reads the same host.
    assert httpx.URL(str(url)).host.strip("[]") == url.host


@given(location=TEXTS)
@example(location="//b.com/c")
def test_a_location_is_refused_or_leads_to_a_public_https_url(location: str) -> None:
    with contextlib.suppress(InvalidURL, URLNotAllowed):
        following = follow(parse_source_url("https://a.com/x?y"), location)
        assert following.scheme == "https"
        assert following.address is None or is_public(following.address)
