"""A cutout or an error -> a response: the one place where errors become responses. Building one has no side effect."""

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from pipeline.errors import BackgroundRemovalError, InternalError, OutOfMemory
from serving.logging import LOGGER

if TYPE_CHECKING:  # the supervisor imports this file, and must not pay for the pipeline
    from pipeline.remove_background import CutOut


# What a response with an image says of it: each header, and its JSON schema.
CUTOUT_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Width": ("The response's width in pixels.", {"type": "integer", "minimum": 1}),
    "X-Height": ("The response's height in pixels.", {"type": "integer", "minimum": 1}),
    "X-Foreground-Left": ("The subject's left edge in the upright source, in pixels.", {"type": "integer", "minimum": 0}),
    "X-Foreground-Top": ("The subject's top edge in the upright source, in pixels.", {"type": "integer", "minimum": 0}),
    "X-Foreground-Width": ("The subject's width in the upright source, in pixels.", {"type": "integer", "minimum": 1}),
    "X-Foreground-Height": ("The subject's height in the upright source, in pixels.", {"type": "integer", "minimum": 1}),
    "X-Subject-Confidence": (
        "How sure the model is of the subject; absent where the model does not tell.",
        {"type": "number", "minimum": 0, "maximum": 1},
    ),
    "Server-Timing": ("What each step took, in milliseconds.", {"type": "string"}),
}

REQUEST_ID = "X-BentoML-Request-ID"

# What a page of another origin may read of a response, besides its body.
EXPOSED_HEADERS = (*CUTOUT_HEADERS, REQUEST_ID, "Retry-After")


def cutout_response(cutout: "CutOut", milliseconds: dict[str, float]) -> Response:
    """200 with the image, its figures in headers and the steps' times in Server-Timing."""
    headers = {
        "X-Width": str(cutout.width),
        "X-Height": str(cutout.height),
        "X-Foreground-Left": str(cutout.subject.left),
        "X-Foreground-Top": str(cutout.subject.top),
        "X-Foreground-Width": str(cutout.subject.width),
        "X-Foreground-Height": str(cutout.subject.height),
        "Server-Timing": ", ".join(f"{step};dur={took:.1f}" for step, took in milliseconds.items()),
    }
    if cutout.confidence is not None:
        headers["X-Subject-Confidence"] = f"{cutout.confidence:.4f}"
    return Response(cutout.content, media_type=cutout.media_type, headers=headers)


def error_response(error: BackgroundRemovalError, headers: dict[str, str] | None = None) -> Response:
    """The error's status and body, with Retry-After where waiting can help."""
    extra = dict(headers or {})
    if error.retry_after is not None:
        extra["Retry-After"] = str(error.retry_after)
    return JSONResponse(error.body, status_code=error.status, headers=extra)


def to_error(fault: Exception) -> BackgroundRemovalError:
    """What a client is told of an exception. The log is told of what the client is not: a cause, or a defect of ours."""
    match fault:
        case BackgroundRemovalError():
            if fault.__cause__ is not None:
                LOGGER.info("%s: %r", fault.code, fault.__cause__)
            return fault
        case MemoryError():
            return OutOfMemory()
    LOGGER.error("A defect: this request could not be answered", exc_info=fault)
    return InternalError()
