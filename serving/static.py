"""The page at /, the API documentation at /docs, and their files: plain files of `web/`.

A page sends requests to its own service only, and runs no script and no style but its own files;
the Content-Security-Policy makes the browser enforce it. Swagger UI is BentoML's copy, without
BentoML's page around it, which loads analytics.
"""

import functools
import hashlib
import os
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pipeline.weights import SAMPLE

_WEB = Path(__file__).parent.parent / "web"

# The file of each path, and its media type: Python's table of types depends on the system's.
_FILES = {
    "/": (_WEB / "index.html", "text/html"),
    "/page.css": (_WEB / "page.css", "text/css"),
    "/page.js": (_WEB / "page.js", "text/javascript"),
    "/clipboard.js": (_WEB / "clipboard.js", "text/javascript"),
    "/code.js": (_WEB / "code.js", "text/javascript"),
    "/dom.js": (_WEB / "dom.js", "text/javascript"),
    "/options.js": (_WEB / "options.js", "text/javascript"),
    "/send.js": (_WEB / "send.js", "text/javascript"),
    "/show.js": (_WEB / "show.js", "text/javascript"),
    "/zip.js": (_WEB / "zip.js", "text/javascript"),
    "/icon.svg": (_WEB / "icon.svg", "image/svg+xml"),
    "/sample.jpg": (SAMPLE, "image/jpeg"),
    "/docs": (_WEB / "docs.html", "text/html"),
    "/docs.css": (_WEB / "docs.css", "text/css"),
    "/docs.js": (_WEB / "docs.js", "text/javascript"),
}

_MEDIA_TYPES = {str(file): media_type for file, media_type in _FILES.values()}

PAGE_PATHS = frozenset(_FILES)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Store it, but revalidate each time: a new version shows at once, an old one costs no bytes.
    "Cache-Control": "no-cache",
}


class PageFiles(StaticFiles):
    """Serves the files of the table, each at its path, with security headers and a content hash.

    Starlette's own entity tag is made from a file's time and size. Those differ between instances
    of one version, and can be equal for two versions in a reproducible build, where all files have
    the same time. The files are small, so they are kept in memory and sent whole.
    """

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return the file of a path, relative to / and "." for / itself, and its status."""
        found = _FILES.get("/" if path == "." else f"/{path}")
        return (str(found[0]), found[0].stat()) if found else ("", None)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return the file, or 304 if the client has it already (RFC 9110, 13.1.2)."""
        content, tag = _read(str(full_path))
        headers = {**_HEADERS, "ETag": tag}
        if self.is_not_modified(Headers(headers), Headers(scope=scope)):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_MEDIA_TYPES[str(full_path)], headers=headers)


def page_routes() -> list[Route]:
    """Return one route per path, so that every other path stays BentoML's or not found."""
    files = PageFiles()
    return [Route(path, files) for path in _FILES]


@functools.cache
def _read(file: str) -> tuple[bytes, str]:
    """Return the content of a file and its entity tag."""
    content = Path(file).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
