"""Client's text -> SourceURL, or an error. Pure, and tested by table.

The rules are stricter than a browser's, so that no other parser can extract a different host from
the same text: no user information, no backslash, no percent sign in the host, IPv4 only as four
plain decimals, names only with two labels or more, and outside the special-use domains.
`network.py` checks the addresses that a name resolves to.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, urljoin

import idna

from pipeline.errors import InvalidURL, URLNotAllowed
from pipeline.fetch.addresses import Address, is_public

MAX_LENGTH = 2_048

HostPort = tuple[str, int]

_DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<target>[^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?", re.ASCII)
# Surrogates are included: JSON can contain a lone one, which no URL can encode.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# WHATWG URL, "ends in a number": browsers and inet_aton read such a host as an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

# IANA Special-Use Domain Names (RFC 6761 and later).
_SPECIAL_USE_DOMAINS = frozenset(
    {"alt", "arpa", "example", "invalid", "local", "localhost", "onion", "test"}
)
# Suffixes that clouds, clusters, containers and routers use internally.
_PRIVATE_SUFFIXES = frozenset(
    {"cluster", "consul", "corp", "docker", "home", "internal", "intranet", "lan"}
) | frozenset({"localdomain", "mail", "private", "svc", "workgroup"})


@dataclass(frozen=True)
class SourceURL:
    """A checked URL.

    `host` is ASCII and lower case, an IPv6 address without brackets. `target` is path and query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """The value of the Host header. The scheme's default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The host as an IP address, or None if it is a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"


def parse_source_url(text: str, allowed_private: Collection[HostPort] = ()) -> SourceURL:
    """Parse and check a URL. The (host, port) pairs in `allowed_private` need not be public.

    Raises InvalidURL unless it is an absolute http(s) URL, URLNotAllowed unless its host may be
    public.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidURL(f"image_url must be at most {MAX_LENGTH:,} characters long.")
    match = _URL.match(text)
    if match is None or _CONTROL.search(text):
        raise InvalidURL
    # Parsers disagree on an "@" before the first slash: user information, query or fragment.
    if "@" in text[len(match["scheme"]) + 3 :].split("/", 1)[0] or "\\" in match["authority"]:
        raise URLNotAllowed
    authority = _AUTHORITY.fullmatch(match["authority"])
    if authority is None:
        raise InvalidURL
    scheme = match["scheme"].lower()
    url = SourceURL(
        scheme=scheme,
        host=normalize_host(authority["host"]),
        port=_parse_port(authority["port"], _DEFAULT_PORTS[scheme]),
        target=_normalize_target(match["target"]),
    )
    if (url.host, url.port) not in allowed_private:
        _require_public(url)
    return url


def follow(url: SourceURL, location: str, allowed_private: Collection[HostPort] = ()) -> SourceURL:
    """Return the URL of a redirect's Location, checked like the first one.

    Raises what `parse_source_url` raises, and URLNotAllowed for a redirect from https to http.
    """
    if _CONTROL.search(location):
        raise InvalidURL
    try:
        target = urljoin(str(url), location)
    except ValueError as exc:
        raise InvalidURL from exc
    following = parse_source_url(target, allowed_private)
    if url.scheme == "https" and following.scheme == "http":
        raise URLNotAllowed(
            "The source redirects from https to http; send an http URL, or fix the redirect."
        )
    return following


def _parse_port(digits: str | None, default: int) -> int:
    if not digits:
        return default
    if len(digits) > 5 or not 0 < int(digits) < 65536:
        raise InvalidURL
    return int(digits)


def normalize_host(host: str) -> str:
    """Return a host in its normal form: ASCII, lower case, no trailing dot.

    An IPv6 address is given in brackets and returned without.

    Raises InvalidURL if it is not a host, URLNotAllowed if it contains a percent sign.
    """
    if host.startswith("["):
        if "%" in host:
            raise URLNotAllowed
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError as exc:
            raise InvalidURL from exc
    if "%" in host:
        raise URLNotAllowed
    try:
        # UTS 46 maps full-width digits, other dots and ignored characters as a resolver does.
        name = idna.encode(host, uts46=True).decode() if not host.isascii() else host.lower()
        # Certificates never contain the trailing dot of a fully qualified name, and few servers
        # accept it in the Host header.
        name = name.removesuffix(".")
        labels = name.split(".")
        for label in labels:
            if label.startswith("xn--"):
                idna.decode(label)
    except (idna.IDNAError, UnicodeError) as exc:
        raise InvalidURL from exc
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidURL
    return name


def _normalize_target(target: str) -> str:
    # Keep every character that a URL may contain, and percent signs. Encode the rest.
    encoded = quote(target, safe="%/?:@!$&'()*+,;=~-._[]")
    return encoded if encoded.startswith("/") else f"/{encoded}"


def _require_public(url: SourceURL) -> None:
    if url.port not in _DEFAULT_PORTS.values():
        raise URLNotAllowed
    address = url.address
    if address is not None:
        if not is_public(address):
            raise URLNotAllowed
        return
    labels = url.host.split(".")
    if (
        _NUMBER.fullmatch(labels[-1])
        or len(labels) < 2
        or labels[-1] in _SPECIAL_USE_DOMAINS | _PRIVATE_SUFFIXES
    ):
        raise URLNotAllowed
