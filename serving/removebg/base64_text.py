"""Base64 that arrives in pieces -> the bytes of an image, without a copy of the text."""

import binascii
import io
import re
from urllib.parse import unquote_to_bytes

from pipeline.errors import ImageCorrupt, SourceTooLarge

# RFC 4648, 5: the alphabet that is safe in URLs, in terms of the usual one.
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n"

# RFC 2397: `data:image/png;base64,` and parameters.
_MAX_PREFIX = 256

_INCOMPLETE_PERCENT = re.compile(rb"%[0-9A-Fa-f]?$")


class Base64Image:
    """Decodes base64 as it arrives, with or without padding, line breaks and a `data:` prefix."""

    def __init__(self, max_bytes: int) -> None:
        """Decode up to `max_bytes` bytes."""
        self._max_bytes = max_bytes
        self._prefix: bytes | None = b""  # what may be the start of a prefix; None after it
        self._rest = b""  # less than four characters
        self._is_padded = False
        self._bytes = io.BytesIO()

    def write(self, text: bytes) -> None:
        """Decode a piece of the text. Raises ImageCorrupt or SourceTooLarge."""
        if self._prefix is not None:
            text = self._prefix + text
            if b"data:".startswith(text[:5]) and b"," not in text:
                if len(text) > _MAX_PREFIX:
                    raise _invalid()
                self._prefix = text
                return
            self._prefix = None
            if text.startswith(b"data:"):
                text = text.partition(b",")[2]
        text = self._rest + text.translate(_URL_SAFE, _WHITESPACE)
        whole = len(text) // 4 * 4
        self._rest = text[whole:]
        self._decode(text[:whole])

    def read(self) -> bytes:
        """Return all bytes; call this once, after the last piece. Raises ImageCorrupt."""
        if self._prefix:
            raise _invalid()
        self._decode(self._rest + b"=" * (-len(self._rest) % 4))
        return self._bytes.getvalue()

    def _decode(self, text: bytes) -> None:
        if not text:
            return
        if self._is_padded:
            raise _invalid()
        try:
            piece = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            raise _invalid() from None
        self._is_padded = text.endswith(b"=")
        if self._bytes.tell() + len(piece) > self._max_bytes:
            raise SourceTooLarge(self._max_bytes)
        self._bytes.write(piece)


class PercentDecoder:
    """Removes the percent-encoding of an urlencoded form from base64 that arrives in pieces.

    A `+` stays, although it means a space there: base64 has no spaces, and some clients forget to
    encode it.
    """

    def __init__(self, image: Base64Image) -> None:
        self._image = image
        self._rest = b""

    def write(self, text: bytes) -> None:
        """Decode a piece of the text. Raises what the image raises."""
        text = self._rest + text
        incomplete = _INCOMPLETE_PERCENT.search(text)
        end = incomplete.start() if incomplete else len(text)
        self._rest = text[end:]
        self._image.write(unquote_to_bytes(text[:end]))


def _invalid() -> ImageCorrupt:
    return ImageCorrupt("The base64 text of the image is invalid.")
