"""What the pipeline holds at its peak and at rest, and what happens if memory is short.

Each measurement has its own process.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline.memory import WORKER_ENVIRONMENT
from tests.support.images import MAX_PIXELS, encoded, grainy
from tests.support.scripts import run_python

_RUN = f"""
import re, sys
from pathlib import Path
from pipeline.engine import Slot
from pipeline.errors import BackgroundRemovalError
from pipeline.image.strips import Strips
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.remove_background import remove_background
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE

segmenter = U2netpSegmenter(Path(sys.argv[1]), 2)
slot = Slot(segmenter, Strips(2))

def run(data):
    timer = RequestTimer(float("inf"))
    return remove_background(data, Options(), slot, {MAX_PIXELS}, timer)
"""

# Prints the megabytes that an image adds at its peak, over a small image before it, and at rest.
MEASURE = f"""{_RUN}
def megabytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

run(SAMPLE.read_bytes())
before = megabytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
cutout = run(Path(sys.argv[2]).read_bytes())
print(megabytes("VmHWM") - before)
del cutout
print(megabytes("VmRSS") - before)
"""

# Prints what becomes of an image with some megabytes of address space left.
SHORTAGE = f"""{_RUN}
import resource
small, large = run(SAMPLE.read_bytes()), Path(sys.argv[2]).read_bytes()
used = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
for megabytes in (0, 20, 50, 100, 200):
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 1_000_000, resource.RLIM_INFINITY))
    try:
        run(large)
        print("ok")
    except BackgroundRemovalError as error:
        print(error.code)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert run(SAMPLE.read_bytes()).content == small.content
"""

# Decoders that report a shortage. libwebp reports it like a damaged file.
SHORTAGE_CODES = {
    "JPEG": "out_of_memory",
    "PNG": "out_of_memory",
    "AVIF": "out_of_memory",
    "WEBP": "image_corrupt",
}

# The encoders' fastest settings: how well a test's image is compressed does not matter.
FAST: dict[str, dict[str, object]] = {
    "PNG": {"compress_level": 1},
    "AVIF": {"speed": 10},
    "WEBP": {"method": 0},
}


@pytest.fixture(scope="module")
def large() -> Image.Image:
    """Return an image of 24 megapixels, almost the largest allowed."""
    return grainy(24)


def exif_rotated() -> Image.Exif:
    """Return EXIF that asks for a rotation by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


VARIANTS: dict[str, Callable[[Image.Image, bytes], bytes]] = {
    "plain": lambda image, _: encoded(image, "JPEG", quality=90),
    "progressive": lambda image, _: encoded(image, "JPEG", quality=90, progressive=True),
    "rotated": lambda image, _: encoded(image, "JPEG", quality=90, exif=exif_rotated()),
    "profile": lambda image, profile: encoded(image, "JPEG", quality=90, icc_profile=profile),
    "CMYK": lambda image, _: encoded(image.convert("CMYK"), "JPEG", quality=90),
    "WebP": lambda image, _: encoded(image, "WEBP", quality=80, **FAST["WEBP"]),
}


# What is not kept in planes.
IMAGE_MEGABYTES = {"CMYK": 96, "WebP": 96}


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(variant, marks=() if variant in ("rotated", "WebP") else pytest.mark.slow)
        for variant in VARIANTS
    ],
)
def test_an_image_of_24_megapixels_is_in_memory_once(
    variant: str, large: Image.Image, model_file: Path, tmp_path: Path, wide_gamut: bytes
) -> None:
    """A JPEG in 4:2:0 takes 1.5 bytes per pixel, others 4.

    The inference (79 MB) is in the figure before it. Beside it, a progressive JPEG takes 3 bytes
    per pixel more while it is decoded.
    """
    file = tmp_path / "image"
    size = file.write_bytes(VARIANTS[variant](large, wide_gamut))
    output = run_python("-c", MEASURE, str(model_file), str(file), settings=WORKER_ENVIRONMENT)
    peak, rest = map(float, output.split())
    image, cutout = IMAGE_MEGABYTES.get(variant, 36), 40
    assert peak < image + cutout + size / 1e6 + 30
    assert rest < 40


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHORTAGE_CODES)
def test_a_shortage_of_memory_is_reported_and_survived(
    kind: str, model_file: Path, tmp_path: Path
) -> None:
    """Wherever the allocation fails: in Python, in a decoder or in the model."""
    file = tmp_path / "image"
    file.write_bytes(encoded(grainy(16), kind, **FAST.get(kind, {})))
    output = run_python("-c", SHORTAGE, str(model_file), str(file), settings=WORKER_ENVIRONMENT)
    codes, code = set(output.split()), SHORTAGE_CODES[kind]
    assert {"ok", code} <= codes <= {"ok", code, "out_of_memory"}


def test_the_supervisor_imports_nothing_heavy() -> None:
    """It imports service.py like the worker, and processes no image."""
    heavy = {"numpy", "scipy", "PIL", "onnxruntime", "cykooz_resizer"}
    script = f"import service, sys; print(*{heavy} & sys.modules.keys())"
    assert run_python("-c", script).split() == []


def test_onnxruntime_collects_no_usage(model_file: Path, tmp_path: Path) -> None:
    """It would keep a database of its usage in the home folder, and a thread that sends it."""
    script = """
import sys
from pathlib import Path
from pipeline.mask.u2netp import U2netpSegmenter
U2netpSegmenter(Path(sys.argv[1]), 1)
"""
    run_python("-c", script, str(model_file), settings={"HOME": str(tmp_path)})
    assert list(tmp_path.rglob("onnxruntime*")) == []
