"""The pages: the one to try the service on, at /, and the API's documents, at /docs. Plain files of `web/`, read once.

A page asks its own service alone, and runs no script and no style but its own files: the policy says so to the browser. Swagger UI
is BentoML's copy, without BentoML's page around it, which loads analytics.
"""

import functools
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.weights import SAMPLE

_WEB = Path(__file__).parent.parent / "web"

# Each path, its file and its media type.
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

PAGE_PATHS = frozenset(_FILES)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, and asked for again each time: a new version is seen at once, and an old one costs no bytes.
    "Cache-Control": "no-cache",
}


def page_routes() -> list[Route]:
    """One route a file; any other path is not ours."""
    return [Route(path, functools.partial(_answer, *file)) for path, file in _FILES.items()]


async def _answer(file: Path, media_type: str, request: Request) -> Response:
    """The file, or 304 without it where the caller has it already (RFC 9110, 13.1.2: If-None-Match)."""
    content, tag = _read(file)
    headers = {**_HEADERS, "ETag": tag}
    known = {
        name.strip().removeprefix("W/")
        for name in request.headers.get("if-none-match", "").split(",")
    }
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@functools.cache
def _read(file: Path) -> tuple[bytes, str]:
    """A file's bytes and their entity tag."""
    content = file.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
