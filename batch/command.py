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
from batch.cutters import CutterPool
from batch.errors import RunStopped, UsageError
from batch.lists import is_list
from batch.manifest import Manifest
from batch.names import Naming, scheme_of
from batch.processes import default_workers
from batch.progress import Progress, choose_style
from batch.protocol import Settings
from batch.reading import Limits, Reader
from batch.report import write_report
from batch.run import LANES_PER_WORKER, REMOTE_LANES_PER_WORKER, Policy, Run, Tools
from batch.sources import Listing
from batch.targets import Target, open_target
from pipeline.errors import StartupError
from pipeline.options import Options
from pipeline.weights.store import MODEL_TAG, find_model

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
    target = open_target(parsed.target)
    path, others = _manifests(parsed, target)
    progress = Progress(total, choose_style(parsed.json), sys.stderr, sys.stdout)
    workers = parsed.workers or default_workers()
    with (
        closing(Manifest(path, others)) as manifest,
        _tools(parsed, workers, target, manifest) as tools,
    ):
        run = Run(tools, progress, workers * _lanes_per_worker(parsed.sources))
        with _interrupting(run):
            ended = run.process(listing)
        if parsed.report is not None and ended:
            write_report(parsed.report, tools, [*others, path])
    progress.finish(_sentence(ended, progress.failed))
    if not ended:
        return INTERRUPTED
    return SOME_FAILED if progress.failed else DONE


@contextmanager
def _tools(
    parsed: argparse.Namespace, workers: int, target: Target, manifest: Manifest
) -> Iterator[Tools]:
    """Yield what items are processed with; then end the workers."""
    options: Options = parsed.options
    is_stored = parsed.model == "u2netp"
    settings = Settings(
        options.model_dump(),
        parsed.model,
        str(find_model()) if is_stored else "",
        parsed.max_pixels,
    )
    limits = Limits(parsed.max_source_bytes, parsed.download_timeout, parsed.allow_private_host)
    with (
        closing(Reader(limits)) as reader,
        closing(CutterPool(workers, settings, parsed.timeout)) as cutters,
    ):
        yield Tools(
            reader,
            cutters,
            target,
            manifest,
            options_digest(options),
            MODEL_TAG if is_stored else parsed.model,
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
        if parsed.manifest is None and not parsed.dry_run:
            raise UsageError("A store cannot hold the manifest; name a local file with --manifest.")
        return
    target = Path(parsed.target).resolve()
    for source in parsed.sources:
        if not scheme_of(source) and Path(source).resolve() == target:
            raise UsageError(f"{source} is both source and target; name another folder.")


def _manifests(parsed: argparse.Namespace, target: Target) -> tuple[Path, list[Path]]:
    """Return the manifest of this run, and those of other shards in the same folder."""
    if parsed.manifest is not None or target.folder is None:
        return parsed.manifest, []
    shard = parsed.shard
    part = f"-{shard.number}-of-{shard.count}" if shard.count > 1 else ""
    path = target.folder / f"manifest{part}.jsonl"
    others = (other for other in target.folder.glob("manifest*.jsonl") if other != path)
    return path, sorted(others, key=lambda other: other.stat().st_mtime)


def _print_items(listing: Listing, as_json: bool) -> None:
    for item in listing:
        line = {"source": item.source, "output": item.output}
        text = json.dumps(line) if as_json else f"{item.source} -> {item.output}"
        print(text.encode(errors="backslashreplace").decode())


@contextmanager
def _interrupting(run: Run) -> Iterator[None]:
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
