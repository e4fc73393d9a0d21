"""The sections that send many requests: load, urls, growth and limit."""

from collections.abc import Sequence
from functools import partial
from random import Random

from bench import floor
from bench.images import KINDS, SIZES
from bench.report import MB, Goal, Samples, Section, record, say
from bench.servers import LOADED, OWN_SIDES, SIDES, SOURCE_WAITS, Burst, Stage, send_all
from bench.single import PEAKS, peak_goals
from tests.support.cgroup import hard_limit
from tests.support.concurrency import AT_ONCE
from tests.support.process_memory import settled_pss, watching

# By load: how many times the throughput of rembg.
_THROUGHPUT, _RATIO = {"24 × 0.67 MP": 3.0, "8 × 10.7 MP, again": 4.0}, "rembg.seconds / seconds"
# The share of the throughput that the model alone has, one inference after another.
_OF_MODEL = "model / seconds"
_URL_MEGAPIXELS = 0.67
_BATCHES, _BATCH, _BATCH_CONCURRENCY = 6, 100, 4
_LIMIT = 512_000_000

LOAD = Section(
    "Many at once",
    "Bursts on servers that have just started and served one image, and again on the same servers; "
    f"the service has {', '.join(f'{name}={value}' for name, value in LOADED.items())}. rembg "
    "takes its memory from the system in the first burst, and keeps it. Peaks are those of bursts "
    "of their own, so that sampling slows no other down. Mixed images are plain, rotated by EXIF, "
    "with a profile, progressive and CMYK in turn.",
    [
        ("times the throughput", _RATIO, "×"),
        ("of the model's", _OF_MODEL, "×"),
        ("all, s", "seconds", "s"),
        ("per second", "rate", "/s"),
        ("p50, s", "latency@50", "s"),
        ("p95, s", "latency@95", "s"),
        *PEAKS,
        ("statuses", "status", "count"),
    ],
    [
        *(
            Goal(f"times the throughput of rembg, {load}", load, _RATIO, "×", "≥", n)
            for load, n in _THROUGHPUT.items()
        ),
        Goal("of the model's own throughput", "24 × 0.67 MP.*", _OF_MODEL, "×", "≥", 0.9),
        *peak_goals("many at once"),
    ],
)
URLS = Section(
    "Slow sources",
    f"{AT_ONCE} requests at once by URL, whose source waits {SOURCE_WAITS} s before it "
    f"responds, beside uploads of the same image ({_URL_MEGAPIXELS} MP) one after another.",
    [
        ("URLs per second", "urls", "/s"),
        ("uploads per second", "uploads", "/s"),
        ("share", "urls / uploads", "×"),
    ],
    [Goal("throughput by slow URLs, of uploads", ".*", "urls / uploads", "×", "≥", 0.95)],
)
GROWTH = Section(
    "Growth",
    f"Memory at rest after batches of mixed requests, {_BATCH_CONCURRENCY} at a time.",
    [
        ("at rest, MB", "rest", "MB"),
        ("growth, MB", "growth", "MB"),
        ("statuses", "status", "count"),
    ],
    [Goal("growth from the first batch to the last", ".*", "growth", "MB", "≤", 15 * MB)],
)
LIMIT = Section(
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
        Goal("the kernel's peak", ".*", "peak", "MB", "≤", 460 * MB),
        Goal("wrong responses under 512 MB", ".*", "wrong", "", "≤", 0),
        Goal("time under 512 MB, of the usual time", ".*", "limited / free", "×", "≤", 2),
    ],
)


def _loads(images: dict[str, bytes]) -> dict[str, list[bytes]]:
    """Return the images of each load."""
    return {
        f"{count} × {size} MP": [images[f"{size}-plain"]] * count
        for count, size in ((8, 0.67), (24, 0.67), (8, 10.7))
    }


def _mixed(images: dict[str, bytes], size: int) -> list[bytes]:
    """Return as many images as the service admits, of each kind in turn."""
    return [images[f"{size}-{KINDS[i % len(KINDS)]}"] for i in range(AT_ONCE)]


def _figures(burst: Burst) -> dict[str, float | Sequence[float]]:
    seconds, responses = burst
    return {
        "seconds": seconds,
        "rate": len(responses) / seconds,
        "latency": [response.elapsed.total_seconds() for response in responses],
        "status": [response.status_code for response in responses],
    }


def measure_load(stage: Stage, samples: Samples) -> None:
    """Record bursts on servers that have just started, in alternation."""
    for load, images in _loads(stage.images).items():
        for _ in range(stage.repeat(2, 1)):
            model = floor.in_a_process(floor.predict, images[0], len(images))
            for side, options in SIDES.items():
                with stage.launch(side, LOADED) as server:
                    server.upload(images[0], **options).raise_for_status()
                    for case in (load, f"{load}, again"):
                        burst = server.upload_all(images, **options)
                        record(samples, case, side, model=model, **_figures(burst))
                        say(f"load: {case}, {side}: {burst[0]:.1f} s")
        for side in SIDES:
            record(samples, load, side, peak=_peak(stage, side, images)[0])
    for size in (12, 24):
        for side in OWN_SIDES:
            peak, burst = _peak(stage, side, _mixed(stage.images, size))
            case = f"{AT_ONCE} × {size} MP, mixed"
            record(samples, case, side, peak=peak, **_figures(burst))


def _peak(stage: Stage, side: str, images: list[bytes]) -> tuple[int, Burst]:
    with stage.launch(side, LOADED) as server:
        server.upload(images[0], **SIDES[side]).raise_for_status()
        with watching(server.pid) as watch:
            burst = server.upload_all(images, **SIDES[side])
    say(f"load: {len(images)} images: peak {watch.peak / MB:.0f} MB")
    return watch.peak, burst


def measure_urls(stage: Stage, samples: Samples) -> None:
    """Record the responses per second by URL and by upload, in alternation: downloads overlap."""
    image, url = stage.images[f"{_URL_MEGAPIXELS}-plain"], stage.source.url("slow")
    # Enough that the first wait, which nothing can overlap, hardly counts.
    count = stage.repeat(64, 32)
    with stage.launch() as service:
        service.fetch(url).raise_for_status()
        for _ in range(stage.repeat(2, 1)):
            rates = {}
            for name, request, concurrency in (
                ("urls", partial(service.fetch, url), AT_ONCE),
                ("uploads", partial(service.upload, image), 1),
            ):
                seconds, responses = send_all([request] * count, concurrency)
                rates[name] = sum(response.is_success for response in responses) / seconds
            record(samples, "all", "default", **rates)
            say(f"urls: per second: {rates}")


def measure_growth(stage: Stage, samples: Samples) -> None:
    """Record the memory at rest after each batch of requests: does it grow?"""
    random, images, source = Random(0), stage.images, stage.source
    photo = images["0.67-plain"]
    with stage.launch() as service:
        # How often each request is made, in comparison.
        mix = {
            partial(service.upload, images["0.24-plain"]): 25,
            partial(service.upload, photo): 20,
            partial(service.fetch, source.url("0.67-plain")): 15,
            partial(service.upload, images["1.6-plain"]): 10,
            partial(service.upload, images["1.6-plain"], format="webp"): 5,
            partial(service.upload, photo, output="mask"): 5,
            partial(service.upload, images["6-plain"]): 4,
            partial(service.upload, images["12-rotated"]): 2,
            partial(service.upload, images["12-cmyk"]): 1,
            partial(service.upload, b"not an image"): 6,
            partial(service.upload, photo[: len(photo) // 2]): 6,
            partial(service.fetch, source.url("status_204")): 1,
        }
        for batch in range(stage.repeat(_BATCHES, 2)):
            chosen = random.choices(list(mix), list(mix.values()), k=stage.repeat(_BATCH, 20))
            _, responses = send_all(chosen, _BATCH_CONCURRENCY)
            statuses = [response.status_code for response in responses]
            rest = settled_pss(service.pid)
            record(samples, f"batch {batch + 1}", "default", rest=rest, status=statuses)
            say(f"growth: batch {batch + 1}: {rest / MB:.0f} MB")
    rests = [sides["default"]["rest"][0] for sides in samples.values()]
    record(samples, "last − first", "default", growth=rests[-1] - rests[0])


def measure_limit(stage: Stage, samples: Samples) -> None:
    """Record the service under the limit and without one, in alternation."""
    bursts = {f"1 × {size:g} MP": [stage.images[f"{size:g}-plain"]] for size in SIZES}
    bursts |= _loads(stage.images)
    bursts[f"{AT_ONCE} × 24 MP, mixed"] = _mixed(stage.images, 24)
    with hard_limit(_LIMIT) as cgroup:
        if cgroup is None:
            say("limit: skipped, as no memory cgroup can be made")
            return
        with (
            stage.launch(settings=LOADED) as free,
            stage.launch(settings=LOADED, cgroup=cgroup) as limited,
        ):
            for case, images in bursts.items():
                wrong = 0
                for _ in range(stage.repeat(4, 3) if len(images) == 1 else 1):
                    seconds, expected = free.upload_all(images)
                    limited_seconds, responses = limited.upload_all(images)
                    for right, response in zip(expected, responses, strict=True):
                        wrong += response.content != right.raise_for_status().content
                    statuses = [response.status_code for response in responses]
                    record(samples, case, "default", free=seconds, limited=limited_seconds)
                    record(samples, case, "default", status=statuses)
                record(samples, case, "default", wrong=wrong, peak=cgroup.peak())
                say(f"limit: {LIMIT.report({case: samples[case]})}")
