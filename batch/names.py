"""Names of outputs: the tree of the sources, mirrored. Pure, and tested by table."""

import hashlib
import re
from typing import NamedTuple
from urllib.parse import urlsplit

_SUFFIXES = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}

# A source's suffix, which is replaced. Longer ones are part of the name: `v1.final-version`.
_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,5}$")
# Control characters, and what Windows refuses, so that a tree can be copied there.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)

# File systems take 255 bytes; the rest is for the suffix and for the name of a temporary file.
_MAX_SEGMENT_BYTES = 230


class Naming(NamedTuple):
    """How outputs are named.

    `format` is that of the options. With `keeps_suffix`, `a.jpg` becomes `a.jpg.png`.
    """

    format: str
    keeps_suffix: bool = False

    def output(self, relative: str) -> str:
        """Return the output's name of a source's, both with slashes and relative to their root.

        The result never leads out of the root. It is empty if nothing of the name can be kept.
        """
        parts = relative.replace("\\", "/").split("/")
        segments = [_UNSAFE.sub("_", part) for part in parts if part not in ("", ".", "..")]
        if not segments:
            return ""
        if not self.keeps_suffix:
            segments[-1] = _SUFFIX.sub("", segments[-1])
        return "/".join(map(_shortened, segments)) + _SUFFIXES[self.format]


def scheme_of(source: str) -> str:
    """Return the scheme of a URL in lower case, or "" for a path."""
    match = _SCHEME.match(source)
    return match[1].lower() if match else ""


def relative_url(url: str) -> str:
    """Return the name of an image by its URL: the host and the path.

    A query distinguishes images too, so a digest of it is added before the suffix.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # refused when it is fetched, by its own code
        return f"invalid/{_digest(url)}"
    path = parts.path.rstrip("/") or "/index"
    if parts.query:
        suffix = _SUFFIX.search(path)
        stem, end = (path[: suffix.start()], suffix[0]) if suffix else (path, "")
        path = f"{stem}-{_digest(parts.query)}{end}"
    return f"{parts.netloc.rpartition('@')[2]}{path}"


def _shortened(segment: str) -> str:
    encoded = segment.encode(errors="surrogateescape")
    if len(encoded) <= _MAX_SEGMENT_BYTES:
        return segment
    kept = encoded[: _MAX_SEGMENT_BYTES - 9].decode(errors="ignore")
    return f"{kept}-{_digest(segment)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
