"""The memory that a TIFF takes."""

import contextlib
import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from compat.pillow import tiff_tags
from pipeline.errors import ImageCorrupt
from pipeline.image.decode import decode
from pipeline.image.headers.tiff import unpacked_bytes
from pipeline.memory import WORKER_ENVIRONMENT
from tests.support.environment import ROOT
from tests.support.images import MAX_PIXELS, encoded, quadrants
from tests.support.serving import environment


def tiff_twice(tag: int, first: int, **options: object) -> bytes:
    """A compressed TIFF with another value of a tag before its own, in a directory at the file's end."""
    data = encoded(quadrants().resize((400, 200)), "TIFF", compression="tiff_lzw", **options)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * entry : at + 14 + 12 * entry] for entry in range(count)]
    place = next(
        number for number, entry in enumerate(entries) if struct.unpack_from("<H", entry)[0] == tag
    )
    entries.insert(place, struct.pack("<HHII", tag, 4, 1, first))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def test_a_tiff_that_may_be_read_in_two_ways_is_refused() -> None:
    """Its rows per strip, stated twice."""
    described = tiff_twice(270, 1, tiffinfo={270: "a description decides on nothing"})
    assert decode(described, MAX_PIXELS).size == (400, 200)
    data = tiff_twice(278, 200, tiffinfo={278: 20})
    with pytest.raises(ImageCorrupt):
        unpacked_bytes(data, tiff_tags(Image.open(io.BytesIO(data))))


def test_a_tiffs_samples_stated_twice_are_priced_by_the_largest() -> None:
    asked: list[int] = []
    with contextlib.suppress(ImageCorrupt):
        decode(tiff_twice(258, 8, tiffinfo={278: 200}), MAX_PIXELS, asked.append)
    assert asked == [80_000 * (4 + 3 * 8)]


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_an_oriented_tiff_takes_what_it_is_priced_at(
    compression: str | None, tmp_path: Path
) -> None:
    """Pillow turns it while it loads it, and holds it twice."""
    image = Image.effect_noise((4000, 3000), 100).convert("RGB")
    file = tmp_path / "image.tif"
    file.write_bytes(encoded(image, "TIFF", compression=compression, tiffinfo={274: 6, 278: 64}))
    result = subprocess.run(
        [sys.executable, "-c", PEAK, str(file)],
        cwd=ROOT,
        env=environment(**WORKER_ENVIRONMENT),
        capture_output=True,
        text=True,
        check=True,
    )
    measured, priced = json.loads(result.stdout)
    assert priced == 8
    assert 7 < measured < 8.5


# Bytes per pixel that decoding a file adds at its peak, and that it announces.
PEAK = """
import json, re, sys
from pathlib import Path
from pipeline.image.decode import decode
from pipeline.weights import SAMPLE

def resident(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

decode(SAMPLE.read_bytes(), 25_000_000)
data, asked = Path(sys.argv[1]).read_bytes(), []
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
width, height = decode(data, 25_000_000, asked.append).size
print(json.dumps([(resident("VmHWM") - before) / (width * height), asked[0] / (width * height)]))
"""
