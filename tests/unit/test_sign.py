"""`python -m serving.sign`."""

import time
from pathlib import Path

import pytest

from serving.links.signature import URLKeys
from serving.sign import main

KEY = "k" * 32


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """A file with a key and a line feed."""
    file = tmp_path / "key.txt"
    file.write_text(f"{KEY}\n")
    return str(file)


def test_the_link_is_valid(key_file: str) -> None:
    fields = {"image_url": "https://example.com/a.jpg?b=c", "max_side": "800"}
    pairs = [f"{name}={value}" for name, value in fields.items()]
    link = main(["--key-file", key_file, "--base", "https://cut.example.com/", *pairs])
    base, _, query = link.partition("?")
    assert base == "https://cut.example.com/remove-background"
    assert URLKeys([KEY.encode()]).verify(query.encode(), 0).fields == fields


def test_the_link_expires(key_file: str) -> None:
    link = main(["--key-file", key_file, "--expires-in", "60", "image_url=http://a.com/"])
    expires = URLKeys([KEY.encode()]).verify(link.partition("?")[2].encode(), 0).expires
    assert expires is not None
    assert 55 < expires - time.time() <= 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["image_url=http://a.com/", "margin=501"], "margin: "),
        (["image_url=http://a.com/", "unknown=1"], "A field is unknown"),
        (["margin=5"], "image_url: "),
        (["image_url"], "not name=value"),
        (["crop=true", "crop=true"], "repeated"),
        (["--key-file", "/", "image_url=http://a.com/"], "cannot be read"),
        (["--key-file", "/dev/null", "image_url=http://a.com/"], "at least 32"),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: list[str], words: str, key_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--key-file", key_file, *arguments])
    assert words in capsys.readouterr().err
