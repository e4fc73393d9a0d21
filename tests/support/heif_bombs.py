"""Small HEIC files that ask for much. What they ask for is not in their header."""

import functools
from collections.abc import Callable, Sequence

from PIL import Image

from tests.support.avif_files import box, extent, full
from tests.support.heif_files import Item, coded, composed, grid, overlay

_SMALL = (64, 64)


@functools.cache
def _large(width: int, height: int, declared: tuple[int, int] | None = None) -> Item:
    """Return a black image, which takes the encoder a second per six megapixels."""
    return coded(Image.new("RGB", (width, height)), declared)


def _turned(item: Item, turns: Sequence[bytes]) -> Item:
    return Item(item.kind, item.data, [*item.properties, *turns], item.parts)


def rotations() -> bytes:
    """Return an image that is rotated sixty times, each time into a new image."""
    return composed(_turned(_large(3_000, 3_000), [box(b"irot", b"\1")] * 60))


def mirrors() -> bytes:
    """Return an image that is mirrored 250 times."""
    return composed(_turned(_large(3_000, 3_000), [box(b"imir", b"\1")] * 250))


def identities() -> bytes:
    """Return nine megapixels behind a hundred items, each of which rotates the next twice."""
    size = (3_000, 3_000)
    turns = [extent(*size), *[box(b"irot", b"\1")] * 2]
    chain = [Item(b"iden", b"", turns, [number + 1]) for number in range(1, 101)]
    return composed(*chain, _large(*size))


def grid_of_large_tiles() -> bytes:
    """Return a grid of 64 × 64 whose tile, declared as small, has nine megapixels."""
    return composed(grid(_SMALL, [2], 1), _large(3_000, 3_000, _SMALL))


def overlay_of_large_parts() -> bytes:
    """Return a canvas of 64 × 64 with sixteen images of nine megapixels on it."""
    large = _large(3_000, 3_000, _SMALL)
    return composed(overlay(_SMALL, range(2, 18)), *[large] * 16)


def larger_than_declared() -> bytes:
    """Return nine megapixels that declare 64 × 64."""
    return composed(_large(3_000, 3_000, _SMALL))


def grid_of_itself() -> bytes:
    """Return a grid whose tile is the grid."""
    return composed(grid(_SMALL, [1], 1))


def grids_of_grids() -> bytes:
    """Return sixteen levels of grids, each of four times the next: 4¹⁶ tiles in all."""
    levels = [grid(_SMALL, [number + 1] * 4, 2) for number in range(1, 17)]
    return composed(*levels, coded(Image.new("RGB", _SMALL)))


def overlays_of_overlays() -> bytes:
    """Return sixteen levels of overlays, each with the next one sixteen times."""
    levels = [overlay(_SMALL, [number + 1] * 16) for number in range(1, 17)]
    return composed(*levels, coded(Image.new("RGB", _SMALL)))


def profile() -> bytes:
    """Return 64 × 64 pixels with a profile of 18 megabytes."""
    color = box(b"colr", b"prof", bytes(18_000_000))
    return composed(_turned(coded(Image.new("RGB", _SMALL)), [color]))


def boxes() -> bytes:
    """Return an image with two million empty boxes in its meta box."""
    data = composed(coded(Image.new("RGB", _SMALL)))
    at = data.index(b"meta") - 4
    empty = box(b"free") * 2_000_000
    size = int.from_bytes(data[at : at + 4], "big") + len(empty)
    return data[:at] + size.to_bytes(4, "big") + data[at + 4 : at + 12] + empty + data[at + 12 :]


def declared(size: tuple[int, int]) -> bytes:
    """Return 64 × 64 pixels that declare another size."""
    return composed(coded(Image.new("RGB", _SMALL), size))


def sequence() -> bytes:
    """Return a sequence without a still image, which is nothing but its movie header."""
    brands = box(b"ftyp", b"msf1", bytes(4), b"msf1hevc")
    return brands + box(b"moov", full(b"mvhd", bytes(96))) + extent(*_SMALL)


# Each bomb and the codes that it may end with. What libheif refuses may change with its version.
HEIF_BOMBS: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "rotations": (rotations, {"image_corrupt"}),
    "mirrors": (mirrors, {"image_corrupt"}),
    "identities": (identities, {"ok", "image_corrupt"}),
    "grid_of_large_tiles": (grid_of_large_tiles, {"image_corrupt"}),
    "overlay_of_large_parts": (overlay_of_large_parts, {"image_corrupt"}),
    "larger_than_declared": (larger_than_declared, {"image_corrupt"}),
    "grid_of_itself": (grid_of_itself, {"unsupported_image_type"}),
    "grids_of_grids": (grids_of_grids, {"ok", "image_corrupt"}),
    "overlays_of_overlays": (overlays_of_overlays, {"ok", "image_corrupt"}),
    "profile": (profile, {"ok", "image_corrupt"}),
    "boxes": (boxes, {"image_corrupt"}),
    "declared_huge": (lambda: declared((2**31 - 1, 2**31 - 1)), {"image_too_large"}),
    "declared_large": (lambda: declared((8_000, 8_000)), {"image_too_large"}),
    "sequence": (sequence, {"image_corrupt"}),
}
