"""The whole flow of a composition, with the real model."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.canvas import compose_image as compose_image_module
from pipeline.canvas.backdrop import Backdrop
from pipeline.canvas.compose_image import Composed, compose_image
from pipeline.canvas.plan import Length, Margins, Plan, Shadow
from pipeline.engine import Slot
from pipeline.errors import DeadlineExceeded, FormatUnsupported, OutOfMemory
from pipeline.image.box import Box
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.remove_background import remove_background
from pipeline.request_timer import RequestTimer
from tests.support.images import BLUE, MAX_PIXELS, encoded

pytestmark = pytest.mark.sampled

LARGE = 25_000_000
NO_MARGIN = Margins(*[Length(0, False)] * 4)


@pytest.fixture(scope="module")
def slot(segmenter: U2netpSegmenter) -> Slot:
    return Slot(segmenter)


def endless() -> RequestTimer:
    return RequestTimer(deadline=float("inf"))


def compose(
    data: bytes, slot: Slot, backdrop: Backdrop | None = None, **of: Any
) -> tuple[Composed, Image.Image]:
    plan = Plan(**{"max_pixels": LARGE} | of)
    composed = compose_image(data, plan, slot, MAX_PIXELS, endless(), backdrop)
    image = Image.open(io.BytesIO(composed.content))
    image.load()
    assert image.size == (composed.width, composed.height)
    return composed, image


def test_at_full_size_it_is_the_native_cutout(photo: bytes, slot: Slot) -> None:
    composed, image = compose(photo, slot)
    options = Options(subject="all", crop=False)
    native = remove_background(photo, options, slot, MAX_PIXELS, endless())
    assert composed.content == native.content
    assert composed.subject == native.subject
    assert (composed.source_size, composed.media_type) == ((512, 512), "image/png")
    assert image.mode == "RGBA"


def test_the_steps_are_those_of_the_native_flow(photo: bytes, slot: Slot) -> None:
    timer = endless()
    compose_image(photo, Plan(LARGE), slot, MAX_PIXELS, timer)
    assert list(timer.milliseconds) == ["decode", "segment", "select", "encode"]


def test_a_smaller_size_is_the_large_one_scaled(photo: bytes, slot: Slot) -> None:
    composed, small = compose(photo, slot, max_pixels=62_500)
    _, large = compose(photo, slot)
    assert small.size == (250, 250)
    assert composed.subject == compose(photo, slot)[0].subject  # in the source
    expected = np.asarray(large.getchannel("A").resize((250, 250), Image.Resampling.LANCZOS))
    got = np.asarray(small.getchannel("A"))
    assert np.abs(got.astype(int) - expected).max() <= 3


def test_a_region_hides_the_rest(photo: bytes, slot: Slot) -> None:
    sizes: list[tuple[int, int]] = []

    def find_region(size: tuple[int, int]) -> Box:
        sizes.append(size)
        return Box(0, 0, 256, 512)

    composed, image = compose(photo, slot, find_region=find_region)
    assert sizes == [(512, 512)]
    assert image.getchannel("A").getbbox() == (0, composed.subject.top, 256, 512) or (
        image.getchannel("A").crop((256, 0, 512, 512)).getbbox() is None
    )
    assert composed.subject.corners[2] <= 256


@pytest.mark.parametrize(
    ("of", "kind", "mode"),
    [
        ({"format": "png"}, "PNG", "RGBA"),
        ({"format": "png", "color": (1, 2, 3, 255)}, "PNG", "RGB"),
        ({"color": (1, 2, 3, 255)}, "JPEG", "RGB"),
        ({"color": (1, 2, 3, 100)}, "PNG", "RGBA"),
        ({"format": "jpeg"}, "JPEG", "RGB"),
        ({"format": "webp"}, "WEBP", "RGBA"),
        ({"is_alpha_only": True}, "PNG", "L"),
        ({"is_alpha_only": True, "color": (1, 2, 3, 255)}, "PNG", "L"),
        ({"is_alpha_only": True, "format": "jpeg"}, "JPEG", "L"),
    ],
)
def test_formats(photo: bytes, slot: Slot, of: dict[str, Any], kind: str, mode: str) -> None:
    composed, image = compose(photo, slot, max_pixels=20_000, **of)
    assert (image.format, image.mode) == (kind, mode)
    assert composed.media_type == f"image/{kind.lower()}"
    if mode == "L" and of.get("color"):
        assert image.getextrema() == (255, 255)


def test_a_jpeg_without_a_background_is_on_white(photo: bytes, slot: Slot) -> None:
    _, image = compose(photo, slot, format="jpeg")
    pixel = image.getpixel((500, 5))
    assert isinstance(pixel, tuple)
    assert min(pixel) > 250


def test_a_zip_composes_to_the_png(photo: bytes, slot: Slot) -> None:
    plan = Plan(LARGE, format="zip")
    composed = compose_image(photo, plan, slot, MAX_PIXELS, endless())
    assert composed.media_type == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(composed.content))
    color, alpha = (Image.open(archive.open(name)) for name in ("color.jpg", "alpha.png"))
    assert color.size == alpha.size == (composed.width, composed.height)
    _, png = compose(photo, slot)
    assert np.array_equal(np.asarray(alpha), np.asarray(png.getchannel("A")))
    seen = np.asarray(alpha) > 200
    difference = np.abs(np.asarray(color).astype(int) - np.asarray(png)[..., :3])[seen]
    assert difference.mean() < 4


def test_a_background_image_is_behind_the_subject(photo: bytes, slot: Slot) -> None:
    backdrop = Backdrop(Image.new("RGB", (30, 30), BLUE))
    composed, image = compose(photo, slot, backdrop=backdrop)
    assert composed.media_type == "image/jpeg"
    pixel = image.getpixel((500, 5))
    assert isinstance(pixel, tuple)
    assert np.abs(np.array(pixel) - BLUE).max() < 6


def test_everything_at_once(photo: bytes, slot: Slot) -> None:
    composed, image = compose(
        photo,
        slot,
        max_pixels=62_500,
        margins=Margins(*[Length(20, True)] * 4),
        scale=0.5,
        position=(1.0, 1.0),
        is_solid=True,
        shadow=Shadow("drop", 0.5),
        color=(255, 255, 255, 0),
        format="webp",
    )
    assert composed.width > composed.height > 200
    assert image.mode == "RGBA"
    assert image.getchannel("A").getbbox() is not None


def test_memory_is_claimed_with_the_backdrop(photo: bytes, segmenter: U2netpSegmenter) -> None:
    claims: list[int] = []

    class Claiming(Slot):
        def claim(self, needed: int) -> Any:
            claims.append(needed)
            return super().claim(needed)

    backdrop = Backdrop(Image.new("RGB", (100, 100), BLUE))
    plan = Plan(62_500, format="webp")
    compose_image(photo, plan, Claiming(segmenter), MAX_PIXELS, endless(), backdrop)
    assert claims == [512 * 512 * 4 + 40_000, 250 * 250 * 24 + 40_000]


def test_a_webp_over_its_limit_is_refused(slot: Slot, photo: bytes) -> None:
    large = encoded(Image.open(io.BytesIO(photo)).resize((2500, 2500)), "JPEG")
    with pytest.raises(FormatUnsupported):
        compose_image(large, Plan(LARGE, format="webp"), slot, MAX_PIXELS, endless())


def test_no_step_starts_after_the_deadline(photo: bytes, slot: Slot) -> None:
    with pytest.raises(DeadlineExceeded):
        compose_image(photo, Plan(LARGE), slot, MAX_PIXELS, RequestTimer(deadline=0.0))


def test_memory_that_runs_out_is_an_error_of_its_own(photo: bytes) -> None:
    class Failing:
        input_size = (320, 320)

        def predict(self, _: Image.Image) -> None:
            raise MemoryError

    slot: Any = Slot(Failing())  # type: ignore[arg-type]
    with pytest.raises(OutOfMemory):
        compose_image(photo, Plan(LARGE), slot, MAX_PIXELS, endless())


def test_a_webp_fits_beside_its_source(
    photo: bytes, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 4 * 512 * 512 + 24 * 10_000
    monkeypatch.setattr(compose_image_module, "_WEBP_BYTES", room)
    composed, _ = compose(photo, slot, format="webp")
    assert (composed.width, composed.height) == (100, 100)
    backdrop = Backdrop(Image.new("RGB", (60, 900), BLUE))
    composed, _ = compose(photo, slot, backdrop, format="webp")
    assert composed.width * composed.height <= 1000
    assert compose(photo, slot, format="png")[0].width == 512
