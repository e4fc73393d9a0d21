"""A background image covers the canvas, centered, and takes bounded memory."""

import numpy as np
import pytest
from PIL import Image

from pipeline.canvas import backdrop as backdrop_module
from pipeline.canvas.backdrop import Backdrop, read_backdrop
from pipeline.errors import ImageCorrupt, ImageTooLarge
from pipeline.image.heif.decoder import HeifDecoder
from pipeline.image.strips import SERIAL, Strips
from tests.support.heif_files import heic
from tests.support.images import BLUE, GREEN, RED, WHITE, encoded, quadrants

CANVAS_PIXELS = 1_000_000


def rows(backdrop: Backdrop, *canvas: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return backdrop.rows((canvas[0], canvas[1]), 0, canvas[1])


def read(image: Image.Image, canvas_pixels: int = CANVAS_PIXELS) -> Backdrop:
    return read_backdrop(encoded(image), canvas_pixels, 25_000_000, lambda _: SERIAL)


def test_an_image_of_the_canvas_size_is_shown_pixel_by_pixel() -> None:
    image = quadrants()
    assert np.array_equal(rows(read(image), 40, 20), np.asarray(image))


@pytest.mark.parametrize("canvas", [(20, 20), (80, 20), (400, 400), (7, 3), (1, 1)])
def test_the_middle_covers_a_canvas_of_any_ratio(canvas: tuple[int, int]) -> None:
    shown = rows(read(Image.new("RGB", (40, 20), RED)), *canvas)
    assert shown.shape == (canvas[1], canvas[0], 3)
    assert (shown == RED).all()
    if min(canvas) >= 20:
        corners = rows(read(quadrants()), *canvas)
        colors = corners[0, 0], corners[0, -1], corners[-1, 0], corners[-1, -1]
        assert [tuple(color) for color in colors] == [RED, GREEN, BLUE, WHITE]


def test_what_does_not_fit_is_cut_off_on_both_sides() -> None:
    image = Image.new("RGB", (60, 20), BLUE)
    image.paste(RED, (20, 0, 40, 20))
    assert (rows(read(image), 20, 20)[:, 1:-1] == RED).all()


def test_strips_are_parts_of_the_whole() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (90, 70, 3), np.uint8)
    backdrop = read(Image.fromarray(noise))
    canvas = (123, 77)
    strips = [backdrop.rows(canvas, top, min(top + 10, 77)) for top in range(0, 77, 10)]
    whole = backdrop.rows(canvas, 0, 77).astype(int)
    assert np.abs(np.concatenate(strips).astype(int) - whole).max() <= 1


def test_transparency_is_filled_with_white() -> None:
    image = Image.new("RGBA", (40, 20), (255, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 20))
    shown = rows(read(image), 40, 20)
    assert (shown[:, :20] == RED).all()
    assert (shown[:, 20:] == WHITE).all()


def test_it_is_reduced_to_what_the_canvas_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.new("RGB", (400, 200), RED)
    assert read(image, 20_000).image.size == (400, 200)
    assert read(image, 5_000).image.size == (200, 100)
    monkeypatch.setattr(backdrop_module, "MAX_PIXELS", 800)
    reduced = read(image)
    assert reduced.image.size == (40, 20)
    assert reduced.size_in_bytes == 4 * 800


def test_it_is_decoded_within_the_limits_of_a_source() -> None:
    data, claims = encoded(quadrants()), []

    def claim(needed: int) -> Strips:
        claims.append(needed)
        return SERIAL

    read_backdrop(data, CANVAS_PIXELS, 25_000_000, claim)
    assert claims == [4 * 800]
    with pytest.raises(ImageTooLarge):
        read_backdrop(data, CANVAS_PIXELS, 799, claim)
    with pytest.raises(ImageCorrupt):
        read_backdrop(data[:60], CANVAS_PIXELS, 25_000_000, claim)


def test_a_background_may_be_a_heic() -> None:
    decoder = HeifDecoder()
    data = heic(Image.new("RGB", (128, 64), "red"))
    read = read_backdrop(data, CANVAS_PIXELS, 25_000_000, lambda _: SERIAL, decoder)
    decoder.close()
    assert read.image.size == (128, 64)
