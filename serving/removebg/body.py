"""Request body -> fields, and the bytes of the images in it. Reads multipart, urlencoded and JSON.

An image in base64 is decoded as it arrives, so that its text is never kept.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from compat.starlette import FormReader, content, read_urlencoded
from pipeline.errors import SourceTooLarge
from serving.errors import InvalidRequest, UnsupportedMediaType
from serving.parsing import FORM_BYTES, media_type, parse_json
from serving.removebg.base64_text import Base64Image, PercentDecoder
from serving.removebg.json_text import JSONSplitter

_IMAGE, _BASE64, _BACKDROP = "image_file", "image_file_b64", "bg_image_file"

# More fields than remove.bg has parameters, and longer ones than the longest URL in a query.
_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 16 * 1024


@dataclass
class Body:
    """A request's fields by name, without those that are empty, and its images.

    `sources` are the names of the fields that hold or name an image to cut out.
    """

    fields: dict[str, Any]
    image: bytes | None = None
    backdrop: bytes | None = None
    sources: list[str] = field(default_factory=list)


def body_limit(max_source_bytes: int) -> int:
    """Return the limit of a body: an image of `max_source_bytes` in base64, and the fields.

    Base64 has 4 characters for 3 bytes. Line breaks (RFC 2045: after 76 characters) and the
    percent-encoding of two of its 64 characters add an eighth at most.
    """
    return max_source_bytes * 3 // 2 + FORM_BYTES


async def read_body(request: Request, max_source_bytes: int) -> Body:
    """Read a body whose images have at most `max_source_bytes` together.

    Raises UnsupportedMediaType, InvalidRequest, ImageCorrupt or SourceTooLarge.
    """
    image = Base64Image(max_source_bytes)
    kind = media_type(request)
    try:
        if kind == "multipart/form-data":
            body = await _read_multipart(request, image, max_source_bytes)
        elif kind == "application/x-www-form-urlencoded":
            body = await _read_urlencoded(request, image)
        elif kind == "application/json":
            body = await _read_json(request, image)
        elif kind == "" and not await request.body():
            body = Body({})
        else:
            raise UnsupportedMediaType(
                "The request's content type must be multipart/form-data, "
                "application/x-www-form-urlencoded or application/json."
            )
    except (MultiPartException, LookupError, ValueError, RecursionError) as exc:
        raise InvalidRequest("The body is not what its content type says.") from exc
    if decoded := image.read():
        body.image = decoded
        body.sources.append(_BASE64)
    body.fields = {name: value for name, value in body.fields.items() if value not in ("", None)}
    if "image_url" in body.fields:
        body.sources.append("image_url")
    if len(body.image or b"") + len(body.backdrop or b"") > max_source_bytes:
        raise SourceTooLarge(max_source_bytes)
    return body


async def _read_multipart(request: Request, image: Base64Image, max_bytes: int) -> Body:
    # A part without a file name is text to a form, but some clients send files so.
    nameless = {_IMAGE: io.BytesIO(), _BACKDROP: io.BytesIO()}
    form = await FormReader(
        request.headers,
        request.stream(),
        max_fields=_MAX_FIELDS,
        max_field_bytes=_MAX_FIELD_BYTES,
        max_file_bytes=max_bytes + FORM_BYTES,
        max_files=2,
        sinks={_BASE64: image.write, **{name: file.write for name, file in nameless.items()}},
    ).read()
    try:
        body = Body(_unique(form.multi_items()))
        body.image, body.backdrop = (
            _take_file(body.fields, name, text) for name, text in nameless.items()
        )
        if body.image is not None:
            body.sources.append(_IMAGE)
        if any(isinstance(value, UploadFile) for value in body.fields.values()):
            raise InvalidRequest(f"Only {_IMAGE} and {_BACKDROP} may be files.")
        return body
    finally:
        await form.close()


async def _read_urlencoded(request: Request, image: Base64Image) -> Body:
    form = await read_urlencoded(
        request.headers,
        request.stream(),
        max_fields=_MAX_FIELDS,
        max_field_bytes=_MAX_FIELD_BYTES,
        sinks={_BASE64: PercentDecoder(image).write},
    )
    return Body(_unique(form.multi_items()))


async def _read_json(request: Request, image: Base64Image) -> Body:
    splitter = JSONSplitter(_BASE64, image, FORM_BYTES)
    async for piece in request.stream():
        splitter.write(piece)
    fields = parse_json(splitter.read().decode())
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if (escaped := fields.pop(_BASE64, None)) is not None:
        # A key that is spelled with escape sequences is not found in the text.
        if not isinstance(escaped, str):
            raise InvalidRequest(f"{_BASE64} must be a string.")
        image.write(escaped.encode())
    return Body(fields)


def _unique(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    items = list(items)
    if len(fields := dict(items)) != len(items):
        raise InvalidRequest("The form must not have the same field twice.")
    return fields


def _take_file(fields: dict[str, Any], name: str, nameless: io.BytesIO) -> bytes | None:
    """Remove a file from the fields and return its bytes, or those of a part without a file name.

    A form in which no file was chosen sends an empty one with an empty name.
    """
    if not isinstance(file := fields.get(name), UploadFile):
        return nameless.getvalue() or None
    del fields[name]
    return content(file) if file.filename or file.size else None
