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
from serving.project import ROOT

_WEB = ROOT / "web"

# Python's own table of media types depends on the system.
_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}

# The file of each path: the two pages, and all that they load.
_FILES = {
    "/": _WEB / "index.html",
    "/docs": _WEB / "docs.html",
    "/sample.jpg": SAMPLE,
    **{f"/{file.name}": file for kind in ("css", "js", "svg") for file in _WEB.glob(f"*.{kind}")},
}

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
        file = _FILES.get("/" if path == "." else f"/{path}")
        return (str(file), file.stat()) if file else ("", None)

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
        media_type = _MEDIA_TYPES[Path(full_path).suffix]
        return Response(content, media_type=media_type, headers=headers)


def page_routes() -> list[Route]:
    """Return one route per path, so that every other path stays BentoML's or not found."""
    files = PageFiles()
    return [Route(path, files) for path in _FILES]


@functools.cache
def _read(file: str) -> tuple[bytes, str]:
    """Return the content of a file and its entity tag."""
    content = Path(file).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
