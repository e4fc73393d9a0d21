"""A request's body -> what is to be cut out, and how. Reads JSON and forms; raises the contract's errors."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pipeline.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from pipeline.options import Options

# A form has one file and one field an option; more fields than this are refused unread.
_MAX_FIELDS = 32

M = TypeVar("M", bound=BaseModel)


class URLRequest(Options):
    """The body of POST /remove-background."""

    image_url: str = Field(description="The picture's http or https URL, at most 2,048 characters.")


async def read_url_request(request: Request) -> URLRequest:
    """The JSON body. Raises UnsupportedMediaType or InvalidRequest."""
    if _media_type(request) not in ("application/json", ""):
        raise UnsupportedMediaType("The request's content type must be application/json.")
    body = await request.body()
    try:
        return URLRequest.model_validate_json(body, strict=True)
    except ValidationError as exc:
        raise InvalidRequest(_first_fault(exc)) from None  # its text holds the URL, which must not reach the log


async def read_upload(request: Request, max_bytes: int) -> tuple[bytes, Options]:
    """The file `image` of a form, and the options beside it.

    Values come bare (`all`) or JSON-encoded (`"all"`): curl sends the one, BentoML's client the other.
    Raises UnsupportedMediaType, InvalidRequest, or RequestTooLarge for a file of more than `max_bytes`.
    """
    if _media_type(request) != "multipart/form-data":
        raise UnsupportedMediaType("The request's content type must be multipart/form-data.")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=_MAX_FIELDS)
    parser.spool_max_size = max_bytes  # in memory, where it is counted: a container's /tmp may be memory that nobody counts
    try:
        form = await parser.parse()
    except (MultiPartException, LookupError, ValueError) as exc:
        raise InvalidRequest("The body is no valid form with one file, `image`, and the options as fields.") from exc
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
            options = Options.model_validate({name: _decoded(value) for name, value in fields.items()})
        except ValidationError as exc:
            raise InvalidRequest(_first_fault(exc)) from None
        return await image.read(), options
    finally:
        await form.close()


def _media_type(request: Request) -> str:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("The request's body must not have a Content-Encoding.")
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _decoded(value: UploadFile | str) -> Any:
    if isinstance(value, UploadFile):
        raise InvalidRequest("Only `image` may be a file.")
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _first_fault(error: ValidationError) -> str:
    """One sentence on the first fault: the field's name where it is known, never the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"A field is unknown; the options are {', '.join(Options.model_fields)}."
    if not field:
        return f"The body must be a JSON object: {first['msg'].split(':')[0]}."
    return f"{field}: {first['msg']}."
