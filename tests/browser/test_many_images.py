"""Several images: progress, the zip file, a key, and a busy service."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.visit import COFFEE, Open, run_calls
from tests.support.images import encoded
from tests.support.serving import Server, serve


@dataclass
class Progress:
    """The text of the stage, each time that it changes."""

    page: Page

    def watch(self) -> None:
        """Start to record the text."""
        self.page.evaluate(
            """() => {
                globalThis.phases = [];
                const watched = document.querySelector("#phase");
                const record = () => phases.push(watched.textContent);
                new MutationObserver(record).observe(watched, { childList: true });
            }"""
        )

    def seen(self) -> list[str]:
        """Return the texts."""
        phases: list[str] = self.page.evaluate("phases")
        return phases


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A service that requires a key, and accepts one request at a time."""
    with serve(BGR_API_KEYS="secret", BGR_MAX_WAITING="1") as server:
        yield server


@pytest.mark.slow
def test_progress_is_shown_while_uploading_and_working(open_page: Open) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    visit = open_page()
    progress = Progress(visit.page)
    progress.watch()
    network = visit.context.new_cdp_session(visit.page)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000},
    )
    visit.choose(encoded(Image.fromarray(noise)), name="noise.png")
    visit.page.wait_for_selector("#phase:text-matches('[1-9]')")
    visit.shot("desktop-uploading", full_page=False)
    visit.settle()
    sent = [int(phase.split()[1]) for phase in progress.seen() if phase.startswith("Uploading")]
    assert sent == sorted(sent)
    assert len({percent for percent in sent if 0 < percent < 100}) >= 2
    assert "Working" in progress.seen()


def write_files(folder: Path, photo: bytes) -> list[Path]:
    """Write eight images, with equal names in two folders; one of them is broken."""
    names = ("one.jpg", "two.PNG", "drei ü.jpeg")
    contents = {f"{side}/{name}": photo for side in "ab" for name in names}
    contents["a/broken.jpg"] = photo[:5_000]
    contents["a/coffee.jpg"] = COFFEE.read_bytes()
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def count_requests(page: Page) -> None:
    """Let the page count its requests: `most` is the highest number of active ones."""
    page.evaluate(
        """() => {
            const send = XMLHttpRequest.prototype.send;
            let active = 0;
            globalThis.most = 0;
            XMLHttpRequest.prototype.send = function (body) {
                most = Math.max(most, ++active);
                // It precedes "load", at which the page sends the next request.
                this.addEventListener("readystatechange", () => {
                    if (this.readyState === XMLHttpRequest.DONE) active--;
                });
                send.call(this, body);
            };
        }"""
    )


def assert_whole(content: bytes, expected: dict[str, bytes], file: Path) -> None:
    """Assert that a zip file has the expected contents, by zipfile and by unzip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == expected
        assert all(entry.date_time[0] >= 2026 for entry in archive.infolist())
    file.write_bytes(content)
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tq", file], check=True, capture_output=True)


@pytest.mark.slow
def test_many_images_are_sent_three_at_a_time_and_downloaded_in_one_zip(
    open_page: Open, service: Server, photo: bytes, tmp_path: Path
) -> None:
    visit = open_page()
    page = visit.page
    count_requests(page)
    visit.choose(*write_files(tmp_path, photo))
    expect(page.locator("#zip")).to_be_disabled()
    expect(page.locator("#count")).to_have_text("7 of 8 done", timeout=20_000)
    expect(page.locator("#list .failed")).to_contain_text(["broken.jpg"])
    assert page.evaluate("most") == 3
    stems = [stem + number for stem in ("one", "two", "drei ü") for number in ("", "-2")]
    expected = dict.fromkeys(
        (f"{stem}-cutout.png" for stem in stems), service.upload(photo).content
    )
    expected["coffee-cutout.png"] = service.upload(COFFEE.read_bytes()).content
    name, content = visit.download("#zip")
    assert name == "cutouts.zip"
    assert_whole(content, expected, tmp_path / name)
    # A change of an option applies to all images; the one in view stays in view.
    page.click("#list li:nth-child(8) button")
    expect(page.locator("#download")).to_have_attribute("download", "coffee-cutout.png")
    page.get_by_label("Mask").check()
    expect(page.locator("#download")).to_have_attribute(
        "download", "coffee-mask.png", timeout=20_000
    )
    expect(page.locator("#count")).to_have_text("7 of 8 done", timeout=20_000)
    with zipfile.ZipFile(io.BytesIO(visit.download("#zip")[1])) as archive:
        assert {name.rpartition("-")[2] for name in archive.namelist()} == {"mask.png"}
    visit.shot("desktop-many")
    page.click("#clear")
    expect(page.locator("#drop")).to_be_visible()
    expect(page.locator("#strip")).to_be_hidden()


@pytest.mark.slow
def test_the_page_asks_for_a_key_and_retries_busy(
    open_page: Open, guarded: Server, photo: bytes, tmp_path: Path
) -> None:
    visit = open_page(url=guarded.url)
    page = visit.page
    expect(page.locator("#key")).to_be_hidden()
    visit.choose(*[photo] * 4)
    visit.settle()
    expect(page.locator("#failure-words")).to_have_text("This service requires a key.")
    visit.assert_accessible()
    for key in ("wrong", "secret"):
        page.get_by_label("API key").fill(key)
        page.get_by_label("API key").press("Enter")
        expect(page.locator("#list .failed")).to_have_count(
            4 if key == "wrong" else 0, timeout=10_000
        )
    expect(page.locator("#count")).to_have_text("4 of 4 done", timeout=20_000)
    codes = [
        line["code"]
        for line in guarded.log_lines()
        if line.get("path") == "/remove-background/upload"
    ]
    assert codes.count("ok") == 4
    assert codes.count("busy") >= 1
    assert "secret" not in page.content()
    (tmp_path / "photo.jpg").write_bytes(photo)
    assert run_calls(page, tmp_path) == [visit.download()[1]] * 2
