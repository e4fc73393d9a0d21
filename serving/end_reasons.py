"""Why a request may end early: the response, the log code and the metric of each reason."""

import enum
from dataclasses import dataclass

from pipeline.errors import BackgroundRemovalError, DeadlineExceeded, SourceTimeout
from serving.errors import Busy, RequestTooLarge, ShuttingDown

# Codes in the log and the metrics, besides the codes of errors.
OK, CLIENT_LEFT, CLIENT_TOO_SLOW = "ok", "client_left", "client_too_slow"


class EndReason(enum.Enum):
    """Why a request ends before all of its response has been sent."""

    DEADLINE = enum.auto()
    SHUTTING_DOWN = enum.auto()
    CLIENT_LEFT = enum.auto()
    BODY_TOO_LARGE = enum.auto()
    SLOW_SENDER = enum.auto()
    SLOW_SOURCE = enum.auto()
    SLOW_READER = enum.auto()


@dataclass(frozen=True)
class Ending:
    """How a request that ends for a reason is answered, logged and counted.

    `error` is sent to the client, with its status of `responses.py`; None sends nothing. If a
    response has already started, the connection is aborted instead, because after a normal close a
    truncated response could look complete. `code` appears in the log line, and as the label `code`
    of the metric `background_remover_requests_total`.
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
