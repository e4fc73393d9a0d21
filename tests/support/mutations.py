"""A seeded mutator of real files: the same originals and the same seed give the same bytes."""

import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, ImageCms

from pipeline.image.formats import detect_format
from pipeline.weights import SAMPLE
from tests.support.images import encoded

Originals = dict[str, list[bytes]]
Options = dict[str, Any]
Mutation = Callable[[Random, bytearray, Originals], None]

_LARGEST_ORIGINAL = 200_000
_COMPRESSIONS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# Mutations of one file: most often one or two, as a file with ten is refused by its first.
_MUTATIONS = (1, 1, 1, 2, 2, 3, 5, 8)


def originals(outside: Path) -> Originals:
    """Good files by type: the sample in every variant that Pillow writes, and the small ones of `outside`, if it is there."""
    files: Originals = {}
    others = (
        file.read_bytes()
        for folder in ("corpus", "awkward")
        for file in sorted((outside / folder).rglob("*"))
        if file.is_file() and file.stat().st_size < _LARGEST_ORIGINAL
    )
    for data in itertools.chain(_variants(), others):
        kind = detect_format(data)
        if kind is not None:
            files.setdefault(kind, []).append(data)
    return files


def mutated(files: Originals, seed: int) -> bytes:
    """A file of any type, each as likely as the others, with some faults."""
    random = Random(seed)
    data = bytearray(random.choice(files[random.choice(sorted(files))]))
    for _ in range(random.choice(_MUTATIONS)):
        random.choice(_ALL)(random, data, files)
    if random.random() < 0.8:
        _repair_checksums(data)
    return bytes(data)


def _variants() -> Iterator[bytes]:
    photo = Image.open(SAMPLE).resize((96, 72))
    clear = photo.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    deep = Image.frombytes(
        "I;16", photo.size, bytes(range(256)) * (2 * photo.width * photo.height // 256)
    )
    palette = photo.quantize(64)
    exif = Image.Exif()
    exif[0x0112] = 6
    tags: Options = {
        "exif": exif,
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    variants: list[tuple[str, list[Image.Image], list[Options]]] = [
        (
            "JPEG",
            [photo],
            [{}, {"progressive": True}, {"subsampling": "4:4:4", "restart_marker_blocks": 2}, tags],
        ),
        ("JPEG", [photo.convert("CMYK"), photo.convert("L")], [{"progressive": True}]),
        ("PNG", [photo, clear, deep, palette, photo.convert("LA"), photo.convert("1")], [{}]),
        ("PNG", [palette], [{"transparency": bytes(range(64))}]),
        ("PNG", [photo], [{"transparency": (0, 0, 0), **tags}, _animated(photo)]),
        ("WEBP", [photo, clear], [{"quality": 60}, {"lossless": True}, tags, _animated(clear)]),
        (
            "GIF",
            [palette],
            [{}, {"interlace": False}, {"transparency": 3}, {"disposal": 2, **_animated(palette)}],
        ),
        ("BMP", [photo, palette, photo.convert("1"), clear, photo.convert("L")], [{}]),
        (
            "TIFF",
            [photo],
            [
                {"compression": name, "tiffinfo": {278: 16}, **_animated(photo)}
                for name in _COMPRESSIONS
            ],
        ),
        (
            "TIFF",
            [clear, deep, palette, *map(photo.convert, ("CMYK", "LAB", "F", "YCbCr"))],
            [{"compression": "tiff_lzw", **tags}],
        ),
        ("TIFF", [photo.convert("1")], [{"compression": "group4"}]),
        ("TIFF", [photo], [{"big_tiff": True}]),
        (
            "AVIF",
            [photo],
            [{"subsampling": "4:4:4"}, {"speed": 10, **tags}, {"speed": 10, **_animated(photo)}],
        ),
        ("AVIF", [clear], [{"speed": 10}]),
    ]
    for kind, images, choices in variants:
        for image, options in itertools.product(images, choices):
            yield encoded(image, kind, **options)
    yield _interlaced()


def _animated(image: Image.Image) -> Options:
    return {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]}


def _interlaced() -> bytes:
    """An interlaced grey PNG of 8 × 8 pixels, which Pillow does not write: seven passes (PNG 3rd edition, 8.1)."""
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    rows = b"".join(
        b"\0" + bytes(16 * x + y for x in range(left, 8, across))
        for left, top, across, down in passes
        for y in range(top, 8, down)
    )
    content = {
        b"IHDR": struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(body)) + name + body + bytes(4) for name, body in content.items()
    )
    data = bytearray(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    _repair_checksums(data)
    return bytes(data)


def parts(data: bytes | bytearray) -> list[tuple[int, int]]:
    """Where the file's parts begin and end: chunks, segments, blocks, boxes, tags or fields, by its type."""
    walk = _WALKS.get(detect_format(bytes(data[:64])) or "")
    found = (
        []
        if walk is None
        else [(start, min(end, len(data))) for start, end in itertools.islice(walk(data), 2000)]
    )
    return [(start, end) for start, end in found if start < end] or [(0, len(data))]


def _png_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield at, end
        at = end


def _jpeg_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    starts = [match.start() for match in re.finditer(rb"\xff[\x01-\xcf\xd8-\xfe]", data)]
    return itertools.pairwise([*starts, len(data)])


def _riff_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield at, at + 8 + size + (size & 1)
        at += 8 + size + (size & 1)


def _gif_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    starts = [match.start() for match in re.finditer(rb"\0[\x21\x2c\x3b]", data)]
    return itertools.pairwise([6, 13, *starts, len(data)])


def _bmp_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    return itertools.pairwise([*range(2, min(len(data), 138), 4), len(data)])


def _tiff_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    order = "little" if data[:2] == b"II" else "big"
    at = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
    return ((at + 2 + 12 * tag, at + 14 + 12 * tag) for tag in range(count))


def _box_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    at, inside = 0, (b"meta", b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf", b"stbl")
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        yield at, at + max(size, 8)
        at += (12 if name == b"meta" else 8) if name in inside else max(size, 8)


_WALKS: dict[str, Callable[[bytes | bytearray], Iterator[tuple[int, int]]]] = {
    "PNG": _png_parts,
    "JPEG": _jpeg_parts,
    "WEBP": _riff_parts,
    "GIF": _gif_parts,
    "BMP": _bmp_parts,
    "TIFF": _tiff_parts,
    "AVIF": _box_parts,
}


def _place(random: Random, data: bytearray) -> int:
    """Half of the faults hit the file's beginning, where most decisions are made."""
    return random.randrange(max(1, len(data) if random.random() < 0.5 else min(len(data), 200)))


def _change_bytes(random: Random, data: bytearray, _: Originals) -> None:
    at = _place(random, data)
    for place in range(at, min(at + random.choice((1, 1, 2, 4, 16)), len(data))):
        data[place] = random.randrange(256)


def _flip_bits(random: Random, data: bytearray, _: Originals) -> None:
    for at in (_place(random, data) for _ in range(random.choice((1, 1, 2, 8)))):
        if at < len(data):
            data[at] ^= 1 << random.randrange(8)


def _remove_background(random: Random, data: bytearray, _: Originals) -> None:
    at = _place(random, data)
    del data[at : at + random.choice((1, 2, 4, 40, 1000))]


def _double(random: Random, data: bytearray, _: Originals) -> None:
    at = _place(random, data)
    data[at:at] = data[at : at + random.choice((1, 2, 4, 40, 1000))]


def _swap_blocks(random: Random, data: bytearray, _: Originals) -> None:
    size = random.choice((2, 4, 16, 64, 512))
    one, other = _place(random, data), _place(random, data)
    if max(one, other) + size <= len(data) and abs(one - other) >= size:
        data[one : one + size], data[other : other + size] = (
            data[other : other + size],
            data[one : one + size],
        )


def _truncate(random: Random, data: bytearray, _: Originals) -> None:
    del data[_place(random, data) :]


def _go_to_extremes(random: Random, data: bytearray, _: Originals) -> None:
    """A length, a dimension or a count: one of the numbers at the beginning of a part, in either byte order."""
    start, end = random.choice(parts(data))
    at = start + random.randrange(min(24, max(1, end - start)))
    width = random.choice((1, 2, 4))
    value = random.choice(_EXTREMES) & (256**width - 1)
    if at + width <= len(data):
        data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))


def _swap_parts(random: Random, data: bytearray, _: Originals) -> None:
    (first, first_end), (second, second_end) = sorted(random.choices(parts(data), k=2))
    if first_end <= second:
        data[first:second_end] = (
            data[second:second_end] + data[first_end:second] + data[first:first_end]
        )


def _repeat_part(random: Random, data: bytearray, _: Originals) -> None:
    start, end = random.choice(parts(data))
    if end - start < 10_000:
        data[end:end] = data[start:end] * random.choice((1, 1, 2, 100))


def _drop_part(random: Random, data: bytearray, _: Originals) -> None:
    start, end = random.choice(parts(data))
    del data[start:end]


def _splice(random: Random, data: bytearray, files: Originals) -> None:
    """Go on in the middle of another file, in one of two cases of the same type."""
    kind = detect_format(bytes(data[:64])) if random.random() < 0.5 else None
    other = random.choice(files[kind or random.choice(sorted(files))])
    data[_place(random, data) :] = other[random.randrange(len(other)) :]


_ALL: tuple[Mutation, ...] = (
    _change_bytes,
    _flip_bits,
    _remove_background,
    _double,
    _swap_blocks,
    _truncate,
    _go_to_extremes,
    _go_to_extremes,
    _go_to_extremes,
    _swap_parts,
    _repeat_part,
    _drop_part,
    _splice,
)


def _repair_checksums(data: bytearray) -> None:
    """A PNG's, without which its decoder would see few of the faults."""
    if detect_format(bytes(data[:64])) == "PNG":
        for start, end in parts(data):
            if end - start >= 12:
                data[end - 4 : end] = struct.pack(">I", zlib.crc32(data[start + 4 : end - 4]))
