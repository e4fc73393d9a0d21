"""Many requests at once: throughput, tail, and the memory that they take."""

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


def measure(stage: Stage) -> Figures:
    """Rounds of both sides in alternation; then the memory, with servers of its own, so that sampling it slows no round down."""
    loads: Figures = {f"{count} × {megapixels}": {"ours": [], "peer": [], "peak": {}} for count, megapixels in LOADS}
    with stage.ours(**LOADED) as ours, stage.peer() as peer:
        for (count, megapixels), figures in zip(LOADS, loads.values(), strict=True):
            pictures = [stage.pictures.plain[megapixels]] * count
            for server in (ours, peer):
                server.upload(pictures[0]).right()
            for _ in range(stage.times(3, 1)):
                figures["ours"].append(as_figures(send_at_once(ours, pictures)))
                figures["peer"].append(as_figures(send_at_once(peer, pictures)))
            _say(f"{count} × {megapixels} MP", figures)
    for (count, megapixels), figures in zip(LOADS, loads.values(), strict=True):
        pictures = [stage.pictures.plain[megapixels]] * count
        with stage.ours(**LOADED) as ours:
            figures["peak"]["ours"] = _peak(ours, pictures)[0]
        with stage.peer() as peer:
            figures["peak"]["peer"] = _peak(peer, pictures)[0]
        ours_mb, peer_mb = (figures["peak"][name] / 1e6 for name in ("ours", "peer"))
        say(f"load, {count} × {megapixels} MP: peak ours {ours_mb:.0f} MB, peer {peer_mb:.0f} MB")
    inside: Figures = {}
    for megapixels in (12, 24):
        with stage.ours(**LOADED) as ours:
            peak, mixed = _peak(ours, stage.pictures.mixed(megapixels, INSIDE))
        inside[str(megapixels)] = {"peak": peak, **as_figures(mixed)}
        say(f"load, {INSIDE} inside of {megapixels} MP, mixed: peak {peak / 1e6:.0f} MB, statuses {mixed.statuses}")
    return {"settings": LOADED, "loads": loads, "inside": inside}


def send_at_once(server: Server, pictures: list[bytes]) -> Round:
    """Upload all the pictures at once."""
    return send_all([partial(server.upload, picture) for picture in pictures], at_once=len(pictures))


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
    parts = []
    for side in ("ours", "peer"):
        latencies = [latency for sent in figures[side] for latency in sent["latencies"]]
        total = spread([sent["seconds"] for sent in figures[side]]).median
        parts.append(f"{side} {total:.1f} s (p50 {percentile(latencies, 50):.1f}, p95 {percentile(latencies, 95):.1f})")
    faster = ratio(*([sent["seconds"] for sent in figures[side]] for side in ("peer", "ours"))).median
    say(f"load, {name}: {', '.join(parts)}: {faster:.1f} times the throughput")
