"""A visit to the page in a real browser."""

import io
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import BrowserContext, ConsoleMessage, FilePayload, Page, Request

from tests.support.environment import ROOT

SHOTS = ROOT / "tests" / ".page"
COFFEE = ROOT / "docs" / "coffee.jpg"

DESKTOP = {"width": 1280, "height": 960}
PHONE = {"width": 360, "height": 740}


@dataclass
class Visit:
    """A page in its own context, the problems that it had, and the requests that it sent."""

    page: Page
    url: str
    context: BrowserContext
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        """Record a problem that the console shows."""
        # Chromium logs every response with an error status. The service's own errors are intended.
        intended = message.text.startswith(
            "Failed to load resource"
        ) and "/remove-background" in str(message.location.get("url"))
        if message.type in ("error", "warning") and not intended:
            self.problems.append(message.text)

    def asked(self, request: Request) -> None:
        """Record a request."""
        self.requests.append(request.url)

    def choose(self, *images: Path | bytes, name: str = "photo.jpg") -> None:
        """Choose files, as the file picker does."""
        paths = [image for image in images if isinstance(image, Path)]
        contents: list[FilePayload] = [
            {"name": name, "mimeType": "image/jpeg", "buffer": image}
            for image in images
            if isinstance(image, bytes)
        ]
        self.page.set_input_files("#file", paths or contents)

    def hand(self, event: str, files: dict[str, bytes], **texts: str) -> None:
        """Paste or drop files and texts."""
        self.page.evaluate(
            """([event, files, texts]) => {
                const data = new DataTransfer();
                for (const [name, base64] of files) {
                    const bytes = Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));
                    data.items.add(new File([bytes], name));
                }
                for (const [type, text] of texts) data.setData(type, text);
                const given = { bubbles: true, cancelable: true };
                given.clipboardData = given.dataTransfer = data;
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
        """Wait until the image in view is done or has failed."""
        self.page.wait_for_selector("#stage[aria-busy=false]")

    def redone(self, change: Callable[[], object]) -> None:
        """Change something, and wait until the image is sent again and done."""
        with self.page.expect_response("**/remove-background**"):
            change()
        self.settle()

    def download(self, button: str = "#download") -> tuple[str, bytes]:
        """Click a button; return the name and the bytes of the download."""
        with self.page.expect_download() as waiting:
            self.page.click(button)
        return waiting.value.suggested_filename, waiting.value.path().read_bytes()

    def shot(self, name: str, full_page: bool = True) -> None:
        """Keep a screenshot of the page."""
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}.jpg"
        self.page.screenshot(
            path=path, type="jpeg", quality=88, full_page=full_page, animations="disabled"
        )

    def assert_accessible(self) -> None:
        """Assert that axe finds no violation of any rule."""
        found = Axe().run(self.page).response["violations"]
        assert not found, [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]

    def assert_fits(self) -> None:
        """Assert that nothing is wider than the screen."""
        screen = self.page.viewport_size
        assert screen is not None
        # On a phone, innerWidth grows with content that is too wide.
        assert self.page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


Open = Callable[..., Visit]


def size(content: bytes) -> tuple[int, int]:
    """Return the width and height of an image."""
    return Image.open(io.BytesIO(content)).size


def run_calls(page: Page, folder: Path) -> list[bytes]:
    """Run the curl and the Python code that the page shows; return what each writes to `folder`."""
    contents = []
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
        contents.append(made.read_bytes())
        made.unlink()
    return contents
