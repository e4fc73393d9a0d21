"""Many requests at once: throughput, tail, and the memory that they take."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from bench.client import Round, send_all
from bench.figures import percentile, ratio, spread
from bench.memory import watching
from bench.progress import say
from bench.servers import Server
from bench.stage import LOADED, Figures, Stage

# How many at once, and their megapixels.
LOADS = ((8, 0.67), (24, 0.67), (8, 10.7))
INSIDE = 16

Starting = Callable[[], AbstractContextManager[Server]]


def measure(stage: Stage) -> Figures:
    """Bursts on servers that have just started and answered one picture, both sides in alternation, and a second burst after each.

    The peer's first burst is the one that takes its memory from the system; it keeps it for the second. The peaks are those of
    other servers, so that sampling slows no burst down.
    """
    loads: Figures = {}
    for count, megapixels in LOADS:
        pictures = [stage.pictures.plain[megapixels]] * count
        figures: Figures = {"ours": [], "peer": [], "again": {"ours": [], "peer": []}, "peak": {}}
        sides: dict[str, Starting] = {"ours": partial(stage.ours, **LOADED), "peer": stage.peer}
        for _ in range(stage.times(3, 1)):
            for name, starting in sides.items():
                with starting() as server:
                    server.upload(pictures[0]).right()
                    figures[name].append(as_figures(send_at_once(server, pictures)))
                    figures["again"][name].append(as_figures(send_at_once(server, pictures)))
        for name, starting in sides.items():
            with starting() as server:
                figures["peak"][name] = _peak(server, pictures)[0]
        loads[f"{count} × {megapixels}"] = figures
        _say(f"{count} × {megapixels} MP", figures)
    inside: Figures = {}
    for megapixels in (12, 24):
        with stage.ours(**LOADED) as ours:
            peak, mixed = _peak(ours, stage.pictures.mixed(megapixels, INSIDE))
        inside[str(megapixels)] = {"peak": peak, **as_figures(mixed)}
        say(
            f"load, {INSIDE} inside of {megapixels} MP, mixed: peak {peak / 1e6:.0f} MB, statuses {mixed.statuses}"
        )
    return {"settings": LOADED, "loads": loads, "inside": inside}


def send_at_once(server: Server, pictures: list[bytes]) -> Round:
    """Upload all the pictures at once."""
    return send_all(
        [partial(server.upload, picture) for picture in pictures], at_once=len(pictures)
    )


def as_figures(sent: Round) -> Figures:
    """What is kept of a round."""
    return {"seconds": sent.seconds, "latencies": sent.latencies, "statuses": sent.statuses}


def _peak(server: Server, pictures: list[bytes]) -> tuple[int, Round]:
    """The peak PSS in bytes of one round, and the round."""
    server.upload(pictures[0]).right()
    with watching(server.process.pid) as watch:
        sent = send_at_once(server, pictures)
    return watch.peak, sent


def _say(name: str, figures: Figures) -> None:
    for burst, sides in (("first burst", figures), ("second", figures["again"])):
        parts = []
        for side in ("ours", "peer"):
            total = spread([sent["seconds"] for sent in sides[side]]).median
            latencies = [latency for sent in sides[side] for latency in sent["latencies"]]
            parts.append(
                f"{side} {total:.1f} s (p50 {percentile(latencies, 50):.1f}, p95 {percentile(latencies, 95):.1f})"
            )
        times = ratio(
            *([sent["seconds"] for sent in sides[side]] for side in ("peer", "ours"))
        ).median
        say(f"load, {name}, {burst}: {', '.join(parts)}: {times:.1f} times the throughput")
    ours_mb, peer_mb = (figures["peak"][side] / 1e6 for side in ("ours", "peer"))
    say(f"load, {name}: peak ours {ours_mb:.0f} MB, peer {peer_mb:.0f} MB")
