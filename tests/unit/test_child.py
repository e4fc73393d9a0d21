"""What the decoder's process may still do once it has confined itself."""

import subprocess
import sys

import pytest

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
    reply, profile, pixels = child.decode(bytearray(heic(quadrants())))
    width, height, mode, *_ = child.REPLY.unpack(reply)
    assert (width, height, mode) == (40, 20, b"RGB ")
    assert profile == b""
    assert len(pixels) == 3 * 40 * 20
    assert pixels[0] > 150 > pixels[1]  # red


def test_what_is_no_image_fails() -> None:
    with pytest.raises(Exception, match=r"."):
        child.decode(bytearray(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"))


def test_the_script_ends_with_its_input() -> None:
    ended = subprocess.run(
        [sys.executable, "-I", child.__file__, "100000000"],
        input=child.REQUEST.pack(4, 1_000_000, 1) + b"none",
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (0, bytes(child.REPLY.size))
