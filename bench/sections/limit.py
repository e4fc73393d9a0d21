"""The same service under a hard limit of 512 MB without swap, beside one without a limit."""

from bench.cgroup import hard_limit
from bench.client import Answer, Round
from bench.figures import ratio
from bench.progress import say
from bench.sections.load import INSIDE, LOADS, as_figures, send_at_once
from bench.servers import Server
from bench.stage import LOADED, Figures, Stage

_LIMIT = 512_000_000


def measure(stage: Stage) -> Figures:
    """Latencies and loads of both in alternation, whether every answer was the same, and the kernel's own peak in bytes."""
    with hard_limit(_LIMIT) as cgroup:
        if cgroup is None:
            say("limit: skipped")
            return {
                "skipped": "No memory cgroup can be made here: it takes root and a kernel that counts memory."
            }
        with stage.ours(**LOADED) as free, stage.ours(cgroup, **LOADED) as limited:
            latency = {
                str(size): _latency(stage, free, limited, size) for size in stage.pictures.plain
            }
            loads: Figures = {}
            for count, megapixels in LOADS:
                loads[f"{count} × {megapixels}"] = _load(
                    free, limited, [stage.pictures.plain[megapixels]] * count
                )
                say(
                    f"limit, {count} × {megapixels} MP: {_summary(loads[f'{count} × {megapixels}'])}"
                )
            name = f"{INSIDE} × 24 mixed"
            loads[name] = _load(free, limited, stage.pictures.mixed(24, INSIDE))
            say(f"limit, {name}: {_summary(loads[name])}")
        say(f"limit: the kernel's peak {cgroup.peak() / 1e6:.0f} MB")
        return {"limit": _LIMIT, "peak": cgroup.peak(), "latency": latency, "loads": loads}


def _latency(stage: Stage, free: Server, limited: Server, megapixels: float) -> Figures:
    picture = stage.pictures.plain[megapixels]
    figures: Figures = {"free": [], "limited": [], "wrong": 0}
    for repetition in range(1 + stage.times(7, 2)):
        usual, under = free.upload(picture).right(), limited.upload(picture)
        figures["wrong"] += _differ(usual, under)
        if repetition:
            figures["free"].append(usual.seconds)
            figures["limited"].append(under.seconds)
    slower = ratio(figures["limited"], figures["free"]).median
    say(f"limit, {megapixels} MP: {slower:.2f} times the usual time, {figures['wrong']} wrong")
    return figures


def _load(free: Server, limited: Server, pictures: list[bytes]) -> Figures:
    usual, under = send_at_once(free, pictures), send_at_once(limited, pictures)
    return {"free": as_figures(usual), "limited": as_figures(under), "wrong": _wrong(usual, under)}


def _wrong(usual: Round, under: Round) -> int:
    return sum(_differ(*answers) for answers in zip(usual.answers, under.answers, strict=True))


def _differ(usual: Answer, under: Answer) -> bool:
    return under.status != 200 or under.body != usual.body


def _summary(load: Figures) -> str:
    slower = load["limited"]["seconds"] / load["free"]["seconds"]
    return f"{slower:.2f} times the usual time, {load['wrong']} wrong, statuses {load['limited']['statuses']}"
