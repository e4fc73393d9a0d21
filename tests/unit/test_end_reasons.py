"""What each reason for an early end means to the client, the log and the metrics."""

import pytest

from serving.end_reasons import CLIENT_LEFT, CLIENT_TOO_SLOW, ENDINGS, OK, EndReason
from serving.responses import STATUSES

# The status of the response, or None for none, and the code in the log and the metrics.
EXPECTED = {
    EndReason.DEADLINE: (504, "deadline_exceeded"),
    EndReason.SHUTTING_DOWN: (503, "shutting_down"),
    EndReason.CLIENT_LEFT: (None, "client_left"),
    EndReason.BODY_TOO_LARGE: (413, "request_too_large"),
    EndReason.SLOW_SENDER: (429, "client_too_slow"),
    EndReason.SLOW_SOURCE: (504, "source_timeout"),
    EndReason.SLOW_READER: (None, "client_too_slow"),
}


def test_every_reason_has_an_ending() -> None:
    assert EXPECTED.keys() == ENDINGS.keys() == set(EndReason)


@pytest.mark.parametrize("reason", EndReason)
def test_the_ending_of_a_reason(reason: EndReason) -> None:
    ending = ENDINGS[reason]
    status = None if ending.error is None else STATUSES[ending.error]
    assert (status, ending.code) == EXPECTED[reason]


def test_the_codes_of_the_log_are_not_those_of_errors() -> None:
    assert {OK, CLIENT_LEFT, CLIENT_TOO_SLOW}.isdisjoint(error.code for error in STATUSES)
