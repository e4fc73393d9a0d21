"""Request body -> image or URL, and options. Reads JSON and forms, and the fields of links."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from compat.starlette import FormReader, content
from pipeline.fetch.url import MAX_LENGTH as MAX_URL_LENGTH
from pipeline.options import Options
from serving.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType

URL_ENDPOINT = "/remove-background"
UPLOAD_ENDPOINT = "/remove-background/upload"

MAX_JSON_BYTES = 64 * 1024
# The limit for everything in a form besides the file: boundaries, part headers and options.
FORM_BYTES = 64 * 1024

# A form has one file and one short field per option; more or longer fields are refused unread.
# A field is decoded with the charset that the client names, and Python needs 30 s for a megabyte of
# punycode.
_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 1024

M = TypeVar("M", bound=BaseModel)


class URLRequest(Options):
    """The body of POST /remove-background."""

    # An invalid or too long URL has its own error code, so these limits are for the schema only.
    image_url: str = Field(
        description="The http or https URL of the image.",
        json_schema_extra={
            "format": "uri",
            "maxLength": MAX_URL_LENGTH,
            "examples": ["https://example.com/photo.jpg"],
        },
    )


async def read_url_request(request: Request) -> URLRequest:
    """Read a JSON body. Raises UnsupportedMediaType or InvalidRequest."""
    if media_type(request) not in ("application/json", ""):
        raise UnsupportedMediaType("The request's content type must be application/json.")
    try:
        fields = parse_json((await request.body()).decode())
    except (ValueError, RecursionError):
        raise InvalidRequest("The body must be valid JSON in UTF-8.") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return _validate(URLRequest, fields)


def parse_link(parameters: Mapping[str, str]) -> URLRequest:
    """Return the request of a link, whose values are written as those of a form.

    Raises InvalidRequest.
    """
    fields = {
        name: value if name == "image_url" else _parse_field(value)
        for name, value in parameters.items()
    }
    return _validate(URLRequest, fields)


async def read_upload(request: Request, max_bytes: int) -> tuple[bytes, Options]:
    """Read a form with the file `image` and the options as fields.

    Field values may be plain (`all`), as curl sends them, or JSON (`"all"`), as BentoML's client
    does. Raises UnsupportedMediaType, InvalidRequest, or RequestTooLarge if the file has more than
    `max_bytes`.
    """
    if media_type(request) != "multipart/form-data":
        raise UnsupportedMediaType("The request's content type must be multipart/form-data.")
    reader = FormReader(
        request.headers,
        request.stream(),
        max_fields=_MAX_FIELDS,
        max_field_bytes=_MAX_FIELD_BYTES,
        max_file_bytes=max_bytes + FORM_BYTES,
    )
    try:
        form = await reader.read()
    except (MultiPartException, LookupError, ValueError) as exc:
        raise InvalidRequest(
            "The body must be a valid form with one file, `image`, and the options as fields."
        ) from exc
    try:
        names = [name for name, _ in form.multi_items()]
        if len(names) != len(set(names)):
            raise InvalidRequest("The form must not have the same field twice.")
        fields = dict(form)
        image = fields.pop("image", None)
        if not isinstance(image, UploadFile):
            raise InvalidRequest("image: a file is required.")
        if image.size is not None and image.size > max_bytes:
            raise RequestTooLarge(f"The file is larger than {max_bytes:,} bytes.")
        options = {name: _parse_field(value) for name, value in fields.items()}
        return content(image), _validate(Options, options)
    finally:
        await form.close()


def media_type(request: Request) -> str:
    """Return the body's content type, or "" if there is none. Raises UnsupportedMediaType."""
    types = request.headers.getlist("content-type")
    if len(types) > 1:
        raise UnsupportedMediaType("The request must have one content type.")
    codings = request.headers.getlist("content-encoding")
    if any(coding.strip().lower() != "identity" for coding in codings):
        raise UnsupportedMediaType("The request's body must not have a Content-Encoding.")
    return types[0].split(";")[0].strip().lower() if types else ""


def _validate(model: type[M], fields: dict[str, Any]) -> M:
    try:
        return model.model_validate(fields, strict=True)
    except ValidationError as exc:
        # Not as the cause: its text contains the URL, which must not be logged.
        raise InvalidRequest(_describe_first(exc)) from None


def _parse_field(value: UploadFile | str) -> Any:
    if isinstance(value, UploadFile):
        raise InvalidRequest("Only `image` may be a file.")
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        return value


def parse_json(text: str) -> Any:
    """Parse JSON. Raises ValueError, RecursionError, or InvalidRequest if a key occurs twice."""
    return json.loads(
        text,
        object_pairs_hook=_unique_keys,
        parse_float=_parse_number,
        parse_constant=_refuse_constant,
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers disagree on which of two equal keys counts. A proxy that checks one would be bypassed.
    if len(fields := dict(pairs)) != len(pairs):
        raise InvalidRequest("The JSON object must not have the same key twice.")
    return fields


def _parse_number(text: str) -> int | float:
    """Parse a number. 5.0 is an integer to JSON Schema, and some serializers write 5 so."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _refuse_constant(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads although JSON does not have them."""
    raise ValueError(f"{constant} is not JSON")


def _describe_first(error: ValidationError) -> str:
    """Return one sentence about the first error, with the field's name but not its value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"A field is unknown; the options are {', '.join(Options.model_fields)}."
    return f"{field}: {first['msg']}."
