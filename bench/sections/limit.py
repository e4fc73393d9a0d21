"""The service under a hard limit of 512 MB without swap, beside the service without a limit."""

from statistics import median

from bench.report import Figures, Target, at_most, megabytes, none_of, ratio, say, table
from bench.sections.load import ADMITTED, LOADS, seconds
from bench.servers import LOADED, Server, Stage
from tests.support.cgroup import hard_limit

_LIMIT = 512_000_000
_SLOWER = 2.0


def measure(stage: Stage) -> Figures:
    """Return the times of both, in alternation, and the kernel's own peak in bytes."""
    plain = stage.images.plain
    bursts = {f"1 × {size:g}": [image] for size, image in plain.items()}
    bursts |= {f"{count} × {size:g}": [plain[size]] * count for count, size in LOADS}
    bursts[f"{ADMITTED} × 24 mixed"] = stage.images.mixed(24, ADMITTED)
    with hard_limit(_LIMIT) as cgroup:
        if cgroup is None:
            return {"skipped": "No memory cgroup can be made here: it takes root."}
        figures: Figures = {}
        with stage.service(LOADED) as free, stage.service(LOADED, cgroup) as limited:
            for name, images in bursts.items():
                count = 1 + stage.repeat(7, 2) if len(images) == 1 else 1
                figures[name] = _pairs(free, limited, images, count)
                slower, wrong = _slowdown(figures[name]), figures[name]["wrong"]
                say(f"limit: {name} MP: {slower:.2f} times the usual time, {wrong} wrong")
        return {"limit": _LIMIT, "peak": cgroup.peak(), "bursts": figures}


def _pairs(free: Server, limited: Server, images: list[bytes], count: int) -> Figures:
    """Send the same burst to both, `count` times, and drop the first of several as a warm-up."""
    usual, under, wrong = [], [], 0
    for _ in range(count):
        usual.append(free.upload_all(images))
        under.append(limited.upload_all(images))
        for expected, response in zip(usual[-1].responses, under[-1].responses, strict=True):
            wrong += response.status != 200 or response.body != expected.expect_ok().body
    return {
        "free": [burst.figures for burst in usual[count > 1 :]],
        "limited": [burst.figures for burst in under[count > 1 :]],
        "wrong": wrong,
    }


def _slowdown(pair: Figures) -> float:
    return ratio(seconds(pair["limited"]), seconds(pair["free"]))


def report(figures: Figures) -> str:
    heading = "## A hard limit of 512 MB, no swap\n\n"
    if "skipped" in figures:
        return heading + str(figures["skipped"])
    rows = [
        (
            name,
            f"{_slowdown(pair):.2f}",
            *(f"{median(seconds(pair[side])):.2f}" for side in ("limited", "free")),
            pair["wrong"],
        )
        for name, pair in figures["bursts"].items()
    ]
    header = "at once × MP | times the usual time | limited, s | free, s | wrong responses"
    return (
        f"{heading}The kernel's own peak, page cache included: {megabytes(figures['peak'])} MB. A "
        "response is wrong unless it is 200 and has the same bytes as without the limit.\n\n"
        + table(header, rows)
    )


def targets(figures: Figures) -> list[Target]:
    if "skipped" in figures:
        return []
    pairs = figures["bursts"].values()
    return [
        none_of("wrong responses under 512 MB", sum(pair["wrong"] for pair in pairs)),
        at_most("time under 512 MB, of the usual time", max(map(_slowdown, pairs)), _SLOWER),
    ]
