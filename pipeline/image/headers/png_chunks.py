"""A PNG without its animation and without a chunk that the file's end cuts: what Pillow reads as a still image."""

from pipeline.errors import ImageCorrupt

_ANIMATION = (b"acTL", b"fcTL", b"fdAT")

# Real files have one every few kilobytes. 20 MB hold 1,600,000 empty ones.
_MOST_CHUNKS = 50_000


def still_png(data: bytes) -> bytes:
    """The file itself, or a copy less what keeps its still image from being read.

    That are the chunks of an animation, whose faults do not count, and a chunk behind the pixels that is cut. Pillow itself reads
    a file that ends behind its pixels, with or without IEND, and refuses one whose pixels are cut. Raises ImageCorrupt past 50,000
    chunks. A chunk is a length, four letters, the content and a checksum (PNG 3rd edition, 5.3); an animation has acTL before the
    first IDAT (11.3.4.1).
    """
    animation: list[tuple[int, int]] = []
    cut: list[tuple[int, int]] = []
    has_pixels = is_animated = False
    at = 8
    for _ in range(_MOST_CHUNKS):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if name == b"IEND" or at >= len(data):
            break
        if end > len(data):
            cut = [(at, len(data))] if has_pixels and name != b"IDAT" else []
            break
        has_pixels = has_pixels or name == b"IDAT"
        if name in _ANIMATION:
            is_animated = is_animated or (name == b"acTL" and not has_pixels)
            animation.append((at, end))
        at = end
    else:
        raise ImageCorrupt
    return _without(data, animation + cut if is_animated else cut)


def _without(data: bytes, dropped: list[tuple[int, int]]) -> bytes:
    if not dropped:
        return data
    starts = [0, *(end for _, end in dropped)]
    ends = [*(start for start, _ in dropped), len(data)]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))
