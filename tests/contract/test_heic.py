"""HEIC through the running service: photos, bombs, and what happens to the decoder's process."""

import io
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.image.heif import child
from tests.support.environment import Record
from tests.support.fuzz import CODES
from tests.support.heif_bombs import HEIF_BOMBS
from tests.support.heif_files import heic
from tests.support.images import cutout_of, grainy
from tests.support.mutations import mutated, originals
from tests.support.process_memory import settled_pss, watching
from tests.support.serving import Server, assert_error
from tests.support.waiting import wait_until

MEGABYTE = 1_000_000


def decoders(server: Server) -> list[psutil.Process]:
    """Return the processes that decode HEIC, but for those that have ended (zombies)."""
    children = psutil.Process(server.worker()).children()
    running = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if str(child.__file__) in one.cmdline()]


def test_a_photo_as_heic_is_cut_out_like_the_same_photo_as_jpeg(
    service: Server, photo: bytes, unharmed: None
) -> None:
    expected = cutout_of(service.upload(photo))
    response = service.upload(heic(Image.open(io.BytesIO(photo))))
    assert response.status_code == 200
    cutout = cutout_of(response)
    assert np.abs(np.subtract(cutout.size, expected.size)).max() <= 4
    assert len(decoders(service)) == 1


def test_a_process_that_is_killed_is_replaced(
    service: Server, photo: bytes, unharmed: None
) -> None:
    data = heic(Image.open(io.BytesIO(photo)))
    assert service.upload(data).status_code == 200
    (first,) = decoders(service)
    os.kill(first.pid, signal.SIGKILL)
    assert wait_until(lambda: decoders(service) == [])
    started = time.monotonic()
    assert service.upload(data).status_code == 200
    assert time.monotonic() - started < 3
    (second,) = decoders(service)
    assert second.pid != first.pid


def test_a_bomb_harms_nobody(service: Server, photo: bytes, unharmed: None) -> None:
    for name in ("rotations", "larger_than_declared", "declared_huge", "sequence"):
        make, codes = HEIF_BOMBS[name]
        assert_error(service.upload(make()), 422, min(codes))
    assert service.upload(photo).status_code == 200


@pytest.mark.slow
def test_an_idle_process_ends(service: Server, photo: bytes) -> None:
    service.upload(heic(Image.open(io.BytesIO(photo))))
    assert decoders(service)
    assert wait_until(lambda: not decoders(service), 2 * child.IDLE_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize(("megapixels", "at_once"), [(12, 4), (24.9, 4), (49.9, 2)])
def test_a_large_photo_fits_into_memory(
    megapixels: float, at_once: int, default_service: Server, record_property: Record
) -> None:
    """The whole tree, the decoder's process included; no request waits until its deadline."""
    data = heic(grainy(megapixels), quality=50, tile_size=512)
    with watching(default_service.process.pid) as watch, ThreadPoolExecutor(at_once) as pool:
        responses = list(pool.map(default_service.upload, [data] * 2 * at_once))
    assert {response.status_code for response in responses} == {200}
    found = (re.search(r"decode;dur=([\d.]+)", one.headers["Server-Timing"]) for one in responses)
    times = [float(match[1]) for match in found if match is not None]
    record_property(f"HEIC of {megapixels} megapixels: MB at the peak", watch.peak / MEGABYTE)
    record_property(f"HEIC of {megapixels} megapixels: milliseconds to decode", max(times))
    assert watch.peak < 500 * MEGABYTE
    assert min(times) < 1_000 * max(1, megapixels / 12)


@pytest.mark.slow
def test_every_bomb_and_mutation_leaves_the_service_as_it_was(
    default_service: Server, photo: bytes, record_property: Record
) -> None:
    server = default_service
    files = {"HEIF": originals(Path("nowhere"))["HEIF"]}
    before, worker = server.upload(photo).content, server.worker()

    def code(data: bytes) -> str:
        started = time.monotonic()
        response = server.upload(data)
        record_property("hostile HEIC: seconds", time.monotonic() - started)
        return "ok" if response.status_code == 200 else str(response.json()["code"])

    for make, _ in HEIF_BOMBS.values():
        assert code(make()) in CODES
    codes = [code(mutated(files, seed)) for seed in range(300)]
    memory = settled_pss(server.process.pid)
    assert [code(mutated(files, seed)) for seed in range(300)] == codes
    assert {"ok", "image_corrupt"} <= set(codes) <= CODES
    assert server.upload(photo).content == before
    assert server.worker() == worker
    assert settled_pss(server.process.pid) - memory < 20 * MEGABYTE
