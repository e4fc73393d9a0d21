"""The pages and their files, requested from the routes that the service mounts."""

import asyncio
import hashlib
import re

import httpx
import pytest
from starlette.applications import Starlette

from pipeline.weights import SAMPLE
from serving.static import PAGE_PATHS, page_routes
from tests.support.environment import ROOT

WEB = ROOT / "web"
FILES = {
    "/": (WEB / "index.html", "text/html; charset=utf-8"),
    "/page.css": (WEB / "page.css", "text/css; charset=utf-8"),
    "/image.css": (WEB / "image.css", "text/css; charset=utf-8"),
    "/panels.css": (WEB / "panels.css", "text/css; charset=utf-8"),
    "/icon.svg": (WEB / "icon.svg", "image/svg+xml"),
    "/sample.jpg": (SAMPLE, "image/jpeg"),
    "/docs": (WEB / "docs.html", "text/html; charset=utf-8"),
    "/docs.css": (WEB / "docs.css", "text/css; charset=utf-8"),
    **{
        f"/{file.name}": (file, "text/javascript; charset=utf-8")
        for file in sorted(WEB.glob("*.js"))
    },
}


class Client:
    """A client of an app that serves the pages and nothing else."""

    def __init__(self) -> None:
        self._transport = httpx.ASGITransport(Starlette(routes=[*page_routes()]))

    def request(self, method: str, path: str, **headers: str) -> httpx.Response:
        """Send a request."""

        async def send() -> httpx.Response:
            base = "http://service"
            async with httpx.AsyncClient(transport=self._transport, base_url=base) as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(send())

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a path."""
        return self.request("GET", path, **headers)


@pytest.fixture(scope="module")
def client() -> Client:
    """A client of the pages."""
    return Client()


def test_every_file_has_its_path() -> None:
    assert FILES.keys() == PAGE_PATHS
    assert {file.name for file, _ in FILES.values() if file.parent == WEB} == {
        file.name for file in WEB.iterdir()
    }


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_sent_whole_with_its_type(path: str, client: Client) -> None:
    file, media_type = FILES[path]
    response = client.get(path)
    assert (response.status_code, response.content) == (200, file.read_bytes())
    assert response.headers["content-type"] == media_type


@pytest.mark.parametrize("path", FILES)
def test_a_page_runs_no_script_but_its_own_files(path: str, client: Client) -> None:
    headers = client.get(path).headers
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_every_file_that_a_page_names_is_served(path: str, client: Client) -> None:
    names = re.findall(r'(?:href|src)="([^"#:]+\.\w+)"', client.get(path).text)
    # BentoML serves Swagger UI's own files, and service.py the document.
    ours = [name for name in names if not name.startswith("static_content/")]
    ours = [name for name in ours if name != "docs.json"]
    assert ours
    assert [name for name in ours if client.get(f"/{name}").status_code != 200] == []


@pytest.mark.parametrize("path", FILES)
def test_the_tag_is_made_from_the_content(path: str, client: Client) -> None:
    """Two instances of one version have the same tag, and two versions have not."""
    headers = client.get(path).headers
    digest = hashlib.sha256(FILES[path][0].read_bytes()).hexdigest()
    assert headers["etag"] == f'"{digest[:16]}"'
    assert headers["cache-control"] == "no-cache"


def test_two_files_have_two_tags(client: Client) -> None:
    assert len({client.get(path).headers["etag"] for path in FILES}) == len(FILES)


def test_a_known_file_is_not_sent_again(client: Client) -> None:
    tag = client.get("/").headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        response = client.get("/", **{"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
    for unknown in ('"other"', tag.strip('"')[:-1]):
        assert client.get("/", **{"If-None-Match": unknown}).status_code == 200


@pytest.mark.parametrize("path", ["/index.html", "/nothing", "/../pyproject.toml", "/web/page.js"])
def test_no_other_path_is_served(path: str, client: Client) -> None:
    assert client.get(path).status_code == 404


def test_the_pages_cannot_be_posted_to(client: Client) -> None:
    assert client.request("POST", "/").status_code == 405
    head = client.request("HEAD", "/")
    assert (head.status_code, head.content) == (200, b"")
