"""What the pipeline holds, in processes of their own: peak and rest, against one picture's bytes."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image

from pipeline.memory import WORKER_ENVIRONMENT
from tests.support.environment import ROOT
from tests.support.images import encoded, grainy
from tests.support.serving import environment, serve

# Megabytes that one picture added at its peak, over what one small picture had left behind, and that it left behind itself.
SCRIPT = """
import re, sys
from pathlib import Path
from pipeline.request_timer import Clock
from pipeline.remove_background import cut_out
from pipeline.weights import SAMPLE
from pipeline.options import Options
from pipeline.mask.segmenter import U2netpRunner
from pipeline.image.strips import Strips

def megabytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

runner = U2netpRunner(Path(sys.argv[1]), 2)
strips = Strips(2)
run = lambda data: cut_out(data, Options(), runner, 25_000_000, Clock(float("inf")), strips)
run(SAMPLE.read_bytes())
before = megabytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
answer = run(Path(sys.argv[2]).read_bytes())
print(megabytes("VmHWM") - before, len(answer.content) / 1e6)
del answer
print(megabytes("VmRSS") - before)
"""


def added(data: bytes, model_file: Path, folder: Path) -> tuple[float, float]:
    picture = folder / "picture"
    picture.write_bytes(data)
    command = [sys.executable, "-c", SCRIPT, str(model_file), str(picture)]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**WORKER_ENVIRONMENT),
        capture_output=True,
        text=True,
        check=True,
    )
    peak, rest = (float(line.split()[0]) for line in result.stdout.splitlines())
    return peak, rest


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        (
            "POST",
            "/remove-background",
            400,
        ),  # a timer that outlived its request once kept 11 KB of each
        ("GET", "/nothing/{}", 404),  # each with a path of its own, of which the metrics kept 22 KB
    ],
)
def test_answered_requests_leave_nothing_behind(method: str, path: str, status: int) -> None:
    """What stands around the service counts as well."""
    with serve() as server, httpx.Client(base_url=server.url, trust_env=False) as client:

        def kilobytes_after(numbers: range) -> int:
            for number in numbers:
                assert client.request(method, path.format(number), json={}).status_code == status
            described = Path(f"/proc/{server.worker()}/status").read_text()
            return int(re.findall(r"RssAnon:\s+(\d+)", described)[0])

        before = kilobytes_after(range(500))
        assert kilobytes_after(range(500, 2_500)) - before < 2_000 * 3
        assert "/nothing" not in client.get("/metrics").text


def test_the_supervisor_imports_nothing_heavy() -> None:
    """It imports service.py as the worker does, and does none of the work."""
    script = "import service, sys; print(*{'numpy', 'scipy', 'PIL', 'onnxruntime', 'cykooz_resizer'} & sys.modules.keys())"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == []


def test_onnxruntime_reports_nothing(model_file: Path, tmp_path: Path) -> None:
    """It would keep a data base of its use in the home folder, and a thread that sends it."""
    script = "import sys; from pathlib import Path; from pipeline.mask.segmenter import U2netpRunner; U2netpRunner(Path(sys.argv[1]), 1)"
    command = [sys.executable, "-c", script, str(model_file)]
    subprocess.run(command, cwd=ROOT, env=environment(HOME=str(tmp_path)), check=True)
    assert list(tmp_path.rglob("onnxruntime*")) == []


@pytest.mark.parametrize("variant", ["plain", "progressive", "rotated", "profile", "CMYK", "WebP"])
def test_a_picture_of_24_megapixels(
    variant: str, model_file: Path, tmp_path: Path, wide_gamut: bytes
) -> None:
    """The picture (4 bytes a pixel) and the inference (93 MB, counted before): not two pictures, no float copy."""
    image = grainy(24)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = {
        "plain": lambda: encoded(image, "JPEG", quality=90),
        "progressive": lambda: encoded(image, "JPEG", quality=90, progressive=True),
        "rotated": lambda: encoded(image, "JPEG", quality=90, exif=exif),
        "profile": lambda: encoded(image, "JPEG", quality=90, icc_profile=wide_gamut),
        "CMYK": lambda: encoded(image.convert("CMYK"), "JPEG", quality=90),
        "WebP": lambda: encoded(image, "WEBP", quality=80, method=0),
    }[variant]()
    peak, rest = added(data, model_file, tmp_path)
    picture, answer = 96, 40
    assert peak < picture + answer + len(data) / 1e6 + 30
    assert rest < 40


SHORTAGE = """
import re, resource, sys
from pathlib import Path
from pipeline.request_timer import Clock
from pipeline.errors import BackgroundRemovalError
from pipeline.remove_background import cut_out
from pipeline.weights import SAMPLE
from pipeline.options import Options
from pipeline.mask.segmenter import U2netpRunner
from pipeline.image.strips import Strips

runner = U2netpRunner(Path(sys.argv[1]), 2)
strips = Strips(2)
run = lambda data: cut_out(data, Options(), runner, 25_000_000, Clock(float("inf")), strips)
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


# libwebp says of a shortage what it says of a damaged file.
SHORT = {
    "JPEG": "out_of_memory",
    "PNG": "out_of_memory",
    "AVIF": "out_of_memory",
    "WEBP": "image_corrupt",
}


@pytest.mark.parametrize("kind", SHORT)
def test_a_shortage_of_memory_is_told_and_survived(
    kind: str, model_file: Path, tmp_path: Path
) -> None:
    """Wherever the allocation fails, in Python, a decoder or the model; the next picture is answered as before."""
    picture = tmp_path / "picture"
    picture.write_bytes(
        encoded(grainy(16), kind, **({"compress_level": 1} if kind == "PNG" else {}))
    )
    command = [sys.executable, "-c", SHORTAGE, str(model_file), str(picture)]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**WORKER_ENVIRONMENT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    codes = set(result.stdout.split())
    assert {"ok", SHORT[kind]} <= codes <= {"ok", SHORT[kind], "out_of_memory"}
