"""Cutout or error -> response. Only this module maps errors to statuses.

Building a response has no side effects.
"""

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from pipeline.errors import (
    BackgroundRemovalError,
    DeadlineExceeded,
    EmptySource,
    FormatUnsupported,
    ImageCorrupt,
    ImageTooLarge,
    InvalidURL,
    NoSubjectFound,
    OutOfMemory,
    SourceHTTPError,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    TooManyRedirects,
    UnsupportedEncoding,
    UnsupportedImageType,
    URLNotAllowed,
)
from serving.errors import (
    Busy,
    ExpiredSignature,
    InternalError,
    InvalidRequest,
    InvalidSignature,
    MethodNotAllowed,
    NotFound,
    RequestTooLarge,
    ShuttingDown,
    Unauthorized,
    UnsupportedMediaType,
)
from serving.logging import LOGGER
from serving.project import VERSION

if TYPE_CHECKING:  # the supervisor imports this module and must not load the pipeline's steps
    from pipeline.remove_background import Cutout

# Every error that a client can receive, and its HTTP status.
STATUSES: dict[type[BackgroundRemovalError], int] = {
    InvalidRequest: 400,
    InvalidURL: 400,
    URLNotAllowed: 400,
    Unauthorized: 401,
    InvalidSignature: 403,
    ExpiredSignature: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    RequestTooLarge: 413,
    UnsupportedMediaType: 415,
    SourceHTTPError: 422,
    TooManyRedirects: 422,
    SourceTooLarge: 422,
    EmptySource: 422,
    UnsupportedEncoding: 422,
    UnsupportedImageType: 422,
    ImageCorrupt: 422,
    ImageTooLarge: 422,
    FormatUnsupported: 422,
    NoSubjectFound: 422,
    Busy: 429,
    InternalError: 500,
    SourceUnreachable: 502,
    ShuttingDown: 503,
    OutOfMemory: 503,
    SourceTimeout: 504,
    DeadlineExceeded: 504,
}

# The value of Retry-After, in seconds, for errors that waiting can cure.
RETRY_AFTER: dict[type[BackgroundRemovalError], int] = {Busy: 1, ShuttingDown: 5, OutOfMemory: 5}

# The headers of a response with an image: a description and a JSON schema of each.
CUTOUT_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Width": ("Width of the response in pixels.", {"type": "integer", "minimum": 1}),
    "X-Height": ("Height of the response in pixels.", {"type": "integer", "minimum": 1}),
    "X-Foreground-Left": (
        "Left edge of the subject in the upright source, in pixels.",
        {"type": "integer", "minimum": 0},
    ),
    "X-Foreground-Top": (
        "Top edge of the subject in the upright source, in pixels.",
        {"type": "integer", "minimum": 0},
    ),
    "X-Foreground-Width": (
        "Width of the subject in the upright source, in pixels.",
        {"type": "integer", "minimum": 1},
    ),
    "X-Foreground-Height": (
        "Height of the subject in the upright source, in pixels.",
        {"type": "integer", "minimum": 1},
    ),
    "X-Subject-Confidence": (
        "The model's confidence in the subject; absent if the model does not report one.",
        {"type": "number", "minimum": 0, "maximum": 1},
    ),
    "X-Subject-Parts": (
        "How many parts of at least 1 % of the largest one's area were found. "
        "`subject=all` keeps all of them.",
        {"type": "integer", "minimum": 1},
    ),
    "Server-Timing": ("Duration of each step in milliseconds.", {"type": "string"}),
}

REQUEST_ID = "X-BentoML-Request-ID"
SERVICE_VERSION = "X-Service-Version"

# The headers of every response: a description and a JSON schema of each.
COMMON_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    REQUEST_ID: ("The request's id in the log.", {"type": "string", "pattern": "^[0-9a-f]{16}$"}),
    SERVICE_VERSION: ("The version of the service.", {"const": VERSION, "type": "string"}),
}

# The response headers that pages of other origins may read (CORS).
EXPOSED_HEADERS = (*CUTOUT_HEADERS, *COMMON_HEADERS, "Retry-After")


def cutout_response(cutout: "Cutout", milliseconds: dict[str, float]) -> Response:
    """Return 200 with the image, its dimensions in headers, and the steps in Server-Timing."""
    headers = {
        "X-Width": str(cutout.width),
        "X-Height": str(cutout.height),
        "X-Foreground-Left": str(cutout.subject.left),
        "X-Foreground-Top": str(cutout.subject.top),
        "X-Foreground-Width": str(cutout.subject.width),
        "X-Foreground-Height": str(cutout.subject.height),
        "X-Subject-Parts": str(cutout.parts),
        "Server-Timing": ", ".join(f"{step};dur={ms:.1f}" for step, ms in milliseconds.items()),
    }
    if cutout.confidence is not None:
        headers["X-Subject-Confidence"] = f"{cutout.confidence:.4f}"
    return Response(cutout.content, media_type=cutout.media_type, headers=headers)


def error_response(
    error: BackgroundRemovalError, headers: dict[str, str] | None = None
) -> Response:
    """Return the error's status and body, with Retry-After if waiting can help."""
    return JSONResponse(
        error.body,
        status_code=STATUSES[type(error)],
        headers={**(headers or {}), **retry_after(error)},
    )


def retry_after(error: BackgroundRemovalError) -> dict[str, str]:
    """Return the header Retry-After if waiting can cure the error."""
    seconds = RETRY_AFTER.get(type(error))
    return {} if seconds is None else {"Retry-After": str(seconds)}


def to_error(exception: Exception) -> BackgroundRemovalError:
    """Return the error that a client receives for an exception.

    Log what the client must not see: the cause of an error, or the traceback of a defect.
    """
    match exception:
        case BackgroundRemovalError():
            if exception.__cause__ is not None:
                LOGGER.info("%s: %r", exception.code, exception.__cause__)
            return exception
        case MemoryError():
            return OutOfMemory()
    LOGGER.error("A defect: this request could not be answered", exc_info=exception)
    return InternalError()
