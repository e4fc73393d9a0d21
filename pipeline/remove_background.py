"""The whole flow from encoded image to encoded cutout: decode, segment, select, refine, encode."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.engine import Slot
from pipeline.errors import OutOfMemory
from pipeline.image.box import Box
from pipeline.image.decode import ChooseDivisor, decode
from pipeline.image.encode import encode
from pipeline.image.layer import Layer
from pipeline.image.scale import finer_divisor, first_divisor, response_size
from pipeline.image.scaled_layer import frame_at
from pipeline.image.source_image import SourceImage
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.mask.components import Subject, select_subject
from pipeline.mask.matte import Matte
from pipeline.mask.refine import LocalColorModel, fit_local_colors
from pipeline.mask.segmenter import Prediction, Segmenter
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
    """The response before it is encoded.

    `subject` and `frame`, which the response shows, are in pixels of the upright source.
    """

    subject: Box
    frame: Box
    cutout: Layer


def remove_background(
    data: bytes,
    options: Options,
    slot: Slot,
    max_pixels: int,
    timer: RequestTimer,
) -> Cutout:
    """Cut the subject out of an encoded image, with the model and the threads of `slot`.

    A JPEG much larger than its response is decoded at a fraction, and finer for a small subject.

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
            subject = _select(prediction, model_image, image, options)
            mask = subject.mask
            colors = None if is_raw else fit_local_colors(mask, model_image, image.size)
            placed = _place(image, mask, colors, options)
        finer = finer_divisor(placed.frame, placed.cutout.size, image.scale.divisor)
        if finer is not None:
            del image, placed  # its memory is needed
            image = decode_at(lambda _: finer)
            with timer.step("select"):
                placed = _place(image, mask, colors, options)
        with timer.step("encode"):
            if options.format == "webp":
                slot.claim(WEBP_BYTES_PER_PIXEL * math.prod(placed.cutout.size))
            content = encode(placed.cutout, options)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Cutout(
        content=content,
        media_type=f"image/{options.format}",
        width=placed.cutout.size[0],
        height=placed.cutout.size[1],
        subject=placed.subject,
        confidence=subject.confidence,
        source_pixels=math.prod(image.scale.full_size),
    )


def _first_divisor(options: Options, segmenter: Segmenter) -> ChooseDivisor | None:
    """Return what chooses how coarsely a JPEG may be decoded, or None if it may not be.

    Raw edges are promised to be those of the whole source.
    """
    max_side, input_size = options.max_side, segmenter.input_size
    if max_side is None or options.edges == "raw":
        return None
    return lambda size: first_divisor(size, max_side, input_size)


def _select(
    prediction: Prediction, model_image: Image.Image, image: SourceImage, options: Options
) -> Subject:
    visible = None
    if image.alpha is not None:
        visible = np.asarray(image.alpha.resize(model_image.size))
    return select_subject(prediction, np.asarray(model_image), visible, options.subject)


def _place(
    image: SourceImage,
    mask: NDArray[np.uint8],
    local_colors: LocalColorModel | None,
    options: Options,
) -> _Placed:
    if local_colors is not None:
        local_colors = replace(local_colors, size=image.size)
    matte = Matte(mask, image, local_colors)
    subject = image.scale.to_source(matte.find_subject())
    frame = Box(0, 0, *image.scale.full_size)
    if options.crop:
        frame = subject.grown(options.margin, image.scale.full_size)
    size = response_size(frame, options.max_side)
    return _Placed(subject, frame, frame_at(image, matte.render, frame, size))
