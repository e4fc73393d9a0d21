"""What is sent: requests at random, good and bad, each with the codes that are right for it."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.pictures import Pictures
from tests.support.faults import FAULTS
from tests.support.mutations import mutated, originals

BY_URL, BY_UPLOAD = "/remove-background", "/remove-background/upload"

# What came of a request that had no whole answer: its caller left; the connection ended in mid-answer; or before any answer.
LEFT, BROKEN_OFF, LOST = "left", "broken_off", "lost"

# Megapixels -> how often, in comparison: as on the web, most are small.
_SIZES = {"0.24": 30, "0.67": 25, "1.6": 20, "6": 10, "10.7": 6, "12": 5, "24": 4}
_MAYBE_TOO_LARGE_FOR_WEBP = frozenset({"6", "10.7", "12", "24"})

_DAMAGED_CODES = frozenset(
    {
        "ok",
        "empty_source",
        "format_unsupported",
        "image_corrupt",
        "image_too_large",
        "no_subject_found",
        "unsupported_image_type",
    }
)

Random = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request, the codes that are right for it, and how its caller behaves.

    `what` says enough to send it again: pictures with the same `what` must get the same bytes. `arguments` are httpx's. The caller
    leaves after `patience` seconds, and waits for `pause` seconds after each part of the answer that it reads.
    """

    kind: str
    what: str
    right: frozenset[str]
    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    method: str = "POST"
    patience: float | None = None
    pause: float = 0


def files(pictures: Pictures) -> dict[str, bytes]:
    """The good pictures by name, such as 0.24-plain and 12-cmyk."""
    plain = {f"{size:g}-plain": picture for size, picture in pictures.plain.items()}
    return plain | {
        f"{size:g}-{variant}": picture for (size, variant), picture in pictures.hard.items()
    }


class Traffic:
    """Requests of every kind. The same generator, in the same state, draws the same one."""

    def __init__(
        self, pictures: Mapping[str, bytes], corpus: Path, url: Callable[[str], str]
    ) -> None:
        """`pictures` are those of `files`; `url` says where one of them, or a fault of tests/support/faults.py, is to be had by its name.

        `corpus` is a folder of others' good, broken and hostile pictures; nothing of it is sent where it is not there.
        """
        self._pictures = pictures
        self._url = url
        self._originals = originals(corpus.parent)
        self._corpus = list(_corpus(corpus)) if corpus.is_dir() else []
        self._wrong = list(_wrong_requests(pictures["0.24-plain"]))
        self._kinds: dict[Callable[[Random], Request], int] = {
            self._good: 50,
            self._faulty: 15,
            self._mutated: 12,
            self._of_the_corpus: 8 if self._corpus else 0,
            self._wrong_request: 10,
            self._health: 4,
            self._impatient: 5,
            self._slow_reader: 1,
        }

    def draw(self, random: Random) -> Request:
        """One request of any kind."""
        return _weighted(random, self._kinds)(random)

    def burst(self, random: Random) -> list[Request]:
        """Half as many again as the service lets inside, to be sent at once."""
        requests = (
            self._picture("0.67-plain", {}, by_url=bool(random.integers(2))) for _ in range(24)
        )
        return [replace(request, kind="burst of 24") for request in requests]

    def settling(self) -> list[Request]:
        """One after another, what leaves the service in the same state whatever came before.

        For a large picture it gives back what it keeps for the next, some tens of megabytes that depend on the last pictures; a
        small one then takes the inference's share again.
        """
        return [self._picture(name, {}, by_url=False) for name in ("24-plain", "0.24-plain")]

    def _good(self, random: Random) -> Request:
        size = _weighted(random, _SIZES)
        name = _one(random, [name for name in self._pictures if name.startswith(f"{size}-")])
        return self._picture(name, _options(random), by_url=bool(random.integers(2)))

    def _picture(self, name: str, options: dict[str, Any], by_url: bool) -> Request:
        size = name.partition("-")[0]
        right = {"ok"}
        if options.get("format") == "webp" and size in _MAYBE_TOO_LARGE_FOR_WEBP:
            right.add("format_unsupported")
        what = f"{name} {json.dumps(options)}"
        if by_url:
            asked = {"json": {"image_url": self._url(name), **options}}
            return Request(f"{size} MP by URL", what, frozenset(right), BY_URL, asked)
        form = {"files": {"image": self._pictures[name]}, "data": options}
        return Request(f"{size} MP uploaded", what, frozenset(right), BY_UPLOAD, form)

    def _faulty(self, random: Random) -> Request:
        name = _one(random, list(FAULTS))
        return Request(
            "faulty source",
            name,
            frozenset({FAULTS[name][1]}),
            BY_URL,
            {"json": {"image_url": self._url(name)}},
        )

    def _mutated(self, random: Random) -> Request:
        seed = int(random.integers(2**32))
        damaged = mutated(self._originals, seed)
        return Request(
            "mutated file", f"{seed}", _DAMAGED_CODES, BY_UPLOAD, {"files": {"image": damaged}}
        )

    def _of_the_corpus(self, random: Random) -> Request:
        file, right = _one(random, self._corpus)
        return Request(
            "corpus", file.name, right, BY_UPLOAD, {"files": {"image": file.read_bytes()}}
        )

    def _wrong_request(self, random: Random) -> Request:
        return _one(random, self._wrong)

    def _health(self, random: Random) -> Request:
        path = _one(random, ["/health", "/livez", "/readyz", "/metrics"])
        return Request("health and metrics", path, frozenset({"ok"}), path, method="GET")

    def _impatient(self, random: Random) -> Request:
        """A caller who leaves at any moment: while it sends, while it waits, while its source stalls, while it reads."""
        request = _one(random, [self._good, self._faulty])(random)
        return replace(
            request,
            kind="caller who leaves",
            right=request.right | {LEFT},
            patience=1.5 * random.random() ** 2,
        )

    def _slow_reader(self, random: Random) -> Request:
        """64 KB in 50 ms of an answer of many megabytes: it is cut off when others wait for the memory, or leaves at last."""
        name = _one(random, ["10.7-plain", "24-plain"])
        request = self._picture(name, {"crop": False, "background": "#ffffff"}, by_url=False)
        return replace(
            request,
            kind="slow reader",
            right=request.right | {BROKEN_OFF, LEFT},
            patience=15,
            pause=0.05,
        )


def _weighted(random: Random, weights: Mapping[T, int]) -> T:
    shares = np.array(list(weights.values())) / sum(weights.values())
    return list(weights)[random.choice(len(weights), p=shares)]


def _one(random: Random, choices: Sequence[T]) -> T:
    return choices[int(random.integers(len(choices)))]


def _options(random: Random) -> dict[str, Any]:
    """Each option in one request of three."""
    others: dict[str, list[Any]] = {
        "subject": ["all"],
        "crop": [False],
        "margin": [1, 20, 500],
        "output": ["mask"],
        "format": ["webp"],
        "background": ["#fff", "#12345680"],
    }
    return {
        name: _one(random, values) for name, values in others.items() if random.random() < 1 / 3
    }


def _corpus(folder: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """Its files, with their codes by its own table."""
    with (folder / "index.tsv").open() as table:
        for row in csv.DictReader(table, delimiter="\t"):
            yield (
                folder / row["path"],
                frozenset(row["expected_code"].replace("-", "ok").split("|")),
            )


def _wrong_requests(photo: bytes) -> Iterator[Request]:
    """What nobody should send, one of each kind."""

    def wrong(code: str, what: str, path: str, method: str = "POST", **arguments: Any) -> Request:
        return Request("wrong request", what, frozenset({code}), path, arguments, method)

    def url(address: str) -> Request:
        return wrong("url_not_allowed", address, BY_URL, json={"image_url": address})

    as_json = {"Content-Type": "application/json"}
    yield wrong("invalid_request", "no URL", BY_URL, json={})
    yield wrong("invalid_request", "broken JSON", BY_URL, content=b'{"image_url":', headers=as_json)
    yield wrong("invalid_request", "deep JSON", BY_URL, content=b"[" * 30_000, headers=as_json)
    yield wrong(
        "invalid_request",
        "unknown field",
        BY_URL,
        json={"image_url": "http://example.com/", "size": 4},
    )
    yield wrong(
        "invalid_request",
        "margin out of range",
        BY_UPLOAD,
        files={"image": photo},
        data={"margin": 501},
    )
    yield wrong(
        "invalid_request", "unknown option", BY_UPLOAD, files={"image": photo}, data={"size": 4}
    )
    yield wrong("invalid_request", "no file", BY_UPLOAD, files={"picture": photo})
    yield wrong(
        "invalid_request", "two files", BY_UPLOAD, files=[("image", photo), ("image", photo)]
    )
    yield wrong(
        "invalid_request",
        "broken form",
        BY_UPLOAD,
        content=b"--x\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    yield wrong(
        "unsupported_media_type",
        "text",
        BY_URL,
        content=b"{}",
        headers={"Content-Type": "text/plain"},
    )
    yield wrong(
        "unsupported_media_type",
        "a bare picture",
        BY_UPLOAD,
        content=photo,
        headers={"Content-Type": "image/jpeg"},
    )
    yield wrong(
        "request_too_large", "64 KB of JSON and more", BY_URL, json={"image_url": "x" * 65_536}
    )
    yield wrong(
        "request_too_large", "an upload of 21 MB", BY_UPLOAD, files={"image": bytes(21_000_000)}
    )
    yield wrong("empty_source", "an empty file", BY_UPLOAD, files={"image": b""})
    yield wrong("unsupported_image_type", "a page", BY_UPLOAD, files={"image": b"<!doctype html>"})
    yield wrong(
        "image_corrupt", "half a photo", BY_UPLOAD, files={"image": photo[: len(photo) // 2]}
    )
    yield wrong("invalid_url", "ftp", BY_URL, json={"image_url": "ftp://example.com/x.jpg"})
    yield wrong("not_found", "no such path", "/remove-foreground")
    yield wrong("method_not_allowed", "GET", BY_UPLOAD, method="GET")
    yield from map(
        url,
        (
            "http://127.0.0.1/",
            "http://169.254.169.254/latest/",
            "http://[::1]/",
            "http://10.0.0.1/x.png",
        ),
    )
    yield from map(url, ("http://0x7f000001/", "http://localhost/", "http://me@example.com/"))
