"""The page at / and the API's documents at /docs: what is sent of them, and what they do in a real browser.

The browser is Chromium, driven by Playwright, where it is installed. Each visit fails on an error in the console, and on a request
to any host but the service. What was seen is kept in tests/.page/, as pictures.
"""

import functools
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import ExifTags, Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FilePayload,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from pipeline.errors import BackgroundRemovalError, ImageTooLarge, SourceHTTPError, SourceTooLarge
from pipeline.options import Options
from serving.errors import Unauthorized
from serving.responses import STATUSES, error_response
from serving.static import PAGE_PATHS
from tests.support.environment import ROOT
from tests.support.images import encoded
from tests.support.serving import Server, assert_error, serve
from tests.support.source import Source

WEB = ROOT / "web"
SHOTS = ROOT / "tests" / ".page"
COFFEE = ROOT / "docs" / "coffee.jpg"

# As root there is no sandbox of Chromium's; the others keep it from calling home and from needing a screen.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

DESKTOP = {"width": 1280, "height": 960}
PHONE = {"width": 360, "height": 740}

# Every file of `web/` and its media type; the sample is the pipeline's.
TYPES = {
    "/": "text/html; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/clipboard.js": "text/javascript; charset=utf-8",
    "/code.js": "text/javascript; charset=utf-8",
    "/dom.js": "text/javascript; charset=utf-8",
    "/options.js": "text/javascript; charset=utf-8",
    "/send.js": "text/javascript; charset=utf-8",
    "/show.js": "text/javascript; charset=utf-8",
    "/zip.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
    "/sample.jpg": "image/jpeg",
    "/docs": "text/html; charset=utf-8",
    "/docs.css": "text/css; charset=utf-8",
    "/docs.js": "text/javascript; charset=utf-8",
}

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


# What is sent


@pytest.mark.parametrize("path", TYPES)
def test_every_file_its_type_and_its_policy(service: Server, path: str) -> None:
    response = service.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == TYPES[path]
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", TYPES)
def test_a_file_that_is_known_is_not_sent_again(service: Server, path: str) -> None:
    tag = service.get(path).headers["etag"]
    for known, status in (
        (tag, 304),
        (f'"other", W/{tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
    ):
        response = httpx.get(service.url + path, headers={"If-None-Match": known}, trust_env=False)
        assert response.status_code == status, known
        assert bool(response.content) == (status == 200)
        assert response.headers["etag"] == tag
        assert "content-security-policy" in response.headers


def test_it_is_small_and_holds_nothing_else(service: Server) -> None:
    files = {file.name for file in WEB.iterdir()}
    assert files == {path.strip("/") for path in TYPES if "." in path} - {"sample.jpg"} | {
        "index.html",
        "docs.html",
    }
    assert TYPES.keys() == PAGE_PATHS
    assert sum(file.stat().st_size for file in WEB.iterdir()) < 50_000


@pytest.mark.parametrize(
    "path",
    [
        "/page",
        "/index.html",
        "/docs.html",
        "/web/page.js",
        "/page.js.map",
        "/favicon.ico",
        "/docs/x",
    ],
)
def test_any_other_path_is_the_contracts_404(service: Server, path: str) -> None:
    assert_error(service.get(path), 404, "not_found")


@pytest.mark.parametrize("path", TYPES)
def test_a_page_is_only_read(service: Server, path: str) -> None:
    refused = httpx.post(service.url + path, trust_env=False)
    assert_error(refused, 405, "method_not_allowed")
    assert "GET" in refused.headers["allow"]


def test_the_pages_are_counted() -> None:
    with (
        serve() as server
    ):  # of its own: BentoML forgets what it has counted when another starts in the same home
        for path in PAGE_PATHS:
            server.get(path)
        metrics = server.get("/metrics").text
    assert not [path for path in PAGE_PATHS if f'endpoint="{path}"' not in metrics]


def test_nothing_is_inline_and_nothing_is_elsewhere() -> None:
    for file in WEB.iterdir():
        text = file.read_text()
        addresses = set(re.findall(r"""(?:https?:|["'(])//[\w-]+[\w.-]*""", text))
        assert addresses <= {"http://www.w3.org"}, file.name  # a namespace, not an address
        if file.suffix == ".html":
            assert not re.search(
                r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|javascript:", text
            ), file.name


def test_every_error_has_a_persons_words() -> None:
    block = re.search(
        r"const ERRORS = \{\n(.*?)\n\};", (WEB / "send.js").read_text(), flags=re.DOTALL
    )
    assert block is not None
    words = dict(re.findall(r'^  (\w+): "(.+)",$', block[1], flags=re.MULTILINE))
    assert list(words) == [error.code for error in STATUSES]
    for code, sentence in words.items():
        assert re.fullmatch(r"[A-Z][^_]+[.?]", sentence), code


def test_every_option_can_be_chosen() -> None:
    form = re.search(
        r'<form id="options".*?</form>', (WEB / "index.html").read_text(), flags=re.DOTALL
    )
    assert form is not None
    controls = re.findall(
        r'<(?:input|select)[^>]* name="(\w+)"(?: value="(\w+)")?( checked)?', form[0]
    )
    assert [name for name, _, _ in controls if name not in Options.model_fields] == []
    for name, option in Options.model_fields.items():
        values = {value: bool(checked) for control, value, checked in controls if control == name}
        choices = get_args(option.annotation) if option.annotation is not None else ()
        if name == "crop":
            assert values == {"true": True, "false": False}
        elif isinstance(option.default, str):
            assert values == {choice: choice == option.default for choice in choices}
        else:
            assert values, name


# In the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = filter(
        None,
        map(
            shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        ),
    )
    program = next(found, None)
    if program is None:
        pytest.skip("needs Chromium on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@dataclass
class Visit:
    """One page in a context of its own, and what went wrong on it."""

    page: Page
    url: str
    context: BrowserContext
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        # Chromium writes a line for each answer that is an error: those of the service's own errors are meant.
        meant = message.text.startswith("Failed to load resource") and "/remove-background" in str(
            message.location.get("url")
        )
        if message.type in ("error", "warning") and not meant:
            self.problems.append(message.text)

    def asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def choose(self, *pictures: Path | bytes, name: str = "photo.jpg") -> None:
        """Pick files, as the picker would give them."""
        paths = [picture for picture in pictures if isinstance(picture, Path)]
        contents: list[FilePayload] = [
            {"name": name, "mimeType": "image/jpeg", "buffer": picture}
            for picture in pictures
            if isinstance(picture, bytes)
        ]
        self.page.set_input_files("#file", paths or contents)

    def hand(self, event: str, files: dict[str, bytes], **texts: str) -> None:
        """Paste, or drop, files and texts."""
        self.page.evaluate(
            """([event, files, texts]) => {
                const data = new DataTransfer();
                for (const [name, base64] of files) {
                    data.items.add(new File([Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0))], name));
                }
                for (const [type, text] of texts) data.setData(type, text);
                const given = { bubbles: true, cancelable: true, clipboardData: data, dataTransfer: data };
                const kind = event === "paste" ? ClipboardEvent : DragEvent;
                document.querySelector("h1").dispatchEvent(new kind(event, given));
            }""",
            [
                event,
                [[name, b64encode(content).decode()] for name, content in files.items()],
                list(texts.items()),
            ],
        )

    def settle(self) -> None:
        """Wait until the picture in view is done or has failed."""
        self.page.wait_for_selector("#stage[aria-busy=false]")

    def redone(self, change: Callable[[], object]) -> None:
        """Change something, and wait until the picture has been sent anew for it and is done."""
        with self.page.expect_response("**/remove-background**"):
            change()
        self.settle()

    def download(self, button: str = "#download") -> tuple[str, bytes]:
        """What a click on a button downloads: its name and its bytes."""
        with self.page.expect_download() as waiting:
            self.page.click(button)
        return waiting.value.suggested_filename, waiting.value.path().read_bytes()

    def shot(self, name: str, full_page: bool = True) -> None:
        """Keep a picture of the page."""
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}.jpg"
        self.page.screenshot(
            path=path, type="jpeg", quality=88, full_page=full_page, animations="disabled"
        )

    def assert_accessible(self) -> None:
        """axe finds nothing, whatever a rule's weight."""
        found = Axe().run(self.page).response["violations"]
        assert not found, [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]

    def assert_fits(self) -> None:
        """Nothing is wider than the screen."""
        screen = self.page.viewport_size
        assert screen is not None
        # Not against innerWidth: on a phone, it grows with what is too wide.
        assert self.page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


Open = Callable[..., Visit]


@pytest.fixture
def open_page(browser: Browser, service: Server) -> Iterator[Open]:
    """Opens the page as told; in the end nothing must have gone wrong on it, and nobody else have been asked."""
    visits: list[Visit] = []

    def opened(path: str = "/", url: str = service.url, **context: Any) -> Visit:
        made = browser.new_context(**{"viewport": DESKTOP, "accept_downloads": True, **context})
        made.set_default_timeout(10_000)
        visit = Visit(made.new_page(), url, made)
        visits.append(visit)
        visit.page.on("console", visit.heard)
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        made.on("request", visit.asked)
        visit.page.goto(url + path)
        return visit

    yield opened
    for visit in visits:
        visit.context.close()
        assert not visit.problems
        assert not [
            asked
            for asked in visit.requests
            if not asked.startswith((f"{visit.url}/", "blob:", "data:"))
        ]


def size(content: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(content)).size


def test_an_upload(open_page: Open, service: Server) -> None:
    answer = service.upload(COFFEE.read_bytes())
    whole = Image.open(COFFEE).size
    visit = open_page()
    page = visit.page
    expect(page.locator("#drop")).to_be_visible()
    visit.choose(COFFEE)
    visit.settle()
    assert visit.download() == ("coffee-cutout.png", answer.content)
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#said")).to_have_text(
        f"coffee.jpg: cut out, {answer.headers['X-Width']} by {answer.headers['X-Height']} pixels."
    )
    # The box and the result lie over the original where the service says that they belong.
    frame = page.locator("#frame").bounding_box()
    assert frame is not None
    sides = [
        int(answer.headers[f"X-Foreground-{side}"]) for side in ("Left", "Top", "Width", "Height")
    ]
    assert all(side > 0 for side in sides)
    expected = [side / length for side, length in zip(sides, whole * 2, strict=True)]
    for part in ("#box", "#result"):
        placed = page.locator(part).bounding_box()
        assert placed is not None
        seen = [
            placed["x"] - frame["x"],
            placed["y"] - frame["y"],
            placed["width"],
            placed["height"],
        ]
        lengths = [frame["width"], frame["height"]] * 2
        assert [
            value / length for value, length in zip(seen, lengths, strict=True)
        ] == pytest.approx(expected, abs=0.005)
    facts = page.locator("#facts").inner_text()
    assert f"{answer.headers['X-Width']} × {answer.headers['X-Height']} px" in facts
    assert f"{sides[2]} × {sides[3]} at {sides[0]}, {sides[1]}" in facts
    assert f"{float(answer.headers['X-Subject-Confidence']):.0%}".replace("%", " %") in facts
    assert page.locator("#times li").count() == 6
    assert [text.split()[0] for text in page.locator("#times li").all_inner_texts()] == [
        "receive",
        "wait",
        "decode",
        "segment",
        "select",
        "encode",
    ]
    # With a margin the result is larger, and ends where the picture does: at the top, and not on the left.
    visit.redone(lambda: page.fill("#margin", "30"))
    placed = page.locator("#result").bounding_box()
    assert placed is not None
    width, height = size(visit.download()[1])
    assert sides[1] < 30 < sides[0]
    assert placed["x"] - frame["x"] == pytest.approx(
        (sides[0] - 30) / whole[0] * frame["width"], abs=2
    )
    assert placed["y"] - frame["y"] == pytest.approx(0, abs=1)
    assert placed["width"] / frame["width"] == pytest.approx(width / whole[0], abs=0.005)
    assert placed["height"] / frame["height"] == pytest.approx(height / whole[1], abs=0.005)


def test_the_slider_divides_the_original_from_the_result(open_page: Open) -> None:
    """To the left of the divider is the original, whose corner is dark; to the right, the result on its bright checkerboard."""
    visit = open_page()
    visit.choose(COFFEE)
    visit.settle()
    page = visit.page
    frame = page.locator("#frame").bounding_box()
    assert frame is not None

    def left_of(percent: int) -> bool:
        """Whether the frame's upper left corner, which is background, is the original's."""
        page.locator("#split").fill(str(percent))
        page.mouse.move(0, 0)
        seen = np.asarray(
            Image.open(io.BytesIO(page.locator("#frame").screenshot())).convert("RGB")
        ).astype(int)
        corner = seen[20:80, 10:40]
        return float(corner.mean()) < 128

    assert [left_of(percent) for percent in (100, 50, 0)] == [True, True, False]
    expect(page.locator("#split")).to_have_attribute("aria-valuetext", "0 % original")
    page.mouse.click(frame["x"] + frame["width"] * 0.25, frame["y"] + frame["height"] / 2)
    assert abs(int(page.locator("#split").input_value()) - 25) <= 3


def test_every_way_in(open_page: Open, service: Server, photo: bytes) -> None:
    """Besides the picker, which every test uses."""
    expected = service.upload(photo).content
    visit = open_page()
    for way in ("sample", "paste", "drop"):
        if way == "sample":
            visit.page.click("#sample")
        else:
            visit.hand(way, {"photo.jpg": photo})
        visit.settle()
        assert visit.download() == (
            f"{'sample' if way == 'sample' else 'photo'}-cutout.png",
            expected,
        )
        visit.page.click("#clear")


def test_a_url(open_page: Open, service: Server, source: Source) -> None:
    url = source.url("/photo.jpg?size=large")
    expected = service.post(image_url=url).content
    visit = open_page()
    page = visit.page
    for way in ("form", "paste", "drop"):
        if way == "form":
            page.fill("#url", url)
            page.press("#url", "Enter")
        else:
            visit.hand(way, {}, **{"text/plain" if way == "paste" else "text/uri-list": url})
        visit.settle()
        assert visit.download() == ("photo-cutout.png", expected)
        expect(page.locator("#said")).to_contain_text("photo.jpg: cut out,")
        expect(page.locator("#note")).to_contain_text("contacts only the service")
        expect(page.locator("#split")).to_be_hidden()
        page.click("#clear")


def test_a_picture_that_the_browser_cannot_show(open_page: Open, photo: bytes) -> None:
    visit = open_page()
    visit.choose(encoded(Image.open(io.BytesIO(photo)), "TIFF"), name="scan.tiff")
    visit.settle()
    expect(visit.page.locator("#note")).to_have_text("This browser cannot show the original.")
    assert visit.download()[0] == "scan-cutout.png"


def test_a_picture_that_is_to_be_turned(open_page: Open, photo: bytes) -> None:
    """The browser and the service agree on what is upright."""
    lying = Image.open(io.BytesIO(photo)).crop((0, 0, 512, 300)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turn by 90 degrees clockwise
    visit = open_page()
    visit.choose(encoded(lying, "JPEG", exif=exif))
    visit.settle()
    frame, result = (visit.page.locator(part).bounding_box() for part in ("#frame", "#result"))
    assert frame is not None
    assert result is not None
    assert frame["width"] / frame["height"] == pytest.approx(512 / 300, abs=0.01)
    width, height = size(visit.download()[1])
    assert result["width"] / frame["width"] == pytest.approx(width / 512, abs=0.01)
    assert result["height"] / frame["height"] == pytest.approx(height / 300, abs=0.01)


def test_every_option(open_page: Open, service: Server, photo: bytes) -> None:
    visit = open_page()
    visit.choose(photo)
    visit.settle()
    page = visit.page
    plain = service.upload(photo).content
    # One after another, and each added to those before; the last two take from the margin and the background their meaning.
    changes: list[tuple[Callable[[], object], dict[str, str]]] = [
        (lambda: page.get_by_label("All", exact=True).check(), {"subject": "all"}),
        (lambda: page.get_by_label("Margin").fill("30"), {"margin": "30"}),
        (lambda: page.get_by_label("Background", exact=True).fill("#08f"), {"background": "#08f"}),
        (
            lambda: page.get_by_label("Pick the background color").fill("#ff0080"),
            {"background": "#ff0080"},
        ),
        (lambda: page.get_by_label("WebP").check(), {"format": "webp"}),
        (lambda: page.get_by_label("Off").check(), {"crop": "false"}),
        (lambda: page.get_by_label("Mask").check(), {"output": "mask"}),
    ]
    fields: dict[str, str] = {}
    for change, changed in changes:
        visit.redone(change)
        fields |= changed
        name, content = visit.download()
        assert name == f"photo-{fields.get('output', 'cutout')}.{fields.get('format', 'png')}"
        assert content == service.upload(photo, **fields).content, fields
    expect(page.locator("#margin")).to_be_disabled()
    expect(page.locator("#background")).to_be_disabled()
    assert "margin" not in page.locator("#curl").inner_text()
    assert "background=" not in page.locator("#curl").inner_text()
    visit.redone(lambda: page.click("text=Reset"))
    assert visit.download()[1] == plain


def test_an_option_that_is_wrong_is_marked_and_not_sent(open_page: Open) -> None:
    visit = open_page()
    visit.page.click("#sample")
    visit.settle()
    for field_name, value in (("#background", "#1234"), ("#margin", "501")):
        with (
            pytest.raises(PlaywrightTimeout),
            visit.page.expect_response("**/remove-background**", timeout=450),
        ):
            visit.page.fill(field_name, value)
        assert not visit.page.locator(field_name).evaluate("element => element.validity.valid")
        assert (
            visit.page.locator(field_name).evaluate(
                "element => getComputedStyle(element).borderColor"
            )
            == "rgb(163, 39, 29)"
        )


def run_calls(page: Page, folder: Path) -> list[bytes]:
    """Run the curl and the Python call that the page shows, in `folder`; what each leaves there."""
    answers = []
    for call, command in (("#curl", ["bash", "-e", "-c"]), ("#python", [sys.executable, "-c"])):
        before = set(folder.iterdir())
        environment = {
            **os.environ,
            "API_KEY": "secret",
            "BENTOML_DO_NOT_TRACK": "True",
            "no_proxy": "127.0.0.1",
        }
        done = subprocess.run(
            [*command, page.locator(call).inner_text()],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        [made] = set(folder.iterdir()) - before
        answers.append(made.read_bytes())
        made.unlink()
    return answers


def test_the_calls_shown_give_the_same_answer(
    open_page: Open, photo: bytes, source: Source, tmp_path: Path
) -> None:
    """Also with names, and addresses, that a shell and a form would read otherwise."""
    picture = tmp_path / 'it\'s a "photo", no; 2.jpg'
    picture.write_bytes(photo)
    visit = open_page()
    page = visit.page
    page.get_by_label("Off").check()
    page.get_by_label("WebP").check()
    page.get_by_label("All", exact=True).check()
    page.fill("#background", "#0af")
    visit.choose(picture)
    visit.settle()
    assert run_calls(page, tmp_path) == [visit.download()[1]] * 2
    page.fill("#url", source.url('/photo.jpg?it\'s="a&b"$HOME'))
    page.press("#url", "Enter")
    expect(page.locator("#note")).to_be_visible()
    assert run_calls(page, tmp_path) == [visit.download()[1]] * 2


@dataclass
class Progress:
    """What a page says while it works: the text of the stage, each time that it changed."""

    page: Page

    def watch(self) -> None:
        self.page.evaluate(
            """() => {
                globalThis.phases = [];
                const watched = document.querySelector("#phase");
                new MutationObserver(() => phases.push(watched.textContent)).observe(watched, { childList: true });
            }"""
        )

    def seen(self) -> list[str]:
        phases: list[str] = self.page.evaluate("phases")
        return phases


def test_progress_while_it_uploads_and_works(open_page: Open) -> None:
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


def test_real_errors(open_page: Open, source: Source, photo: bytes, tmp_path: Path) -> None:
    """Each as the service gives it: a person's words, its own sentence, the code and the request's id."""
    visit = open_page()
    page = visit.page

    def assert_shown(code: str, words: str) -> None:
        visit.settle()
        expect(page.locator("#failure")).to_be_visible()
        expect(page.locator("#failure-code")).to_have_text(
            re.compile(rf"^{code}, request [0-9a-f]{{16}}$")
        )
        expect(page.locator("#failure-words")).to_contain_text(words)
        assert words in page.locator("#said").inner_text()
        assert page.locator("#failure-detail").inner_text().endswith(".")
        page.click("#clear")

    (tmp_path / "large.bmp").write_bytes(bytes(21_000_000))
    files: dict[str, tuple[bytes | Path, str]] = {
        "unsupported_image_type": (b"no picture", "not supported"),
        "image_corrupt": (photo[: len(photo) // 2], "damaged"),
        "empty_source": (b"", "empty"),
        "image_too_large": (encoded(Image.new("1", (6000, 6000))), "too many pixels"),
        "no_subject_found": (encoded(Image.new("RGB", (64, 64), "red")), "No subject was found"),
        "request_too_large": (tmp_path / "large.bmp", "too large"),
    }
    for code, (content, words) in files.items():
        visit.choose(content)
        assert_shown(code, words)
    urls = {
        "source_http_error": (source.url("/missing"), "responded with an error"),
        "too_many_redirects": (source.url("/redirect/5"), "redirects too many times"),
        "unsupported_encoding": (source.url("/gzip"), "compression"),
        "source_unreachable": (source.url("/short"), "could not be reached"),
        "source_timeout": (source.url("/slow"), "too long"),
        "url_not_allowed": ("http://10.0.0.1/photo.jpg", "public addresses"),
        "invalid_url": ("ftp://example.com/photo.jpg", "http://"),
    }
    for code, (url, words) in urls.items():
        page.fill("#url", url)
        page.press("#url", "Enter")
        assert_shown(code, words)


@contextmanager
def answering(page: Page, answer: Callable[[Route], None]) -> Iterator[None]:
    page.route("**/remove-background/upload", answer)
    yield
    page.unroute_all(behavior="ignoreErrors")


def refuse(error: BackgroundRemovalError, route: Route) -> None:
    response = error_response(error)
    headers = {name: value for name, value in response.headers.items() if name == "retry-after"}
    route.fulfill(status=response.status_code, json=error.body, headers=headers)


def test_every_error_in_words(open_page: Open, photo: bytes) -> None:
    """Those too that no test can bring about: the service's answers are put in its place."""
    made = [
        kind(404)
        if kind is SourceHTTPError
        else kind(5)
        if kind in (SourceTooLarge, ImageTooLarge)
        else kind()
        for kind in STATUSES
    ]
    visit = open_page()
    page = visit.page
    page.evaluate(
        "() => { globalThis.setTimeout = (callback) => queueMicrotask(callback) }"
    )  # `busy` is tried twenty times
    words = set()
    for error in made:
        with answering(page, functools.partial(refuse, error)):
            visit.choose(photo)
            visit.settle()
            expect(page.locator("#failure-code")).to_have_text(error.code)
            expect(page.locator("#failure-detail")).to_have_text(error.message)
            words.add(page.locator("#failure-words").inner_text())
            assert page.locator("#key").is_visible() == isinstance(error, Unauthorized)
            assert page.locator("#again").is_visible() != isinstance(error, Unauthorized)
        page.click("#clear")
    assert len(words) == len(made)
    assert "" not in words


def test_no_answer_and_an_answer_of_somebody_else(open_page: Open, photo: bytes) -> None:
    visit = open_page()
    page = visit.page
    with answering(
        page,
        lambda route: route.fulfill(
            status=502, body="<h1>Bad gateway</h1>", content_type="text/html"
        ),
    ):
        visit.choose(photo)
        visit.settle()
        expect(page.locator("#failure-words")).to_have_text(
            "The response did not come from the service."
        )
        expect(page.locator("#failure-detail")).to_have_text("Status 502.")
    with answering(page, lambda route: route.abort()):
        page.click("#again")
        expect(page.locator("#failure-words")).to_contain_text("The service did not respond.")
    page.click("#again")
    expect(page.locator("#download")).to_be_visible()


def test_many_pictures(open_page: Open, service: Server, photo: bytes, tmp_path: Path) -> None:
    """A few at a time, each with its own progress; what is done travels in one zip, and names that are equal are told apart."""
    pictures = {
        f"{folder}/{name}": photo
        for folder in "ab"
        for name in ("one.jpg", "two.PNG", "drei ü.jpeg")
    }
    pictures["a/broken.jpg"] = photo[:5_000]
    pictures["a/coffee.jpg"] = COFFEE.read_bytes()
    for name, content in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    visit = open_page()
    page = visit.page
    page.evaluate(
        """() => {
            const send = XMLHttpRequest.prototype.send;
            let inside = 0;
            globalThis.most = 0;
            XMLHttpRequest.prototype.send = function (body) {
                most = Math.max(most, ++inside);
                this.addEventListener("readystatechange", () => this.readyState === XMLHttpRequest.DONE && inside--);
                send.call(this, body);
            };
        }"""
    )
    visit.choose(*(tmp_path / name for name in pictures))
    expect(page.locator("#zip")).to_be_disabled()
    expect(page.locator("#count")).to_have_text("7 of 8 done", timeout=20_000)
    expect(page.locator("#list .failed")).to_contain_text(["broken.jpg"])
    assert page.evaluate("most") == 3
    name, content = visit.download("#zip")
    assert name == "cutouts.zip"
    cutout = service.upload(photo).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        stems = ["one", "two", "drei ü"]
        names = (
            {f"{stem}-cutout.png" for stem in stems}
            | {f"{stem}-2-cutout.png" for stem in stems}
            | {"coffee-cutout.png"}
        )
        assert set(archive.namelist()) == names
        assert {archive.read(name) for name in names - {"coffee-cutout.png"}} == {cutout}
        assert archive.read("coffee-cutout.png") == service.upload(COFFEE.read_bytes()).content
        assert all(entry.date_time[0] >= 2026 for entry in archive.infolist())
    (tmp_path / "cutouts.zip").write_bytes(content)
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tq", tmp_path / "cutouts.zip"], check=True, capture_output=True)
    # Another option is for all of them, and the picture that is looked at stays.
    page.click("#list li:nth-child(8) button")
    expect(page.locator("#download")).to_have_attribute("download", "coffee-cutout.png")
    page.get_by_label("Mask").check()
    expect(page.locator("#download")).to_have_attribute("download", "coffee-mask.png")
    expect(page.locator("#count")).to_have_text("7 of 8 done", timeout=20_000)
    with zipfile.ZipFile(io.BytesIO(visit.download("#zip")[1])) as archive:
        assert {name.rpartition("-")[2] for name in archive.namelist()} == {"mask.png"}
    visit.shot("desktop-many")
    page.click("#clear")
    expect(page.locator("#drop")).to_be_visible()
    expect(page.locator("#strip")).to_be_hidden()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A service that asks for a key and has room for one."""
    with serve(BGR_API_KEYS="secret", BGR_MAX_WAITING="1") as server:
        yield server


def test_a_key_is_asked_for_and_busy_is_tried_again(
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


def test_copying(open_page: Open, service: Server, photo: bytes) -> None:
    visit = open_page(permissions=["clipboard-read", "clipboard-write"])
    page = visit.page
    visit.choose(photo)
    visit.settle()

    def copied() -> bytes:
        page.click("#copy")
        expect(page.locator("#copy")).to_have_text("Copied")
        content = page.evaluate(
            """async () => {
                const [item] = await navigator.clipboard.read();
                const reader = new FileReader();
                reader.readAsDataURL(await item.getType("image/png"));
                await new Promise((resolve) => (reader.onload = resolve));
                return reader.result;
            }"""
        )
        return b64decode(content.partition(",")[2])

    expected = np.asarray(Image.open(io.BytesIO(service.upload(photo).content)))
    assert (np.asarray(Image.open(io.BytesIO(copied())))[..., 3] == expected[..., 3]).all()
    visit.redone(lambda: page.get_by_label("WebP").check())
    assert size(copied()) == expected.shape[1::-1]
    page.get_by_label("Copy the Python code").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").inner_text()


def test_by_keyboard_alone(open_page: Open) -> None:
    """Everything is reached by Tab, is seen to be, and does what it does without a mouse."""
    visit = open_page()
    page = visit.page
    focus = "element => element.closest('#frame, fieldset label') ?? element"

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            reached = page.locator(":focus")
            if reached.count() == 0:
                continue  # the browser's own controls, between the end and the beginning
            outline = reached.evaluate(
                f"element => getComputedStyle(({focus})(element)).outlineStyle"
            )
            assert outline == "solid", reached.evaluate("element => element.outerHTML")
            if reached.evaluate("(element, selector) => element.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    tab_to("[data-pick]")
    tab_to("#sample")
    page.keyboard.press("Enter")
    visit.settle()
    expect(page.locator("#stage")).to_be_focused()
    tab_to("#split")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#split")).to_have_value("49")
    page.keyboard.press("Home")
    expect(page.locator("#split")).to_have_value("0")
    tab_to("#download")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "sample-cutout.png"
    tab_to("[name=output]")
    visit.redone(lambda: page.keyboard.press("ArrowRight"))
    expect(page.locator("#download")).to_have_attribute("download", "sample-mask.png")
    tab_to("[data-copies=python]")
    tab_to("#clear")
    page.keyboard.press("Enter")
    expect(page.locator("#drop [data-pick]")).to_be_focused()
    tab_to("#url")
    page.keyboard.type("http://10.0.0.1/x.png")
    page.keyboard.press("Enter")
    expect(page.locator("#failure-words")).to_contain_text("public addresses")
    tab_to("#again")
    page.keyboard.press("Enter")
    expect(page.locator("#stage")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_each_screen_and_scheme(open_page: Open, photo: bytes, screen: str, scheme: str) -> None:
    """No violation that axe knows of, and nothing wider than the screen, empty, done, failed and with many pictures."""
    is_phone = screen == "phone"
    device = (
        {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
        if is_phone
        else {}
    )
    visit = open_page(color_scheme=scheme, **device)
    page = visit.page
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 384) == (scheme == "dark")

    def look(state: str) -> None:
        visit.assert_accessible()
        visit.assert_fits()
        visit.shot(f"{screen}-{scheme}-{state}", full_page=state == "many")

    look("empty")
    visit.choose(COFFEE)
    visit.settle()
    look("done")
    visit.choose(photo, b"broken", name=f"{'very-' * 12}long-name.jpg")
    expect(page.locator("#count")).to_have_text("2 of 3 done", timeout=10_000)
    look("many")
    page.click("#list li:nth-child(3) button")
    expect(page.locator("#failure")).to_be_visible()
    look("failed")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button:not(.quiet), .button, input:not([hidden], [type=radio]), fieldset label")]
            .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 43)
            .map((element) => element.outerHTML)"""
    )
    assert small == []  # 44 pixels a finger


def test_nothing_moves_where_that_is_asked_for(open_page: Open) -> None:
    for asked, moving in (("no-preference", "works"), ("reduce", "none")):
        page = open_page(reduced_motion=asked).page
        assert (
            page.locator("#bar").evaluate("element => getComputedStyle(element).animationName")
            == moving
        )


def test_the_apis_documents(open_page: Open) -> None:
    """Swagger UI draws the service's own document under the same policy, and tries a call."""
    visit = open_page("/docs")
    page = visit.page
    expect(page.locator(".opblock")).to_have_count(8)
    page.locator(".opblock", has_text="/remove-background/upload").locator(
        ".opblock-summary-control"
    ).click()
    expect(page.locator(".opblock.is-open")).to_contain_text("margin")
    health = page.locator(".opblock", has=page.locator("[data-path='/health']"))
    health.locator(".opblock-summary-control").click()
    health.get_by_text("Try it out").click()
    health.get_by_text("Execute", exact=True).click()
    expect(health.locator(".live-responses-table")).to_contain_text('"status": "ok"')
    visit.shot("docs", full_page=False)
    page.click("text=Try it on an image")
    expect(page.locator("h1")).to_contain_text("Keep the subject.")
