"""Signed links, from outside: GET and HEAD /remove-background, and the code of docs/links.md."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serving.links.signature import signed_url
from tests.support.environment import ROOT, Record, needed
from tests.support.links import CACHES, KEY, inferences, link, open_links
from tests.support.openapi import assert_documented
from tests.support.serving import URL, Server, assert_error
from tests.support.source import Source

DOCS = (ROOT / "docs" / "links.md").read_text()
# The program that runs each language's code, the file's name, and the Debian package.
LANGUAGES = {
    "python": (("python3",), "link.py", "python3"),
    "javascript": (("node",), "link.js", "nodejs"),
    "php": (("php",), "link.php", "php-cli"),
    "ruby": (("ruby",), "link.rb", "ruby"),
    "go": (("go", "run"), "link.go", "golang-go"),
}


@pytest.fixture(scope="module")
def documented(linked: Server) -> Any:
    """The document of the service."""
    return linked.get("/docs.json").json()


def assert_described(document: Any, response: httpx.Response) -> None:
    """Assert that the response is as the document says."""
    described = document["paths"][URL]["get"]["responses"]
    assert_documented(document, described[str(response.status_code)], response)


def test_a_link_gives_what_the_post_gives(linked: Server, source: Source, documented: Any) -> None:
    url = source.url("/photo.jpg")
    posted = linked.post(image_url=url, margin=5, format="webp", background="#fff")
    linked_to = linked.get(link(url, margin="5", format="webp", background="#fff"))
    assert (posted.status_code, linked_to.status_code) == (200, 200)
    assert linked_to.content == posted.content
    assert_described(documented, linked_to)
    names = [name for name in posted.headers if name.startswith("x-") and "id" not in name]
    assert [linked_to.headers[name] for name in names] == [posted.headers[name] for name in names]


def test_head_and_304_have_the_headers_and_no_body(linked: Server, source: Source) -> None:
    path = link(source.url("/photo.jpg"), max_side="64")
    found = linked.get(path)
    asked = linked.request("HEAD", path)
    known = linked.get(path, headers={"If-None-Match": found.headers["etag"]})
    assert (asked.status_code, known.status_code) == (200, 304)
    assert (asked.content, known.content) == (b"", b"")
    assert asked.headers["content-length"] == str(len(found.content))
    for name in ("etag", "cache-control", "content-disposition"):
        assert asked.headers[name] == known.headers[name] == found.headers[name]


def test_errors_are_as_documented(linked: Server, source: Source, documented: Any) -> None:
    lost = linked.get(link(source.url("/status/404")))
    assert_error(lost, 422, "source_http_error")
    assert lost.headers["cache-control"] == "public, max-age=60"
    for path, status, code in (
        (URL, 403, "invalid_signature"),
        (link("http://a.com/", expires="1"), 403, "expired_signature"),
        (link(source.url("/photo.jpg"), margin="501"), 400, "invalid_request"),
        (link("ftp://a.com/"), 400, "invalid_url"),
    ):
        refused = linked.get(path)
        assert_error(refused, status, code)
        assert refused.headers["cache-control"] == "no-store"
        assert_described(documented, refused)
    assert_described(documented, lost)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://user@example.com/",
        "http://example.com:8080/",
    ],
)
def test_the_guard_is_that_of_the_post(linked: Server, url: str) -> None:
    posted, opened = linked.post(image_url=url), linked.get(link(url))
    assert_error(opened, 400, "url_not_allowed")
    assert opened.json() == posted.json()


def test_a_redirect_of_a_link_is_guarded(linked: Server, source: Source) -> None:
    redirect = source.url("/to?http://10.0.0.1/")
    assert_error(linked.get(link(redirect)), 400, "url_not_allowed")


@pytest.mark.parametrize(("clients"), [40, pytest.param(500, marks=pytest.mark.slow)])
def test_equal_links_share_one_inference(
    linked: Server, source: Source, clients: int, record_property: Record
) -> None:
    """The source takes three seconds, in which all clients come."""
    path, worker = link(source.url("/slow"), max_side=str(clients + 64)), linked.worker()
    before, memory = inferences(linked), psutil.Process(worker).memory_info().rss
    statuses = asyncio.run(open_links(linked.port, [path], clients, clients))
    assert statuses == {200: clients}
    assert inferences(linked) - before == 1
    more = psutil.Process(worker).memory_info().rss - memory
    record_property(f"MB that {clients} clients of one link left", more / 1e6)


def code_of(language: str) -> str:
    """Return the code of a language in the documentation."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", DOCS, flags=re.DOTALL)
    return str(code)


@pytest.mark.parametrize(
    "language",
    # The first `go run` compiles the standard library.
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("php", "ruby", "go")))
        for name in LANGUAGES
    ],
)
def test_the_code_of_the_documentation_makes_links(
    linked: Server, source: Source, language: str, tmp_path: Path
) -> None:
    (program, *options), name, package = LANGUAGES[language]
    program = needed(program, package)
    (tmp_path / "key.txt").write_text(f"{KEY}\n")
    strange = source.url("/photo.jpg?a b=(1)*'!~é+%26&c=d")
    code = code_of(language).replace("https://example.com/photo.jpg", strange)
    (tmp_path / name).write_text(code)
    command = [program, *options, name]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    fields = {"image_url": strange, "max_side": "800", "background": "#fff"}
    base = "https://cutouts.example.com"
    assert made.stdout.strip() == signed_url(base, KEY.encode(), fields)
    assert linked.get(made.stdout.strip().removeprefix(base)).status_code == 200


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.sampled
def test_a_cache_answers_the_second_view(
    linked: Server, source: Source, cache: str, tmp_path: Path
) -> None:
    path = link(source.url("/photo.jpg"), max_side="100", margin=str(len(cache)))
    with CACHES[cache](linked, tmp_path) as proxy:
        before = inferences(linked)
        first, second = proxy.get(path), proxy.get(path)
        head = proxy.request("HEAD", path)
        known = proxy.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert [one.headers["x-cache"] for one in (first, second, head)] == ["MISS", "HIT", "HIT"]
        assert second.content == first.content
        assert (head.status_code, known.status_code) == (200, 304)
        assert inferences(linked) - before == 1
        assert_error_of(proxy.get(path.replace("margin", "margins")), "invalid_signature")
        posted = proxy.post(image_url=source.url("/photo.jpg"))
        assert posted.status_code == 200


def assert_error_of(response: httpx.Response, code: str) -> None:
    """Assert that an error comes through a cache, which has not kept it."""
    assert response.json()["code"] == code
    assert response.headers["x-cache"] == "MISS"
