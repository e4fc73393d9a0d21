"""The whole flow from encoded image to encoded cutout: decode, segment, select, refine, encode."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import OutOfMemory
from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.image.encode import encode
from pipeline.image.layer import FrameLayer
from pipeline.image.strips import SERIAL, Strips
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.mask.components import select_subject
from pipeline.mask.matte import Matte
from pipeline.mask.refine import fit_local_colors
from pipeline.mask.segmenter import Segmenter
from pipeline.options import Options
from pipeline.request_timer import RequestTimer

# Work that needs more memory than this does not share the process with the model's activations
# (93 MB): they are freed first, which costs the next inference 12 ms (30 ms without huge pages).
# 30 MB is a JPEG of 7.5 megapixels, or a WebP response of 1.2.
_LARGE_BYTES = 30_000_000


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
    segmenter: Segmenter,
    max_pixels: int,
    timer: RequestTimer,
    strips: Strips = SERIAL,
) -> Cutout:
    """Cut the subject out of an encoded image.

    Raises EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    FormatUnsupported, OutOfMemory, and DeadlineExceeded between two steps.
    """
    is_large = False

    def reclaim_memory(needed: int) -> None:
        nonlocal is_large
        is_large = needed > _LARGE_BYTES
        if is_large:
            segmenter.release_memory()

    try:
        with timer.step("decode"):
            image = decode(data, max_pixels, reclaim_memory, strips)
        with timer.step("segment"):
            is_raw = options.edges == "raw"
            model_image = image.reduced(segmenter.input_size, exact=is_raw)
            prediction = segmenter.predict(model_image)
            if is_large:
                segmenter.release_memory()
        with timer.step("select"):
            visible = None
            if image.alpha is not None:
                visible = np.asarray(image.alpha.resize(segmenter.input_size))
            subject = select_subject(prediction, np.asarray(model_image), visible, options.subject)
            local_colors = None
            if not is_raw:
                local_colors = fit_local_colors(subject.mask, model_image, image.size)
            matte = Matte(subject.mask, image, local_colors)
            subject_box = matte.find_subject()
            frame = Box(0, 0, *image.size)
            if options.crop:
                frame = subject_box.grown(options.margin, image.size)
        with timer.step("encode"):
            if options.format == "webp":
                reclaim_memory(WEBP_BYTES_PER_PIXEL * frame.width * frame.height)
            content = encode(FrameLayer(image, matte.render, frame), options)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Cutout(
        content=content,
        media_type=f"image/{options.format}",
        width=frame.width,
        height=frame.height,
        subject=subject_box,
        confidence=subject.confidence,
        source_pixels=image.size[0] * image.size[1],
    )
