"""The service in a process of its own, from inside: under path prefixes, and with a defect put into it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.environment import ROOT
from tests.support.serving import environment

# A client of the app itself, without a server. What it says is one line of JSON; the others are the service's log.
CLIENT = """
import asyncio, json, logging
import httpx
import service
from pipeline.weights import SAMPLE
{setting}
app = service.BackgroundRemover.to_asgi(is_main=True)

async def main():
    transport = httpx.ASGITransport(app, root_path={root_path!r})
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        print(json.dumps({{"answers": await ask(client)}}))
{ask}
asyncio.run(main())
"""

ASK_UNDER_A_PREFIX = """
async def ask(client):
    answers = {}
    for path in ("/prefix/remove-background", "/prefix/remove-background/upload"):
        for key in ("", "key"):
            response = await client.post(path, headers={"X-Api-Key": key}, content=b"0" * 70_000)
            answers[path.removeprefix("/prefix") + " " + key] = response.status_code, response.json().get("code")
    return answers
"""

ASK_FOR_A_DEFECT = """
def fail(*_, **__):
    logging.getLogger("bentoml").warning("from the executor's thread, by a library")
    raise TypeError("ours")

async def ask(client):
    import pipeline.remove_background
    pipeline.remove_background.select_subject = fail
    response = await client.post("/remove-background/upload", files={"image": SAMPLE.read_bytes()})
    return [response.status_code, response.json()["code"], response.headers["X-BentoML-Request-ID"]]
"""


def run_inside(
    ask: str, setting: str = "", root_path: str = "", **settings: str
) -> tuple[Any, list[dict[str, Any]]]:
    """Have the client ask, and return what it said and the log."""
    script = CLIENT.format(ask=ask, setting=setting, root_path=root_path)
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [
        json.loads(line)
        for line in (result.stdout + result.stderr).splitlines()
        if line.startswith("{")
    ]
    (said,) = (line for line in lines if "answers" in line)
    return said["answers"], [line for line in lines if "answers" not in line]


@pytest.mark.parametrize(
    ("setting", "root_path"),
    [("", "/prefix"), ("service.BackgroundRemover.path_prefix = '/prefix'", "")],
)
def test_keys_and_limits_hold_under_any_prefix(setting: str, root_path: str) -> None:
    answers, _ = run_inside(ASK_UNDER_A_PREFIX, setting, root_path, BGR_API_KEYS="key")
    for path in ("/remove-background", "/remove-background/upload"):
        assert answers[f"{path} "] == [401, "unauthorized"]
    assert answers["/remove-background key"] == [413, "request_too_large"]
    assert answers["/remove-background/upload key"] == [415, "unsupported_media_type"]


def test_every_record_within_a_request_carries_its_id() -> None:
    (status, code, request_id), log = run_inside(ASK_FOR_A_DEFECT)
    assert [status, code] == [500, "internal_error"]
    records = {line["message"]: line for line in log}
    for message in (
        "from the executor's thread, by a library",
        "A defect: this request could not be answered",
        "request",
    ):
        assert records[message]["request_id"] == request_id, message
    assert "TypeError: ours" in records["A defect: this request could not be answered"]["traceback"]
