"""The command: `python -m batch SRC ... DEST`. Puts the parts together, and ends with a status."""

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from batch.arguments import parse
from batch.cluster import Cluster
from batch.errors import RunStopped, UsageError
from batch.lists import is_list
from batch.manifest import Manifest
from batch.manifest_parts import ManifestInParts
from batch.names import Naming, scheme_of
from batch.parquet import PART_SUFFIX
from batch.processes import default_workers
from batch.processing import Policy, Setup, open_tools
from batch.progress import Progress, choose_style
from batch.reading import Limits
from batch.report import write_report
from batch.run import LANES_PER_WORKER, REMOTE_LANES_PER_WORKER, Run
from batch.sources import Listing
from batch.targets import Target
from pipeline.errors import StartupError
from pipeline.options import Options

# In a target: of local runs, and the parts of those on a cluster.
_MANIFESTS = ("manifest*.jsonl", f"manifest*/*{PART_SUFFIX}")

DONE, SOME_FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    try:
        return _run(parse(arguments))
    except (UsageError, StartupError) as exc:
        print(f"batch: {exc}", file=sys.stderr)
        return WRONG_USE
    except RunStopped as exc:
        print(f"batch: {exc} The same command continues.", file=sys.stderr)
        return SOME_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # what reads our output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED


def _run(parsed: argparse.Namespace) -> int:
    is_folder = not scheme_of(parsed.target)
    listing = Listing(
        parsed.sources,
        Naming(parsed.options.format, parsed.keep_suffix),
        Path(parsed.target) if is_folder else None,
        parsed.include,
        parsed.exclude,
        parsed.shard,
        parsed.column,
    )
    _check_paths(parsed)
    total = listing.check()
    if parsed.dry_run:
        _print_items(listing, parsed.json)
        return DONE
    progress = Progress(total, choose_style(parsed.json), sys.stderr, sys.stdout)
    setup, workers = _setup(parsed), parsed.workers or default_workers()
    with (
        open_tools(setup, workers) as tools,
        closing(_open_manifest(parsed, tools.target)) as manifest,
    ):
        run: Run | Cluster
        if isinstance(manifest, Manifest):
            run = Run(tools, manifest, progress, workers * _lanes_per_worker(parsed.sources))
        else:
            run = Cluster(setup, manifest, progress, parsed.workers, parsed.address)
        with _interrupting(run):
            ended = run.process(listing)
        if parsed.report is not None and ended:
            write_report(parsed.report, tools, manifest.rows())
    progress.finish(_sentence(ended, progress.failed))
    if not ended:
        return INTERRUPTED
    return SOME_FAILED if progress.failed else DONE


def _setup(parsed: argparse.Namespace) -> Setup:
    return Setup(
        parsed.options.model_dump(),
        options_digest(parsed.options),
        parsed.target,
        Limits(parsed.max_source_bytes, parsed.download_timeout, parsed.allow_private_host),
        parsed.model,
        parsed.max_pixels,
        parsed.timeout,
        Policy(parsed.overwrite, parsed.retry_failed),
    )


def _lanes_per_worker(sources: Sequence[str]) -> int:
    is_remote = any(scheme_of(source) or is_list(Path(source)) for source in sources)
    return REMOTE_LANES_PER_WORKER if is_remote else LANES_PER_WORKER


def options_digest(options: Options) -> str:
    """Return 16 hexadecimal digits that change with the options."""
    text = json.dumps(options.model_dump(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_paths(parsed: argparse.Namespace) -> None:
    if scheme_of(parsed.target):
        if parsed.engine == "local" and parsed.manifest is None and not parsed.dry_run:
            raise UsageError("A store cannot hold the manifest; name a local file with --manifest.")
        return
    target = Path(parsed.target).resolve()
    for source in parsed.sources:
        if not scheme_of(source) and Path(source).resolve() == target:
            raise UsageError(f"{source} is both source and target; name another folder.")


def _open_manifest(parsed: argparse.Namespace, target: Target) -> Manifest | ManifestInParts:
    """Open the manifest of this run, which knows the others in the same folder."""
    is_local = parsed.engine == "local"
    place, others = parsed.manifest, list[Path]()
    if place is None:
        shard = parsed.shard
        part = f"-{shard.number}-of-{shard.count}" if shard.count > 1 else ""
        place = f"{parsed.target.rstrip('/')}/manifest{part}{'.jsonl' if is_local else ''}"
    if parsed.manifest is None and target.folder is not None:
        found = [path for name in _MANIFESTS for path in target.folder.glob(name)]
        others = [path for path in found if Path(place) not in (path, path.parent)]
        others.sort(key=lambda other: other.stat().st_mtime)
    return Manifest(Path(place), others) if is_local else ManifestInParts(place, others)


def _print_items(listing: Listing, as_json: bool) -> None:
    for item in listing:
        line = {"source": item.source, "output": item.output}
        text = json.dumps(line) if as_json else f"{item.source} -> {item.output}"
        print(text.encode(errors="backslashreplace").decode())


@contextmanager
def _interrupting(run: Run | Cluster) -> Iterator[None]:
    """Finish what runs on the first SIGINT or SIGTERM; end at once on the second."""
    received: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        if received:
            os._exit(INTERRUPTED)  # the workers end with this process
        received.append(number)
        run.stop()
        # `print` refuses to be interrupted by itself.
        with suppress(OSError):
            os.write(2, b"\nbatch: finishing what has begun; again to end at once\n")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _sentence(ended: bool, failed: int) -> str:
    if not ended:
        return "Interrupted; the same command continues."
    if failed:
        return f"{failed:,} failed; --retry-failed processes them again."
    return "All done."
