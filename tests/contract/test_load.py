"""Overload: refusals are immediate, accepted requests as fast as ever, and memory is bounded."""

import json
from typing import Any

import pytest

from tests.support.environment import Record
from tests.support.scripts import run_python
from tests.support.serving import serve

# Bytes of the process tree, with images of up to 12 megapixels.
MEMORY = 430e6
# Of the capacity without overload. Refusals and the client that counts them take the rest.
LEAST_GOODPUT = 0.9
# Seconds until a refusal or a probe is answered.
MOST_LATENCY = 0.1


def overload(seconds: float) -> Any:
    """Send ten times the capacity to a service of its own; return what the clients saw."""
    with serve() as server:
        process = str(server.process.pid)
        output = run_python("-m", "tests.support.load", str(server.port), process, str(seconds))
        assert {line["level"] for line in server.log_lines()} == {"info"}
    return json.loads(output)


@pytest.mark.slow
def test_ten_times_the_capacity(record_property: Record) -> None:
    seconds = 60
    seen = overload(seconds)
    codes, label = seen["codes"], f"overload of {seconds} s"
    record_property(f"{label}: requests", sum(codes["during"].values()))
    record_property(f"{label}: refused, milliseconds, p99", 1000 * seen["refused"]["99"])
    record_property(f"{label}: /livez and /readyz, milliseconds, p99", 1000 * seen["probes"]["99"])
    record_property(f"{label}: goodput, of the capacity", seen["goodput"])
    record_property(f"{label}: after it, of the capacity", seen["recovered"])
    record_property(f"{label}: peak MB", seen["peak"] / 1e6)
    # Nothing is lost or reset, and each refusal has its Retry-After.
    assert codes["during"].keys() == {"200", "busy"}
    assert codes["before"].keys() == codes["after"].keys() == codes["probes"].keys() == {"200"}
    assert seen["refused"]["99"] < MOST_LATENCY
    assert seen["probes"]["99"] < MOST_LATENCY
    assert seen["goodput"] > LEAST_GOODPUT
    assert seen["recovered"] > LEAST_GOODPUT
    assert seen["peak"] < MEMORY
