"""The memory of an AVIF from its boxes and its AV1 headers."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt, ImageTooLarge
from pipeline.image.decode import decode
from pipeline.image.headers.av1 import read_stream
from pipeline.image.headers.avif import plane_bytes
from pipeline.image.headers.isobmff import whole_file
from tests.support.avif_files import box, payload, tiled
from tests.support.images import encoded

MAX_PIXELS = 25_000_000
PHOTO = Image.linear_gradient("L").resize((64, 64)).convert("RGB")


def bytes_per_pixel(data: bytes) -> float:
    asked: list[int] = []
    width, height = decode(data, MAX_PIXELS, asked.append).size
    return asked[0] / (width * height)


@pytest.mark.parametrize("subsampling", ["4:0:0", "4:2:0", "4:2:2", "4:4:4"])
def test_planes_are_what_the_bitstream_says(subsampling: str) -> None:
    samples = {"4:0:0": 1, "4:2:0": 1.5, "4:2:2": 2, "4:4:4": 3}[subsampling]
    assert bytes_per_pixel(encoded(PHOTO, "AVIF", subsampling=subsampling)) == 8 + samples


def test_neither_a_brand_nor_a_configuration_hides_the_planes() -> None:
    """The letters av1C may stand anywhere; and what an av1C box says binds no decoder."""
    honest = encoded(PHOTO, "AVIF", subsampling="4:4:4")
    fake_brand = honest[:20] + b"av1C\x81\0\x1c\0" + honest[28:]
    assert bytes_per_pixel(fake_brand) == 11
    at = honest.index(b"av1C") + 6
    fake_configuration = honest[:at] + b"\x0c" + honest[at + 1 :]
    assert plane_bytes(fake_configuration, PHOTO.size) == 3 * 64 * 64


def test_ten_bits_take_twice_as_much(data: Path) -> None:
    deep = (data / "corpus" / "libavif" / "seine_hdr_rec2020.avif").read_bytes()
    assert plane_bytes(deep, (400, 300)) >= 2 * 1.5 * 400 * 300


def test_a_gain_map_is_not_decoded(data: Path) -> None:
    """An auxiliary image that is not alpha: neither its planes nor its faults count."""
    content = (data / "corpus" / "libavif" / "colors_hdr_srgb.avif").read_bytes()
    assert plane_bytes(content, (200, 200)) == 2 * 3 * 200 * 200
    name = b"urn:com:photo:aux:hdrgainmap"
    as_alpha = content.replace(name, b"urn:mpeg:hevc:2015:auxid:1".ljust(len(name), b"\0"))
    assert plane_bytes(as_alpha, (200, 200)) > 2 * 3 * 200 * 200


def test_alpha_and_animations() -> None:
    clear = PHOTO.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(PHOTO.size).rotate(90))
    assert bytes_per_pixel(encoded(clear, "AVIF", subsampling="4:2:0")) == 8 + 1.5 + 1
    animated = encoded(
        PHOTO, "AVIF", subsampling="4:4:4", save_all=True, append_images=[PHOTO.rotate(90)]
    )
    assert bytes_per_pixel(animated) == 11


@pytest.mark.parametrize("inside", [True, False])
def test_a_grid(inside: bool) -> None:
    """The tiles count once, each with the part that reaches beyond the image."""
    data = tiled((120, 64), (64, 64), payload(PHOTO, subsampling="4:2:0"), inside)
    assert plane_bytes(data, (120, 64)) == 2 * 1.5 * 64 * 64
    pixels = np.asarray(decode(data, MAX_PIXELS).rgb()).astype(int)
    assert np.abs(pixels[:, 64:] - np.asarray(PHOTO)[:, :56]).mean() < 4


def test_tiles_larger_than_they_declare() -> None:
    large = payload(Image.new("RGB", (2000, 1000)), subsampling="4:2:0")
    with pytest.raises(ImageTooLarge, match="pixels in a frame"):
        decode(tiled((120, 64), (64, 64), large), MAX_PIXELS)


def test_a_frame_of_a_track() -> None:
    """Each track counts, whether or not the reader takes the image from the items."""
    still, large = Image.new("L", (16, 16)), Image.new("L", (2000, 1000))
    animated = encoded(
        still, "AVIF", speed=10, save_all=True, append_images=[still.point(lambda _: 200)]
    )
    assert decode(animated, MAX_PIXELS).size == (16, 16)
    at = animated.index(b"stco") + 12  # a version, the number of chunks, the first one's place
    elsewhere = animated[:at] + struct.pack(">I", len(animated)) + animated[at + 4 :]
    at = elsewhere.index(b"stsz") + 16
    stream = payload(large)
    elsewhere = elsewhere[:at] + struct.pack(">I", len(stream)) + elsewhere[at + 4 :] + stream
    with pytest.raises(ImageTooLarge):
        plane_bytes(elsewhere, (16, 16))
    with pytest.raises(ImageCorrupt):
        plane_bytes(elsewhere[:-1], (16, 16))


def test_a_payload_that_cannot_be_found() -> None:
    data = tiled((120, 64), (64, 64), payload(PHOTO))
    for wrong in (
        data[:-1],
        data.replace(b"iloc", b"free"),
        data.replace(b"pitm", b"free"),
        data.replace(b"av01", b"hvc1"),
    ):
        with pytest.raises(ImageCorrupt):
            plane_bytes(wrong, (120, 64))


def test_what_stands_twice() -> None:
    """Who reads the file may take either."""
    data = tiled((120, 64), (64, 64), payload(PHOTO))
    meta = next(found for found in whole_file(data).boxes() if found.kind == b"meta")
    with pytest.raises(ImageCorrupt):
        plane_bytes(data + box(b"meta", data[meta.start : meta.end]), (120, 64))


def test_every_cut_and_every_changed_byte_ends_in_the_contracts_errors() -> None:
    data = tiled((120, 64), (64, 64), payload(PHOTO), inside=True)
    for at in range(len(data) - 200):
        for wrong in (
            data[:at],
            data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :],
            data[:at] + b"\0" + data[at + 1 :],
        ):
            try:
                plane_bytes(wrong, (120, 64))
            except (ImageCorrupt, ImageTooLarge):
                continue


def test_sizes_of_boxes_do_not_lead_outside_or_round_in_circles() -> None:
    inner = box(b"free") * 3
    assert len(whole_file(box(b"moov", inner)).one(b"moov").boxes()) == 3
    to_the_end = bytes(4) + b"moov" + inner
    assert len(whole_file(to_the_end).one(b"moov").boxes()) == 3
    for size in (7, 2, 40, 2**32 - 1):
        lying = box(b"moov", struct.pack(">I", size) + b"free", inner)
        with pytest.raises(ImageCorrupt):
            whole_file(lying).one(b"moov").boxes()
    long = struct.pack(">I4sQ", 1, b"free", 2**63)
    with pytest.raises(ImageCorrupt):
        whole_file(box(b"moov", long)).one(b"moov").boxes()
    with pytest.raises(ImageCorrupt):
        whole_file(box(b"moov", box(b"free") * 10_001)).one(b"moov").boxes()


def unit(kind: int, content: str) -> bytes:
    """An open bitstream unit of bits."""
    body = int(content.ljust(-(-len(content) // 8) * 8, "0"), 2).to_bytes(
        -(-len(content) // 8), "big"
    )
    return bytes([kind << 3 | 2, len(body)]) + body


def sequence(
    width: int, height: int, size_bits: int = 16, is_reduced: bool = False, deep: bool = False
) -> bytes:
    """A sequence header of profile 0, 4:2:0, without timing, identifiers or order hints."""
    start = (
        "000" + "11" + "00000"
        if is_reduced
        else "000" + "00" + "0" + "0" + "00000" + "0" * 12 + "00000"
    )
    size = f"{size_bits - 1:04b}" * 2 + f"{width - 1:0{size_bits}b}" + f"{height - 1:0{size_bits}b}"
    tools = "000" if is_reduced else "0" + "000" + "0000" + "0" + "1" + "1"
    return unit(
        1,
        start
        + size
        + tools
        + "000"
        + ("1" if deep else "0")
        + "0"
        + "0"
        + "0"
        + "00"
        + "0"
        + "0"
        + "1",
    )


KEY_FRAME = (
    "0" + "00" + "1" + "0" + "0"
)  # not shown before, a key frame, shown, its own tables, no screen content


def test_a_frame_may_be_larger_than_its_sequence_says() -> None:
    """The decoder obeys a frame's own size, which the sequence's field widths alone bound."""
    header = sequence(16, 16, size_bits=12)
    assert read_stream(header + unit(6, KEY_FRAME + "0")).pixels == 256
    assert read_stream(header + unit(6, KEY_FRAME + "1")).pixels == 4096**2
    assert (
        read_stream(header + unit(6, "0" + "11" + "1" + "0" + "0")).pixels == 4096**2
    )  # a switch frame always has its own
    assert read_stream(sequence(16, 16, is_reduced=True) + unit(6, "1" * 8)).pixels == 256


def test_every_sequence_header_and_every_frame_counts() -> None:
    small, large = sequence(16, 16), sequence(500, 400, deep=True)
    frame = unit(6, KEY_FRAME + "0")
    assert read_stream(small + frame + large).pixels == 200_000
    assert read_stream(small, configuration=large).pixels == 200_000
    assert (
        read_stream(small).bytes_per_pixel,
        read_stream(small + large).bytes_per_pixel,
    ) == (1.5, 3)
    assert read_stream(small + 5 * frame).frames == 5
    assert read_stream(small + frame + unit(3, "1000")).frames == 1  # shows the first again
    for wrong in (
        b"",
        frame,
        small[:-8],
        small + 40 * frame,
        small + unit(2, "0") * 1_001,
        b"\x0a\xff\xff",
    ):
        with pytest.raises(ImageCorrupt):
            read_stream(wrong)


def test_every_real_file(data: Path) -> None:
    """What libavif reads is priced, at no less than a gray image takes."""
    read = 0
    for file in (
        found for folder in ("corpus", "awkward") for found in (data / folder).rglob("*.avif")
    ):
        content = file.read_bytes()
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        except Exception:
            continue
        assert plane_bytes(content, image.size) >= image.width * image.height
        read += 1
    assert read > 30
