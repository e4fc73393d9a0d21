"""Small files that ask for much: huge declared sizes, data that inflates, parts without end."""

import itertools
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.support.avif_files import box, payload, tiled
from tests.support.image_files import (
    avif,
    bmp,
    chunk,
    disposal,
    exif,
    frames,
    gif,
    in_jpeg,
    jpeg,
    packed,
    png,
    segment,
    still,
    tiff,
    webp,
)
from tests.support.images import encoded

MILLION = 1_000_000


def huge_png() -> bytes:
    """Return a PNG that declares 2³¹ − 1 pixels per side."""
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND")
    )


def line(width: int, height: int) -> bytes:
    """Return a valid gray PNG, all black."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = packed(height * (1 + width))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND")


def apng(frames: int) -> bytes:
    """Return an animation with many frames, each declared larger than the image."""
    control = struct.pack(">IIIIIHHBB", 0, 2**30, 2**30, 0, 0, 1, 10, 0, 0)
    frame = chunk(b"fcTL", control) + chunk(b"fdAT", bytes(4) + packed(1000))
    return png(chunk(b"acTL", struct.pack(">II", frames, 0)) + frame * frames)


def huge_jpeg() -> bytes:
    """Return a JPEG that declares 65,500 pixels per side."""
    data = encoded(still(), "JPEG")
    return data.replace(struct.pack(">HH", 12, 16), b"\xff\xdc\xff\xdc", 1)


def scans(number: int, side: int = 5000) -> bytes:
    """Return a progressive JPEG that repeats one almost empty scan."""
    data = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    # Each scan is followed by the tables of the next.
    again = min((data[start:end] for start, end in itertools.pairwise(starts)), key=len)
    return data[:-2] + again * number + data[-2:]


def sub_directories(depth: int) -> bytes:
    """Return EXIF with directories nested `depth` times. The last one is the first again."""
    block = b"II*\0" + struct.pack("<I", 8)
    for level in range(depth):
        child = 8 if level == depth - 1 else 8 + 18 * (level + 1)
        block += struct.pack(
            "<HHHIII", 1, (0x8769, 0x8825, 0xA005, 330)[level % 4], 4, 1, child, child
        )
    return block


def avif_with_brand() -> bytes:
    """Return 24.5 megapixels of 4:4:4 whose brands contain the letters of a gray image's box."""
    data = encoded(
        Image.new("RGB", (5_000, 4_900)),
        "AVIF",
        speed=10,
        quality=1,
        subsampling="4:4:4",
        max_threads=1,
    )
    return data[:20] + b"av1C\x81\0\x1c\0" + data[28:]


def avif_of_two_sequences() -> bytes:
    """Return 16 × 16 pixels, then a second sequence header and its frame of 16 megapixels."""
    data, more = (
        encoded(Image.new("L", (16, 16)), "AVIF", speed=10),
        payload(Image.new("L", (4_000, 4_000))),
    )
    start = data.index(b"mdat") + 4
    size = len(data) - start
    head = data[: start - 8].replace(
        struct.pack(">II", start, size), struct.pack(">II", start, size + len(more))
    )
    return head + struct.pack(">I", 8 + size + len(more)) + b"mdat" + data[start:] + more


def avif_of_boxes() -> bytes:
    """Return a valid grid with two million empty boxes in its meta box."""
    data = tiled((120, 64), (64, 64), payload(Image.new("RGB", (64, 64))), inside=True)
    at = data.index(b"meta") - 4
    empty = box(b"free") * 2 * MILLION
    return data[:at] + struct.pack(">I", len(data) - at + len(empty)) + data[at + 4 :] + empty


# Each bomb and its code. With "ok", the first frame is decoded.
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "avif_declared_huge": (lambda: avif((65_535, 65_535)), "image_corrupt"),
    "avif_declared_large": (lambda: avif((6_000, 6_000)), "image_too_large"),
    "avif_frame_larger_than_declared": (lambda: avif((16, 16), side=4_000), "image_too_large"),
    "avif_tile_larger_than_declared": (
        lambda: tiled((120, 64), (64, 64), payload(Image.new("RGB", (4_000, 4_000)))),
        "image_too_large",
    ),
    "avif_brand_that_looks_like_a_box": (avif_with_brand, "image_too_large"),
    "avif_later_sequence": (avif_of_two_sequences, "image_too_large"),
    "bmp_declared_huge": (lambda: bmp(2**31 - 1, 2**31 - 1), "image_too_large"),
    "bmp_declared_upside_down": (lambda: bmp(65_535, -(2**31) + 1), "image_too_large"),
    "bmp_leap_in_runs": (lambda: bmp(16, 12, 1, b"\0\2\xff\xff" * 10_000), "ok"),
    "gif_screen_huge": (lambda: gif(screen=(65_535, 65_535)), "image_too_large"),
    "gif_frame_huge": (lambda: gif(size=(65_535, 65_535)), "image_too_large"),
    "gif_frame_huge_disposed_to_background": (
        lambda: gif(disposal(2), size=(65_535, 65_535)),
        "image_too_large",
    ),
    "gif_frame_huge_disposed_to_previous": (
        lambda: gif(disposal(3, True), size=(65_535, 65_535)),
        "image_too_large",
    ),
    "gif_frames": (lambda: frames("GIF", 3_000), "ok"),
    "gif_comments": (lambda: gif(b"\x21\xfe\1x\0" * 3 * MILLION), "image_corrupt"),
    "gif_long_comment": (lambda: gif(b"\x21\xfe" + b"\1x" * 9 * MILLION + b"\0"), "image_corrupt"),
    "gif_extensions": (lambda: gif(b"\x21\1\0" * 6 * MILLION), "image_corrupt"),
    "gif_junk": (lambda: gif(b"x" * 19 * MILLION), "image_corrupt"),
    "jpeg_declared_huge": (huge_jpeg, "image_too_large"),
    "jpeg_comments": (lambda: jpeg(segment(0xFE) * 4 * MILLION), "image_corrupt"),
    "jpeg_padding": (lambda: jpeg(b"\xff" * 19 * MILLION), "image_corrupt"),
    "jpeg_scans": (lambda: scans(10_000, side=1_000), "image_corrupt"),
    "jpeg_exif_of_one_value": (lambda: in_jpeg(exif(2_500, 30_000)), "ok"),
    "jpeg_exif_nested": (lambda: in_jpeg(sub_directories(3_000)), "ok"),
    "png_declared_huge": (huge_png, "image_too_large"),
    "png_of_one_column": (lambda: line(1, 20 * MILLION), "image_too_large"),
    "png_of_one_line": (lambda: line(20 * MILLION, 1), "image_too_large"),
    "png_text": (lambda: png(chunk(b"zTXt", b"k\0\0" + packed(100 * MILLION))), "image_corrupt"),
    "png_texts": (
        lambda: png(*(chunk(b"zTXt", b"%d\0\0" % n + packed(MILLION)) for n in range(60))),
        "image_corrupt",
    ),
    "png_international_texts": (
        lambda: png(*(chunk(b"iTXt", b"%d\0\1\0\0\0" % n + packed(MILLION)) for n in range(60))),
        "image_corrupt",
    ),
    "png_profile": (lambda: png(chunk(b"iCCP", b"k\0\0" + packed(100 * MILLION))), "image_corrupt"),
    "png_small_texts": (
        lambda: png(*(chunk(b"tEXt", b"%d\0" % n) for n in range(900_000))),
        "image_corrupt",
    ),
    "png_chunks": (lambda: png(chunk(b"prVt") * 1_600_000), "image_corrupt"),
    "png_exif_of_one_value": (lambda: png(chunk(b"eXIf", exif(2_000, 500_000))), "ok"),
    "png_exif_nested": (lambda: png(chunk(b"eXIf", sub_directories(3_000))), "ok"),
    "png_animation": (lambda: apng(3_000), "ok"),
    "tiff_declared_huge": (
        lambda: tiff(ImageWidth=2**31 - 1, ImageLength=2**31 - 1),
        "image_too_large",
    ),
    "tiff_tile_huge": (lambda: tiff(TileWidth=20_000, TileLength=20_000), "image_too_large"),
    "tiff_strip_that_unpacks_too_far": (lambda: tiff(strip=400 * MILLION), "ok"),
    "tiff_pages": (lambda: tiff(pages=5_000), "ok"),
    "tiff_cyclic": (lambda: tiff(following=8 + len(packed(192))), "ok"),
    "tiff_tags": (lambda: exif(60_000, 5), "image_corrupt"),
    "tiff_tags_of_one_value": (lambda: exif(2_000, 500_000), "image_corrupt"),
    "tiff_big_tags": (lambda: exif(900_000, 5, big=True), "image_corrupt"),
    "webp_canvas_huge": (lambda: webp((16, 12), (16_777_216, 256)), "image_too_large"),
    "webp_frame_larger_than_its_canvas": (
        lambda: webp((16_383, 16_383), (16, 12)),
        "image_corrupt",
    ),
    "webp_frames": (lambda: frames("WEBP", 1_000), "ok"),
}

# Bombs that the header does not show. Most come after the first pixels.
LATE_BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    # libavif reads the boxes first, when Pillow opens the file.
    "avif_boxes": (avif_of_boxes, "image_corrupt"),
    "jpeg_exif_of_18_megabytes": (lambda: in_jpeg(exif(900_000, 5, big=True)), "ok"),
    "png_chunks_behind_the_pixels": (
        lambda: png(chunk(b"prVt") * 1_600_000, at=-12),
        "image_corrupt",
    ),
    "png_empty_pixels": (lambda: png(chunk(b"IDAT") * 1_600_000), "image_corrupt"),
    "png_animation_of_empty_chunks": (
        lambda: png(chunk(b"acTL", bytes(8)) + chunk(b"fcTL") * 1_600_000),
        "image_corrupt",
    ),
    "jpeg_scans_of_25_megapixels": (lambda: scans(10_000), "image_corrupt"),
    "bmp_runs": (lambda: bmp(5_000, 5_000, 1, b"\1\7" * 2 * MILLION), "image_corrupt"),
}
