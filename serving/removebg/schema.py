"""remove.bg's routes in the OpenAPI document, read from the tables that implement them."""

from http import HTTPStatus
from typing import Any

from pipeline.fetch.url import MAX_LENGTH as MAX_URL_LENGTH
from serving.openapi_parts import JSON, header_references, success
from serving.removebg.errors import ANSWERS, Answer
from serving.removebg.parameters import (
    CHANNELS,
    FORMATS,
    MAX_MARGIN_PERCENT,
    MAX_MARGIN_PIXELS,
    MIN_SCALE,
    SHADOWS,
    SIZES,
    TYPES,
)
from serving.removebg.results import RATE_LIMIT_HEADERS, RESULT_HEADERS
from serving.removebg.routes import ACCOUNT_ENDPOINT
from serving.runtime import REMOVEBG_ENDPOINT

_SIZED = ("X-Width", "X-Height")
_FOREGROUND = tuple(f"X-Foreground-{name}" for name in ("Left", "Top", "Width", "Height"))
_ROUTING = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

_BOOLEAN: JSON = {"enum": [True, False, "true", "false", "True", "False", "1", "0"]}


def _names(*names: str) -> JSON:
    return {"type": "string", "enum": [*names]}


def _text(pattern: str) -> JSON:
    return {"type": "string", "pattern": f"^({pattern})$"}


_LENGTH = r"[0-9]{1,5}(px|%)?"
_PERCENT = r"(100|[0-9]{1,2})%"

# A description, a JSON schema and a default of each parameter.
PARAMETERS: dict[str, tuple[str, JSON, object]] = {
    "size": ("Largest size of the result.", _names(*SIZES), "preview"),
    "type": ("Type of the subject, shown in X-Type; none is detected.", _names(*TYPES), "auto"),
    "type_level": (
        "`none`: the response has no X-Type.",
        _names("none", "1", "2", "latest"),
        "1",
    ),
    "format": (
        "`auto`: `jpg` on an opaque background, else `png`. "
        "`zip`: the files `color.jpg` and `alpha.png`.",
        _names(*FORMATS),
        "auto",
    ),
    "roi": (
        "Region of the image outside which nothing remains: `x1 y1 x2 y2`.",
        _text(" ".join([_LENGTH] * 4)),
        "0% 0% 100% 100%",
    ),
    "crop": ("Whether to crop to the subject.", _BOOLEAN, False),
    "crop_margin": (
        "What to add when cropping, past the image's edge too: one, two or four values of at most "
        f"{MAX_MARGIN_PIXELS}px or {MAX_MARGIN_PERCENT}% of the subject.",
        _text(rf"{_LENGTH}( {_LENGTH}( {_LENGTH} {_LENGTH})?)?"),
        "0",
    ),
    "scale": (
        f"Size of the subject relative to the canvas: {MIN_SCALE}% to 100%, or `original`.",
        _text(r"original|(100|[1-9][0-9])%"),
        "original",
    ),
    "position": (
        "Place of the subject: `original`, `center`, or one or two percentages.",
        _text(rf"original|center|{_PERCENT}( {_PERCENT})?"),
        "original",
    ),
    "channels": ("`alpha`: the alpha alone, as grayscale.", _names(*CHANNELS), "rgba"),
    "bg_color": (
        "Color behind the subject: 3, 4, 6 or 8 hex digits, or a name.",
        {"type": "string", "examples": ["81d4fa", "#fff", "green"]},
        "",
    ),
    "bg_image_url": (
        "URL of an image behind the subject, which covers the canvas.",
        {"type": "string", "maxLength": MAX_URL_LENGTH},
        "",
    ),
    "semitransparency": ("`false`: nothing inside the subject is transparent.", _BOOLEAN, True),
    "shadow_type": ("Shadow of the subject.", _names(*SHADOWS, "auto"), "none"),
    "shadow_opacity": (
        "Opacity of the shadow in percent; `auto`: 90 for a car, else 50.",
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, _names("auto")]},
        "auto",
    ),
    "add_shadow": ("`shadow_type=car`, if `type=car`.", _BOOLEAN, False),
}

_SOURCES: dict[str, tuple[str, JSON]] = {
    "image_file_b64": ("The image in base64, or as a data URL.", {"type": "string"}),
    "image_url": (
        "The http or https URL of the image.",
        {"type": "string", "maxLength": MAX_URL_LENGTH},
    ),
}
_FILES: dict[str, str] = {
    "image_file": "The image file.",
    "bg_image_file": "An image file behind the subject.",
}


def schemas() -> JSON:
    """Return the schemas of bodies and errors."""
    fields = {
        **{name: {"description": text, **schema} for name, (text, schema) in _SOURCES.items()},
        **{
            name: {"description": text, **schema, "default": default}
            for name, (text, schema, default) in PARAMETERS.items()
        },
    }
    files = {
        name: {"type": "string", "format": "binary", "description": text}
        for name, text in _FILES.items()
    }
    about = "Exactly one of the sources is required. Unknown fields are ignored."
    text = {"type": "string"}
    return {
        "RemovebgFields": {"type": "object", "description": about, "properties": fields},
        "RemovebgForm": {
            "type": "object",
            "description": about,
            "properties": {**files, **fields},
        },
        "RemovebgResult": _object(
            data=_object(
                result_b64=text,
                **{
                    f"foreground_{name}": {"type": "integer"}
                    for name in ("top", "left", "width", "height")
                },
            )
        ),
        "RemovebgErrors": _object(
            errors={
                "type": "array",
                "minItems": 1,
                "items": _object(title=text, code=text, detail=text),
            }
        ),
    }


def headers() -> JSON:
    """Return the headers of these routes."""
    return {
        name: {"description": text, "schema": schema}
        for name, (text, schema) in {**RESULT_HEADERS, **RATE_LIMIT_HEADERS}.items()
    }


def responses() -> JSON:
    """Return the responses that belong to no operation: of unknown paths and methods."""
    return {
        f"Removebg{error.__name__}": _errors([answer])
        for error, answer in ANSWERS.items()
        if answer.status in _ROUTING
    }


def paths(security: list[JSON]) -> JSON:
    """Return both paths. `security` are the ways to send a key."""
    by_status: dict[int, list[Answer]] = {}
    for answer in ANSWERS.values():
        if answer.status not in _ROUTING and answer not in by_status.setdefault(answer.status, []):
            by_status[answer.status].append(answer)
    failed = {str(status): _errors(answers) for status, answers in sorted(by_status.items())}
    forms = {
        "multipart/form-data": "RemovebgForm",
        "application/x-www-form-urlencoded": "RemovebgFields",
        "application/json": "RemovebgFields",
    }
    account = {"type": "object", "required": ["data"]}
    return {
        REMOVEBG_ENDPOINT: {
            "post": {
                "tags": ["remove.bg"],
                "description": "Cut out the main subject of an image, as remove.bg's API does.",
                "requestBody": {
                    "required": True,
                    "content": {kind: {"schema": _reference(name)} for kind, name in forms.items()},
                },
                "responses": {"200": _result(), **failed},
                "security": security,
            }
        },
        ACCOUNT_ENDPOINT: {
            "get": {
                "tags": ["remove.bg"],
                "description": "The account, as remove.bg's API describes it: without credits.",
                "responses": {
                    "200": success({"application/json": {"schema": account}}, *RATE_LIMIT_HEADERS),
                    "403": failed["403"],
                },
                "security": security,
            }
        },
    }


def _object(**properties: JSON) -> JSON:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _reference(name: str) -> JSON:
    return {"$ref": f"#/components/schemas/{name}"}


def _result() -> JSON:
    image: JSON = {"schema": {"type": "string", "format": "binary"}}
    kinds = ("image/png", "image/jpeg", "image/webp", "application/zip")
    content: dict[str, Any] = dict.fromkeys(kinds, image)
    content["application/json"] = {"schema": _reference("RemovebgResult")}
    names = (*_SIZED, *_FOREGROUND, *RESULT_HEADERS, *RATE_LIMIT_HEADERS)
    return {
        **success(content, *names),
        "description": "The image, or JSON for `Accept: application/json`.",
    }


def _errors(answers: list[Answer]) -> JSON:
    """Return the response of one status, which all `answers` have."""
    status = HTTPStatus(answers[0].status)
    names = [*RATE_LIMIT_HEADERS]
    names += ["Retry-After"] if status in (429, 503) else []
    names += ["Allow"] if status == HTTPStatus.METHOD_NOT_ALLOWED else []
    examples = {
        answer.code: {
            "value": {"errors": [{"title": answer.title, "code": answer.code, "detail": "…"}]}
        }
        for answer in answers
    }
    return {
        "description": status.phrase,
        "headers": header_references(*names),
        "content": {
            "application/json": {"schema": _reference("RemovebgErrors"), "examples": examples}
        },
    }
