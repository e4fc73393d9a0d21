"""Results -> Markdown."""

from collections import Counter
from collections.abc import Mapping

from bench.markdown import table, target_table
from bench.soak.judge import targets
from bench.stage import Figures
from bench.targets import MB

_SHOWN = 20


def report(results: Figures) -> str:
    """The whole report."""
    parts = [_heading(results), target_table(targets(results)), _memory(results), _kinds(results)]
    if results["wrong"]:
        parts.append(_wrong(results))
    return "\n\n".join(parts) + "\n"


def _heading(results: Figures) -> str:
    machine = results["machine"]
    answers = sum(sum(codes.values()) for codes in results["codes"].values())
    return (
        f"# A soak of {results['minutes']} minutes, {results['date']}\n\n"
        f"{machine['processor']}, {machine['cores']} cores ({machine['busy_percent']:.0f} % busy before the run), "
        f"{machine['kernel']}, Python {machine['python']}. Seed {results['seed']}; {answers:,} requests by eight clients without a "
        f"pause, with bursts over the limit, and by one that keeps its connection; pictures: {results['pictures']}. The clients, "
        "the faulty sources and the service share the machine. Memory is PSS of the whole process tree; 1 MB is 1,000,000 bytes."
    )


def _memory(results: Figures) -> str:
    rests, peaks = results["memory"]["rests"], results["memory"]["peaks"]
    rows = [("start", f"{rests[0] / MB:.0f}", "", "", "", "")]
    for minute, (rest, peak, latency) in enumerate(
        zip(rests[1:], peaks, results["good_by_minute"], strict=True), start=1
    ):
        rows.append((str(minute), f"{rest / MB:.0f}", f"{peak / MB:.0f}", *_seconds(latency)))
    return (
        "## By minute\n\nAt rest: once all is answered, and after it a picture of 24 megapixels, for which the service gives back "
        "what it keeps, and a small one. Latencies are of good pictures, all sizes.\n\n"
        "![Memory and latency by minute](soak.png)\n\n"
        + table(("minute", "at rest, MB", "peak, MB", "p50, s", "p95, s", "p99, s"), rows)
    )


def _kinds(results: Figures) -> str:
    kinds = sorted(
        results["codes"],
        key=lambda kind: (" MP " not in kind, kind.split(" ", 1)[1:], _megapixels(kind)),
    )
    rows = [
        (kind, *_seconds(results["latency"][kind]), _counts(results["codes"][kind]))
        for kind in kinds
    ]
    return (
        "## By kind\n\nLatency of what was answered, `busy` apart; that of faulty sources is the time they take to fail. `left`: "
        "the caller did. `broken_off`: a slow reader was cut off while others waited for the memory.\n\n"
        + table(("request", "p50, s", "p95, s", "p99, s", "answers by code"), rows)
    )


def _wrong(results: Figures) -> str:
    rows = [
        (
            answer["minute"],
            answer["kind"],
            f"`{answer['what']}`",
            answer["code"],
            ", ".join(answer["right"]),
        )
        for answer in results["wrong"][:_SHOWN]
    ]
    return f"## Wrong\n\nThe first {_SHOWN} at most.\n\n" + table(
        ("minute", "kind", "request", "answer", "right"), rows
    )


def _megapixels(kind: str) -> float:
    size = kind.partition(" ")[0]
    return float(size) if size[0].isdigit() else 0.0


def _seconds(percentiles: Mapping[str, float]) -> tuple[str, str, str]:
    p50, p95, p99 = (
        f"{percentiles[name]:.2f}" if name in percentiles else "" for name in ("p50", "p95", "p99")
    )
    return p50, p95, p99


def _counts(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × `{code}`" for code, count in Counter(codes).most_common())
