"""The names of outputs."""

import pytest

from batch.names import Naming, relative_url, scheme_of

PNG = Naming("png")


@pytest.mark.parametrize(
    ("relative", "output"),
    [
        ("a.jpg", "a.png"),
        ("a/b c/d.JPEG", "a/b c/d.png"),
        ("a", "a.png"),
        ("v1.final-version", "v1.final-version.png"),
        (".jpg", ".jpg.png"),
        ("/data/a.jpg", "data/a.png"),
        ("../../etc/a.jpg", "etc/a.png"),
        ("a/./b//c.png", "a/b/c.png"),
        ("a\\b.jpg", "a/b.png"),
        ('a:b*c?"<>|\n.jpg', "a_b_c______.png"),
        ("", ""),
        ("../..", ""),
    ],
)
def test_the_tree_is_mirrored_and_never_left(relative: str, output: str) -> None:
    assert PNG.output(relative) == output


def test_a_format_has_its_suffix_and_the_sources_can_be_kept() -> None:
    assert Naming("webp").output("a.jpg") == "a.webp"
    assert Naming("jpeg").output("a.png") == "a.jpg"
    assert Naming("png", keeps_suffix=True).output("a.jpg") == "a.jpg.png"


def test_long_names_are_shortened_and_stay_different() -> None:
    names = [PNG.output("é" * 200 + letter + ".jpg") for letter in "ab"]
    assert names[0] != names[1]
    assert all(len(f".{name}.part".encode()) <= 255 for name in names)


@pytest.mark.parametrize(
    ("url", "relative"),
    [
        ("https://a.example/b/c.jpg", "a.example/b/c.jpg"),
        ("https://user:pass@a.example:8080/c.jpg", "a.example:8080/c.jpg"),
        ("https://a.example/", "a.example/index"),
        ("http://[::1", "invalid/d8b4ac74"),
    ],
)
def test_a_url_is_named_by_host_and_path(url: str, relative: str) -> None:
    assert relative_url(url).partition("/")[0] == relative.partition("/")[0]
    if not relative.startswith("invalid"):
        assert relative_url(url) == relative


def test_queries_distinguish_images() -> None:
    first, second = (relative_url(f"https://a.example/i.jpg?id={n}") for n in (1, 2))
    assert first != second
    assert first.startswith("a.example/i-")
    assert first.endswith(".jpg")


def test_only_urls_have_a_scheme() -> None:
    assert [scheme_of(text) for text in ("S3://a", "a/b://c", "/a", "C:\\a")] == ["s3", "", "", ""]
