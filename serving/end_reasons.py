"""Why a request may end early, and what each reason means for the response, the log line and the metric."""

import enum
from dataclasses import dataclass

from pipeline.errors import BackgroundRemovalError, DeadlineExceeded, SourceTimeout
from serving.errors import Busy, RequestTooLarge, ShuttingDown

# Codes of the log and the metrics that no error has.
OK, CLIENT_LEFT, CLIENT_TOO_SLOW = "ok", "client_left", "client_too_slow"


class EndReason(enum.Enum):
    """Why a request ends before its response has been sent."""

    DEADLINE = enum.auto()
    SHUTTING_DOWN = enum.auto()
    CLIENT_LEFT = enum.auto()
    BODY_TOO_LARGE = enum.auto()
    SLOW_SENDER = enum.auto()
    SLOW_SOURCE = enum.auto()
    SLOW_READER = enum.auto()


@dataclass(frozen=True)
class Ending:
    """What a reason means.

    `error` is sent unless a response is under way: that one is broken off, as it would end as if it were whole. None sends nothing.
    `code` stands in the log line and the metric instead of the error's own.
    """

    error: type[BackgroundRemovalError] | None
    code: str


ENDINGS: dict[EndReason, Ending] = {
    EndReason.DEADLINE: Ending(DeadlineExceeded, DeadlineExceeded.code),
    EndReason.SHUTTING_DOWN: Ending(ShuttingDown, ShuttingDown.code),
    EndReason.CLIENT_LEFT: Ending(None, CLIENT_LEFT),
    EndReason.BODY_TOO_LARGE: Ending(RequestTooLarge, RequestTooLarge.code),
    EndReason.SLOW_SENDER: Ending(Busy, CLIENT_TOO_SLOW),
    EndReason.SLOW_SOURCE: Ending(SourceTimeout, SourceTimeout.code),
    EndReason.SLOW_READER: Ending(None, CLIENT_TOO_SLOW),
}
