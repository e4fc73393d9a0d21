"""The steps from bytes to bytes, composed: `cut_out` is one request's work between the download and the answer."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.clock import Clock
from pipeline.decode import decode
from pipeline.encode import encode
from pipeline.errors import OutOfMemory
from pipeline.matte import Box, enlarge
from pipeline.options import Options
from pipeline.segment import Runner
from pipeline.subject import select


@dataclass(frozen=True)
class CutOut:
    """An answer: the encoded picture, its size in pixels, the subject's box in the upright source, and the confidence, 0 to 1."""

    content: bytes
    media_type: str
    width: int
    height: int
    subject: Box
    confidence: float


def cut_out(data: bytes, options: Options, runner: Runner, max_pixels: int, clock: Clock) -> CutOut:
    """Cut the subject out of an encoded picture.

    Raises what the steps raise: EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    FormatUnsupported, OutOfMemory, and DeadlineExceeded between two steps.
    """
    try:
        with clock.step("decode"):
            picture = decode(data, max_pixels)
        with clock.step("segment"):
            small = picture.rgb.resize(runner.input_size, Image.Resampling.LANCZOS)
            prediction = runner.predict(small)
        with clock.step("select"):
            visible = None if picture.alpha is None else np.asarray(picture.alpha.resize(runner.input_size))
            subject = select(prediction, np.asarray(small), visible, options.subject)
            matte = enlarge(subject.mask, picture.size, picture.alpha, options.margin if options.crop else None)
        with clock.step("encode"):
            content = encode(picture, matte, options)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return CutOut(content, f"image/{options.format}", *matte.alpha.size, subject=matte.subject, confidence=subject.confidence)
