"""What the decoder's process may still do once it has confined itself."""

import subprocess
import sys
from contextlib import ExitStack, suppress

import psutil
import pytest
from PIL import Image

from pipeline.image.heif import child
from tests.support.environment import ROOT
from tests.support.heif_files import heic
from tests.support.images import quadrants
from tests.unit.scripts import output_of

CONFINED = """
import os, socket
from pipeline.image.heif.child import allow, confine

size = confine(30_000_000)

def outcome(act):
    try:
        act()
        return "done"
    except (OSError, MemoryError, ValueError) as error:
        return type(error).__name__

print(outcome(lambda: open("/etc/passwd")))
print(outcome(lambda: socket.socket()))
print(outcome(os.pipe))
print(outcome(lambda: bytearray(10_000_000)))
print(outcome(lambda: bytearray(60_000_000)))
allow(size, 5_000_000, 60)
print(outcome(lambda: bytearray(10_000_000)))
allow(size, 20_000_000, 60)
print(outcome(lambda: bytearray(10_000_000)))
allow(size, 500_000_000, 60)
print(outcome(lambda: bytearray(60_000_000)))
"""

BUSY = """
from pipeline.image.heif.child import allow, confine
allow(confine(30_000_000), 1_000_000, 0)
while True:
    pass
"""


def test_neither_files_nor_sockets_nor_much_memory_can_be_had() -> None:
    *opened, little, much, too_much, enough, over_all = output_of(CONFINED)
    assert opened == ["OSError"] * 3
    assert (little, much) == ("done", "MemoryError")
    assert (too_much, enough, over_all) == ("MemoryError", "done", "MemoryError")


def test_a_process_ends_after_its_seconds() -> None:
    ended = subprocess.run([sys.executable, "-c", BUSY], cwd=ROOT, check=False, timeout=30)
    assert ended.returncode < 0


def test_the_reply_has_the_pixels_row_by_row() -> None:
    with ExitStack() as memory:
        reply, profile, parts = child.decode(bytearray(heic(quadrants())), False, memory)
        width, height, mode, *_ = child.REPLY.unpack(reply)
        assert (width, height, mode) == (40, 20, b"RGB ")
        assert profile == b""
        (pixels,) = parts
        assert len(pixels) == 3 * 40 * 20
        assert pixels[0] > 150 > pixels[1]  # red


def test_the_reply_may_have_the_samples() -> None:
    """Red is 76, 85, 255 by ITU-T T.871."""
    data = bytearray(heic(Image.new("RGB", (41, 21), "red")))
    with ExitStack() as memory:
        reply, _, planes = child.decode(data, True, memory)
        width, height, mode, _, _, matrix, is_full_range, _ = child.REPLY.unpack(reply)
        assert (width, height, mode, matrix, is_full_range) == (41, 21, child.PLANES, 6, True)
        assert [len(plane) for plane in planes] == [41 * 21, 21 * 11, 21 * 11]
        means = [sum(bytes(plane)) / len(plane) for plane in planes]
    assert means == pytest.approx([76, 85, 255], abs=2)


@pytest.mark.parametrize("in_planes", [False, True])
def test_nothing_of_an_image_is_left(in_planes: bool) -> None:
    """Whether it could be decoded or not."""
    good = bytearray(heic(Image.new("RGB", (1_000, 1_000))))
    bad = good[: len(good) * 3 // 4]

    def decode(data: bytearray) -> None:
        with ExitStack() as memory, suppress(Exception):
            child.decode(data, in_planes, memory)

    def held() -> int:
        return psutil.Process().memory_info().rss

    decode(good)
    decode(bad)
    before = held()
    for _ in range(20):
        decode(good)
        decode(bad)
    assert held() - before < 15_000_000  # the pixels of five


@pytest.mark.parametrize("in_planes", [False, True])
def test_what_is_no_image_fails(in_planes: bool) -> None:
    with pytest.raises(Exception, match=r"."):
        child.decode(bytearray(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), in_planes, ExitStack())


def test_the_script_ends_with_its_input() -> None:
    ended = subprocess.run(
        [sys.executable, "-I", child.__file__, "100000000"],
        input=child.REQUEST.pack(4, 1_000_000, 1, False) + b"none",
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (0, bytes(child.REPLY.size))
