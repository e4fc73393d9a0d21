"""Fixtures: real pictures, a real source of them on loopback, a real `bentoml serve`, and the installed model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import hypothesis
import pytest

from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.weights import SAMPLE
from pipeline.weights.fetch import find_weights
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from tests.support.environment import DATA, needed
from tests.support.icc import adobe_rgb
from tests.support.serving import Server, serve
from tests.support.source import Source, serve_images

# The same examples in every run, however slow the machine.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of outside test data."""
    if not DATA.is_dir():
        pytest.skip(f"needs the outside test data (TEST_DATA={DATA.name})")
    return DATA


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own checker of configurations, rules and metrics."""
    return needed("promtool", "prometheus")


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A real photo with a clear subject: the astronaut Eileen Collins (NASA, public domain), 512 × 512 JPEG."""
    return SAMPLE.read_bytes()


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The prepared model in BentoML's store."""
    return Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE


@pytest.fixture(scope="session")
def segmenter(model_file: Path) -> U2netpSegmenter:
    """The real model."""
    return U2netpSegmenter(model_file, threads=2)


@pytest.fixture(scope="session")
def rembg_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """rembg's own u2netp, the reference that defines the mask, on the original weights in a cache of its own."""
    import rembg

    home = tmp_path_factory.mktemp("rembg")
    (home / "models" / "u2netp").mkdir(parents=True)
    (home / "models" / "u2netp" / "u2netp.onnx").write_bytes(find_weights().content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("U2NET_HOME", str(home))
        yield rembg.new_session("u2netp")


@pytest.fixture(scope="session")
def wide_gamut() -> bytes:
    """An ICC profile of colors wider than sRGB's."""
    return adobe_rgb()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures that tests recorded (`record_property`), the greatest of each name: those of docs/reliability.md."""
    figures: dict[str, list[float]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            figures.setdefault(name, []).append(value)
    if figures:
        terminalreporter.section("measured, the greatest of each")
    for name, values in sorted(figures.items()):
        terminalreporter.write_line(
            f"{name}: {max(values):.4g}" + (f" ({len(values)} times)" if len(values) > 1 else "")
        )


@pytest.fixture(scope="session")
def source(photo: bytes) -> Iterator[Source]:
    """A source of images on loopback."""
    with serve_images(photo) as served:
        yield served


@pytest.fixture(scope="session")
def service(source: Source) -> Iterator[Server]:
    """A running `bentoml serve` of this checkout, which may fetch from `source`."""
    allowed = f"127.0.0.1:{source.port},localhost:{source.port}"
    with serve(
        BGR_ALLOWED_PRIVATE_HOSTS=allowed,
        BGR_DOWNLOAD_TIMEOUT="2",
        BGR_CORS_ORIGINS="https://app.stylespire.com",
    ) as server:
        yield server
