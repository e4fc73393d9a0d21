"""Fixtures: images, a source of images on loopback, a running service, and the prepared model."""

from collections import Counter
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
from tests.support.links import KEY
from tests.support.serving import Server, serve
from tests.support.source import Source, serve_images

# The same examples in every run, however slow the machine.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of test data that is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"needs the outside test data (TEST_DATA={DATA.name})")
    return DATA


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return the path of Prometheus' checker of configurations, rules and metrics."""
    return needed("promtool", "prometheus")


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A photo with a clear subject: Eileen Collins (NASA, public domain), JPEG, 512 × 512."""
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
def rembg_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A value of U2NET_HOME: a cache of rembg with the original u2netp."""
    home: Path = tmp_path_factory.mktemp("rembg")
    (home / "models" / "u2netp").mkdir(parents=True)
    (home / "models" / "u2netp" / "u2netp.onnx").write_bytes(find_weights().content)
    return home


@pytest.fixture(scope="session")
def rembg_session(rembg_home: Path) -> Any:
    """rembg's own u2netp: the reference for the mask. The session reads its file only once."""
    import rembg

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("U2NET_HOME", str(rembg_home))
        return rembg.new_session("u2netp")


@pytest.fixture(scope="session")
def wide_gamut() -> bytes:
    """An ICC profile of colors wider than sRGB's."""
    return adobe_rgb()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all but the first, fourth, seventh... case of each test marked `sampled`."""
    cases: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            test = item.nodeid.partition("[")[0]
            if cases[test] % 3:
                item.add_marker(pytest.mark.slow)
            cases[test] += 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the greatest value of each figure that tests recorded, for docs/reliability.md."""
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
    """The service on this checkout, which may fetch from `source`."""
    allowed = f"127.0.0.1:{source.port},localhost:{source.port}"
    with serve(
        BGR_ALLOWED_PRIVATE_HOSTS=allowed,
        BGR_DOWNLOAD_TIMEOUT="2",
        BGR_CORS_ORIGINS="https://app.stylespire.com",
    ) as server:
        yield server


@pytest.fixture(scope="session")
def default_service() -> Iterator[Server]:
    """The service with its default settings. Leave it as you found it: other tests use it."""
    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def linked(source: Source) -> Iterator[Server]:
    """The service with a key for links."""
    allowed = f"127.0.0.1:{source.port}"
    with serve(BGR_URL_KEYS=KEY, BGR_ALLOWED_PRIVATE_HOSTS=allowed) as server:
        yield server
