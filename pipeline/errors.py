"""Every way a request can fail, as one tree; the status and the code stand on the class.

    BackgroundRemovalError
    ├── InvalidRequest            400 invalid_request
    ├── InvalidURL                400 invalid_url
    ├── URLNotAllowed             400 url_not_allowed
    ├── Unauthorized              401 unauthorized
    ├── NotFound                  404 not_found
    ├── MethodNotAllowed          405 method_not_allowed
    ├── RequestTooLarge           413 request_too_large
    ├── UnsupportedMediaType      415 unsupported_media_type
    ├── SourceHTTPError           422 source_http_error
    ├── TooManyRedirects          422 too_many_redirects
    ├── SourceTooLarge            422 source_too_large
    ├── EmptySource               422 empty_source
    ├── UnsupportedEncoding       422 unsupported_encoding
    ├── UnsupportedImageType      422 unsupported_image_type
    ├── ImageCorrupt              422 image_corrupt
    ├── ImageTooLarge             422 image_too_large
    ├── FormatUnsupported         422 format_unsupported
    ├── NoSubjectFound            422 no_subject_found
    ├── Busy                      429 busy
    ├── InternalError             500 internal_error
    ├── SourceUnreachable         502 source_unreachable
    ├── ShuttingDown              503 shutting_down
    ├── OutOfMemory               503 out_of_memory
    ├── SourceTimeout             504 source_timeout
    └── DeadlineExceeded          504 deadline_exceeded

    StartupError                  stops the start: a setting or the model is wrong

The message is what the caller reads: what was wrong and what would be accepted. What only the log may hold (an address, an
exception of a library) travels as `__cause__`.
"""

from typing import ClassVar


class BackgroundRemovalError(Exception):
    """A request that cannot be answered with a picture.

    `status` is the HTTP status, `code` the stable name that callers match on, `message` one public sentence, and
    `retry_after` the seconds after which the same request may succeed, if waiting can help.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    message: str
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)

    @property
    def body(self) -> dict[str, str | int]:
        """The JSON object that the caller receives."""
        return {"error": self.message, "code": self.code}


class InvalidRequest(BackgroundRemovalError):
    status, code = 400, "invalid_request"
    message = "The request is not valid; see the documentation of the options."


class InvalidURL(BackgroundRemovalError):
    status, code = 400, "invalid_url"
    message = "image_url must be an absolute http or https URL with a valid host and port."


class URLNotAllowed(BackgroundRemovalError):
    status, code = 400, "url_not_allowed"
    message = "image_url must name a public host on port 80 or 443, without user name or password."


class Unauthorized(BackgroundRemovalError):
    status, code = 401, "unauthorized"
    message = "A valid API key is needed, in X-Api-Key or as Authorization: Bearer."


class NotFound(BackgroundRemovalError):
    status, code = 404, "not_found"
    message = "There is nothing at this path; POST to /remove-background or /remove-background/upload."


class MethodNotAllowed(BackgroundRemovalError):
    status, code = 405, "method_not_allowed"
    message = "This path does not answer this method; the Allow header names those it answers."


class RequestTooLarge(BackgroundRemovalError):
    status, code = 413, "request_too_large"
    message = "The request's body is larger than this service accepts."


class UnsupportedMediaType(BackgroundRemovalError):
    status, code = 415, "unsupported_media_type"
    message = "The request's content type is not one that this path accepts."


class SourceHTTPError(BackgroundRemovalError):
    status, code = 422, "source_http_error"

    def __init__(self, source_status: int) -> None:
        self.source_status = source_status
        super().__init__(f"The source answered with status {source_status}; only 200 is accepted.")

    @property
    def body(self) -> dict[str, str | int]:
        return {**super().body, "status": self.source_status}


class TooManyRedirects(BackgroundRemovalError):
    status, code = 422, "too_many_redirects"
    message = "The source redirects too often; at most 3 redirects are followed."


class SourceTooLarge(BackgroundRemovalError):
    status, code = 422, "source_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The source is larger than {limit:,} bytes.")


class EmptySource(BackgroundRemovalError):
    status, code = 422, "empty_source"
    message = "The source holds no bytes; a picture was expected."


class UnsupportedEncoding(BackgroundRemovalError):
    status, code = 422, "unsupported_encoding"
    message = "The source sent a Content-Encoding that was not asked for; it must send the picture's bytes as they are."


class UnsupportedImageType(BackgroundRemovalError):
    status, code = 422, "unsupported_image_type"
    message = "The source is not a picture of a known type; JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are accepted."


class ImageCorrupt(BackgroundRemovalError):
    status, code = 422, "image_corrupt"
    message = "The picture is damaged or incomplete and cannot be decoded whole."


class ImageTooLarge(BackgroundRemovalError):
    status, code = 422, "image_too_large"

    def __init__(self, limit: int, unit: str = "pixels") -> None:
        super().__init__(f"The picture has more than {limit:,} {unit}.")


class FormatUnsupported(BackgroundRemovalError):
    status, code = 422, "format_unsupported"
    message = "The answer is too large for WebP; ask for PNG."


class NoSubjectFound(BackgroundRemovalError):
    status, code = 422, "no_subject_found"
    message = "No subject stands out in this picture."


class Busy(BackgroundRemovalError):
    status, code, retry_after = 429, "busy", 1
    message = "The service is busy; try again shortly."


class InternalError(BackgroundRemovalError):
    status, code = 500, "internal_error"
    message = "Something went wrong on our side; the request's id is in the log."


class SourceUnreachable(BackgroundRemovalError):
    status, code = 502, "source_unreachable"
    message = "The source could not be fetched: no such host, no connection, a TLS failure or a broken answer."


class ShuttingDown(BackgroundRemovalError):
    status, code, retry_after = 503, "shutting_down", 5
    message = "The service is shutting down; send the request again."


class OutOfMemory(BackgroundRemovalError):
    status, code, retry_after = 503, "out_of_memory", 5
    message = "There was not enough memory for this picture; try again, or send a smaller one."


class SourceTimeout(BackgroundRemovalError):
    status, code = 504, "source_timeout"
    message = "The source did not deliver the picture in time."


class DeadlineExceeded(BackgroundRemovalError):
    status, code = 504, "deadline_exceeded"
    message = "The request could not be finished in time."


class StartupError(Exception):
    """The service cannot start; the message is one sentence that says what to do."""
