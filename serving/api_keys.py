"""The check of API keys."""

import contextlib
import hmac
import re
from collections.abc import Iterable

from starlette.datastructures import Headers

from serving.errors import Unauthorized


class ApiKeys:
    """The keys, one of which each request must bring. Without keys the service is open."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = [spelling for key in keys for spelling in _spellings(key)]

    def check(self, headers: Headers) -> None:
        """Raise Unauthorized unless a key is in `X-Api-Key`, or in `Authorization` as a bearer token."""
        if not self._keys:
            return
        bearer = re.fullmatch(r"(?i)bearer +(.*)", headers.get("authorization", ""))
        given = headers.get("x-api-key") or (bearer[1] if bearer else "")
        # Every key is compared, each in constant time, so that nothing can be learnt from how long it took.
        matches = [hmac.compare_digest(given.encode("latin-1"), key) for key in self._keys]
        if not any(matches):
            raise Unauthorized


def _spellings(key: str) -> set[bytes]:
    """The key in UTF-8 and, where it can be written so, in Latin-1: HTTP names no encoding, and clients send either."""
    spellings = {key.encode()}
    with contextlib.suppress(UnicodeEncodeError):
        spellings.add(key.encode("latin-1"))
    return spellings
