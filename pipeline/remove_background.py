"""The whole flow from encoded image to encoded cutout: decode, segment, select, refine, encode."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.engine import Slot
from pipeline.errors import OutOfMemory
from pipeline.image.box import Box
from pipeline.image.decode import ChooseDivisor, decode
from pipeline.image.encode import encode
from pipeline.image.scale import finer_divisor, first_divisor, response_size
from pipeline.image.scaled_layer import frame_at
from pipeline.image.source_image import SourceImage
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.mask.components import select_subject
from pipeline.mask.matte import Matte
from pipeline.mask.refine import fit_local_colors
from pipeline.mask.segmenter import Segmenter
from pipeline.options import Options
from pipeline.request_timer import RequestTimer


@dataclass(frozen=True)
class Cutout:
    """An encoded cutout.

    `width` and `height` are its own size in pixels, `subject` is the subject's box in the upright
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


@dataclass(frozen=True)
class _Placed:
    """Where the subject and the response's frame are, in pixels of the upright source.

    `size` is the response's width and height.
    """

    matte: Matte
    subject: Box
    frame: Box
    size: tuple[int, int]


def remove_background(
    data: bytes,
    options: Options,
    slot: Slot,
    max_pixels: int,
    timer: RequestTimer,
) -> Cutout:
    """Cut the subject out of an encoded image, with the model and the threads of `slot`.

    If the response is much smaller than a JPEG, the JPEG is decoded at a fraction of its size, and
    again at a finer one if the subject is small.

    Raises EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    FormatUnsupported, OutOfMemory, and DeadlineExceeded between two steps.
    """
    is_raw = options.edges == "raw"

    def decode_at(choose_divisor: ChooseDivisor | None) -> SourceImage:
        with timer.step("decode"):
            return decode(data, max_pixels, slot.claim, choose_divisor)

    try:
        image = decode_at(_first_divisor(options, slot.segmenter))
        with timer.step("segment"):
            model_image = image.reduced(slot.segmenter.input_size, exact=is_raw)
            prediction = slot.segmenter.predict(model_image)
            if slot.is_large:
                slot.segmenter.release_memory()
        with timer.step("select"):
            visible = None
            if image.alpha is not None:
                visible = np.asarray(image.alpha.resize(slot.segmenter.input_size))
            subject = select_subject(prediction, np.asarray(model_image), visible, options.subject)
            local_colors = None
            if not is_raw:
                local_colors = fit_local_colors(subject.mask, model_image, image.size)
            placed = _place(Matte(subject.mask, image, local_colors), image, options)
        divisor = finer_divisor(placed.frame, placed.size, image.scale.divisor)
        if divisor is not None and local_colors is not None:
            del image, placed
            image = decode_at(lambda _: divisor)
            with timer.step("select"):
                local_colors = replace(local_colors, size=image.size)
                placed = _place(Matte(subject.mask, image, local_colors), image, options)
        with timer.step("encode"):
            if options.format == "webp":
                slot.claim(WEBP_BYTES_PER_PIXEL * placed.size[0] * placed.size[1])
            layer = frame_at(image, placed.matte.render, placed.frame, placed.size)
            content = encode(layer, options)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Cutout(
        content=content,
        media_type=f"image/{options.format}",
        width=placed.size[0],
        height=placed.size[1],
        subject=placed.subject,
        confidence=subject.confidence,
        source_pixels=image.scale.full_size[0] * image.scale.full_size[1],
    )


def _first_divisor(options: Options, segmenter: Segmenter) -> ChooseDivisor | None:
    """Return what chooses how coarsely a JPEG may be decoded, or None if the answer is not at all.

    Raw edges are promised to be those of the whole source.
    """
    max_side, input_size = options.max_side, segmenter.input_size
    if max_side is None or options.edges == "raw":
        return None
    return lambda size: first_divisor(size, max_side, input_size)


def _place(matte: Matte, image: SourceImage, options: Options) -> _Placed:
    subject = image.scale.to_source(matte.find_subject())
    frame = Box(0, 0, *image.scale.full_size)
    if options.crop:
        frame = subject.grown(options.margin, image.scale.full_size)
    return _Placed(matte, subject, frame, response_size(frame, options.max_side))
