"""A JSON body that arrives in pieces: the long text of one field is passed on, the rest is kept."""

import json
import re
from typing import Protocol

from serving.errors import InvalidRequest

# The longest escape sequence of a string is \uXXXX (RFC 8259, 7).
_ESCAPE_BYTES = 6
_END_OR_ESCAPE = re.compile(rb'["\\]')


class Sink(Protocol):
    """Takes text in pieces."""

    def write(self, text: bytes) -> None:
        """Take the next piece."""


class JSONSplitter:
    """Passes the string value of one key to a sink, and keeps the rest of the text.

    In the rest, that value is the empty string.
    """

    def __init__(self, key: str, sink: Sink, max_bytes: int) -> None:
        """Keep at most `max_bytes` of the rest."""
        self._sink = sink
        self._max_bytes = max_bytes
        # A string that begins here is the value. A quote that ends the key cannot be an escaped one
        # of a longer key if no backslash precedes the one that begins it.
        self._start = re.compile(rb'(?<!\\)"' + re.escape(key.encode()) + rb'"\s*:\s*"\Z')
        self._start_bytes = len(key) + 64
        self._rest = bytearray()
        self._held = b""  # the beginning of an escape sequence
        self._is_in_string = False
        self._is_passed_on = False

    def write(self, data: bytes) -> None:
        """Take the next piece of the body. Raises InvalidRequest, and what the sink raises."""
        data, self._held = self._held + data, b""
        at = 0
        while at < len(data):
            if not self._is_in_string:
                at = self._find_string(data, at)
            elif self._is_passed_on:
                at = self._pass_on(data, at)
            else:
                at = self._keep_string(data, at)

    def read(self) -> bytes:
        """Return the rest of the text, after the last piece."""
        return bytes(self._rest)

    def _find_string(self, data: bytes, at: int) -> int:
        """Keep what is outside strings; return where the next string's content begins."""
        quote = data.find(b'"', at)
        end = len(data) if quote < 0 else quote + 1
        self._keep(data[at:end])
        if quote >= 0:
            self._is_in_string = True
            self._is_passed_on = self._start.search(self._rest[-self._start_bytes :]) is not None
        return end

    def _keep_string(self, data: bytes, at: int) -> int:
        """Keep a string up to its end, or one escape sequence in it; return where it goes on."""
        match = _END_OR_ESCAPE.search(data, at)
        if match is None:
            self._keep(data[at:])
            return len(data)
        end = match.end()
        if match[0] == b"\\":
            if end == len(data):
                self._held, end = b"\\", end - 1
            else:
                end += 1  # the escaped character, which may be a quote
        else:
            self._is_in_string = False
        self._keep(data[at:end])
        return end + len(self._held)

    def _pass_on(self, data: bytes, at: int) -> int:
        """Pass a string on up to its end; return where the text goes on."""
        # Base64 has no quotes, so that none can be escaped.
        quote = data.find(b'"', at)
        if quote >= 0:
            self._sink.write(_unescape(data[at:quote]))
            self._keep(b'"')
            self._is_in_string = False
            return quote + 1
        escape = data.rfind(b"\\", max(at, len(data) - _ESCAPE_BYTES + 1))
        end = len(data) if escape < 0 else escape
        self._held = data[end:]
        self._sink.write(_unescape(data[at:end]))
        return len(data)

    def _keep(self, text: bytes) -> None:
        self._rest += text
        if len(self._rest) > self._max_bytes:
            raise InvalidRequest(
                f"The fields besides the image are larger than {self._max_bytes:,} bytes."
            )


def _unescape(text: bytes) -> bytes:
    """Resolve the escape sequences in a part of a string. Raises InvalidRequest."""
    text = text.replace(b"\\/", b"/")  # PHP escapes each slash
    if b"\\" not in text:
        return text
    try:
        resolved: str = json.loads(b'"' + text + b'"')
        return resolved.encode("ascii")
    except ValueError:
        raise InvalidRequest("The body must be valid JSON in UTF-8.") from None
