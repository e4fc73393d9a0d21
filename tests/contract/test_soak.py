"""The soak itself: it sends what it says, sees what is wrong, and the service passes it."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.report import MB
from bench.soak.clients import BROKEN_IMAGE, OTHER_BYTES, UNDOCUMENTED, Client
from bench.soak.report import report, targets
from bench.soak.traffic import BROKEN_OFF, LEFT, LOST, Request, Traffic
from tests.support.environment import ROOT
from tests.support.faults import Fault, faulty_source, sends, stalls, with_length
from tests.support.images import encoded
from tests.support.serving import environment

RESULTS = ROOT / "bench" / "results"


def results(wrong: str | None = None, errors: int = 0, last: float = 350) -> dict[str, Any]:
    """A soak of four minutes, flat and right but for what is given; the last rest in megabytes."""
    return {
        "minutes": 4,
        "wrong": [{"code": wrong}] if wrong else [],
        "errors": ["a line of the log"] * errors,
        "by_minute": {
            str(minute): {"default": {"rest": [rest * MB]}}
            for minute, rest in enumerate((290, 320, 340, 341, last))
        },
    }


def test_a_right_whole_and_flat_service_passes() -> None:
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
def test_one_fault_of_any_kind_fails(failed: dict[str, Any]) -> None:
    assert [target.met for target in targets(failed)].count(False) == 1


def answer(body: bytes, *headers: bytes) -> Fault:
    return sends(
        b"".join(
            line + b"\r\n"
            for line in (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers)
        )
        + b"\r\n"
        + body
    )


async def test_what_came_of_a_request() -> None:
    small, other = (encoded(Image.new("RGB", (8, 8), color)) for color in ("red", "blue"))
    headers = (b"Content-Type: image/png", b"X-Width: 8", b"X-Height: 8")
    refusal = b'{"error": "Busy.", "code": "busy"}'
    expected: dict[str, tuple[Fault, str]] = {
        "picture": (answer(small, *headers), "ok"),
        "the_same_picture": (answer(small, *headers), "ok"),
        "another_picture": (answer(other, *headers), OTHER_BYTES),
        "half_a_picture": (answer(small[:-12], *headers), BROKEN_IMAGE),
        "a_picture_of_another_size": (
            answer(small, headers[0], b"X-Width: 9", headers[2]),
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
        "closed_before_an_answer": (sends(), LOST),
        "closed_in_mid_answer": (sends(with_length(b"100", b"x")), BROKEN_OFF),
        "no_answer": (stalls(b""), LEFT),
    }
    async with faulty_source({name: fault for name, (fault, _) in expected.items()}) as service:
        client = Client(service.url(""))
        requests = (
            Request("any", "the same", frozenset(), f"/{name}", method="GET", patience=1)
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
        random = np.random.default_rng(seed)
        return [traffic.draw(random) for _ in range(500)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({request.kind for request in drawn(1)}) > 15
    assert all(request.right for request in drawn(1))


def test_the_report_is_that_of_the_last_soak() -> None:
    last = json.loads((RESULTS / "soak.json").read_text())
    assert last["minutes"] >= 5
    assert all(target.met for target in targets(last))
    assert (RESULTS / "soak.md").read_text() == report(last)


@pytest.mark.slow
def test_two_minutes(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bench.soak",
        "--minutes",
        "2",
        "--seed",
        "2",
        "--folder",
        str(tmp_path),
    ]
    soak = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert soak.returncode == 0, soak.stderr[-3000:]
    assert (tmp_path / "soak.md").read_text() == report(
        json.loads((tmp_path / "soak.json").read_text())
    )
    with Image.open(io.BytesIO((tmp_path / "soak.png").read_bytes())) as plot:
        assert plot.width > plot.height > 400
