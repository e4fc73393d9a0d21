"""The peak PSS of the whole process tree, idle and with each picture, one request at a time."""

from bench.memory import settled_pss, watching
from bench.progress import say
from bench.servers import Server
from bench.stage import Figures, Stage


def measure(stage: Stage) -> Figures:
    """Bytes by picture; the hard ones on our side alone."""
    times = stage.times(5, 2)
    plain = {f"{megapixels}": picture for megapixels, picture in stage.pictures.plain.items()}
    hard = {
        f"{megapixels} {variant}": picture
        for (megapixels, variant), picture in stage.pictures.hard.items()
    }
    figures: Figures = {}
    with stage.ours_starting() as ours:
        with watching(ours.process.pid) as watch:
            ours.wait_until_ready()
        figures["ours"] = {"starting": watch.peak, **_peaks("ours", ours, plain | hard, times)}
    with stage.peer_starting() as peer:
        with watching(peer.process.pid) as watch:
            peer.wait_until_ready()
        figures["peer"] = {"starting": watch.peak, **_peaks("peer", peer, plain, times)}
    return figures


def _peaks(name: str, server: Server, pictures: dict[str, bytes], times: int) -> dict[str, int]:
    server.upload(next(iter(pictures.values()))).right()  # the peer loads its model now
    peaks = {"idle": settled_pss(server.process.pid)}
    say(f"memory, idle, {name}: {peaks['idle'] / 1e6:.0f} MB")
    for key, picture in pictures.items():
        with watching(server.process.pid) as watch:
            for _ in range(times):
                server.upload(picture).right()
        peaks[key] = watch.peak
        say(f"memory, {key} MP, {name}: {watch.peak / 1e6:.0f} MB")
    return peaks
