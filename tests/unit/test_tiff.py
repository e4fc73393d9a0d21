"""What libtiff unpacks at a time, from a TIFF's first directory."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from compat.pillow import tiff_tags
from pipeline.errors import ImageCorrupt
from pipeline.image.decode import decode
from pipeline.image.headers.tiff import unpacked_bytes
from tests.support.images import MAX_PIXELS, encoded, quadrants
from tests.unit.scripts import output_of

WIDTH, LENGTH, BITS, PHOTOMETRIC, SAMPLES = 256, 257, 258, 262, 277
DESCRIPTION, ORIENTATION, ROWS_PER_STRIP, TILE_WIDTH, TILE_LENGTH = 270, 274, 278, 322, 323
YCBCR = 6

# A directory without entries.
EMPTY = b"II*\0" + struct.pack("<IHI", 8, 0, 0)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({WIDTH: 100, LENGTH: 50, BITS: (8,)}, 100 * 50),
        ({WIDTH: 100, LENGTH: 50}, 100 * 50 / 8),
        ({WIDTH: 100, LENGTH: 50, BITS: (8, 8, 8), SAMPLES: 3}, 100 * 50 * 3),
        ({WIDTH: 100, LENGTH: 50, BITS: (8,), SAMPLES: 3}, 100 * 50 * 3),
        ({WIDTH: 100, LENGTH: 50, BITS: (8,), ROWS_PER_STRIP: 10}, 100 * 10),
        ({WIDTH: 100, LENGTH: 50, BITS: (8,), ROWS_PER_STRIP: 2**32 - 1}, 100 * 50),
        ({WIDTH: 100, LENGTH: 50, BITS: (8,), TILE_WIDTH: 512, TILE_LENGTH: 256}, 512 * 256),
        ({WIDTH: 100, LENGTH: 50, BITS: (8,), TILE_WIDTH: 512}, 512 * 50),
        ({WIDTH: 10, LENGTH: 5, BITS: (8,) * 3, PHOTOMETRIC: YCBCR}, 10 * 5 * (3 + 4)),
    ],
)
def test_a_strip_or_a_tile_is_unpacked_whole(tags: dict[int, Any], expected: float) -> None:
    assert unpacked_bytes(EMPTY, tags) == expected


@pytest.mark.parametrize(
    "tags", [{BITS: ()}, {BITS: 8}, {BITS: ("8",)}, {WIDTH: "100"}, {WIDTH: (1, 2)}]
)
def test_a_tag_that_is_not_a_number_is_corrupt(tags: dict[int, Any]) -> None:
    with pytest.raises(ImageCorrupt):
        unpacked_bytes(EMPTY, {WIDTH: 100, LENGTH: 50} | tags)


def stated_twice(tag: int, first: int, **options: object) -> bytes:
    """Return a compressed TIFF with another value of a tag before its own."""
    data = encoded(quadrants().resize((400, 200)), "TIFF", compression="tiff_lzw", **options)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * entry : at + 14 + 12 * entry] for entry in range(count)]
    place = [struct.unpack_from("<H", entry)[0] for entry in entries].index(tag)
    entries.insert(place, struct.pack("<HHII", tag, 4, 1, first))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def unpacked(data: bytes) -> float:
    with Image.open(io.BytesIO(data)) as image:
        return unpacked_bytes(data, tiff_tags(image))


def test_a_decisive_tag_that_is_stated_twice_is_corrupt() -> None:
    """libtiff obeys one of the two, and Pillow may read the other."""
    with pytest.raises(ImageCorrupt):
        unpacked(stated_twice(ROWS_PER_STRIP, 200, tiffinfo={ROWS_PER_STRIP: 20}))


def test_any_other_tag_may_be_stated_twice() -> None:
    tags = {DESCRIPTION: "decides nothing", ROWS_PER_STRIP: 20}
    data = stated_twice(DESCRIPTION, 1, tiffinfo=tags)
    assert unpacked(data) == 400 * 20 * 3
    assert decode(data, MAX_PIXELS).size == (400, 200)


def test_samples_whose_bits_are_stated_twice_are_priced_as_the_largest() -> None:
    """64 bits, in each of three samples."""
    assert unpacked(stated_twice(BITS, 8, tiffinfo={ROWS_PER_STRIP: 200})) == 400 * 200 * 3 * 8


# Print the bytes per pixel that decoding a file adds at its peak, and that it announces.
PEAK = """
import json, re, sys
from pathlib import Path
from pipeline.image.decode import decode
from pipeline.weights import SAMPLE

def resident(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

decode(SAMPLE.read_bytes(), 25_000_000)
data, announced = Path(sys.argv[1]).read_bytes(), []
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
width, height = decode(data, 25_000_000, announced.append).size
pixels = width * height
print(json.dumps([(resident("VmHWM") - before) / pixels, announced[0] / pixels]))
"""


@pytest.mark.parametrize(
    ("compression", "rows", "expected"),
    [(None, 64, 4), ("tiff_lzw", 3000, 8), ("tiff_adobe_deflate", 64, 4.1)],
)
def test_a_tiff_in_cmyk_takes_the_memory_that_it_announces(
    compression: str | None, rows: int, expected: float, tmp_path: Path
) -> None:
    """It is kept in CMYK, and converted when a region is asked for."""
    image = Image.effect_noise((4000, 3000), 100).convert("CMYK")
    file = tmp_path / "image.tif"
    file.write_bytes(
        encoded(image, "TIFF", compression=compression, tiffinfo={ROWS_PER_STRIP: rows})
    )
    (line,) = output_of(PEAK, file)
    measured, announced = json.loads(line)
    assert announced == pytest.approx(expected, abs=0.05)
    assert announced - 1 < measured < announced + 0.5


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_rotated_tiff_takes_the_memory_that_it_announces(
    compression: str | None, tmp_path: Path
) -> None:
    """Pillow rotates it while it loads it, into a second image."""
    image = Image.effect_noise((4000, 3000), 100).convert("RGB")
    file = tmp_path / "image.tif"
    tags = {ORIENTATION: 6, ROWS_PER_STRIP: 64}
    file.write_bytes(encoded(image, "TIFF", compression=compression, tiffinfo=tags))
    (line,) = output_of(PEAK, file)
    measured, announced = json.loads(line)
    assert announced == 8
    assert 7 < measured < 8.5
