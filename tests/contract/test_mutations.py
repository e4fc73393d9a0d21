"""Faulty pictures by the thousand: each ends in a picture or in the contract's errors, in time, and leaves no memory behind."""

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.image.formats import detect_format
from tests.support.environment import DATA, Record
from tests.support.fuzz import CODES, GROWTH, PICTURE_CODES, SLOWEST, Outcome, growth, outcomes
from tests.support.mutations import Originals, mutated, originals, parts
from tests.support.process_memory import settled_pss
from tests.support.serving import serve

WORKERS = 2


@pytest.fixture(scope="module")
def files() -> Originals:
    """What is mutated: Pillow's own files, and outside ones where they are."""
    return originals(DATA)


def test_the_originals_are_of_every_type_and_their_parts_are_found(files: Originals) -> None:
    assert files.keys() == {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"}
    own = originals(Path("nowhere"))
    assert own.keys() == files.keys()
    for kind, data in ((kind, data) for kind, many in own.items() for data in many):
        found = parts(data)
        assert detect_format(data) == kind
        assert len(found) > 2 or kind == "WEBP"  # the simplest has one chunk
        assert all(0 <= start < end <= len(data) for start, end in found)


def test_a_seed_is_a_file(files: Originals) -> None:
    assert [mutated(files, seed) for seed in range(200)] == [
        mutated(files, seed) for seed in range(200)
    ]
    assert len({mutated(files, seed) for seed in range(200)}) > 190


@pytest.mark.parametrize("seeds", [10_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_each_ends_in_a_picture_or_in_the_contracts_errors(
    seeds: int, record_property: Record
) -> None:
    def run(first: int) -> list[Outcome]:
        return list(outcomes(first, WORKERS, whole=False, until=seeds))

    with ThreadPoolExecutor(WORKERS) as pool:
        seen = list(pool.map(run, range(WORKERS)))
    everything = sorted(itertools.chain(*seen), key=lambda outcome: outcome.seed)
    assert [outcome.seed for outcome in everything] == list(range(seeds))
    assert {outcome.seed: outcome.fault for outcome in everything if outcome.fault} == {}
    counts = Counter(outcome.code for outcome in everything)
    assert counts.keys() == PICTURE_CODES
    assert counts["ok"] > seeds / 10
    record_property("mutations through decode", seeds)
    for outcomes_of_one in seen:
        grown = growth([outcome.resident for outcome in outcomes_of_one])
        record_property("mutations through decode: MB of growth", grown)
        assert grown < GROWTH


@pytest.mark.parametrize("uploads", [150, pytest.param(300, marks=pytest.mark.slow)])
def test_the_service_survives_them(
    uploads: int, files: Originals, photo: bytes, record_property: Record
) -> None:
    with serve() as server:
        before = server.upload(photo).content
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
                memory = settled_pss(server.process.pid)
        assert {"ok", "image_corrupt", "unsupported_image_type"} <= codes.keys()
        assert server.upload(photo).content == before
        assert settled_pss(server.process.pid) - memory < 20e6
        assert {line["level"] for line in server.log_lines()} == {"info"}
