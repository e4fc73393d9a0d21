"""The whole flow from an encoded image to an encoded composition."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.canvas.archive import write_zip
from pipeline.canvas.backdrop import Backdrop
from pipeline.canvas.canvas import Canvas
from pipeline.canvas.layout import Layout, arrange
from pipeline.canvas.plan import Plan, Size
from pipeline.canvas.shadow import cast_shadow
from pipeline.canvas.solid import make_solid
from pipeline.engine import Slot
from pipeline.errors import OutOfMemory
from pipeline.image.box import Box
from pipeline.image.compose import TRANSPARENT, WHITE, lay_over
from pipeline.image.decode import decode
from pipeline.image.encode import WRITERS
from pipeline.image.layer import FrameLayer, Layer
from pipeline.image.scaled_layer import ScaledLayer
from pipeline.image.source_image import SourceImage
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.mask.found import FoundSubject, find_subject
from pipeline.request_timer import RequestTimer


@dataclass(frozen=True)
class Composed:
    """An encoded composition.

    `width` and `height` are its size in pixels, `subject` is the subject's box in the upright
    source, and `source_size` is the width and height of the source.
    """

    content: bytes
    media_type: str
    width: int
    height: int
    subject: Box
    source_size: Size


def compose_image(
    data: bytes,
    plan: Plan,
    slot: Slot,
    max_pixels: int,
    timer: RequestTimer,
    backdrop: Backdrop | None = None,
) -> Composed:
    """Cut the subject out of an encoded image and compose it, with the model of `slot`.

    Raises EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    FormatUnsupported, OutOfMemory, DeadlineExceeded between two steps, and what
    `plan.find_region` raises.
    """
    behind = 0 if backdrop is None else backdrop.size_in_bytes
    try:
        with timer.step("decode"):
            image = decode(data, max_pixels, lambda needed: slot.claim(needed + behind))
            region = plan.find_region(image.size) if plan.find_region is not None else None
        with timer.step("segment"):
            model_image = image.reduced(slot.segmenter.input_size)
            prediction = slot.segmenter.predict(model_image)
            if slot.is_large:
                slot.segmenter.release_memory()
        with timer.step("select"):
            found = find_subject(image, model_image, prediction, "all", region=region)
            layout = arrange(image.size, found.box, plan)
        with timer.step("encode"):
            canvas = _compose(image, found, layout, plan, backdrop)
            if plan.format == "webp":
                slot.claim(WEBP_BYTES_PER_PIXEL * canvas.size[0] * canvas.size[1] + behind)
            content, media_type = _encode(canvas, plan)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Composed(content, media_type, *canvas.size, found.box, image.size)


def _compose(
    image: SourceImage,
    found: FoundSubject,
    layout: Layout,
    plan: Plan,
    backdrop: Backdrop | None,
) -> Canvas:
    """Return the canvas with the subject in its place."""
    frame, place = layout.frame, layout.place
    layer: Layer = FrameLayer(image, found.matte.render, frame)
    if layer.size != (place.width, place.height):
        layer = ScaledLayer(layer, (0, 0, *layer.size), (place.width, place.height))
    if plan.is_solid:
        layer = make_solid(layer, found.mask, image.size, frame)
    shadow = None
    if plan.shadow is not None:
        shadow = cast_shadow(found.mask, image.size, layout, plan.shadow)
    return Canvas(layer, layout, shadow, plan.color, backdrop)


def _encode(canvas: Canvas, plan: Plan) -> tuple[bytes, str]:
    """Return the encoded canvas and its media type. Raises FormatUnsupported."""
    kind = plan.format
    if kind == "zip":
        return write_zip(canvas), "application/zip"
    if kind == "auto":
        kind = "jpeg" if canvas.is_opaque and not plan.is_alpha_only else "png"
    channels = 1 if plan.is_alpha_only else 3 if kind == "jpeg" or canvas.is_opaque else 4
    backdrop = WHITE if channels == 3 else TRANSPARENT

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        if channels == 1:
            return canvas.alpha(top, bottom)[..., np.newaxis]
        return lay_over(*canvas.pixels(top, bottom), backdrop)

    return WRITERS[kind](rows, *canvas.size, channels, canvas.strips), f"image/{kind}"
