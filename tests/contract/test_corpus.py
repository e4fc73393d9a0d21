"""Images and URLs of the test data that is not part of the project."""

import csv
import json
from pathlib import Path

import httpx
import pytest

from pipeline.image.formats import detect_format
from tests.support.images import cutout_of
from tests.support.serving import Server
from tests.support.source import Source


def status_and_code(response: httpx.Response) -> tuple[str, str]:
    """Return the status and the code as the table of the corpus has them."""
    return str(response.status_code), "-" if response.status_code == 200 else response.json()[
        "code"
    ]


@pytest.mark.parametrize("every", [80, pytest.param(1, marks=pytest.mark.slow)])
def test_every_row_of_the_corpus_gets_its_code(every: int, service: Server, data: Path) -> None:
    """All 692 images take two minutes."""
    folder = data / "corpus"
    with (folder / "index.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))[::every]
    wrong = []
    for row in rows:
        content = (folder / row["path"]).read_bytes()
        if detect_format(content) == "HEIF":  # the table is of a service without the extra
            continue
        status, code = status_and_code(service.upload(content))
        if status not in row["expected_status"].split("|") or code not in row[
            "expected_code"
        ].split("|"):
            wrong.append((row["path"], row["expected_status"], row["expected_code"], status, code))
    assert rows
    assert not wrong


AWKWARD = {
    "bomb_16384x16384.png": "image_too_large",
    "bomb_20000x14000_gray_280MP.jpg": "image_too_large",
    "full_transparent.png": "no_subject_found",
    "p3_tiny.png": "no_subject_found",  # 8 × 8, one color
    "prophoto_tiny.png": "no_subject_found",  # 1 × 1
    "truncated.jpg": "image_corrupt",
    "truncated.png": "image_corrupt",
    "webp_big_height.webp": "no_subject_found",  # 13 × 169, all white
}


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_every_awkward_image_gets_its_code(
    every: int, service: Server, source: Source, data: Path
) -> None:
    files = sorted((data / "awkward").iterdir())[::every]
    codes = {}
    for file in files:
        source.files[f"/awkward/{file.name}"] = file.read_bytes()
        response = service.post(image_url=source.url(f"/awkward/{file.name}"))
        if response.status_code != 200:
            codes[file.name] = response.json()["code"]
    assert files
    assert codes == {
        name: code for name, code in AWKWARD.items() if data / "awkward" / name in files
    }


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("folder", ["photos", "photos/large", "groundtruth/people/images"])
def test_every_photo_has_a_clear_subject(
    folder: str, every: int, service: Server, data: Path
) -> None:
    files = sorted((data / folder).glob("*.jpg"))[::every]
    assert files
    for file in files:
        response = service.upload(file.read_bytes())
        assert float(response.headers["X-Subject-Confidence"]) > 0.4, file.name
        cutout = cutout_of(response)
        assert cutout.getbbox() == (0, 0, *cutout.size), file.name


def test_every_url_of_the_table_is_refused(service: Server, data: Path) -> None:
    """Before any look-up or connection. What a name resolves to is tested in tests/unit."""
    rows = json.loads((data / "ssrf" / "urls.json").read_text())
    refused = [row for row in rows if row["expect"] != "allowed" and row["group"] != "dns-stub"]
    assert refused
    wrong = [
        row["url"]
        for row in refused
        if service.post(image_url=row["url"]).json()["code"] != row["expect"]
    ]
    assert not wrong
