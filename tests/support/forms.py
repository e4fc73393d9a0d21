"""Encode multipart/form-data (RFC 7578), whole or part by part."""

from collections.abc import Mapping

CONTENT_TYPE = "multipart/form-data; boundary=x"

# The header of the part that holds the image.
FILE = b'Content-Disposition: form-data; name="image"; filename="a"'
END = b"--x--\r\n"


def named(name: bytes) -> bytes:
    """Return the header of a field."""
    return b'Content-Disposition: form-data; name="%s"' % name


def part(headers: bytes = FILE, body: bytes = b"<svg/>") -> bytes:
    """Return one part of a form.

    The default is an upload that is not an image: if the form is valid, the service answers
    `unsupported_image_type`.
    """
    return b"--x\r\n" + headers + b"\r\n\r\n" + body + b"\r\n"


def encode_form(
    file: bytes, fields: Mapping[str, str] | None = None, file_field: str = "image"
) -> bytes:
    """Return the body of a form with a file; its media type is CONTENT_TYPE."""
    parts = [part(named(name.encode()), value.encode()) for name, value in (fields or {}).items()]
    header = named(file_field.encode()) + b'; filename="a"'
    return b"".join((*parts, part(header, file), END))
