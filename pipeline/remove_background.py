"""The whole flow from encoded image to encoded cutout: decode, segment, select, refine, encode."""

import functools
from dataclasses import dataclass

from pipeline.engine import Slot
from pipeline.errors import FormatUnsupported, OutOfMemory
from pipeline.find_subject import Search, find_subject
from pipeline.image.box import Box, Size
from pipeline.image.encode import encode
from pipeline.image.scale import response_size
from pipeline.image.scaled_layer import frame_at
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.options import Options
from pipeline.request_timer import RequestTimer

# What a decoded source and a WebP being encoded may take together: one of 6 megapixels beside 25
# megapixels with alpha.
_WEBP_BYTES = 270_000_000


@dataclass(frozen=True)
class Cutout:
    """An encoded cutout.

    `width` and `height` are its own size in pixels, `subject` is the subject's box in the upright
    source, `confidence` is 0 to 1 or None if the model does not report one, `parts` is how many
    parts of at least 1 % of the largest one's area were found, and `source_pixels` is width ×
    height of the source.
    """

    content: bytes
    media_type: str
    width: int
    height: int
    subject: Box
    confidence: float | None
    parts: int
    source_pixels: int


def remove_background(
    data: bytes,
    options: Options,
    slot: Slot,
    max_pixels: int,
    timer: RequestTimer,
) -> Cutout:
    """Cut the subject out of an encoded image, with the model and the threads of `slot`.

    Raises EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    FormatUnsupported, OutOfMemory, and DeadlineExceeded between two steps.
    """
    place = functools.partial(_place, options=options)
    max_side = options.max_side
    search = Search(
        options.subject,
        place,
        options.edges,
        options.passes,
        response_side=None if max_side is None else lambda _: max_side,
    )
    try:
        image, found = find_subject(data, search, slot, max_pixels, timer)
        with timer.step("encode"):
            frame, size = place(found.box, image.scale.full_size)
            if options.format == "webp":
                needed = WEBP_BYTES_PER_PIXEL * size[0] * size[1]
                if image.bytes_kept + needed > _WEBP_BYTES:
                    raise FormatUnsupported
                slot.claim(needed)
            content = encode(frame_at(image, found.matte.render, frame, size), options)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Cutout(
        content=content,
        media_type=f"image/{options.format}",
        width=size[0],
        height=size[1],
        subject=found.box,
        confidence=found.selection.subject.confidence,
        parts=found.selection.subject.parts,
        source_pixels=image.scale.full_size[0] * image.scale.full_size[1],
    )


def _place(subject: Box, source: Size, options: Options) -> tuple[Box, Size]:
    """Return the frame of a response, in pixels of a source, and the response's size."""
    frame = subject.grown(options.margin, source) if options.crop else Box(0, 0, *source)
    return frame, response_size(frame, options.max_side)
