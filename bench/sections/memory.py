"""The peak memory of the process tree, at rest and with each image, one request at a time."""

from bench.report import MB, Figures, Target, at_most, megabytes, say, table
from bench.servers import Launch, Server, Stage
from tests.support.process_memory import settled_pss, watching

_PEAK, _PEAK_24_MP = 430 * MB, 480 * MB


def measure(stage: Stage) -> Figures:
    """Return bytes by image; rembg gets the plain images only."""
    plain = [f"{size:g}-plain" for size in stage.images.plain]
    servers: dict[str, tuple[Launch, list[str]]] = {
        "service": (stage.service, list(stage.images.named)),
        "rembg": (stage.rembg, plain),
    }
    figures: Figures = {}
    for name, (launch, images) in servers.items():
        with launch(wait=False) as server:
            with watching(server.process.pid) as watch:
                server.wait_until_ready()
            figures[name] = {"starting": watch.peak, **_peaks(stage, server, images)}
        say(f"memory, {name}: {figures[name]}")
    return figures


def _peaks(stage: Stage, server: Server, images: list[str]) -> dict[str, int]:
    server.upload(stage.images.named[images[0]]).expect_ok()  # rembg loads its model now
    peaks = {"idle": settled_pss(server.process.pid)}
    for name in images:
        with watching(server.process.pid) as watch:
            for _ in range(stage.repeat(5, 2)):
                server.upload(stage.images.named[name]).expect_ok()
        peaks[name] = watch.peak
    return peaks


def report(figures: Figures) -> str:
    rembg = figures["rembg"]
    rows = [
        (name, megabytes(size))
        + ((megabytes(rembg[name]), f"{size / rembg[name]:.0%}") if name in rembg else ("", ""))
        for name, size in figures["service"].items()
    ]
    header = "MP | service, peak MB | rembg, peak MB | share of rembg's"
    return "## Memory, one at a time\n\n" + table(header, rows)


def targets(figures: Figures) -> list[Target]:
    return peak_targets("one at a time", figures["service"])


def peak_targets(what: str, peaks: dict[str, int]) -> list[Target]:
    """Return the targets of peaks by a name that begins with the megapixels."""
    large = max(size for name, size in peaks.items() if name.startswith("24"))
    other = max(size for name, size in peaks.items() if not name.startswith("24"))
    form = "{:.0f} MB"
    return [
        at_most(f"peak memory, {what}, up to 12 MP", other / MB, _PEAK / MB, form),
        at_most(f"peak memory, {what}, 24 MP", large / MB, _PEAK_24_MP / MB, form),
    ]
