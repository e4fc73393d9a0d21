"""The peak memory of the process tree, at rest and with each image, one request at a time."""

from bench.images import SIZES
from bench.report import MB, Goal, Samples, Section, record, say
from bench.servers import Launch, Stage
from tests.support.process_memory import settled_pss, watching

PEAKS = [
    ("peak, MB", "peak", "MB"),
    ("rembg, peak MB", "rembg.peak", "MB"),
    ("share of rembg's", "peak / rembg.peak", "×"),
]


def peak_goals(what: str) -> list[Goal]:
    """Return what is wanted of the peaks of cases that name their megapixels."""
    small, large = r"(?!.*\b24\D*$).*", r".*\b24\D*$"
    return [
        Goal(f"peak memory, {what}, up to 12 MP", small, "peak", "MB", "≤", 430 * MB),
        Goal(f"peak memory, {what}, 24 MP", large, "peak", "MB", "≤", 480 * MB),
    ]


SECTION = Section(
    "Memory, one at a time, by image",
    "The PSS of the whole process tree.",
    PEAKS,
    peak_goals("one at a time"),
)


def measure(stage: Stage, samples: Samples) -> None:
    """Record bytes by image; rembg gets the plain images only."""
    images = stage.images
    plain = [f"{size:g}-plain" for size in SIZES]
    servers: dict[str, tuple[Launch, list[str]]] = {
        "default": (stage.service, list(images)),
        "rembg": (stage.rembg, plain),
    }
    for side, (launch, names) in servers.items():
        with launch(wait=False) as server:
            process = server.pid
            with watching(process) as watch:
                server.wait_until_ready()
            record(samples, "starting", side, peak=watch.peak)
            # rembg loads its model now.
            server.upload(images[names[0]]).raise_for_status()
            record(samples, "idle", side, peak=settled_pss(process))
            for name in names:
                with watching(process) as watch:
                    for _ in range(stage.repeat(5, 2)):
                        server.upload(images[name]).raise_for_status()
                record(samples, name, side, peak=watch.peak)
                say(f"memory: {side}, {name}: {watch.peak / MB:.0f} MB")
