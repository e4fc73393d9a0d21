"""A cut-out or an error -> a response: the one place where errors become answers."""

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from pipeline.errors import BackgroundRemovalError
from serving.exchange import current

if TYPE_CHECKING:  # the supervisor imports this file, and must not pay for the pipeline
    from pipeline.flow import CutOut


def picture_response(cutout: "CutOut", milliseconds: dict[str, float]) -> Response:
    """200 with the picture, its figures in headers and the steps' times in Server-Timing."""
    exchange = current.get()
    exchange.code, exchange.timings = "ok", milliseconds
    return Response(
        cutout.content,
        media_type=cutout.media_type,
        headers={
            "X-Width": str(cutout.width),
            "X-Height": str(cutout.height),
            "X-Foreground-Left": str(cutout.subject.left),
            "X-Foreground-Top": str(cutout.subject.top),
            "X-Foreground-Width": str(cutout.subject.width),
            "X-Foreground-Height": str(cutout.subject.height),
            "X-Subject-Confidence": f"{cutout.confidence:.4f}",
            "Server-Timing": ", ".join(f"{step};dur={took:.1f}" for step, took in milliseconds.items()),
        },
    )


# What a page of another origin may read of an answer, besides its body.
EXPOSED_HEADERS = (
    "X-Width",
    "X-Height",
    "X-Foreground-Left",
    "X-Foreground-Top",
    "X-Foreground-Width",
    "X-Foreground-Height",
    "X-Subject-Confidence",
    "Server-Timing",
    "X-BentoML-Request-ID",
    "Retry-After",
)


def error_response(error: BackgroundRemovalError, headers: dict[str, str] | None = None) -> Response:
    """The error's status and body, with Retry-After where waiting can help."""
    current.get().code = error.code
    extra = dict(headers or {})
    if error.retry_after is not None:
        extra["Retry-After"] = str(error.retry_after)
    return JSONResponse(error.body, status_code=error.status, headers=extra)
