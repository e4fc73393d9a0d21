"""The files of web/ as the service sends them."""

import pytest

from serving.static import PAGE_PATHS
from tests.support.environment import ROOT
from tests.support.serving import Server, assert_error

WEB = ROOT / "web"

# Every file of web/ and its media type. The sample is a file of pipeline/.
TYPES = {
    "/": "text/html; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/image.css": "text/css; charset=utf-8",
    "/panels.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/clipboard.js": "text/javascript; charset=utf-8",
    "/code.js": "text/javascript; charset=utf-8",
    "/dom.js": "text/javascript; charset=utf-8",
    "/link.js": "text/javascript; charset=utf-8",
    "/options.js": "text/javascript; charset=utf-8",
    "/send.js": "text/javascript; charset=utf-8",
    "/show.js": "text/javascript; charset=utf-8",
    "/zip.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
    "/sample.jpg": "image/jpeg",
    "/docs": "text/html; charset=utf-8",
    "/docs.css": "text/css; charset=utf-8",
    "/docs.js": "text/javascript; charset=utf-8",
}

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.mark.parametrize("path", TYPES)
def test_every_file_has_its_type_and_policy(service: Server, path: str) -> None:
    response = service.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == TYPES[path]
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", TYPES)
def test_a_cached_file_is_not_sent_again(service: Server, path: str) -> None:
    tag = service.get(path).headers["etag"]
    for known, status in (
        (tag, 304),
        (f'"other", W/{tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
    ):
        response = service.get(path, headers={"If-None-Match": known})
        assert response.status_code == status, known
        assert bool(response.content) == (status == 200)
        assert response.headers["etag"] == tag
        assert "content-security-policy" in response.headers


def test_the_folder_is_small_and_holds_nothing_else(service: Server) -> None:
    files = {file.name for file in WEB.iterdir()}
    assert files == {path.strip("/") for path in TYPES if "." in path} - {"sample.jpg"} | {
        "index.html",
        "docs.html",
    }
    assert TYPES.keys() == PAGE_PATHS
    assert sum(file.stat().st_size for file in WEB.iterdir()) < 55_000


@pytest.mark.parametrize(
    "path",
    [
        "/page",
        "/index.html",
        "/docs.html",
        "/web/page.js",
        "/page.js.map",
        "/favicon.ico",
        "/docs/x",
    ],
)
def test_any_other_path_is_not_found(service: Server, path: str) -> None:
    assert_error(service.get(path), 404, "not_found")


@pytest.mark.parametrize("path", TYPES)
def test_the_pages_accept_no_post(service: Server, path: str) -> None:
    refused = service.request("POST", path)
    assert_error(refused, 405, "method_not_allowed")
    assert "GET" in refused.headers["allow"]


def test_requests_for_the_pages_are_counted(service: Server) -> None:
    for path in PAGE_PATHS:
        service.get(path)
    metrics = service.get("/metrics").text
    assert not [path for path in PAGE_PATHS if f'endpoint="{path}"' not in metrics]
