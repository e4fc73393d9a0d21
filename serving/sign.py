"""Prints a signed link: `python -m serving.sign --key-file key.txt image_url=… max_side=800`."""

import argparse
import sys
import time
from pathlib import Path

from serving.errors import InvalidRequest
from serving.links.signature import MIN_KEY_BYTES, signed_url
from serving.parsing import parse_link


def main(arguments: list[str]) -> str:
    """Return the link. Exits with status 2 and one sentence if an argument is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.sign", description="Print a signed link."
    )
    parser.add_argument("--key-file", type=Path, required=True, help="a file with one key")
    parser.add_argument("--base", default="http://localhost:8000", help="the service's address")
    parser.add_argument("--expires-in", type=int, metavar="SECONDS", help="default: never")
    parser.add_argument("fields", nargs="+", metavar="name=value", help="image_url and options")
    given = parser.parse_args(arguments)
    try:
        key = given.key_file.read_text().strip().encode()
    except (OSError, UnicodeDecodeError):
        parser.error(f"{given.key_file} cannot be read as text")
    if len(key) < MIN_KEY_BYTES:
        parser.error(f"the key has {len(key)} bytes; it needs at least {MIN_KEY_BYTES}")
    fields: dict[str, str] = {}
    for field in given.fields:
        name, separator, value = field.partition("=")
        if not separator or name in fields:
            parser.error(f"'{field}' is not name=value, or the name is repeated")
        fields[name] = value
    try:
        parse_link(fields)
    except InvalidRequest as error:
        parser.error(error.message)
    if given.expires_in is not None:
        fields["expires"] = str(int(time.time()) + given.expires_in)
    return signed_url(given.base, key, fields)


if __name__ == "__main__":
    print(main(sys.argv[1:]))
