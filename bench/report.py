"""Results -> Markdown: ratios first, then seconds and megabytes."""

from collections.abc import Mapping, Sequence

from bench.figures import Spread, percentile, ratio, spread
from bench.markdown import table, target_table
from bench.stage import Figures
from bench.targets import MB, floor_seconds, round_seconds, slowdown, targets, throughput_ratio


def report(results: Figures) -> str:
    """The whole report, of the sections that were run."""
    parts = [_heading(results), "## Targets\n\n" + target_table(targets(results))]
    sections = {
        "latency": _latency,
        "load": _load,
        "memory": _memory,
        "start": _start,
        "installed": _installed,
        "urls": _urls,
        "growth": _growth,
        "limit": _limit,
    }
    parts += [write(results[name]) for name, write in sections.items() if name in results]
    return "\n\n".join(parts) + "\n"


def summary(results: Figures) -> str:
    """The README's table, of a whole run."""
    rows: list[tuple[str, ...]] = []
    for size, samples in results["latency"].items():
        sides = (f"{1e3 * spread(samples[side]).median:,.0f} ms" for side in ("peer", "ours"))
        rows.append(
            (
                f"one picture of {size} megapixels",
                *sides,
                _times(ratio(samples["peer"], samples["ours"]).median),
            )
        )
    for name, load in results["load"]["loads"].items():
        sides = (
            f"{spread(round_seconds(load, side)).median:.1f} s, {load['peak'][side] / MB:,.0f} MB"
            for side in ("peer", "ours")
        )
        rows.append(
            (
                f"{name} megapixels at once: time, peak memory",
                *sides,
                _times(throughput_ratio(load)),
            )
        )
        again = (
            f"{spread(round_seconds(load['again'], side)).median:.1f} s"
            for side in ("peer", "ours")
        )
        rows.append(
            (f"{name} megapixels, once more", *again, _times(throughput_ratio(load["again"])))
        )
    for kind in ("cold", "warm"):
        answered = [
            spread([start["first_answer"] for start in results["start"][side][kind]]).median
            for side in ("peer", "ours")
        ]
        rows.append(
            (
                f"{kind} start, to the first answer",
                *(f"{time:.1f} s" for time in answered),
                _times(answered[0] / answered[1]),
            )
        )
    return table(("", "`rembg s`", "this service", "times as fast"), rows)


def _times(value: float) -> str:
    return f"**{value:.1f} ×**"


def _heading(results: Figures) -> str:
    machine, versions = results["machine"], results["versions"]
    listed = {
        side: ", ".join(f"{name} {version}" for name, version in versions[side].items())
        for side in versions
    }
    quick = " A quick run: too few samples to quote." if results["quick"] else ""
    return (
        f"# Ours beside rembg's server, {results['date']}\n\n"
        f"{machine['processor']}, {machine['cores']} cores ({machine['busy_percent']:.0f} % busy before the run), "
        f"{machine['memory'] / MB:.0f} MB, {machine['kernel']}, Python {machine['python']}.{quick}\n\n"
        f"Ours: {listed['ours']}. Peer: {listed['peer']}. Both serve u2netp over loopback and get the same JPEG pictures "
        f"(quality 90, 4:2:0; {results['pictures']['made_from']}), in alternation in one run. "
        "Times are medians, with the quartiles in brackets; ratios are those of the medians, with the quartiles of the paired "
        "samples. "
        "Memory is PSS of the whole process tree; 1 MB is 1,000,000 bytes."
    )


def _latency(latency: Figures) -> str:
    header = (
        "MP",
        "times as fast",
        "over the floor",
        "ours, ms",
        "ours by URL, ms",
        "floor, ms",
        "peer, ms",
        "answer, MB: ours, peer",
    )

    def row(size: str, samples: Figures) -> tuple[str, ...]:
        floor, answers = floor_seconds(samples), samples["answer_bytes"]
        times = (
            _spread(spread(values), 1e3)
            for values in (samples["ours"], samples["url"], floor, samples["peer"])
        )
        return (
            size,
            _ratio(ratio(samples["peer"], samples["ours"])),
            _ratio(ratio(samples["ours"], floor)),
            *times,
            f"{answers['ours'] / MB:.2f}, {answers['peer'] / MB:.2f}",
        )

    def steps(size: str, samples: Figures) -> tuple[str, ...]:
        of_floor = (_steps(samples["floor"], name, 1e3) for name in ("decode", "predict", "encode"))
        of_ours = (_steps(samples["steps_ms"], name, 1) for name in samples["steps_ms"][0])
        return (size, *of_floor, *of_ours)

    of_ours = next(iter(latency.values()))["steps_ms"][0]
    step_header = (
        "MP",
        *(f"floor: {name}" for name in ("decode", "predict", "encode")),
        *(f"ours: {name}" for name in of_ours),
    )
    return (
        "## One at a time\n\n"
        + table(header, [row(size, samples) for size, samples in latency.items()])
        + "\n\nWhere it goes, in ms (ours: the answer's Server-Timing).\n\n"
        + table(step_header, [steps(size, samples) for size, samples in latency.items()])
    )


def _steps(samples: Sequence[dict[str, float]], name: str, scale: float) -> str:
    return f"{spread([steps[name] for steps in samples]).median * scale:.0f}"


def _load(load: Figures) -> str:
    def row(name: str, load: Figures, peak: Mapping[str, float]) -> tuple[str, ...]:
        sides = []
        for side in ("ours", "peer"):
            latencies = [latency for sent in load[side] for latency in sent["latencies"]]
            total = spread(round_seconds(load, side)).median
            count = len(latencies) / len(load[side])
            tail = f"p50 {percentile(latencies, 50):.1f}, p95 {percentile(latencies, 95):.1f}"
            sides.append(
                f"{total:.1f} s, {count / total:.1f} a second, {tail}, {peak[side] / MB:.0f} MB"
            )
        faster = ratio(round_seconds(load, "peer"), round_seconds(load, "ours"))
        return (name, _ratio(faster), _share(peak), *sides)

    rows = []
    for name, figures in load["loads"].items():
        rows += [
            row(name, figures, figures["peak"]),
            row(f"{name}, again", figures["again"], figures["peak"]),
        ]
    settings = ", ".join(f"{name}={value}" for name, value in load["settings"].items())
    inside = [
        (
            f"{size} MP",
            f"{figures['peak'] / MB:.0f}",
            f"{figures['seconds']:.1f}",
            _statuses([figures["statuses"]]),
        )
        for size, figures in load["inside"].items()
    ]
    return (
        f"## Many at once\n\nOn servers that have just started and answered one picture, and once more on the same; "
        f"ours with {settings}. "
        "The peer takes its memory from the system in the first burst, and keeps it. Peaks are of rounds of their own.\n\n"
        + table(
            ("at once × MP", "times the throughput", "peak memory, of the peer's", "ours", "peer"),
            rows,
        )
        + "\n\nOurs, 16 inside: plain, rotated by EXIF, with a profile, progressive and CMYK in turn.\n\n"
        + table(("pictures", "peak, MB", "seconds", "answers by status"), inside)
    )


def _memory(memory: Figures) -> str:
    ours, peer = memory["ours"], memory["peer"]
    rows = []
    for name, size in ours.items():
        beside = (
            (_share({"ours": size, "peer": peer[name]}), f"{peer[name] / MB:.0f}")
            if name in peer
            else ("", "")
        )
        rows.append((name, beside[0], f"{size / MB:.0f}", beside[1]))
    return "## Memory, one at a time\n\n" + table(
        ("MP", "of the peer's", "ours, peak MB", "peer, peak MB"), rows
    )


def _start(start: Figures) -> str:
    rows = []
    for kind in ("cold", "warm"):
        for side in ("ours", "peer"):
            times = [
                spread([sample[key] for sample in start[side][kind]])
                for key in ("ready", "first_answer")
            ]
            rows.append((kind, side, *(_spread(time, 1, digits=2) for time in times)))
    return (
        "## Start\n\nCold: with nothing compiled, neither Python's bytecode nor what numba makes. Ours is ready once the model has "
        "answered a picture; the peer loads its model at the first request.\n\n"
        + table(("", "", "ready, s", "first answer, s"), rows)
    )


def _installed(installed: Figures) -> str:
    times = installed["peer"]["bytes"] / installed["ours"]["bytes"]
    sides = (
        f"{name} {side['bytes'] / MB:.0f} MB in {side['packages']} packages"
        for name, side in installed.items()
    )
    return f"## Installed\n\nThe peer is {times:.1f} times as large: {', '.join(sides)}."


def _urls(urls: Figures) -> str:
    by_url, by_upload = (_spread(spread(urls[name]), 1, digits=2) for name in ("urls", "uploads"))
    share = _ratio(ratio(urls["urls"], urls["uploads"]))
    return (
        f"## Slow sources\n\n{urls['at_once']} requests at once by URL, whose source waits {urls['source_waits']} s before it "
        "answers: "
        f"{share} the throughput of uploads of the same picture ({urls['megapixels']} MP) one after another; "
        f"{by_url} a second against {by_upload}."
    )


def _growth(growth: Figures) -> str:
    sizes = ", ".join(f"{size / MB:.0f}" for size in growth["settled"])
    grown = growth["settled"][-1] - growth["settled"][0]
    return (
        f"## Growth\n\n{grown / MB:.1f} MB from the first {growth['batch']} mixed requests to the last, "
        f"{growth['at_once']} at a time. PSS at rest after each {growth['batch']}, in MB: {sizes}. "
        f"Answers by status: {_statuses(growth['statuses'])}."
    )


def _limit(limit: Figures) -> str:
    heading = "## A hard limit of 512 MB, no swap\n\n"
    if "skipped" in limit:
        return heading + str(limit["skipped"])
    rows = [
        (
            f"1 × {size}",
            f"{slowdown(pair):.2f}",
            f"{spread(pair['limited']).median:.2f}",
            f"{spread(pair['free']).median:.2f}",
            pair["wrong"],
        )
        for size, pair in limit["latency"].items()
    ]
    for name, pair in limit["loads"].items():
        limited, free = pair["limited"]["seconds"], pair["free"]["seconds"]
        rows.append((name, f"{limited / free:.2f}", f"{limited:.2f}", f"{free:.2f}", pair["wrong"]))
    return (
        f"{heading}The kernel's own peak, page cache included: {limit['peak'] / MB:.0f} MB. An answer is wrong unless it is 200 "
        "and the same bytes as without the limit.\n\n"
        + table(
            ("at once × MP", "times the usual time", "limited, s", "free, s", "wrong answers"), rows
        )
    )


def _ratio(value: Spread) -> str:
    return f"**{value.median:.2f} ×** ({value.low:.2f}–{value.high:.2f})"


def _spread(value: Spread, scale: float, digits: int = 0) -> str:
    low, median, high = (
        f"{part * scale:.{digits}f}" for part in (value.low, value.median, value.high)
    )
    return median if low == high else f"{median} ({low}–{high})"


def _share(figures: Mapping[str, float]) -> str:
    """Ours in percent of the peer's."""
    return f"{100 * figures['ours'] / figures['peer']:.0f} %"


def _statuses(rounds: Sequence[Mapping[str, int]]) -> str:
    """How many answers had each status, in all rounds."""
    statuses = sorted({status for counts in rounds for status in counts})
    return ", ".join(
        f"{sum(counts.get(status, 0) for counts in rounds)} × {status}" for status in statuses
    )
