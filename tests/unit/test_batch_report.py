"""The page with the results."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from batch.cutters import CutterPool
from batch.errors import RunStopped
from batch.manifest import Manifest, read_rows
from batch.processing import Tools
from batch.progress import Progress
from batch.reading import Limits, Reader
from batch.report import write_report
from batch.run import Run
from batch.sources import Item
from batch.targets import FolderTarget
from tests.support.batch import NO_MODEL, OBEDIENT_WORKER


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    """What three images were processed with: two are done, one has failed."""
    words = {"doubtful": "a", '<b>"sure': "bbbb", "gone": "refuse"}
    pool = CutterPool(1, NO_MODEL, 5, OBEDIENT_WORKER)
    with closing(pool), closing(Manifest(tmp_path / "m.jsonl")) as manifest:
        target = FolderTarget(tmp_path / "out")
        tools = Tools(Reader(Limits()), pool, target, "o", "m")
        for name, word in words.items():
            (tmp_path / name).write_text(word)
        items = [Item(str(tmp_path / name), f"{number}.png") for number, name in enumerate(words)]
        Run(tools, manifest, Progress(3, "json", io.StringIO(), io.StringIO()), 2).process(items)
        yield tools


class Page(HTMLParser):
    """The start tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, Any]]:
        """Return the attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]


def test_it_shows_the_least_confident_first_and_what_failed(tools: Tools, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", tools, read_rows(tmp_path / "m.jsonl"))
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    # The obedient worker is the less confident the longer the word.
    entries = [json.loads(box["value"]) for box in page.all("input")]
    assert entries == [
        {"source": f'{tmp_path}/<b>"sure', "output": "1.png"},
        {"source": f"{tmp_path}/doubtful", "output": "0.png"},
    ]
    assert "class=doubtful" in text.partition("</label>")[0]
    assert [image["alt"] for image in page.all("img")] == ["source", "output"] * 2
    assert re.search(r"<td>no_subject_found<td>.*gone<td>Nothing there\.", text)
    assert "2 cutouts, 1 failed" in text


def test_it_makes_no_request(tools: Tools, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", tools, read_rows(tmp_path / "m.jsonl"))
    page = Page((tmp_path / "report.html").read_text())
    sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert len(sources) == 4
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert not any("href" in attributes for _, attributes in page.tags)


def test_a_missing_image_has_words_instead(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "doubtful").unlink()
    (tmp_path / "out" / "0.png").unlink()
    write_report(tmp_path / "report.html", tools, read_rows(tmp_path / "m.jsonl"))
    text = (tmp_path / "report.html").read_text()
    assert "<i>no source</i><i>no output</i>" in text
    assert len(Page(text).all("img")) == 2


def test_a_page_that_cannot_be_written_is_one_sentence(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="cannot be written"):
        write_report(tmp_path / "missing" / "report.html", tools, read_rows(tmp_path / "m.jsonl"))
