"""The whole flow from an encoded image to an encoded composition."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.canvas.archive import write_zip
from pipeline.canvas.backdrop import Backdrop
from pipeline.canvas.canvas import Canvas
from pipeline.canvas.layout import arrange, fit_size
from pipeline.canvas.plan import Plan
from pipeline.canvas.shadow import cast_shadow
from pipeline.canvas.solid import make_solid
from pipeline.engine import Slot
from pipeline.errors import OutOfMemory
from pipeline.find_subject import Search, find_subject
from pipeline.image.box import Box, Size
from pipeline.image.compose import TRANSPARENT, WHITE, lay_over
from pipeline.image.encode import WRITERS
from pipeline.image.price import KEPT_BYTES, PILLOW
from pipeline.image.scaled_layer import frame_at
from pipeline.image.source_image import SourceImage
from pipeline.image.webp_writer import BYTES_PER_PIXEL as WEBP_BYTES_PER_PIXEL
from pipeline.mask.subject import FoundSubject
from pipeline.request_timer import RequestTimer

# What a decoded source, a backdrop and a WebP being encoded may take together, in bytes. A source
# of 16 megapixels leaves room for a WebP of 6, one of 25 megapixels for one of 4, and one of 40 or
# more for one of 2.
_WEBP_BYTES = 210_000_000


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

    def fitted(source: Size) -> Plan:
        """Return the plan for a source that stays in memory while a WebP is encoded."""
        if plan.format != "webp":
            return plan
        kept = min(KEPT_BYTES, PILLOW * source[0] * source[1])
        free = max(0, _WEBP_BYTES - kept - behind)
        pixels = max(1, free // WEBP_BYTES_PER_PIXEL)
        return replace(plan, max_pixels=min(plan.max_pixels, pixels))

    def place(subject: Box, source: Size) -> tuple[Box, Size]:
        layout = arrange(source, subject, fitted(source))
        return layout.frame, (layout.place.width, layout.place.height)

    search = Search(
        "all",
        place,
        find_region=plan.find_region,
        response_side=lambda source: max(fit_size(source, fitted(source).max_pixels)),
    )
    try:
        image, found = find_subject(data, search, slot, max_pixels, timer, held=behind)
        with timer.step("encode"):
            canvas = _compose(image, found, fitted(image.scale.full_size), backdrop)
            if plan.format == "webp":
                slot.claim(WEBP_BYTES_PER_PIXEL * canvas.size[0] * canvas.size[1] + behind)
            content, media_type = _encode(canvas, plan)
    except MemoryError as exc:
        raise OutOfMemory from exc
    return Composed(content, media_type, *canvas.size, found.box, image.scale.full_size)


def _compose(
    image: SourceImage, found: FoundSubject, plan: Plan, backdrop: Backdrop | None
) -> Canvas:
    """Return the canvas with the subject in its place."""
    source = image.scale.full_size
    mask = found.selection.whole_mask(source)
    layout = arrange(source, found.box, plan)
    size = layout.place.width, layout.place.height
    layer = frame_at(image, found.matte.render, layout.frame, size)
    if plan.is_solid:
        layer = make_solid(layer, mask, source, layout.frame)
    shadow = None
    if plan.shadow is not None:
        shadow = cast_shadow(mask, source, layout, plan.shadow)
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
        return lay_over(canvas.pixels(top, bottom), backdrop)

    return WRITERS[kind](rows, *canvas.size, channels, canvas.strips), f"image/{kind}"
