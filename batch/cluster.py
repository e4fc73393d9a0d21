"""The engine `ray`: leads items to rows on the machines of a Ray cluster.

Ray only schedules: it hands a few items at a time to its actors, and rows travel back. Actors read
and write the images themselves, each by a worker process that it supervises as a local run does.
Whatever Ray loses, a task whose machine is gone or a row on its way, is an item without a row, and
is handed out again.
"""

import json
import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from batch.cutters import python_path
from batch.errors import RunStopped, UsageError
from batch.manifest_parts import ManifestInParts
from batch.names import scheme_of
from batch.processes import WORKER_BYTES
from batch.processing import Setup, Tools, open_tools, process
from batch.progress import Progress
from batch.run import REMOTE_LANES_PER_WORKER
from batch.sources import Item
from batch.stores import describe
from pipeline.errors import StartupError
from pipeline.processors import available_processors

# Items that are handed out before more are listed: 10 MB of memory here.
_WINDOW = 50_000

# An actor takes so many items at a time: six seconds of work, which is what a lost machine costs.
# Few items are divided, so that each actor has some turns.
_TASK_ITEMS, _TURNS = 16, 4

# How often items are handed out again without any row in return.
_FRUITLESS_ROUNDS = 3

# An actor with Ray, pyarrow and the images that it holds, besides its worker.
_ACTOR_BYTES = 300_000_000

# Rows alone are stored, a kilobyte each. Ray takes no less than 75 MB.
_STORE_BYTES = 100_000_000

_CONNECT_SECONDS = 10.0

# Those that the processes of a node look for.
_PORTS = (
    "metrics_agent_port",
    "metrics_export_port",
    "dashboard_agent_listen_port",
    "runtime_env_agent_port",
)


class Actor:
    """What an actor of Ray runs: the steps of items, with one worker."""

    def __init__(self, setup: Setup) -> None:
        """Open nothing before the first item: only what a call raises reaches the command."""
        self._setup = setup
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._tools: Tools | None = None

    def __call__(self, batch: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
        """Return the outcome of each item, both as JSON.

        An outcome is a row, or the output and what it was `skipped` or all is `stopped` for.
        """
        with ThreadPoolExecutor(REMOTE_LANES_PER_WORKER) as lanes:
            return {"outcome": [*lanes.map(self._lead, map(str, batch["item"]))]}

    def close(self) -> None:
        """End the worker. Without this, it ends with the actor."""
        self._stack.close()

    def _lead(self, text: str) -> str:
        *fields, known = json.loads(text)
        item = Item(*fields)
        try:
            outcome = process(item, known, self._open())
        except (RunStopped, StartupError, UsageError) as exc:
            return json.dumps({"output": item.output, "stopped": str(exc)})
        if isinstance(outcome, str):
            return json.dumps({"output": item.output, "skipped": outcome})
        return json.dumps(outcome)

    def _open(self) -> Tools:
        with self._lock:
            if self._tools is None:
                target = self._setup.target
                if not scheme_of(target) and not Path(target).is_dir():
                    raise UsageError(
                        f"The folder {target} is not on every machine; name a shared folder."
                    )
                self._tools = self._stack.enter_context(open_tools(self._setup, 1))
            return self._tools


class Cluster:
    """Processes items on a Ray cluster: the one at an address, or one on this machine."""

    def __init__(
        self,
        setup: Setup,
        manifest: ManifestInParts,
        progress: Progress,
        workers: int | None,
        address: str | None,
    ) -> None:
        """Use `workers` actors, by default as many as the cluster has room for."""
        self._setup = replace(setup, target=_anywhere(setup.target))
        self._manifest = manifest
        self._progress = progress
        self._workers = workers
        self._address = address
        self._is_stopping = False

    def stop(self) -> None:
        """Take no more rows than those on their way to here."""
        self._is_stopping = True

    def process(self, items: Iterable[Item]) -> bool:
        """Process items, and return whether it came to their end.

        Raises RunStopped, and UsageError of the listing, or if there is no such cluster.
        """
        with _connected(self._address, self._workers) as ray:
            workers = self._workers or _room(ray.cluster_resources())
            rest = iter(items)
            while waiting := {item.output: item for item in islice(rest, _WINDOW)}:
                fruitless = 0
                while waiting and not self._is_stopping:
                    before = len(waiting)
                    self._hand_out(ray, waiting, workers)
                    fruitless = fruitless + 1 if len(waiting) == before else 0
                    if fruitless == _FRUITLESS_ROUNDS:
                        raise RunStopped(f"Ray returned no rows of {before:,} images; see its log.")
                if self._is_stopping:
                    return False
        return True

    def _hand_out(self, ray: Any, waiting: dict[str, Item], workers: int) -> None:
        """Hand items to actors, and remove those from `waiting` whose outcome arrives."""
        size = max(1, min(_TASK_ITEMS, len(waiting) // (workers * _TURNS)))
        tasks = -(-len(waiting) // size)
        texts = [{"item": self._text(item)} for item in waiting.values()]
        outcomes = ray.data.from_items(texts, override_num_blocks=tasks).map_batches(
            Actor,
            fn_constructor_args=(self._setup,),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=min(workers, tasks)),
            num_cpus=1,
            memory=WORKER_BYTES + _ACTOR_BYTES,
            # A task belongs to its actor, and would wait for ever for one that finds no machine.
            max_restarts=-1,
            max_task_retries=0,
        )
        try:
            for batch in outcomes.iter_batches(batch_size=None, prefetch_batches=0):
                for text in batch["outcome"]:
                    self._take(json.loads(str(text)), waiting)
                self._progress.report()
                if self._is_stopping:
                    break
        except ray.exceptions.RayError:
            logging.getLogger(__name__).warning("Ray lost some rows", exc_info=True)

    def _text(self, item: Item) -> str:
        source = _anywhere(item.source)
        try:
            (source + item.output).encode()
        except UnicodeEncodeError as exc:
            raise UsageError(
                f"The name {item.source!r} is not UTF-8; rename it, or use --engine local."
            ) from exc
        return json.dumps([source, item.output, item.version, self._manifest.state(item.output)])

    def _take(self, outcome: Any, waiting: dict[str, Item]) -> None:
        """Write the row of an item. Raises RunStopped if an actor says that all must stop."""
        if "stopped" in outcome:
            raise RunStopped(outcome["stopped"])
        if waiting.pop(outcome["output"], None) is None:
            return
        if "skipped" in outcome:
            self._progress.skip(outcome["skipped"])
            return
        self._manifest.append(outcome)
        self._progress.add(outcome)


def _anywhere(place: str) -> str:
    """Return a URL, or a path that does not depend on where a process runs."""
    return place if scheme_of(place) else os.path.abspath(place)


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Yield Ray, connected to a cluster, or to one that is started here. Raises UsageError."""
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None:
        # Whoever reaches Ray's ports can run code: they are on loopback, as on those systems.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        if os.environ.setdefault("RAY_AUTH_MODE", "token") == "token":
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.cluster_utils
        import ray.data
    except ImportError as exc:
        raise UsageError(
            "The engine ray needs more packages: pip install -r requirements/ray.txt."
        ) from exc
    handler = signal.getsignal(signal.SIGTERM)
    variables = {"env_vars": {"PYTHONPATH": python_path()}}
    with ExitStack() as stack:
        try:
            if address is None:
                node = node_arguments(workers or available_processors())
                here = ray.cluster_utils.Cluster(initialize_head=True, head_node_args=node)
                stack.callback(here.shutdown)
            else:
                _check_answers(address)
            stack.callback(ray.shutdown)
            ray.init(address or here.address, logging_level=logging.WARNING, runtime_env=variables)
            signal.signal(signal.SIGTERM, handler)  # Ray's own would end the command
        except Exception as exc:  # Ray raises this class itself if it could not start
            failed = f"There is no Ray cluster at {address}" if address else "Ray did not start"
            raise UsageError(f"{failed}: {describe(exc)}.") from exc
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        # Ray has no other name for an actor's restarts yet; the lock keeps a version with this one.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        yield ray


def _check_answers(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT: Ray tries for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()


def node_arguments(processors: int) -> dict[str, Any]:
    """Return what `ray.cluster_utils` starts a node on this machine with: only what it needs.

    A node ends if a process of it does not name the port that it found within 15 seconds, which
    pass on a busy machine. So ports are given.
    """
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in _PORTS]
        ports = [server.getsockname()[1] for server in taken]
    return {
        **dict(zip(_PORTS, ports, strict=True)),
        "num_cpus": processors,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,
    }


def _room(resources: Mapping[str, float]) -> int:
    """Return how many actors a cluster has room for, and at least one."""
    memory = resources.get("memory", 0) / (WORKER_BYTES + _ACTOR_BYTES)
    return max(1, int(min(resources.get("CPU", 0), memory)))
