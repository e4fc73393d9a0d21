"""What must be seen, and whether it was."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import ratio, spread
from bench.stage import Figures

MB = 1e6

# Megapixels -> how many times as fast as the peer.
FASTER = {"0.24": 1.3, "0.67": 1.6, "1.6": 2.2, "6": 3.2, "10.7": 3.8}
# Load -> how many times the peer's throughput.
THROUGHPUT = {"24 × 0.67": 3.0, "8 × 10.7": 5.0}
PEAK_12_MP, PEAK_24_MP, GROWTH = 430 * MB, 480 * MB, 15 * MB
WARM_START = 2.5
OVER_FLOOR, OVER_FLOOR_SECONDS = 1.15, 0.01
URL_SHARE = 0.95
SLOWER_UNDER_LIMIT = 2.0


@dataclass(frozen=True)
class Target:
    """A promise, the figure that was measured, and whether it is kept."""

    what: str
    wanted: str
    measured: str
    reached: bool


def targets(results: Figures) -> Iterator[Target]:
    """Those of the sections that were run."""
    if "latency" in results:
        yield from _latency(results["latency"])
    if "load" in results:
        for name, wanted in THROUGHPUT.items():
            faster = throughput_ratio(results["load"]["loads"][name])
            yield Target(
                f"throughput, {name} MP at once",
                f"≥ {wanted} ×",
                f"{faster:.2f} ×",
                faster >= wanted,
            )
    if {"load", "memory"} <= results.keys():
        yield from _peaks(results)
    if "growth" in results:
        grown = results["growth"]["settled"][-1] - results["growth"]["settled"][0]
        yield Target(
            "growth over 2,000 mixed requests after 200",
            f"≤ {GROWTH / MB:.0f} MB",
            f"{grown / MB:.1f} MB",
            grown <= GROWTH,
        )
    if "start" in results:
        ready = spread([sample["ready"] for sample in results["start"]["ours"]["warm"]]).median
        yield Target(
            "start to ready, warm", f"≤ {WARM_START} s", f"{ready:.2f} s", ready <= WARM_START
        )
    if "urls" in results:
        share = ratio(results["urls"]["urls"], results["urls"]["uploads"]).median
        yield Target(
            "throughput by slow URLs, of the model alone",
            f"≥ {URL_SHARE} ×",
            f"{share:.2f} ×",
            share >= URL_SHARE,
        )
    if "peak" in results.get("limit", {}):
        yield from _limit(results["limit"])


def floor_seconds(samples: Figures) -> list[float]:
    """The floor of one size: the sum of its steps, a sample each."""
    return [sum(steps.values()) for steps in samples["floor"]]


def throughput_ratio(load: Figures) -> float:
    """How many times the peer's throughput: the same requests on both sides, so the ratio of the times."""
    return ratio(round_seconds(load, "peer"), round_seconds(load, "ours")).median


def round_seconds(load: Figures, side: str) -> list[float]:
    """How long each round took."""
    return [sent["seconds"] for sent in load[side]]


def slowdown(pair: Figures) -> float:
    """How many times its usual time something takes under the limit."""
    return ratio(pair["limited"], pair["free"]).median


def _latency(latency: Figures) -> Iterator[Target]:
    for size, wanted in FASTER.items():
        faster = ratio(latency[size]["peer"], latency[size]["ours"]).median
        yield Target(
            f"one at a time, {size} MP",
            f"≥ {wanted} × as fast",
            f"{faster:.2f} ×",
            faster >= wanted,
        )
    for size, samples in latency.items():
        ours, floor = spread(samples["ours"]).median, spread(floor_seconds(samples)).median
        most = OVER_FLOOR * floor + OVER_FLOOR_SECONDS
        yield Target(
            f"over the floor, {size} MP",
            f"≤ {OVER_FLOOR} × + 10 ms = {most * 1e3:.0f} ms",
            f"{ours * 1e3:.0f} ms",
            ours <= most,
        )


def _peaks(results: Figures) -> Iterator[Target]:
    peaks = dict(results["memory"]["ours"])
    peaks |= {name: load["peak"]["ours"] for name, load in results["load"]["loads"].items()}
    peaks |= {f"{size} inside": load["peak"] for size, load in results["load"]["inside"].items()}
    large = {name for name in peaks if name.split()[0] == "24" and "×" not in name}
    for what, names, most in (
        ("up to 12 MP, any load", peaks.keys() - large, PEAK_12_MP),
        ("24 MP, 16 inside", large, PEAK_24_MP),
    ):
        worst = max(names, key=lambda name: peaks[name])
        yield Target(
            f"peak PSS, {what}",
            f"≤ {most / MB:.0f} MB",
            f"{peaks[worst] / MB:.0f} MB ({worst})",
            peaks[worst] <= most,
        )


def _limit(limit: Figures) -> Iterator[Target]:
    parts = {f"{size} MP": pair for size, pair in limit["latency"].items()} | limit["loads"]
    wrong = sum(pair["wrong"] for pair in parts.values())
    yield Target("wrong answers under 512 MB", "0", str(wrong), wrong == 0)
    slower = {name: slowdown(pair) for name, pair in limit["latency"].items()}
    slower |= {
        name: pair["limited"]["seconds"] / pair["free"]["seconds"]
        for name, pair in limit["loads"].items()
    }
    worst = max(slower, key=lambda name: slower[name])
    yield Target(
        "slowest under 512 MB, of its usual time",
        f"≤ {SLOWER_UNDER_LIMIT} ×",
        f"{slower[worst]:.2f} × ({worst} MP)",
        slower[worst] <= SLOWER_UNDER_LIMIT,
    )
