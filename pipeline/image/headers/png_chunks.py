"""A PNG without its animation, and without a chunk that the end of the file cuts."""

from pipeline.image.headers.walker import Part, Reader, png_chunk, walk

_SIGNATURE_BYTES = 8
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")

# Real files have one chunk every few kilobytes. 20 MB hold 1,600,000 empty ones.
_MAX_CHUNKS = 50_000


def still_png(data: bytes) -> bytes:
    """Return the file itself, or a copy without what prevents Pillow from reading its still image.

    That is an animation, whose defects do not concern the still image, and a cut chunk after the
    pixels. Pillow itself accepts a missing or cut IEND, and rejects cut pixels. A file is animated
    if acTL precedes the first IDAT (PNG 3rd edition, 11.3.4.1).

    Raises ImageCorrupt for more than 50,000 chunks.
    """
    animation: list[Part] = []
    cut: list[Part] = []
    has_pixels = is_animated = False
    reader = Reader(data, _SIGNATURE_BYTES, len(data))
    for chunk in walk(reader, png_chunk, _MAX_CHUNKS):
        kind = chunk.kind
        if kind == b"IEND":
            break
        if chunk.next > len(data):
            cut = [chunk] if has_pixels and kind != b"IDAT" else []
            break
        if kind == b"IDAT":
            has_pixels = True
        elif kind in _ANIMATION:
            is_animated = is_animated or (kind == b"acTL" and not has_pixels)
            animation.append(chunk)
    return _without(data, animation + cut if is_animated else cut)


def _without(data: bytes, dropped: list[Part]) -> bytes:
    if not dropped:
        return data
    starts = [0, *(chunk.next for chunk in dropped)]
    ends = [*(chunk.at for chunk in dropped), len(data)]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))
