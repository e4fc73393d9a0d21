"""The service under a hard limit of 512 MB without swap, beside the service without a limit."""

from bench.images import SIZES
from bench.report import Goal, Samples, Section, record, say
from bench.sections.load import ADMITTED, loads, mixed
from bench.servers import LOADED, Stage
from tests.support.cgroup import hard_limit

_LIMIT = 512_000_000

SECTION = Section(
    "A hard limit of 512 MB, no swap",
    "The peak is the kernel's own, page cache included. A response is wrong unless it is 200 and "
    "has the same bytes as without the limit. The table is empty where no memory cgroup can be "
    "made: it takes root.",
    [
        ("of the usual time", "limited / free", "×"),
        ("limited, s", "limited", "s"),
        ("free, s", "free", "s"),
        ("wrong responses", "wrong", ""),
        ("statuses", "status", "count"),
        ("peak so far, MB", "peak", "MB"),
    ],
    [
        Goal("wrong responses under 512 MB", ".*", "wrong", "", "≤", 0),
        Goal("time under 512 MB, of the usual time", ".*", "limited / free", "×", "≤", 2),
    ],
)


def measure(stage: Stage, samples: Samples) -> None:
    """Record both in alternation."""
    bursts = {f"1 × {size:g} MP": [stage.images[f"{size:g}-plain"]] for size in SIZES}
    bursts |= loads(stage.images)
    bursts[f"{ADMITTED} × 24 MP, mixed"] = mixed(stage.images, 24)
    with hard_limit(_LIMIT) as cgroup:
        if cgroup is None:
            say("limit: skipped, as no memory cgroup can be made")
            return
        with stage.service(LOADED) as free, stage.service(LOADED, cgroup) as limited:
            for case, images in bursts.items():
                wrong, count = 0, 1 + stage.repeat(7, 2) if len(images) == 1 else 1
                for repetition in range(count):
                    usual, under = free.upload_all(images), limited.upload_all(images)
                    for expected, response in zip(usual.responses, under.responses, strict=True):
                        same = response.content == expected.raise_for_status().content
                        wrong += response.status_code != 200 or not same
                    if repetition or count == 1:  # the first of several is a warm-up
                        statuses = [response.status_code for response in under.responses]
                        seconds = {"free": usual.seconds, "limited": under.seconds}
                        record(samples, case, "default", status=statuses, **seconds)
                record(samples, case, "default", wrong=wrong, peak=cgroup.peak())
                say("limit: " + SECTION.report({case: samples[case]}).rpartition("--- |\n")[2])
