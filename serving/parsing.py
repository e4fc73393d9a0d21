"""A request's body -> what is to be cut out, and how. Reads JSON and forms; raises the contract's errors."""

import json
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
# An upload's body has its file, the form's boundaries and the options.
FORM_BYTES = 64 * 1024

# A form has one file and one field an option, of some characters; more fields and longer ones are refused unread. A field is
# decoded by the charset that the client names, and Python's punycode takes half a minute for a megabyte.
_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 1024

M = TypeVar("M", bound=BaseModel)


class URLRequest(Options):
    """The body of POST /remove-background."""

    # What is no URL, or too long for one, has a code of its own, so the schema alone says it here.
    image_url: str = Field(
        description="The picture's http or https URL.",
        json_schema_extra={
            "format": "uri",
            "maxLength": MAX_URL_LENGTH,
            "examples": ["https://example.com/photo.jpg"],
        },
    )


async def read_url_request(request: Request) -> URLRequest:
    """The JSON body. Raises UnsupportedMediaType or InvalidRequest."""
    if _media_type(request) not in ("application/json", ""):
        raise UnsupportedMediaType("The request's content type must be application/json.")
    try:
        fields = _parse_json((await request.body()).decode())
    except (ValueError, RecursionError):
        raise InvalidRequest("The body must be valid JSON in UTF-8.") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.")
    try:
        return URLRequest.model_validate(fields, strict=True)
    except ValidationError as exc:
        raise InvalidRequest(
            _first_fault(exc)
        ) from None  # its text holds the URL, which must not reach the log


async def read_upload(request: Request, max_bytes: int) -> tuple[bytes, Options]:
    """The file `image` of a form, and the options beside it.

    Values come bare (`all`) or JSON-encoded (`"all"`): curl sends the one, BentoML's client the other.
    Raises UnsupportedMediaType, InvalidRequest, or RequestTooLarge for a file of more than `max_bytes`.
    """
    if _media_type(request) != "multipart/form-data":
        raise UnsupportedMediaType("The request's content type must be multipart/form-data.")
    limits = {
        "max_fields": _MAX_FIELDS,
        "max_field_bytes": _MAX_FIELD_BYTES,
        "max_file_bytes": max_bytes + FORM_BYTES,
    }
    try:
        form = await FormReader(request.headers, request.stream(), **limits).read()
    except (MultiPartException, LookupError, ValueError) as exc:
        raise InvalidRequest(
            "The body is no valid form with one file, `image`, and the options as fields."
        ) from exc
    try:
        names = [name for name, _ in form.multi_items()]
        if len(names) != len(set(names)):
            raise InvalidRequest("A field of the form is given twice.")
        fields = dict(form)
        image = fields.pop("image", None)
        if not isinstance(image, UploadFile):
            raise InvalidRequest("image: a file is required.")
        if image.size is not None and image.size > max_bytes:
            raise RequestTooLarge(f"The file is larger than {max_bytes:,} bytes.")
        try:
            options = Options.model_validate(
                {name: _decoded(value) for name, value in fields.items()}, strict=True
            )
        except ValidationError as exc:
            raise InvalidRequest(_first_fault(exc)) from None
        return content(image), options
    finally:
        await form.close()


def _media_type(request: Request) -> str:
    types = request.headers.getlist("content-type")
    if len(types) > 1:
        raise UnsupportedMediaType("The request must have one content type.")
    if any(
        coding.strip().lower() != "identity"
        for coding in request.headers.getlist("content-encoding")
    ):
        raise UnsupportedMediaType("The request's body must not have a Content-Encoding.")
    return types[0].split(";")[0].strip().lower() if types else ""


def _decoded(value: UploadFile | str) -> Any:
    if isinstance(value, UploadFile):
        raise InvalidRequest("Only `image` may be a file.")
    try:
        return _parse_json(value)
    except (ValueError, RecursionError):
        return value


def _parse_json(text: str) -> Any:
    """What `text` says. Raises ValueError or RecursionError for what is no JSON, InvalidRequest for a key given twice."""
    return json.loads(
        text, object_pairs_hook=_unambiguous, parse_float=_number, parse_constant=_not_json
    )


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers disagree on which of the two counts: what a proxy has checked need not be what the service would do.
    if len(fields := dict(pairs)) != len(pairs):
        raise InvalidRequest("A key of the JSON object is given twice.")
    return fields


def _number(text: str) -> int | float:
    """5.0 is an integer to JSON Schema, and to serialisers that know one kind of number."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _first_fault(error: ValidationError) -> str:
    """One sentence on the first fault: the field's name where it is known, never the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"A field is unknown; the options are {', '.join(Options.model_fields)}."
    return f"{field}: {first['msg']}."
