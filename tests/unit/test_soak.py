"""The soak's own code: it draws the requests that it should, and detects wrong responses."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from bench.report import MB
from bench.soak.__main__ import report, targets
from bench.soak.clients import BROKEN_IMAGE, OTHER_BYTES, UNDOCUMENTED, Client
from bench.soak.traffic import BROKEN_OFF, LEFT, LOST, Request, Traffic
from tests.support.environment import ROOT
from tests.support.faults import Fault, faulty_source, sends, stalls, with_length
from tests.support.images import encoded

RESULTS = ROOT / "bench" / "results"


def results(wrong: str | None = None, errors: int = 0, last: float = 350) -> dict[str, Any]:
    """Return the results of four good minutes, but for the arguments.

    `last` is the memory at the last rest, in MB.
    """
    return {
        "minutes": 4,
        "wrong": [{"code": wrong}] if wrong else [],
        "errors": ["a line of the log"] * errors,
        "by_minute": {
            str(minute): {"default": {"rest": [rest * MB]}}
            for minute, rest in enumerate((290, 320, 340, 341, last))
        },
    }


def test_a_soak_without_a_fault_passes() -> None:
    assert all(target.met for target in targets(results()))


@pytest.mark.parametrize(
    "failed",
    [
        results(wrong="internal_error"),
        results(wrong="image_corrupt"),
        results(wrong=UNDOCUMENTED),
        results(wrong=OTHER_BYTES),
        results(wrong=LOST),
        results(wrong=BROKEN_OFF),
        results(errors=1),
        results(last=356),
    ],
)
def test_a_soak_with_one_fault_of_any_kind_fails(failed: dict[str, Any]) -> None:
    assert [target.met for target in targets(failed)].count(False) == 1


def response(body: bytes, *headers: bytes) -> Fault:
    """Send a response with status 200."""
    return sends(
        b"".join(
            line + b"\r\n"
            for line in (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers)
        )
        + b"\r\n"
        + body
    )


async def test_the_client_classifies_every_response() -> None:
    small, other = (encoded(Image.new("RGB", (8, 8), color)) for color in ("red", "blue"))
    headers = (b"Content-Type: image/png", b"X-Width: 8", b"X-Height: 8")
    refusal = b'{"error": "Busy.", "code": "busy"}'
    expected: dict[str, tuple[Fault, str]] = {
        "image": (response(small, *headers), "ok"),
        "the_same_image": (response(small, *headers), "ok"),
        "another_image": (response(other, *headers), OTHER_BYTES),
        "half_an_image": (response(small[:-12], *headers), BROKEN_IMAGE),
        "an_image_of_another_size": (
            response(small, headers[0], b"X-Width: 9", headers[2]),
            BROKEN_IMAGE,
        ),
        "refusal": (
            sends(b"HTTP/1.1 429 X\r\nContent-Length: %d\r\n\r\n" % len(refusal) + refusal),
            "busy",
        ),
        "a_refusal_with_another_status": (
            sends(b"HTTP/1.1 422 X\r\nContent-Length: %d\r\n\r\n" % len(refusal) + refusal),
            UNDOCUMENTED,
        ),
        "bare_error": (sends(b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nOops"), UNDOCUMENTED),
        "closed_before_a_response": (sends(), LOST),
        "closed_during_a_response": (sends(with_length(b"100", b"x")), BROKEN_OFF),
        "no_response": (stalls(b""), LEFT),
    }
    async with faulty_source({name: fault for name, (fault, _) in expected.items()}) as service:
        client = Client(service.url(""))
        requests = (
            Request("any", "the same", "", f"/{name}", method="GET", patience=1)
            for name in expected
        )
        assert {request.path[1:]: await client.send(request) for request in requests} == {
            name: code for name, (_, code) in expected.items()
        }


def test_the_same_seed_draws_the_same_requests(photo: bytes, tmp_path: Path) -> None:
    names = (
        "0.24-plain",
        "0.67-plain",
        "1.6-plain",
        "6-plain",
        "10.7-plain",
        "12-cmyk",
        "24-plain",
    )
    traffic = Traffic(
        dict.fromkeys(names, photo), tmp_path / "nothing", "http://127.0.0.1/{}".format
    )

    def drawn(seed: int) -> list[Request]:
        random = Random(seed)
        return [traffic.draw(random) for _ in range(500)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({request.kind for request in drawn(1)}) > 15
    assert all(request.right for request in drawn(1))


def test_the_report_shows_the_last_results() -> None:
    last = json.loads((RESULTS / "soak.json").read_text())
    assert last["minutes"] >= 5
    assert all(target.met for target in targets(last))
    assert (RESULTS / "soak.md").read_text() == report(last)
