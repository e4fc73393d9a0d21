"""The check of API keys."""

import contextlib
import hmac
import re
from collections.abc import Iterable

from starlette.datastructures import Headers

from serving.errors import Unauthorized


class ApiKeys:
    """The configured keys. Each request must have one of them, unless there are none."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = [spelling for key in keys for spelling in _spellings(key)]

    def check(self, headers: Headers) -> None:
        """Raise Unauthorized unless a key is in `X-Api-Key`, or a bearer token."""
        if not self._keys:
            return
        bearer = re.fullmatch(r"(?i)bearer +(.*)", headers.get("authorization", ""))
        given = headers.get("x-api-key") or (bearer[1] if bearer else "")
        # Compare all keys, each in constant time, so that the duration reveals nothing.
        matches = [hmac.compare_digest(given.encode("latin-1"), key) for key in self._keys]
        if not any(matches):
            raise Unauthorized


def _spellings(key: str) -> set[bytes]:
    """Return the key in UTF-8 and, if possible, in Latin-1.

    HTTP does not specify the encoding of header values, and clients send either.
    """
    spellings = {key.encode()}
    with contextlib.suppress(UnicodeEncodeError):
        spellings.add(key.encode("latin-1"))
    return spellings
