"""The command line. The flags of the service's options are made from their model."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from batch.errors import UsageError
from batch.sources import Shard
from pipeline.errors import BackgroundRemovalError
from pipeline.fetch.url import HostPort, normalize_host
from pipeline.options import Options

# Of one image, in seconds: the slowest of 24 megapixels takes 2 on one thread.
TIMEOUT = 60.0

# The service's defaults of BGR_MAX_SOURCE_BYTES, BGR_MAX_PIXELS and BGR_DOWNLOAD_TIMEOUT.
MAX_SOURCE_BYTES, MAX_PIXELS, DOWNLOAD_TIMEOUT = 22_000_000, 50_000_000, 10.0

_EPILOG = """\
Sources: folders (recursively), images, http(s) URLs, s3://, gs:// and az:// URLs, and lists: .txt
(a path or a URL per line), .csv, .jsonl and .parquet. A second run does only what is left.
Exit status: 0 if all images are done, 1 if some failed or the run had to stop, 2 if nothing could
be started, 130 if it was interrupted."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; `options` of the result are those of the service.

    Raises UsageError. Exits with status 2 if argparse itself refuses the command line.
    """
    parser = argparse.ArgumentParser(
        prog="batch",
        usage="%(prog)s [options] SRC [SRC ...] DEST",
        description="Remove the background of many images.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("sources", nargs="+", metavar="SRC", help="what to process")
    parser.add_argument("target", metavar="DEST", help="a folder, or the URL of a store")
    _add_selection(parser.add_argument_group("selection"))
    _add_work(parser.add_argument_group("work"))
    _add_reports(parser.add_argument_group("reports"))
    _add_limits(parser.add_argument_group("limits"))
    _add_options(parser.add_argument_group("options of the service"))
    parsed = parser.parse_args(arguments)
    if parsed.address is not None and parsed.engine != "ray":
        raise UsageError("--address is for --engine ray.")
    parsed.options = _read_options(parsed)
    return parsed


def _add_selection(group: Any) -> None:
    for name, what in (("include", "process only"), ("exclude", "leave out")):
        group.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="PATTERN",
            help=f"{what} images whose path or name matches, such as '*.jpg'; repeatable",
        )
    group.add_argument("--column", help="the column of a list that has the sources")
    group.add_argument(
        "--shard", type=_shard, default=Shard(), metavar="K/N", help="process share K of N shares"
    )
    group.add_argument("--overwrite", action="store_true", help="process again what is done")
    group.add_argument("--retry-failed", action="store_true", help="process again what failed")
    group.add_argument(
        "--keep-suffix", action="store_true", help="write a.jpg to a.jpg.png instead of a.png"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="print sources and outputs; process nothing"
    )


def _add_work(group: Any) -> None:
    group.add_argument(
        "--workers",
        type=_number(int, 1),
        metavar="N",
        help="processes; default: one per processor, as far as memory allows",
    )
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what runs the workers: this machine, or a Ray cluster (the extra ray)",
    )
    group.add_argument(
        "--address", help="of the Ray cluster; default: RAY_ADDRESS, or one on this machine alone"
    )
    group.add_argument(
        "--timeout",
        type=_number(float, 0.1),
        default=TIMEOUT,
        metavar="SECONDS",
        help="for one image (%(default)g); its worker is then replaced",
    )
    group.add_argument(
        "--model", type=_model, default="u2netp", help="u2netp, or rembg:NAME with the extra rembg"
    )


def _add_reports(group: Any) -> None:
    group.add_argument(
        "--manifest",
        metavar="FILE",
        help="the rows of all images; default: DEST/manifest.jsonl, and DEST/manifest/ with Ray",
    )
    group.add_argument(
        "--report", type=Path, metavar="FILE", help="write an HTML page with all results"
    )
    group.add_argument("--json", action="store_true", help="print rows and a summary as JSON lines")


def _add_limits(group: Any) -> None:
    for name, kind, default, what in (
        ("max-source-bytes", int, MAX_SOURCE_BYTES, "bytes of a source"),
        ("max-pixels", int, MAX_PIXELS, "width times height of a source"),
        ("download-timeout", float, DOWNLOAD_TIMEOUT, "seconds to download a source"),
    ):
        group.add_argument(
            f"--{name}",
            type=_number(kind, 1 if kind is int else 0.1),
            default=default,
            metavar="N",
            help=f"{what} (%(default)s)",
        )
    group.add_argument(
        "--allow-private-host",
        type=_host_port,
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="a private address that URLs may have; repeatable",
    )


def _add_options(group: Any) -> None:
    for name, field in Options.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        text = (field.description or "").replace("%", "%%")
        common: dict[str, Any] = {"dest": f"option_{name}", "default": argparse.SUPPRESS}
        if field.annotation is bool:
            action = argparse.BooleanOptionalAction
            group.add_argument(flag, action=action, help=text, **common)
        else:
            is_choice = get_origin(field.annotation) is Literal
            choices = {str(value): value for value in get_args(field.annotation) if is_choice}
            group.add_argument(
                flag,
                metavar="|".join(choices) or name.upper(),
                type=_choice(choices),
                help=text,
                **common,
            )


def _choice(choices: Mapping[str, object]) -> Callable[[str], object]:
    """Return what reads a text as one of the values. Options refuses other texts."""
    return lambda text: choices.get(text, text)


def _read_options(parsed: argparse.Namespace) -> Options:
    given = {
        name: getattr(parsed, f"option_{name}")
        for name in Options.model_fields
        if hasattr(parsed, f"option_{name}")
    }
    try:
        return Options(**given)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        flag = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"The option --{flag} is wrong: {first['msg']}.") from exc


def _number(kind: type[int] | type[float], least: float) -> Any:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not a number of at least {least:g}")
        return value

    return number


def _shard(text: str) -> Shard:
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text} is not K/N with K from 1 to N")
    return Shard(int(match[1]), int(match[2]))


def _model(text: str) -> str:
    if not re.fullmatch(r"u2netp|rembg:[A-Za-z0-9._-]+", text):
        raise argparse.ArgumentTypeError(f"{text} is neither u2netp nor rembg:NAME")
    return text


def _host_port(text: str) -> HostPort:
    host, _, port = text.rpartition(":")
    try:
        if port.isascii() and port.isdecimal() and 0 < int(port) < 65536:
            return normalize_host(host), int(port)
    except BackgroundRemovalError:
        pass
    raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
