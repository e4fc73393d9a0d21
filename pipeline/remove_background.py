"""The whole flow from encoded image to encoded cutout: decode, segment, select, refine, encode."""

from dataclasses import dataclass

from pipeline.engine import Slot
from pipeline.errors import OutOfMemory
from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.image.encode import encode
from pipeline.image.layer import FrameLayer
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.mask.found import find_subject
from pipeline.options import Options
from pipeline.request_timer import RequestTimer


@dataclass(frozen=True)
class Cutout:
    """An encoded cutout.

    `width` and `height` are its size in pixels, `subject` is the subject's box in the upright
    source, `confidence` is 0 to 1 or None if the model does not report one, and `source_pixels`
    is width × height of the source.
    """

    content: bytes
    media_type: str
    width: int
    height: int
    subject: Box
    confidence: float | None
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
    try:
        with timer.step("decode"):
            image = decode(data, max_pixels, slot.claim)
        with timer.step("segment"):
            is_raw = options.edges == "raw"
            model_image = image.reduced(slot.segmenter.input_size, exact=is_raw)
            prediction = slot.segmenter.predict(model_image)
            if slot.is_large:
                slot.segmenter.release_memory()
        with timer.step("select"):
            found = find_subject(image, model_image, prediction, options.subject, options.edges)
            frame = Box(0, 0, *image.size)
            if options.crop:
                frame = found.box.grown(options.margin, image.size)
        with timer.step("encode"):
            if options.format == "webp":
                slot.claim(WEBP_BYTES_PER_PIXEL * frame.width * frame.height)
            content = encode(FrameLayer(image, found.matte.render, frame), options)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Cutout(
        content=content,
        media_type=f"image/{options.format}",
        width=frame.width,
        height=frame.height,
        subject=found.box,
        confidence=found.confidence,
        source_pixels=image.size[0] * image.size[1],
    )
