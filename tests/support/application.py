"""Run the application in its own process, without a server, under a client that is a script."""

import json
from typing import Any

from tests.support.scripts import run_python

# The client prints one line of JSON; the other lines are the service's log.
_CLIENT = """
import asyncio, json, logging
import httpx
import service
from pipeline.weights import SAMPLE
{setting}
app = service.BackgroundRemover.to_asgi(is_main=True)

async def main():
    transport = httpx.ASGITransport(app, root_path={root_path!r})
    client = httpx.AsyncClient(transport=transport, base_url="http://service")
    async with app.router.lifespan_context(app), client:
        print(json.dumps({{"responses": await ask(client)}}))
{ask}
asyncio.run(main())
"""

# A defect: choosing the subject raises TypeError.
ASK_FOR_A_DEFECT = """
def fail(*_, **__):
    logging.getLogger("bentoml").warning("from the executor's thread, by a library")
    raise TypeError("ours")

async def ask(client):
    import pipeline.mask.subject
    pipeline.mask.subject.select_subject = fail
    files = {"image": SAMPLE.read_bytes()}
    response = await client.post("/remove-background/upload", files=files)
    return response.status_code, response.json(), dict(response.headers)
"""


def run_application(
    ask: str, setting: str = "", root_path: str = "", **settings: str
) -> tuple[Any, list[dict[str, Any]]]:
    """Run a client against the application; return what `ask(client)` returned, and the log.

    `ask` is the source of that function, `setting` is code that runs before the application is
    made, and `settings` are environment variables.
    """
    script = _CLIENT.format(ask=ask, setting=setting, root_path=root_path)
    output = run_python("-c", script, settings=settings, timeout=120, errors=True)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    (printed,) = (line for line in lines if "responses" in line)
    return printed["responses"], [line for line in lines if "responses" not in line]
