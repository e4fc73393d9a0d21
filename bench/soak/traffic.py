"""Requests at random, good and bad, each with the codes that are right for it."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from tests.support.faults import FAULTS
from tests.support.forms import CONTENT_TYPE, END, encode_form, part
from tests.support.mutations import mutated, originals
from tests.support.serving import UPLOAD, URL

# The codes of a request without a whole response: its client left, the connection ended within the
# response, or before any response.
LEFT, BROKEN_OFF, LOST = "left", "broken_off", "lost"

# By megapixels: how often, in comparison. As on the web, most images are small.
_SIZES = {"0.24": 30, "0.67": 25, "1.6": 20, "6": 10, "10.7": 6, "12": 5, "24": 4}
_MAYBE_TOO_LARGE_FOR_WEBP = ("6", "10.7", "12", "24")
# Up to four in each request.
_OPTIONS: dict[str, list[Any]] = {
    "subject": ["all"],
    "crop": [False],
    "margin": [1, 20, 500],
    "output": ["mask"],
    "max_side": [200, 1000],
    "format": ["webp", "jpeg"],
    "background": ["#fff", "#12345680"],
}
_DAMAGED = (
    "ok empty_source format_unsupported image_corrupt image_too_large no_subject_found "
    "unsupported_image_type"
)
_JSON = "application/json"
_PRIVATE = "127.0.0.1 169.254.169.254 [::1] 10.0.0.1 0x7f000001 localhost me@example.com"

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A request, the codes that are right for it, separated by spaces, and how its client behaves.

    `what` says enough to send it again: images with the same `what` must get the same bytes.
    `arguments` are httpx's. The client leaves after `patience` seconds, and waits for `pause`
    seconds after each part of the response that it reads.
    """

    kind: str
    what: str
    right: str
    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    method: str = "POST"
    patience: float | None = None
    pause: float = 0


class Traffic:
    """Requests of every kind. A generator in the same state draws the same request."""

    def __init__(
        self, images: Mapping[str, bytes], corpus: Path, url: Callable[[str], str]
    ) -> None:
        """Take the good `images` by name, such as 0.24-plain.

        `url` returns the URL of an image, or of a fault of tests/support/faults.py, by its name.
        `corpus` is a folder of good, broken and hostile images; without it, none is sent.
        """
        self._images, self._url = images, url
        self._originals = originals(corpus.parent)
        corpus_requests = list(_corpus_requests(corpus)) if corpus.is_dir() else []
        wrong_requests = list(_wrong_requests(images["0.24-plain"]))
        self._kinds: dict[Callable[[Random], Request], int] = {
            self._good: 50,
            self._faulty: 15,
            self._mutated: 12,
            lambda random: random.choice(corpus_requests)(): 8 if corpus_requests else 0,
            lambda random: random.choice(wrong_requests): 10,
            self._health: 4,
            self._impatient: 5,
            self._slow_reader: 1,
        }

    def draw(self, random: Random) -> Request:
        """Return a request of any kind."""
        return _weighted(random, self._kinds)(random)

    def image(self, name: str, options: Mapping[str, Any] = {}, by_url: bool = False) -> Request:
        """Return a request for a good image."""
        size, what = name.partition("-")[0], f"{name} {json.dumps(options, sort_keys=True)}"
        too_large = options.get("format") == "webp" and size in _MAYBE_TOO_LARGE_FOR_WEBP
        right = "ok format_unsupported" if too_large else "ok"
        if by_url:
            body = {"json": {"image_url": self._url(name), **options}}
            return Request(f"{size} MP by URL", what, right, URL, body)
        return Request(f"{size} MP uploaded", what, right, *_upload(self._images[name], options))

    def _good(self, random: Random) -> Request:
        size = _weighted(random, _SIZES)
        name = random.choice([name for name in self._images if name.startswith(f"{size}-")])
        chosen = random.sample(list(_OPTIONS), random.randint(0, 4))
        options = {option: random.choice(_OPTIONS[option]) for option in chosen}
        return self.image(name, options, by_url=random.random() < 0.5)

    def _faulty(self, random: Random) -> Request:
        name = random.choice(list(FAULTS))
        body = {"json": {"image_url": self._url(name)}}
        return Request("faulty source", name, FAULTS[name][1], URL, body)

    def _mutated(self, random: Random) -> Request:
        seed = random.getrandbits(32)
        file = mutated(self._originals, seed)
        return Request("mutated file", f"{seed}", _DAMAGED, *_upload(file))

    def _health(self, random: Random) -> Request:
        path = random.choice(["/health", "/livez", "/readyz", "/metrics"])
        return Request("health and metrics", path, "ok", path, method="GET")

    def _impatient(self, random: Random) -> Request:
        """Return a request whose client leaves while it sends, waits or reads."""
        request = random.choice([self._good, self._faulty])(random)
        right, patience = f"{request.right} {LEFT}", 1.5 * random.random() ** 2
        return replace(request, kind="client that leaves", right=right, patience=patience)

    def _slow_reader(self, random: Random) -> Request:
        """Return a request whose client reads 64 KB of many megabytes in 50 ms.

        It is disconnected if others need the memory, or leaves at last.
        """
        name = random.choice(["10.7-plain", "24-plain"])
        request = self.image(name, {"crop": False, "background": "#ffffff"})
        right = f"{request.right} {BROKEN_OFF} {LEFT}"
        return replace(request, kind="slow reader", right=right, patience=15, pause=0.05)


def _weighted(random: Random, weights: Mapping[T, int]) -> T:
    return random.choices(list(weights), list(weights.values()))[0]


def _upload(image: bytes, options: Mapping[str, Any] = {}) -> tuple[str, dict[str, Any]]:
    return UPLOAD, {"files": {"image": image}, "data": options}


def _corpus_requests(folder: Path) -> Iterator[Callable[[], Request]]:
    """Yield a request for each file, which is read when it is sent; its codes are in index.tsv."""

    def request(file: Path, codes: str) -> Request:
        right = codes.replace("-", "ok").replace("|", " ")
        return Request("corpus", file.name, right, *_upload(file.read_bytes()))

    with (folder / "index.tsv").open() as table:
        for row in csv.DictReader(table, delimiter="\t"):
            yield partial(request, folder / row["path"], row["expected_code"])


def _wrong_requests(photo: bytes) -> Iterator[Request]:
    """Yield one request of each kind that no client should send."""
    to_url = b'{"image_url": "%s"}'
    urls = [to_url % f"http://{host}/".encode() for host in _PRIVATE.split()]
    unknown_field = b'{"image_url": "http://a.com/", "size": 4}'
    form = partial(encode_form, photo)
    wrong: list[tuple[str, str, str, list[bytes]]] = [
        (URL, _JSON, "invalid_request", [b"{}", b'{"image_url":', b"[" * 30_000, unknown_field]),
        (URL, _JSON, "invalid_url", [to_url % b"ftp://example.com/x.jpg"]),
        (URL, _JSON, "url_not_allowed", urls),
        (URL, _JSON, "request_too_large", [to_url % (b"x" * 65_536)]),
        (URL, "text/plain", "unsupported_media_type", [b"{}"]),
        (UPLOAD, CONTENT_TYPE, "invalid_request", [form({"margin": "501"}), form({"size": "4"})]),
        (UPLOAD, CONTENT_TYPE, "invalid_request", [form(file_field="photo"), b"--x\r\n"]),
        (UPLOAD, CONTENT_TYPE, "invalid_request", [part(body=photo) * 2 + END]),
        (UPLOAD, CONTENT_TYPE, "request_too_large", [encode_form(bytes(21_000_000))]),
        (UPLOAD, CONTENT_TYPE, "empty_source", [encode_form(b"")]),
        (UPLOAD, CONTENT_TYPE, "unsupported_image_type", [encode_form(b"<!doctype html>")]),
        (UPLOAD, CONTENT_TYPE, "image_corrupt", [encode_form(photo[: len(photo) // 2])]),
        (UPLOAD, "image/jpeg", "unsupported_media_type", [photo]),
        ("/remove-foreground", _JSON, "not_found", [b"{}"]),
    ]
    for path, media_type, code, bodies in wrong:
        for body in bodies:
            arguments = {"content": body, "headers": {"Content-Type": media_type}}
            yield Request("wrong request", f"{path} {body[:50]!r}", code, path, arguments)
    yield Request("wrong request", "GET", "method_not_allowed", UPLOAD, method="GET")
