"""A composed image -> remove.bg's response: its bytes or JSON, and headers."""

import binascii
import io
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import Response

from pipeline.canvas.layout import fit_size

if TYPE_CHECKING:  # the supervisor imports this module and must not load the pipeline's steps
    from pipeline.canvas.compose_image import Composed

# The source's size in X-Max-Width and X-Max-Height has at most this many pixels.
MAX_SHOWN_PIXELS = 25_000_000

_BASE64_BYTES = 3 * 16 * 1024  # a multiple of 3, so that no piece but the last is padded

_POSITION = ("top", "left", "width", "height")

# The headers of a response with an image: a description and a JSON schema of each.
RESULT_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Type": ("The type that the request gave, or `other`: none is detected.", {"type": "string"}),
    "X-Max-Width": ("Width of the source, for 25 megapixels at most.", {"type": "integer"}),
    "X-Max-Height": ("Height of the source, for 25 megapixels at most.", {"type": "integer"}),
    "X-Credits-Charged": ("Always 0: there are no credits.", {"type": "integer"}),
}

# The headers of every response of these routes: a description and a JSON schema of each.
RATE_LIMIT_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-RateLimit-Limit": ("Maximum of concurrent requests.", {"type": "integer"}),
    "X-RateLimit-Remaining": ("Requests that may be added now.", {"type": "integer"}),
    "X-RateLimit-Reset": ("When to ask again, in seconds since 1970.", {"type": "integer"}),
}


@dataclass(frozen=True)
class Result:
    """What a client receives: the body and its media type, and the headers that describe it.

    `source_pixels` is width × height of the source.
    """

    content: bytes
    media_type: str
    headers: dict[str, str]
    source_pixels: int


def wants_json(headers: Headers) -> bool:
    """Return whether the client asks for JSON alone.

    A list such as `application/json, text/plain, */*` is what axios sends by default: it gets the
    image, as from remove.bg.
    """
    return headers.get("accept", "").partition(";")[0].strip().lower() == "application/json"


def make_result(composed: "Composed", shown_type: str | None, as_json: bool) -> Result:
    """Return the result for a client that expects JSON or the image's bytes."""
    width, height = fit_size(composed.source_size, MAX_SHOWN_PIXELS)
    pixels = composed.source_size[0] * composed.source_size[1]
    subject = composed.subject
    position = dict(
        zip(_POSITION, (subject.top, subject.left, subject.width, subject.height), strict=True)
    )
    headers = {
        "X-Width": str(composed.width),
        "X-Height": str(composed.height),
        "X-Max-Width": str(width),
        "X-Max-Height": str(height),
        "X-Credits-Charged": "0",
        **{f"X-Foreground-{name.title()}": str(value) for name, value in position.items()},
    }
    if shown_type is not None:
        headers["X-Type"] = shown_type
    if not as_json:
        return Result(composed.content, composed.media_type, headers, pixels)
    described = {f"foreground_{name}": value for name, value in position.items()}
    content = _as_json(composed.content, described)
    return Result(content, "application/json", headers, pixels)


def _as_json(content: bytes, described: dict[str, int]) -> bytes:
    """Return the JSON with the image in base64, which is written piece by piece."""
    file = io.BytesIO()
    file.write(b'{"data": {"result_b64": "')
    pieces = memoryview(content)
    for start in range(0, len(content), _BASE64_BYTES):
        file.write(binascii.b2a_base64(pieces[start : start + _BASE64_BYTES], newline=False))
    file.write(b'", ' + json.dumps(described)[1:].encode() + b"}")
    return file.getvalue()


def result_response(result: Result, headers: dict[str, str]) -> Response:
    """Return 200 with the result and more headers."""
    return Response(
        result.content, media_type=result.media_type, headers={**result.headers, **headers}
    )


def rate_limit_headers(capacity: int, active: int, now: float) -> dict[str, str]:
    """Return the service's own limit: how many requests it takes at once, and how many more.

    `now` is in seconds since 1970. A place may be free a second later.
    """
    values = (capacity, max(0, capacity - active), math.ceil(now) + 1)
    return dict(zip(RATE_LIMIT_HEADERS, map(str, values), strict=True))
