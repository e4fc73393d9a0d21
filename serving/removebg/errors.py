"""Our errors -> remove.bg's shape, codes and statuses.

What is wrong with a request, a source or an image is 400 here: clients call every other 4xx
unknown, retry a 5xx, or save its body as the image.
"""

from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from pipeline import errors
from pipeline.errors import DOWNLOAD_ERRORS, BackgroundRemovalError
from serving import errors as http_errors
from serving.errors import InvalidRequest
from serving.responses import retry_after


@dataclass(frozen=True)
class Answer:
    """How remove.bg reports an error."""

    status: int
    code: str
    title: str


ANSWERS: dict[type[BackgroundRemovalError], Answer] = {
    **{
        error: Answer(400, "failed_image_download", "The image could not be downloaded.")
        for error in DOWNLOAD_ERRORS
    },
    errors.InvalidURL: Answer(400, "invalid_image_url", "The URL of the image is invalid."),
    errors.URLNotAllowed: Answer(400, "invalid_image_url", "The URL of the image is not allowed."),
    errors.SourceTooLarge: Answer(400, "file_too_large", "The file is too large."),
    http_errors.RequestTooLarge: Answer(400, "file_too_large", "The file is too large."),
    errors.EmptySource: Answer(400, "failed_to_read_image", "The image could not be read."),
    errors.ImageCorrupt: Answer(400, "failed_to_read_image", "The image could not be read."),
    errors.UnsupportedImageType: Answer(
        400, "invalid_file_type", "The file is not a supported image."
    ),
    errors.ImageTooLarge: Answer(400, "resolution_too_high", "The image has too many pixels."),
    errors.FormatUnsupported: Answer(400, "invalid_format", "The format does not fit the result."),
    errors.NoSubjectFound: Answer(400, "unknown_foreground", "No subject was found in the image."),
    InvalidRequest: Answer(400, "invalid_request", "The request is invalid."),
    http_errors.Unauthorized: Answer(403, "auth_failed", "Authentication failed."),
    http_errors.InvalidSignature: Answer(403, "auth_failed", "Authentication failed."),
    http_errors.ExpiredSignature: Answer(403, "auth_failed", "Authentication failed."),
    http_errors.NotFound: Answer(404, "not_found", "The path does not exist."),
    http_errors.MethodNotAllowed: Answer(
        405, "method_not_allowed", "The path does not support the method."
    ),
    http_errors.UnsupportedMediaType: Answer(
        415, "unsupported_media_type", "The content type is unsupported."
    ),
    http_errors.Busy: Answer(429, "rate_limit_exceeded", "The service is busy."),
    http_errors.InternalError: Answer(500, "internal_error", "The service failed."),
    http_errors.ShuttingDown: Answer(503, "shutting_down", "The service is stopping."),
    errors.OutOfMemory: Answer(503, "out_of_memory", "There was not enough memory."),
    errors.DeadlineExceeded: Answer(504, "deadline_exceeded", "The request took too long."),
}

# The messages of native errors that name native paths or options.
_DETAILS: dict[type[BackgroundRemovalError], str] = {
    http_errors.NotFound: "POST to /v1.0/removebg, or GET /v1.0/account.",
    errors.InvalidURL: "It must be an absolute http or https URL with a valid host and port.",
    errors.URLNotAllowed: (
        "It must name a public host on port 80 or 443, without user name or password."
    ),
}


class RemovebgError(InvalidRequest):
    """An error that remove.bg has a code for, and the native routes do not."""

    def __init__(self, code: str, title: str, detail: str) -> None:
        self.answer = Answer(400, code, title)
        super().__init__(detail)


class InvalidParameter(RemovebgError):
    """A parameter that cannot be read, or does not fit the image."""

    def __init__(self, code: str, name: str, reason: str) -> None:
        super().__init__(code, f"Invalid {name} parameter given.", f"{name}: {reason}.")


class BackdropFailed(RemovebgError):
    """The background image cannot be used, for the reason of its `__cause__`."""

    def __init__(self, error: BackgroundRemovalError) -> None:
        answer = answer_of(error)
        code = {
            "invalid_image_url": "invalid_bg_image_url",
            "failed_image_download": "failed_bg_download",
        }.get(answer.code, answer.code)
        super().__init__(code, "The background image cannot be used.", detail_of(error))


def answer_of(error: BackgroundRemovalError) -> Answer:
    """Return how remove.bg reports an error."""
    return error.answer if isinstance(error, RemovebgError) else ANSWERS[type(error)]


def detail_of(error: BackgroundRemovalError) -> str:
    """Return the sentence for the client: what was wrong, and what to change."""
    return _DETAILS.get(type(error), error.message)


def error_response(error: BackgroundRemovalError, headers: dict[str, str]) -> Response:
    """Return the error in remove.bg's shape, with `headers`, and Retry-After if waiting helps."""
    answer = answer_of(error)
    body = {"title": answer.title, "code": answer.code, "detail": detail_of(error)}
    return JSONResponse(
        {"errors": [body]}, status_code=answer.status, headers={**headers, **retry_after(error)}
    )
