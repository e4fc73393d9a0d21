"""The largest images that phones make, eight at once, in the memory of the smallest container."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.weights import SAMPLE
from tests.support.cgroup import Cgroup, hard_limit
from tests.support.environment import Record
from tests.support.heif_files import heic
from tests.support.images import encoded, grainy
from tests.support.serving import UPLOAD, Server, launch, wait_until_ready

_LIMIT = 512 << 20  # bytes
_AT_ONCE = 8
_SECONDS = 120

# Megapixels, whether it is progressive, and the EXIF orientation.
JPEGS = [
    (25, False, 1),
    (25, True, 8),
    (36, False, 2),
    (36, False, 5),
    (36, True, 7),
    (49.9, False, 3),
    (49.9, False, 4),
    (49.9, False, 6),
    (49.9, True, 1),
    (49.9, True, 6),
]


@pytest.fixture(scope="module")
def limited() -> Iterator[tuple[Server, Cgroup]]:
    """Return a service that may hold 512 MB, without swap, and its cgroup."""
    settings = {"BGR_DEADLINE": str(_SECONDS)}
    with hard_limit(_LIMIT) as cgroup:
        assert cgroup is not None, "making a memory cgroup takes root"
        with launch(prefix=cgroup.entering([]), settings=settings) as server:
            wait_until_ready(server)
            yield server, cgroup


def opaque_differences(
    data: bytes, expected: Image.Image, limited: tuple[Server, Cgroup], record_property: Record
) -> NDArray[np.int16]:
    """Upload an image eight times at once, and compare the cutout with the upright image.

    Returns the differences of the colors wherever the cutout is opaque: int16 (pixels, 3).
    """
    server, cgroup = limited

    def upload(_: int) -> bytes:
        response = httpx.post(
            server.url + UPLOAD,
            files={"image": data},
            data={"crop": "false"},
            timeout=_SECONDS,
            trust_env=False,
        )
        return response.raise_for_status().content

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        cutouts = set(pool.map(upload, range(_AT_ONCE)))
    record_property("the kernel's peak so far: MB", cgroup.peak() / 1e6)
    assert cgroup.out_of_memory_kills() == 0
    (content,) = cutouts
    cutout = np.asarray(Image.open(io.BytesIO(content)))
    opaque = cutout[..., 3] == 255
    assert opaque.mean() > 0.05
    colors = np.asarray(expected)[opaque].astype(np.int16)
    differences: NDArray[np.int16] = np.abs(cutout[..., :3][opaque] - colors)
    return differences


def assert_equal(differences: NDArray[np.int16]) -> None:
    """The color of a pixel whose alpha is rounded to 255 may have been cleaned."""
    assert (differences != 0).mean() < 0.001


@pytest.mark.slow
@pytest.mark.parametrize(("megapixels", "progressive", "orientation"), JPEGS)
def test_eight_large_jpegs_fit_and_are_right(
    megapixels: float,
    progressive: bool,
    orientation: int,
    limited: tuple[Server, Cgroup],
    record_property: Record,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(
        grainy(megapixels),
        "JPEG",
        exif=exif,
        quality=85,
        subsampling="4:2:0",
        progressive=progressive,
    )
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert_equal(opaque_differences(data, expected, limited, record_property))


@pytest.mark.slow
@pytest.mark.parametrize("megapixels", [25, 36, 39.9])
def test_eight_large_pngs_fit_and_are_right(
    megapixels: float, limited: tuple[Server, Cgroup], record_property: Record
) -> None:
    """Without grain: a photo of this size would be larger than a source may be."""
    side = int((megapixels * 1e6) ** 0.5)
    image = Image.open(SAMPLE).resize((side, side), Image.Resampling.NEAREST)
    png = encoded(image, "PNG")
    assert_equal(opaque_differences(png, image, limited, record_property))


@pytest.mark.slow
@pytest.mark.parametrize(("megapixels", "rows"), [(30.9, None), (39.9, 64)])
def test_eight_large_tiffs_in_cmyk_fit_and_are_right(
    megapixels: float, rows: int | None, limited: tuple[Server, Cgroup], record_property: Record
) -> None:
    """libtiff unpacks a strip at a time, which may be the whole image: 4 bytes per pixel."""
    side = int((megapixels * 1e6) ** 0.5)
    image = Image.open(SAMPLE).resize((side, side), Image.Resampling.NEAREST).convert("CMYK")
    tags = {278: rows or side}
    data = encoded(image, "TIFF", compression="tiff_adobe_deflate", tiffinfo=tags)
    assert_equal(opaque_differences(data, image.convert("RGB"), limited, record_property))


@pytest.mark.slow
@pytest.mark.parametrize("tile_size", [0, 512])
@pytest.mark.parametrize("megapixels", [12, 24.9, 49.9])
def test_eight_large_heics_fit_and_are_right(
    megapixels: float, tile_size: int, limited: tuple[Server, Cgroup], record_property: Record
) -> None:
    """The decoder's process is in the cgroup too. Phones write tiles of 512 pixels."""
    data = heic(grainy(megapixels), quality=50, tile_size=tile_size)
    expected = pillow_heif.open_heif(data).to_pillow()
    # Of 16 megapixels or more, the color differences are interpolated, unlike by libheif.
    assert opaque_differences(data, expected, limited, record_property).mean() < 1
