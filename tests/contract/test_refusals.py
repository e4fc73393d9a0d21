"""URLs, sources and images that get an error instead of a cutout."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.support.images import FEATURELESS, encoded
from tests.support.serving import Server, assert_error
from tests.support.source import Source


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://a.com/x.png", "invalid_url"),
        ("http://a..com/", "invalid_url"),
        ("http://a.com/" + "x" * 2048, "invalid_url"),
        ("http://127.0.0.1/x.png", "url_not_allowed"),
        ("http://169.254.169.254/latest/meta-data", "url_not_allowed"),
        ("http://[::ffff:127.0.0.1]/", "url_not_allowed"),
        ("http://user@a.com/x.png", "url_not_allowed"),
        ("http://a.com:22/x.png", "url_not_allowed"),
        ("http://localhost/x.png", "url_not_allowed"),
    ],
)
def test_urls_that_are_not_fetched(service: Server, url: str, code: str) -> None:
    assert_error(service.post(image_url=url), 400, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/status/404", 422, "source_http_error"),
        ("/status/500", 502, "source_unreachable"),
        ("/redirect/4", 422, "too_many_redirects"),
        ("/to?http://10.0.0.1/", 400, "url_not_allowed"),
        ("/gzip", 422, "unsupported_encoding"),
        ("/endless", 422, "source_too_large"),
        ("/short", 502, "source_unreachable"),
        ("/slow", 504, "source_timeout"),
        ("/drip", 504, "source_timeout"),
    ],
)
def test_sources_that_fail(
    service: Server, source: Source, path: str, status: int, code: str
) -> None:
    assert_error(service.post(image_url=source.url(path)), status, code)


def test_images_that_get_no_cutout(service: Server, source: Source, photo: bytes) -> None:
    source.files["/empty"] = b""
    assert_error(service.post(image_url=source.url("/empty")), 422, "empty_source")
    assert_error(service.upload(b"<svg/>"), 422, "unsupported_image_type")
    assert_error(service.upload(photo[:20_000]), 422, "image_corrupt")
    assert_error(service.upload(encoded(Image.new("L", (7000, 6000)))), 422, "image_too_large")
    for pixels in FEATURELESS.values():
        assert_error(
            service.upload(encoded(Image.fromarray(pixels.astype(np.uint8)))),
            422,
            "no_subject_found",
        )
    large = Image.open(io.BytesIO(photo)).resize((4000, 3500))
    response = service.upload(encoded(large, "JPEG"), format="webp", crop="false")
    assert_error(response, 422, "format_unsupported")
