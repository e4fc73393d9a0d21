"""The command line."""

from collections.abc import Sequence

import pytest

from batch.arguments import DOWNLOAD_TIMEOUT, MAX_PIXELS, MAX_SOURCE_BYTES, parse
from batch.errors import UsageError
from batch.sources import Shard
from pipeline.options import Options
from serving.settings import Settings


def test_sources_come_before_the_target() -> None:
    parsed = parse(["a", "b", "out"])
    assert (parsed.sources, parsed.target) == (["a", "b"], "out")
    assert parsed.options == Options()


def test_every_option_of_the_service_is_a_flag() -> None:
    given: dict[str, Sequence[str]] = {
        "subject": ["--subject", "all"],
        "crop": ["--no-crop"],
        "margin": ["--margin", "7"],
        "output": ["--output", "mask"],
        "edges": ["--edges", "raw", "--passes", "auto"],
        "passes": ["--passes", "2"],
        "max_side": ["--max-side", "800"],
        "format": ["--format", "webp"],
        "background": ["--background", "#fff"],
    }
    defaults = Options()
    assert given.keys() == Options.model_fields.keys()
    for name in given:
        options = parse(["a", "out", *given[name]]).options
        names = Options.model_fields
        assert [one for one in names if getattr(options, one) != getattr(defaults, one)] == [name]


def test_the_help_describes_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    for name in Options.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    assert "1 % of the largest" in " ".join(text.split())


def test_the_limits_are_those_of_the_service() -> None:
    service = Settings()
    limits = (MAX_SOURCE_BYTES, MAX_PIXELS, DOWNLOAD_TIMEOUT)
    assert limits == (service.max_source_bytes, service.max_pixels, service.download_timeout)


@pytest.mark.parametrize(
    ("name", "value"), [("margin", "501"), ("max-side", "1"), ("format", "gif")]
)
def test_a_wrong_option_is_one_sentence(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"The option --{name} is wrong"):
        parse(["a", "out", f"--{name}", value])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workers", "0"],
        ["--workers", "many"],
        ["--timeout", "inf"],
        ["--timeout", "nan"],
        ["--shard", "0/2"],
        ["--shard", "3/2"],
        ["--shard", "1"],
        ["--model", "../x"],
        ["--allow-private-host", "localhost"],
        ["--allow-private-host", "a b:80"],
        ["--work", "2"],
    ],
)
def test_a_wrong_value_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["a", "out", *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_values_are_parsed() -> None:
    line = "a out --shard 2/5 --workers 3 --timeout 1.5 --allow-private-host Minio.Internal:9000"
    parsed = parse(line.split())
    assert (parsed.shard, parsed.workers, parsed.timeout) == (Shard(2, 5), 3, 1.5)
    assert parsed.allow_private_host == [("minio.internal", 9000)]
