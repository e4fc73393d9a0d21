"""A client of the container image, for a container in the service's network.

`python image_driver.py PORT` prints the responses as JSON. It runs in the image itself, and
imports only what is installed there.
"""

import functools
import http.server
import io
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bentoml
import httpx
from PIL import Image

IMAGES = Path("/images")
SOURCE_PORT = 8099


class Driver:
    """Send requests to the service at a port of this network."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self.url, timeout=120, trust_env=False)

    def wait_until_healthy(self) -> None:
        """Return once /health answers ok. Raise TimeoutError after a minute."""
        started = time.monotonic()
        while time.monotonic() < started + 60:
            try:
                if self._http.get("/health").json() == {"status": "ok"}:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise TimeoutError("the service did not become healthy")

    def by_url(self, url: str, **options: object) -> dict[str, Any]:
        """Send the URL of an image."""
        return self._describe(
            lambda: self._http.post("/remove-background", json={"image_url": url, **options})
        )

    def upload(self, name: str) -> dict[str, Any]:
        """Upload one of the images."""
        content = (IMAGES / name).read_bytes()
        return self._describe(
            lambda: self._http.post("/remove-background/upload", files={"image": content})
        )

    def at_once(self, name: str, count: int) -> list[dict[str, Any]]:
        """Upload one of the images `count` times at once."""
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(self.upload, [name] * count))

    def with_bentoml_client(self, name: str) -> list[list[object]]:
        """Send an image with BentoML's client, by URL and by upload; describe the cutouts."""
        with bentoml.SyncHTTPClient(self.url, timeout=60) as client:
            cutouts = (
                client.remove_background(image_url=f"http://127.0.0.1:{SOURCE_PORT}/{name}"),
                client.remove_background_upload(image=IMAGES / name),
            )
            return [
                described(cutout if isinstance(cutout, bytes) else Path(cutout).read_bytes())
                for cutout in cutouts
            ]

    def _describe(self, send: Any) -> dict[str, Any]:
        started = time.monotonic()
        response = send()
        seconds = time.monotonic() - started
        is_cutout = response.headers["content-type"].startswith("image/")
        return {
            "status": response.status_code,
            "code": "ok" if is_cutout else response.json()["code"],
            "cutout": described(response.content) if is_cutout else None,
            "seconds": seconds,
        }


def described(content: bytes) -> list[object]:
    """Return the format, mode and size of an image."""
    image = Image.open(io.BytesIO(content))
    return [image.format, image.mode, *image.size]


def main(port: int) -> dict[str, Any]:
    """Send every request; return what became of each."""
    source = http.server.ThreadingHTTPServer(
        ("127.0.0.1", SOURCE_PORT),
        functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(IMAGES)),
    )
    threading.Thread(target=source.serve_forever, daemon=True).start()
    driver = Driver(port)
    driver.wait_until_healthy()
    seen: dict[str, Any] = {}
    names = sorted(path.name for path in IMAGES.iterdir())
    seen["uploads"] = {name: driver.upload(name) for name in names}
    seen["urls"] = {name: driver.by_url(f"http://127.0.0.1:{SOURCE_PORT}/{name}") for name in names}
    refused = (
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:8000/",
        "http://[::1]/",
        "file:///etc/passwd",
        "nothing",
    )
    seen["refused"] = {url: driver.by_url(url)["code"] for url in refused}
    seen["a wrong option"] = driver.by_url("http://example.com/", subject="everything")
    seen["24 at once"] = driver.at_once("sample.jpg", 24)
    seen["16 of 24 megapixels at once"] = driver.at_once("24MP.jpg", 16)
    seen["BentoML's client"] = driver.with_bentoml_client("sample.jpg")
    return seen


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
