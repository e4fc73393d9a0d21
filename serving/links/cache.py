"""The headers that caches and browsers read: how long a response may be stored, and its names."""

import hashlib
import re
from typing import Any
from urllib.parse import unquote

from pipeline.errors import BackgroundRemovalError
from serving.responses import STATUSES

# Seconds for errors of the source: long enough that a broken image on a popular page costs little,
# short enough that a repaired one shows soon.
ERROR_SECONDS = 60

# Seconds for which caches may send a stale response while they fetch a new one, or while the
# service is down (RFC 5861).
STALE_SECONDS = 3_600

_SOURCE_AT_FAULT = 422
_MAX_NAME = 64
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')  # RFC 9110, 8.8.3

# Pages of any origin may show the image, as it is for everyone who has the link.
SHOWABLE = {
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


_TEXT: dict[str, Any] = {"type": "string"}

CACHE_CONTROL = "Cache-Control"

# The headers of a response with an image: a description and a JSON schema of each.
LINK_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    CACHE_CONTROL: ("How long the response may be stored; never past `expires`.", _TEXT),
    "ETag": (
        "The strong entity tag of the body.",
        {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    ),
    "Content-Disposition": ("`inline`, with the source's name.", _TEXT),
    "Cross-Origin-Resource-Policy": (
        "Any page may show the image.",
        {"const": "cross-origin", **_TEXT},
    ),
    "X-Content-Type-Options": ("The media type is right.", {"const": "nosniff", **_TEXT}),
}


def cache_control(seconds: int, left: float | None) -> str:
    """Return Cache-Control for an image: fresh for `seconds`, then stale for an hour.

    Neither outlasts the link, which expires in `left` seconds unless that is None.
    """
    fresh = seconds if left is None else min(seconds, int(left))
    stale = STALE_SECONDS if left is None else min(STALE_SECONDS, int(left) - fresh)
    value = f"public, max-age={fresh}"
    if stale > 0:
        value += f", stale-while-revalidate={stale}, stale-if-error={stale}"
    return value


def error_cache_control(error: BackgroundRemovalError, left: float | None) -> str:
    """Return Cache-Control for an error: a minute if the source is at fault, otherwise none."""
    if STATUSES[type(error)] != _SOURCE_AT_FAULT:
        return "no-store"
    seconds = ERROR_SECONDS if left is None else min(ERROR_SECONDS, int(left))
    return f"public, max-age={seconds}"


def entity_tag(content: bytes) -> str:
    """Return the strong entity tag of a body: 128 bits of its SHA-256."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Return whether the client has the body with this tag already (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def disposition(image_url: str, media_type: str) -> str:
    """Return Content-Disposition with the source's name, of letters, digits, `-` and `_` only."""
    last = unquote(re.split("[?#]", image_url)[0].rpartition("/")[2])
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last.rpartition(".")[0] or last).strip("-")
    return f'inline; filename="{stem[:_MAX_NAME] or "cutout"}.{media_type.rpartition("/")[2]}"'
