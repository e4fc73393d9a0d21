"""Mutated images through the running service."""

import time

import pytest

from tests.support.environment import DATA, Record
from tests.support.fuzz import CODES, SLOWEST
from tests.support.mutations import mutated, originals
from tests.support.process_memory import settled_pss
from tests.support.serving import Server

# Bytes that the service may grow by when it gets the same images again.
GROWTH = 20e6


@pytest.mark.parametrize("uploads", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_the_service_survives_mutated_images(
    uploads: int, default_service: Server, photo: bytes, record_property: Record
) -> None:
    """Each twice: the first use of a decoder takes memory once."""
    server, files = default_service, originals(DATA)
    seen, before = len(server.log_lines()), server.upload(photo).content

    def upload(seed: int) -> str:
        started = time.monotonic()
        response = server.upload(mutated(files, seed))
        took = time.monotonic() - started
        record_property("mutation through the service: seconds", took)
        assert took < SLOWEST, seed
        return "ok" if response.status_code == 200 else str(response.json()["code"])

    codes = [upload(seed) for seed in range(uploads)]
    assert {"ok"} < set(codes) <= CODES  # which errors depends on the files of the folder
    memory = settled_pss(server.process.pid, seconds=1)
    assert [upload(seed) for seed in range(uploads)] == codes
    assert server.upload(photo).content == before
    assert settled_pss(server.process.pid, seconds=1) - memory < GROWTH
    assert {line["level"] for line in server.log_lines(seen)} == {"info"}
