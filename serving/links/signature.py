"""Signs links, and checks the signature and the expiry of a request: HMAC-SHA256 (RFC 2104)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serving.errors import ExpiredSignature, InvalidRequest, InvalidSignature
from serving.links.canonical import canonical, parse_query

# The output of SHA-256: a shorter key would be easier to guess than the signature (RFC 2104, 3).
MIN_KEY_BYTES = 32

# Seconds since 1970, up to the year 33658.
_EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True)
class Link:
    """A signed request: its canonical form and its fields.

    `expires` is in seconds since 1970, or None.
    """

    canonical: str
    fields: dict[str, str]
    expires: int | None


def sign(key: bytes, form: str) -> str:
    """Return the signature of a canonical form: 43 characters of base64url (RFC 4648, 5)."""
    digest = hmac.digest(key, form.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def signed_url(base: str, key: bytes, fields: Mapping[str, str]) -> str:
    """Return the URL of a signed request at the service `base`, such as `https://example.com`."""
    form = canonical(fields)
    return f"{base.rstrip('/')}{form}&signature={sign(key, form)}"


class URLKeys:
    """The keys that links may be signed with."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys = tuple(keys)

    def verify(self, query: bytes, now: float) -> Link:
        """Return the request of a raw query. `now` is in seconds since 1970.

        Raises InvalidSignature, ExpiredSignature, or InvalidRequest if a signed `expires` is no
        time.
        """
        try:
            fields = parse_query(query)
        except ValueError:
            raise InvalidSignature from None
        given = fields.pop("signature", "").encode()
        form = canonical(fields)
        # Compare with all keys, each in constant time, so that the duration reveals nothing.
        matches = [hmac.compare_digest(given, sign(key, form).encode()) for key in self._keys]
        if not any(matches):
            raise InvalidSignature
        expires = fields.pop("expires", None)
        if expires is None:
            return Link(form, fields, None)
        if not _EXPIRES.fullmatch(expires):
            raise InvalidRequest("expires: Send the time in seconds since 1970.")
        if now >= int(expires):
            raise ExpiredSignature
        return Link(form, fields, int(expires))
