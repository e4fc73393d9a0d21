"""Files that ask for much: pictures declared huge, texts and tiles that unpack to hundreds of megabytes, parts without end."""

import io
import itertools
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.support.avif_files import box, payload, tiled
from tests.support.images import encoded

MILLION = 1_000_000


def still() -> Image.Image:
    """A picture as harmless as can be, 16 × 12 pixels."""
    return Image.new("RGB", (16, 12), (200, 30, 30))


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(*chunks: bytes, at: int = 33) -> bytes:
    """A good PNG with more chunks behind its header, or elsewhere."""
    data = encoded(still())
    return data[:at] + b"".join(chunks) + data[at:]


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND")
    )


def line(width: int, height: int) -> bytes:
    """A good grey PNG, all black."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = packed(height * (1 + width))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND")


def packed(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def apng(frames: int) -> bytes:
    """An animation whose frames are larger than its picture, and are many."""
    control = struct.pack(">IIIIIHHBB", 0, 2**30, 2**30, 0, 0, 1, 10, 0, 0)
    frame = chunk(b"fcTL", control) + chunk(b"fdAT", bytes(4) + packed(1000))
    return png(chunk(b"acTL", struct.pack(">II", frames, 0)) + frame * frames)


def jpeg(*segments: bytes) -> bytes:
    """A good JPEG with more segments at its start."""
    data = encoded(still(), "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def segment(marker: int, content: bytes = b"") -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def huge_jpeg() -> bytes:
    data = encoded(still(), "JPEG")
    return data.replace(struct.pack(">HH", 12, 16), b"\xff\xdc\xff\xdc", 1)


def scans(number: int, side: int = 5000) -> bytes:
    """A progressive JPEG that sends one all but empty scan again and again."""
    data = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    # Between a scan and the next stands the next one's table.
    again = min((data[start:end] for start, end in itertools.pairwise(starts)), key=len)
    return data[:-2] + again * number + data[-2:]


def exif(tags: int, size: int, big: bool = False) -> bytes:
    """EXIF, which is a TIFF, of tags that all point to the same bytes."""
    count, entry, after = ("<Q", "<HHQQ", 8) if big else ("<H", "<HHII", 4)
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0" + struct.pack("<I", 8)
    end = len(head) + struct.calcsize(count) + tags * struct.calcsize(entry) + after
    entries = b"".join(
        struct.pack(entry, tag % 65536, 7, size, end) for tag in range(1000, 1000 + tags)
    )
    return head + struct.pack(count, tags) + entries + bytes(after) + bytes(size)


def in_jpeg(block: bytes) -> bytes:
    """EXIF in as many segments as it takes."""
    data = jpeg(
        *(
            segment(0xE1, b"Exif\0\0" + block[at : at + 65_000])
            for at in range(0, len(block), 65_000)
        )
    )
    return data.replace(
        b"JFIF", b"JFXX", 1
    )  # without a density of its own, the decoder asks EXIF for it at once


def tiff(following: int = 0, pages: int = 1, **tags: int) -> bytes:
    """Grey TIFF pages of the same pixels; `following` is where the last one says that the next begins."""
    pixels = packed(
        max(tags.get("strip", 192), tags.get("TileWidth", 0) * tags.get("TileLength", 0))
    )
    entries = {256: 16, 257: 12, 258: 8, 259: 8, 262: 1, 277: 1}
    entries |= {256: tags.get("ImageWidth", 16), 257: tags.get("ImageLength", 12)}
    if "TileWidth" in tags:
        entries |= {322: tags["TileWidth"], 323: tags["TileLength"], 324: 8, 325: len(pixels)}
    else:
        entries |= {273: 8, 278: 2**32 - 1, 279: len(pixels)}
    at = 8 + len(pixels)
    data = b"II*\0" + struct.pack("<I", at) + pixels
    for page in range(pages):
        at += 2 + 12 * len(entries) + 4
        directory = b"".join(
            struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items())
        )
        data += (
            struct.pack("<H", len(entries))
            + directory
            + struct.pack("<I", following if page == pages - 1 else at)
        )
    return data


def sub_directories(depth: int) -> bytes:
    """EXIF whose directory is in a directory, and so on, `depth` times; the last is the first."""
    block = b"II*\0" + struct.pack("<I", 8)
    for level in range(depth):
        child = 8 if level == depth - 1 else 8 + 18 * (level + 1)
        block += struct.pack(
            "<HHHIII", 1, (0x8769, 0x8825, 0xA005, 330)[level % 4], 4, 1, child, child
        )
    return block


def gif(
    extensions: bytes = b"", size: tuple[int, int] = (16, 12), screen: tuple[int, int] = (16, 12)
) -> bytes:
    """A GIF of one grey frame."""
    descriptor = b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0)
    body = encoded(still().convert("L"), "GIF").rpartition(struct.pack("<HHHHB", 0, 0, 16, 12, 0))[
        2
    ]
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", *screen, 0x80, 0, 0)
        + bytes(6)
        + extensions
        + descriptor
        + body
    )


def disposal(method: int, transparent: bool = False) -> bytes:
    """The extension that says what becomes of the frame when the next is shown."""
    return b"\x21\xf9\x04" + bytes([method << 2 | transparent, 0, 0, 0, 0])


def bmp(width: int, height: int, compression: int = 0, body: bytes = b"") -> bytes:
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 8, compression, len(body), 0, 0, 256, 0
    )
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + header + bytes(1024) + body


def webp(inner: tuple[int, int], canvas: tuple[int, int]) -> bytes:
    """A lossless WebP of one size in a canvas of another."""
    bits = struct.pack("<I", inner[0] - 1 | (inner[1] - 1) << 14)
    chunks = (
        b"VP8X\x0a\0\0\0" + bytes(4) + b"".join((side - 1).to_bytes(3, "little") for side in canvas)
    )
    chunks += b"VP8L\x40\0\0\0\x2f" + bits + bytes(59)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def avif(declared: tuple[int, int], side: int = 16) -> bytes:
    """A black AVIF of `side` × `side` pixels that declares another size."""
    data = encoded(Image.new("L", (side, side)), "AVIF", speed=10, quality=1)
    return data.replace(struct.pack(">II", side, side), struct.pack(">II", *declared))


def avif_with_brand() -> bytes:
    """24.5 megapixels of 4:4:4 whose brands say, to who searches for letters, that they are gray."""
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
    """16 × 16 pixels, and behind them a second sequence header and its frame, of 16 million."""
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
    """A good grid with two million empty boxes in its meta box."""
    data = tiled((120, 64), (64, 64), payload(Image.new("RGB", (64, 64))), inside=True)
    at = data.index(b"meta") - 4
    empty = box(b"free") * 2 * MILLION
    return data[:at] + struct.pack(">I", len(data) - at + len(empty)) + data[at + 4 :] + empty


def frames(kind: str, number: int) -> bytes:
    """An animation by Pillow, each frame unlike the one before."""
    images = [Image.new("L", (16, 12), frame % 2 * 255) for frame in range(number)]
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=10)
    return file.getvalue()


# What makes each, and the code that it ends with; "ok" is a picture, of the first frame.
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

# What these cost is bounded, but not by the header: most come after the first pixels.
LATE_BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "avif_boxes": (
        avif_of_boxes,
        "image_corrupt",
    ),  # libavif walks them first, when Pillow opens the file
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
