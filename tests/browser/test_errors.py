"""The errors that the page shows."""

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from pipeline.errors import BackgroundRemovalError
from serving.errors import Unauthorized
from serving.responses import error_response
from tests.browser.visit import Open
from tests.support.errors import every_error
from tests.support.images import encoded
from tests.support.source import Source


@contextmanager
def responding(page: Page, respond: Callable[[Route], None]) -> Iterator[None]:
    """Respond to uploads in place of the service."""
    page.route("**/remove-background/upload", respond)
    yield
    page.unroute_all(behavior="ignoreErrors")


def refuse(error: BackgroundRemovalError, route: Route) -> None:
    """Respond with an error, as the service does."""
    response = error_response(error)
    headers = {name: value for name, value in response.headers.items() if name == "retry-after"}
    route.fulfill(status=response.status_code, json=error.body, headers=headers)


def test_errors_of_the_service_are_shown(
    open_page: Open, source: Source, photo: bytes, tmp_path: Path
) -> None:
    """With a sentence of the page, the service's own, the code and the request id."""
    visit = open_page()
    page = visit.page

    def assert_shown(code: str, words: str) -> None:
        visit.settle()
        expect(page.locator("#failure")).to_be_visible()
        expect(page.locator("#failure-code")).to_have_text(
            re.compile(rf"^{code}, request [0-9a-f]{{16}}$")
        )
        expect(page.locator("#failure-words")).to_contain_text(words)
        assert words in page.locator("#said").inner_text()
        assert page.locator("#failure-detail").inner_text().endswith(".")
        page.click("#clear")

    (tmp_path / "large.bmp").write_bytes(bytes(23_000_000))
    files: dict[str, tuple[bytes | Path, str]] = {
        "unsupported_image_type": (b"not an image", "not supported"),
        "image_corrupt": (photo[: len(photo) // 2], "damaged"),
        "empty_source": (b"", "empty"),
        "image_too_large": (encoded(Image.new("1", (8000, 8000))), "too many pixels"),
        "no_subject_found": (encoded(Image.new("RGB", (64, 64), "red")), "No subject was found"),
        "request_too_large": (tmp_path / "large.bmp", "too large"),
    }
    for code, (content, words) in files.items():
        visit.choose(content)
        assert_shown(code, words)
    urls = {
        "source_http_error": (source.url("/missing"), "responded with an error"),
        "too_many_redirects": (source.url("/redirect/5"), "redirects too many times"),
        "unsupported_encoding": (source.url("/gzip"), "compression"),
        "source_unreachable": (source.url("/short"), "could not be reached"),
        "source_timeout": (source.url("/slow"), "too long"),
        "url_not_allowed": ("http://10.0.0.1/photo.jpg", "public addresses"),
        "invalid_url": ("ftp://example.com/photo.jpg", "http://"),
    }
    for code, (url, words) in urls.items():
        page.fill("#url", url)
        page.press("#url", "Enter")
        assert_shown(code, words)


@pytest.mark.slow
def test_every_error_has_its_own_sentence(open_page: Open, photo: bytes) -> None:
    """The browser gets a response for each, in place of the service's."""
    errors = every_error()
    visit = open_page()
    page = visit.page
    # The page retries `busy` twenty times.
    page.evaluate("() => { globalThis.setTimeout = (callback) => queueMicrotask(callback) }")
    words = set()
    for error in errors:
        with responding(page, functools.partial(refuse, error)):
            visit.choose(photo)
            visit.settle()
            expect(page.locator("#failure-code")).to_have_text(error.code)
            expect(page.locator("#failure-detail")).to_have_text(error.message)
            words.add(page.locator("#failure-words").inner_text())
            assert page.locator("#key").is_visible() == isinstance(error, Unauthorized)
            assert page.locator("#again").is_visible() != isinstance(error, Unauthorized)
        page.click("#clear")
    assert len(words) == len(errors)
    assert "" not in words


def test_no_response_and_a_response_of_another_server_are_shown(
    open_page: Open, photo: bytes
) -> None:
    visit = open_page()
    page = visit.page
    with responding(
        page,
        lambda route: route.fulfill(
            status=502, body="<h1>Bad gateway</h1>", content_type="text/html"
        ),
    ):
        visit.choose(photo)
        visit.settle()
        expect(page.locator("#failure-words")).to_have_text(
            "The response did not come from the service."
        )
        expect(page.locator("#failure-detail")).to_have_text("Status 502.")
    with responding(page, lambda route: route.abort()):
        page.click("#again")
        expect(page.locator("#failure-words")).to_contain_text("The service did not respond.")
    page.click("#again")
    expect(page.locator("#download")).to_be_visible()
