"""Encoded image -> decoded image and its subject: decode, segment, select.

The model looks at the whole image, and again at the part around a small subject
(`pipeline/mask/second_look.py`).

If the response is much smaller than a JPEG, the JPEG is decoded at a fraction of its size, and
again at a finer one if the subject is small.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.engine import Slot
from pipeline.image.box import Box, Size
from pipeline.image.decode import ChooseDivisor, decode
from pipeline.image.scale import divisor_of_part, finer_divisor, first_divisor
from pipeline.image.source_image import SourceImage
from pipeline.mask.second_look import choose_window, select_again
from pipeline.mask.subject import FoundSubject, Look, locate, select
from pipeline.options import Passes
from pipeline.request_timer import RequestTimer


@dataclass(frozen=True)
class Search:
    """What to find, and at which resolution. All sizes are width and height in pixels.

    `parts`, `edges` and `passes` are those of the options. `place` returns the part of the source
    that the response shows of a subject's box and a source's size, and how large it is there.
    `find_region` returns the part of a source of a size in which the subject must be.
    `response_side` returns the longer side of a response with the whole of such a source.

    The source is decoded pixel by pixel without a `response_side`, with a region, whose border is
    exact, and for raw edges, which are promised to be those of the whole source.
    """

    parts: Literal["largest", "all"]
    place: Callable[[Box, Size], tuple[Box, Size]]
    edges: Literal["refined", "raw"] = "refined"
    passes: Passes = "auto"
    find_region: Callable[[Size], Box] | None = None
    response_side: Callable[[Size], int] | None = None


def find_subject(
    data: bytes, search: Search, slot: Slot, max_pixels: int, timer: RequestTimer, held: int = 0
) -> tuple[SourceImage, FoundSubject]:
    """Decode an image and find its subject, with the model and the threads of `slot`.

    `held` are the bytes that the request holds besides.

    Raises EmptySource, UnsupportedImageType, ImageCorrupt, ImageTooLarge, NoSubjectFound,
    OutOfMemory, DeadlineExceeded between two steps, and what the functions of `search` raise.
    """

    def decode_at(choose_divisor: ChooseDivisor | None) -> SourceImage:
        with timer.step("decode"):
            return decode(
                data,
                max_pixels,
                lambda needed: slot.claim(needed + held),
                choose_divisor,
                slot.heif,
            )

    def look_at(window: Box) -> Look:
        with timer.step("segment"):
            model_image = image.reduced(input_size, exact=search.edges == "raw", part=window)
            prediction = slot.segmenter.predict(model_image)
            if slot.is_large:
                slot.segmenter.release_memory()
            return Look(window, model_image, prediction)

    input_size = slot.segmenter.input_size
    image = decode_at(_first_divisor(search, input_size))
    source = image.scale.full_size
    region = None if search.find_region is None else search.find_region(source)
    look = look_at(Box(0, 0, *source))
    with timer.step("select"):
        selection = select(image, look, search.parts, search.edges, region)
        window = choose_window(selection.subject, search.passes, source)
    if window is not None:
        divisor = divisor_of_part(window, input_size, image.scale.divisor)
        if divisor is not None:
            del image  # two decoded images would not fit into memory
            image = decode_at(lambda _: divisor)
        second = look_at(window)
        with timer.step("select"):
            selection = select_again(image, selection, second, region)
    with timer.step("select"):
        found = locate(selection, image, region)
    frame, size = search.place(found.box, source)
    finer = finer_divisor(frame, size, image.scale.divisor)
    if finer is not None:
        del image, found
        image = decode_at(lambda _: finer)
        with timer.step("select"):
            found = locate(selection, image)
    return image, found


def _first_divisor(search: Search, input_size: Size) -> ChooseDivisor | None:
    """Return what chooses how coarsely a JPEG may be decoded, or None if it may not be at all."""
    response_side = search.response_side
    if response_side is None or search.find_region is not None or search.edges == "raw":
        return None
    return lambda size: first_divisor(size, response_side(size), input_size)
