"""The query of a link: raw bytes -> fields, and fields -> the canonical form that is signed.

The canonical form has every parameter once, sorted by name, as `name=value` joined by `&`. Names
and values are in UTF-8, and all bytes but RFC 3986's unreserved characters are percent-encoded with
upper-case digits (RFC 3986, 2.1 and 2.3).
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from serving.parsing import URL_ENDPOINT

# What an ASCII URL of 2,048 characters (pipeline/fetch/url.py) takes if every byte of it is
# percent-encoded, and 2 KB for the options. A refusal then takes less than a millisecond.
MAX_QUERY_BYTES = 8_192

_NOT_AN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def canonical(fields: Mapping[str, str]) -> str:
    """Return the canonical form of a request: path and query, in ASCII."""
    pairs = (f"{quote(name, safe='')}={quote(fields[name], safe='')}" for name in sorted(fields))
    return f"{URL_ENDPOINT}?{'&'.join(pairs)}"


def parse_query(query: bytes) -> dict[str, str]:
    """Return the fields of a raw query.

    A plus sign is a plus sign. Raises ValueError if the query is too long, a parameter is repeated
    or has no equals sign, or an escape or its UTF-8 is invalid: what two parsers could read
    differently has no canonical form.
    """
    if len(query) > MAX_QUERY_BYTES or _NOT_AN_ESCAPE.search(query):
        raise ValueError("the query is too long, or has an invalid escape")
    fields: dict[str, str] = {}
    for pair in query.split(b"&"):
        name, separator, value = (unquote_to_bytes(part) for part in pair.partition(b"="))
        if not separator or (decoded := name.decode()) in fields:
            raise ValueError("a parameter has no value, or is repeated")
        fields[decoded] = value.decode()
    return fields
