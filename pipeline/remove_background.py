"""The steps from bytes to bytes, composed: `cut_out` is one request's work between the download and the answer."""

import functools
from dataclasses import dataclass

import numpy as np

from pipeline.errors import OutOfMemory
from pipeline.image.decode import decode
from pipeline.image.encode import WEBP_BYTES_A_PIXEL, encode
from pipeline.image.strips import SERIAL, Strips
from pipeline.mask.components import select
from pipeline.mask.refine import sharpen, surroundings
from pipeline.mask.segmenter import Runner
from pipeline.mask.upsample import Box, enlarge
from pipeline.options import Options
from pipeline.request_timer import Clock

# What takes more than this (decoding 7.5 megapixels of JPEG, 1.2 of WebP answer) and an inference must not hold memory at the same
# time: then it is worth the 12 ms that it takes to give the inference's back and take it anew (30 ms without huge pages).
_ROOM_BYTES = 30_000_000


@dataclass(frozen=True)
class CutOut:
    """An answer: the encoded picture, its size in pixels, the subject's box in the upright source, and the confidence, 0 to 1.

    `confidence` is None where the model does not tell. `source_pixels` is what the source has of them.
    """

    content: bytes
    media_type: str
    width: int
    height: int
    subject: Box
    confidence: float | None
    source_pixels: int


def cut_out(data: bytes, options: Options, runner: Runner, max_pixels: int, clock: Clock, strips: Strips = SERIAL) -> CutOut:
    """Cut the subject out of an encoded picture.

    Raises what the steps raise: EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    FormatUnsupported, OutOfMemory, and DeadlineExceeded between two steps.
    """
    needs_room = False

    def make_room(needed: int) -> None:
        nonlocal needs_room
        needs_room = needed > _ROOM_BYTES
        if needs_room:
            runner.release()

    try:
        with clock.step("decode"):
            picture = decode(data, max_pixels, make_room, strips)
        with clock.step("segment"):
            small = picture.reduced(runner.input_size)
            prediction = runner.predict(small)
            if needs_room:
                runner.release()
        with clock.step("select"):
            visible = None if picture.alpha is None else np.asarray(picture.alpha.resize(runner.input_size))
            subject = select(prediction, np.asarray(small), visible, options.subject)
            margin = options.margin if options.crop else None
            around = surroundings(subject.mask, small, picture.size) if options.edges == "refined" else None
            refine = None if around is None else functools.partial(sharpen, picture=picture, around=around)
            matte = enlarge(subject.mask, picture.size, picture.alpha, margin, refine, strips)
        with clock.step("encode"):
            if options.format == "webp":
                make_room(WEBP_BYTES_A_PIXEL * matte.frame.width * matte.frame.height)
            content = encode(picture, matte, options, around)
    except MemoryError as exc:
        raise OutOfMemory from exc
    frame = matte.frame
    pixels = picture.size[0] * picture.size[1]
    return CutOut(content, f"image/{options.format}", frame.width, frame.height, matte.subject, subject.confidence, pixels)
