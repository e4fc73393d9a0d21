"""The sections that send one request at a time: start, installed, latency and memory."""

import multiprocessing
import re
import sysconfig
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from typing import TypeVar

import httpx
from packaging.utils import canonicalize_name

from bench import floor
from bench.images import SIZES
from bench.report import MB, Goal, Samples, Section, record, say
from bench.servers import OWN_SIDES, Server, Stage, rembg_packages
from tests.support.environment import ROOT
from tests.support.process_memory import settled_pss, watching
from tests.support.serving import UPLOAD_STEPS

T = TypeVar("T")

_WARM_UPS = 2
# Seconds before each request: the threads of rembg spin for a while after a response.
_SETTLE = 0.2
_LARGE = 6  # megapixels, from which on there are fewer repetitions

# By megapixels: how many times as fast as rembg.
_FASTER = {"0.24": 1.3, "0.67": 1.7, "1.6": 2.3, "6": 4.2, "10.7": 5.4, "24": 5.0}
# The seconds that a request may take, by those of the floor.
_ALLOWED, _OF_ALLOWED = (1.1, 0.01), "seconds / floor.allowed"
# A large image of which the client wants little, and the size that it is compared with.
_REDUCED, _MAX_SIDE, _SMALL = "12-plain", "1000", "0.67-plain"
_REDUCED_CASE = f"12, max_side={_MAX_SIDE}"

# Of the service by upload and by URL, and of the floor.
_STEPS = ("download", *UPLOAD_STEPS, "predict")

START = Section(
    "Start",
    "A cold start has nothing compiled: neither Python's bytecode nor numba's machine code. The "
    "service is ready once the model has processed an image; rembg loads its model at the first "
    "request.",
    [("ready, s", "ready", "s"), ("first response, s", "seconds", "s")],
    [Goal("start to ready", "warm", "ready", "s", "≤", 2.5)],
)
INSTALLED = Section(
    "Installed",
    "The files of all packages.",
    [
        ("MB", "size", "MB"),
        ("packages", "packages", ""),
        ("share of rembg's MB", "size / rembg.size", "×"),
    ],
)
LATENCY = Section(
    "One at a time, by megapixels",
    "The floor decodes, runs the model once and encodes, in a process that does nothing else. The "
    "service looks twice at a small subject, so its model runs twice.",
    [
        ("looks", "looks", ""),
        ("times as fast as rembg", "rembg.seconds / seconds", "×"),
        ("of the floor", "seconds / floor.seconds", "×"),
        ("of 0.67 megapixels", "seconds / small", "×"),
        ("all, ms", "seconds", "ms"),
        ("by URL, ms", "url", "ms"),
        *((f"{name}, ms", name, "ms") for name in _STEPS),
        ("response, KB", "size", "KB"),
    ],
    [
        *(
            Goal(f"times as fast as rembg, {size} MP", size, "rembg.seconds / seconds", "×", "≥", n)
            for size, n in _FASTER.items()
        ),
        *(
            Goal(f"of 1.1 × the floor + 10 ms, {size:g} MP", f"{size:g}", _OF_ALLOWED, "×", "≤", 1)
            for size in SIZES
        ),
        Goal("of the time of 0.67 MP", _REDUCED_CASE, "seconds / small", "×", "≤", 1.25),
    ],
)
PEAKS = [("peak, MB", "peak", "MB"), ("share of rembg's", "peak / rembg.peak", "×")]


def peak_goals(what: str) -> list[Goal]:
    """Return what is wanted of the peaks of cases that name their megapixels."""
    small, large = r"(?!.*\b24\D*$).*", r".*\b24\D*$"
    return [
        Goal(f"peak memory, {what}, up to 12 MP", small, "peak", "MB", "≤", 430 * MB),
        Goal(f"peak memory, {what}, 24 MP", large, "peak", "MB", "≤", 480 * MB),
    ]


MEMORY = Section(
    "Memory, one at a time, by image",
    "The PSS of the whole process tree.",
    PEAKS,
    peak_goals("one at a time"),
)


def measure_start(stage: Stage, samples: Samples) -> None:
    """Record one cold start and several warm ones of each server, in alternation."""
    for kind in ("cold", *("warm",) * stage.repeat(3, 1)):
        for side in ("default", "rembg"):
            with tempfile.TemporaryDirectory() as empty:
                caches = {"PYTHONPYCACHEPREFIX": empty, "NUMBA_CACHE_DIR": empty}
                with stage.launch(side, caches if kind == "cold" else {}, wait=False) as server:
                    ready = server.wait_until_ready()
                    server.upload(stage.images["0.24-plain"]).raise_for_status()
                    seconds = time.perf_counter() - server.running.started
            record(samples, kind, side, ready=ready, seconds=seconds)
            say(f"start, {kind}, {side}: ready {ready:.2f} s, first response {seconds:.2f} s")


def measure_installed(_: Stage, samples: Samples) -> None:
    """Add up the files of the packages that each server's lock names."""
    for side, lock, site_packages in (
        ("default", "serve", sysconfig.get_path("platlib")),
        ("rembg", "peer", rembg_packages()),
    ):
        text = (ROOT / "requirements" / f"{lock}.txt").read_text()
        names = set(map(canonicalize_name, re.findall(r"^([\w.-]+)==", text, re.MULTILINE)))
        packages = distributions(path=[site_packages])
        found = [one for one in packages if canonicalize_name(one.name) in names]
        files = {Path(str(one.locate_file(file))) for one in found for file in one.files or ()}
        size = sum(file.stat().st_size for file in files if file.is_file())
        record(samples, "all", side, size=size, packages=len(found))


def measure_latency(stage: Stage, samples: Samples) -> None:
    """Record rembg, the floor and the service, by upload and by URL, in alternation."""
    process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with stage.launch() as service, stage.launch("rembg") as rembg, process:
        for megapixels in SIZES:
            size, name = f"{megapixels:g}", f"{megapixels:g}-plain"
            image, url = stage.images[name], stage.source.url(name)
            cutout = service.upload(image, edges="raw").raise_for_status().content
            looks = {side: _looks(service, image, options) for side, options in OWN_SIDES.items()}
            count = stage.repeat(5, 2) if megapixels >= _LARGE else stage.repeat(9, 3)
            warm_up: Samples = {}
            for repetition in range(_WARM_UPS + count):
                kept = warm_up if repetition < _WARM_UPS else samples
                record(kept, size, "rembg", **_figures(_settled(rembg.upload, image)))
                for side, options in OWN_SIDES.items():
                    uploaded = _settled(service.upload, image, **options)
                    fetched = _settled(service.fetch, url, **options)
                    record(kept, size, side, **_figures(uploaded), **_steps(uploaded))
                    record(kept, size, side, url=_figures(fetched)["seconds"], looks=looks[side])
                steps = _settled(process.submit, floor.run, image, cutout).result()
                total = sum(steps.values())
                allowed = _ALLOWED[0] * total + _ALLOWED[1]
                record(kept, size, "floor", **steps, seconds=total, allowed=allowed)
            say(f"latency: {LATENCY.report({size: samples[size]})}")
        for repetition in range(_WARM_UPS + stage.repeat(9, 3)):
            small = _figures(_settled(service.upload, stage.images[_SMALL]))["seconds"]
            reduced = _settled(service.upload, stage.images[_REDUCED], max_side=_MAX_SIDE)
            if repetition >= _WARM_UPS:
                figures = _figures(reduced) | _steps(reduced) | {"small": small}
                record(samples, _REDUCED_CASE, "default", **figures)


def _looks(service: Server, image: bytes, options: dict[str, str]) -> int:
    """Return how often the model looks at an image: a second look changes the cutout."""
    usual, once = (service.upload(image, **options, **more) for more in ({}, {"passes": "1"}))
    return 1 if usual.raise_for_status().content == once.raise_for_status().content else 2


def _settled(send: Callable[..., T], *arguments: object, **options: str) -> T:
    time.sleep(_SETTLE)
    return send(*arguments, **options)


def _figures(response: httpx.Response) -> dict[str, float]:
    size = len(response.raise_for_status().content)
    return {"seconds": response.elapsed.total_seconds(), "size": size}


def _steps(response: httpx.Response) -> dict[str, float]:
    """Parse the header `decode;dur=1.5, ...`, in milliseconds, into seconds by step."""
    pairs = (entry.split(";dur=") for entry in response.headers["Server-Timing"].split(", "))
    return {name: float(took) / 1e3 for name, took in pairs}


def measure_memory(stage: Stage, samples: Samples) -> None:
    """Record the peak of the process tree, at rest and by image; rembg gets plain images only."""
    plain = [f"{size:g}-plain" for size in SIZES]
    for side, names in (("default", list(stage.images)), ("rembg", plain)):
        with stage.launch(side, wait=False) as server:
            with watching(server.pid) as watch:
                server.wait_until_ready()
            record(samples, "starting", side, peak=watch.peak)
            # rembg loads its model now.
            server.upload(stage.images[names[0]]).raise_for_status()
            record(samples, "idle", side, peak=settled_pss(server.pid))
            for name in names:
                with watching(server.pid) as watch:
                    for _ in range(stage.repeat(3, 2)):
                        server.upload(stage.images[name]).raise_for_status()
                record(samples, name, side, peak=watch.peak)
                say(f"memory: {side}, {name}: {watch.peak / MB:.0f} MB")
