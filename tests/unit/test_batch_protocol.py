"""The messages between a run and its workers."""

from multiprocessing import Pipe

import pytest

from batch.protocol import receive, send


def test_a_message_is_received_as_it_was_sent() -> None:
    ours, theirs = Pipe()
    send(ours, {"task": "cut", "é": None}, b"\0image")
    assert receive(theirs) == ({"task": "cut", "é": None}, b"\0image")
    send(theirs, {})
    assert receive(ours) == ({}, b"")
    ours.close()
    with pytest.raises(EOFError):
        receive(theirs)
    theirs.close()
