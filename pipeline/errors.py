"""What can be wrong with a source, an image or a result.

    BackgroundRemovalError
    ├── InvalidURL              invalid_url
    ├── URLNotAllowed           url_not_allowed
    ├── SourceHTTPError         source_http_error
    ├── TooManyRedirects        too_many_redirects
    ├── SourceTooLarge          source_too_large
    ├── EmptySource             empty_source
    ├── UnsupportedEncoding     unsupported_encoding
    ├── SourceUnreachable       source_unreachable
    ├── SourceTimeout           source_timeout
    ├── UnsupportedImageType    unsupported_image_type
    ├── ImageCorrupt            image_corrupt
    ├── ImageTooLarge           image_too_large
    ├── NoSubjectFound          no_subject_found
    ├── FormatUnsupported       format_unsupported
    ├── OutOfMemory             out_of_memory
    └── DeadlineExceeded        deadline_exceeded

    StartupError                a setting or the model is wrong; the service does not start

`serving/errors.py` adds the errors that only HTTP knows, and `serving/responses.py` maps each class
to its status. The message is for the client: what was wrong, and what to change. Details for the
log (an address, a library's exception) travel as `__cause__`.
"""

from typing import ClassVar


class BackgroundRemovalError(Exception):
    """A request that cannot be answered with an image.

    `code` is the stable name that clients match on, `message` one public sentence.
    """

    code: ClassVar[str]
    message: str

    def __init__(self, message: str | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)

    @property
    def body(self) -> dict[str, str | int]:
        """The JSON object that the client receives."""
        return {"error": self.message, "code": self.code}


class InvalidURL(BackgroundRemovalError):
    code = "invalid_url"
    message = "image_url must be an absolute http or https URL with a valid host and port."


class URLNotAllowed(BackgroundRemovalError):
    code = "url_not_allowed"
    message = (
        "image_url must name a public host on port 80 or 443, without a user name or password."
    )


class SourceHTTPError(BackgroundRemovalError):
    code = "source_http_error"

    def __init__(self, source_status: int) -> None:
        self.source_status = source_status
        super().__init__(f"The source responded with status {source_status}; only 200 is accepted.")

    @property
    def body(self) -> dict[str, str | int]:
        return {**super().body, "status": self.source_status}


class TooManyRedirects(BackgroundRemovalError):
    code = "too_many_redirects"
    message = "The source redirects more than 3 times; send the final URL."


class SourceTooLarge(BackgroundRemovalError):
    code = "source_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The source is larger than {limit:,} bytes; send a smaller file.")


class EmptySource(BackgroundRemovalError):
    code = "empty_source"
    message = "The source is empty; send an image."


class UnsupportedEncoding(BackgroundRemovalError):
    code = "unsupported_encoding"
    message = "The source used a Content-Encoding; it must send the image without one."


class SourceUnreachable(BackgroundRemovalError):
    code = "source_unreachable"
    message = (
        "The source could not be fetched: "
        "no such host, no connection, a TLS failure or an invalid response."
    )


class SourceTimeout(BackgroundRemovalError):
    code = "source_timeout"
    message = "The source did not deliver the image in time."


# Only a download raises these, so an upload cannot result in them.
DOWNLOAD_ERRORS: frozenset[type[BackgroundRemovalError]] = frozenset(
    {
        InvalidURL,
        URLNotAllowed,
        SourceHTTPError,
        TooManyRedirects,
        SourceTooLarge,
        UnsupportedEncoding,
        SourceUnreachable,
        SourceTimeout,
    }
)


class UnsupportedImageType(BackgroundRemovalError):
    code = "unsupported_image_type"
    _supported = (
        "send JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, or HEIC if the service has the extra `heif`."
    )
    message = f"The source is not an image of a supported type; {_supported}"

    def __init__(self, kind: str | None = None) -> None:
        """`kind` is the name of a type that is known, and not supported."""
        if kind is None:
            super().__init__()
        else:
            super().__init__(f"The source is {kind}, which is not supported; {self._supported}")


class ImageCorrupt(BackgroundRemovalError):
    code = "image_corrupt"
    message = "The image is damaged or incomplete and cannot be decoded."


class ImageTooLarge(BackgroundRemovalError):
    code = "image_too_large"

    def __init__(self, limit: int, unit: str = "pixels") -> None:
        super().__init__(f"The image has more than {limit:,} {unit}; send a smaller one.")


class NoSubjectFound(BackgroundRemovalError):
    code = "no_subject_found"
    message = "No subject stands out from the background of this image."


class FormatUnsupported(BackgroundRemovalError):
    code = "format_unsupported"
    message = "The result is too large for this format; request PNG or a smaller `max_side`."


class OutOfMemory(BackgroundRemovalError):
    code = "out_of_memory"
    message = "There was not enough memory for this image; retry, or send a smaller one."


class DeadlineExceeded(BackgroundRemovalError):
    code = "deadline_exceeded"
    message = "The request could not be finished in time; retry, or send a smaller image."


class StartupError(Exception):
    """The service cannot start. The message is one sentence that says what to change."""
