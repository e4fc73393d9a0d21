"""Mutated images by the thousand: each ends in an image or in an error, in time and in memory."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.image.formats import detect_format
from tests.support.environment import DATA, Record
from tests.support.fuzz import GROWTH, IMAGE_CODES, Outcome, growth, outcomes
from tests.support.image_parts import parts
from tests.support.mutations import Originals, mutated, originals

WORKERS = 2


@pytest.fixture(scope="module")
def files() -> Originals:
    """Return the files to mutate: Pillow's, and those of the test data if there are any."""
    return originals(DATA)


def test_the_originals_have_every_format_and_parts(files: Originals) -> None:
    assert files.keys() == {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"}
    own = originals(Path("nowhere"))
    assert own.keys() == files.keys()
    for kind, data in ((kind, data) for kind, many in own.items() for data in many):
        found = parts(data)
        assert detect_format(data) == kind
        assert len(found) > 2 or kind == "WEBP"  # the simplest WebP has one chunk
        assert all(0 <= start < end <= len(data) for start, end in found)


def test_the_same_seed_makes_the_same_file(files: Originals) -> None:
    assert [mutated(files, seed) for seed in range(200)] == [
        mutated(files, seed) for seed in range(200)
    ]
    assert len({mutated(files, seed) for seed in range(200)}) > 190


@pytest.mark.parametrize("seeds", [150, pytest.param(200_000, marks=pytest.mark.slow)])
def test_each_mutation_ends_in_an_image_or_in_an_error_of_the_contract(
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
    assert counts.keys() == IMAGE_CODES
    assert counts["ok"] > seeds / 10
    record_property("mutations through decode", seeds)
    for outcomes_of_one in seen:
        grown = growth([outcome.resident for outcome in outcomes_of_one])
        record_property("mutations through decode: MB of growth", grown)
        assert grown < GROWTH
