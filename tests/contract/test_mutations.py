"""Mutated images through the running service."""

import time
from collections import Counter

import pytest

from tests.support.environment import DATA, Record
from tests.support.fuzz import CODES, SLOWEST
from tests.support.mutations import mutated, originals
from tests.support.process_memory import settled_pss
from tests.support.serving import Server

# Bytes that the service may grow by over half of the mutations.
GROWTH = 20e6


@pytest.mark.parametrize("uploads", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_the_service_survives_mutated_images(
    uploads: int, default_service: Server, photo: bytes, record_property: Record
) -> None:
    server, files = default_service, originals(DATA)
    seen, before = len(server.log_lines()), server.upload(photo).content
    codes: Counter[str] = Counter()
    memory = 0
    for seed in range(uploads):
        started = time.monotonic()
        response = server.upload(mutated(files, seed))
        took = time.monotonic() - started
        record_property("mutation through the service: seconds", took)
        assert took < SLOWEST, seed
        code = "ok" if response.status_code == 200 else response.json()["code"]
        assert code in CODES, seed
        codes[code] += 1
        if seed == uploads // 2:
            memory = settled_pss(server.process.pid, seconds=1)
    assert {"ok", "image_corrupt", "unsupported_image_type"} <= codes.keys()
    assert server.upload(photo).content == before
    assert settled_pss(server.process.pid, seconds=1) - memory < GROWTH
    assert {line["level"] for line in server.log_lines(seen)} == {"info"}
