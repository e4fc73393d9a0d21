"""The application without a server: under path prefixes, and with a defect."""

import pytest

from tests.support.application import ASK_FOR_A_DEFECT, run_application

ASK_UNDER_A_PREFIX = """
async def ask(client):
    responses = {}
    for path in ("/remove-background", "/remove-background/upload", "/v1.0/removebg"):
        for key in ("", "key"):
            headers = {"X-Api-Key": key}
            response = await client.post("/prefix" + path, headers=headers, content=b"0" * 70_000)
            body = response.json()
            code = body["errors"][0]["code"] if "errors" in body else body["code"]
            responses[path + " " + key] = response.status_code, code
    return responses
"""


@pytest.mark.parametrize(
    ("setting", "root_path"),
    [("", "/prefix"), ("service.BackgroundRemover.path_prefix = '/prefix'", "")],
)
@pytest.mark.sampled
def test_keys_and_limits_hold_under_any_prefix(setting: str, root_path: str) -> None:
    responses, _ = run_application(ASK_UNDER_A_PREFIX, setting, root_path, BGR_API_KEYS="key")
    for path in ("/remove-background", "/remove-background/upload"):
        assert responses[f"{path} "] == [401, "unauthorized"]
    if root_path:  # BentoML's own prefix does not apply to mounted applications
        assert responses["/v1.0/removebg "] == [403, "auth_failed"]
        assert responses["/v1.0/removebg key"] == [415, "unsupported_media_type"]
    assert responses["/remove-background key"] == [413, "request_too_large"]
    assert responses["/remove-background/upload key"] == [415, "unsupported_media_type"]


def test_every_log_record_of_a_request_carries_its_id() -> None:
    """Also those of libraries and of the executor's thread."""
    (status, _, headers), log = run_application(ASK_FOR_A_DEFECT)
    assert status == 500
    records = {line["message"]: line for line in log}
    defect = "A defect: this request could not be answered"
    for message in ("from the executor's thread, by a library", defect, "request"):
        assert records[message]["request_id"] == headers["x-bentoml-request-id"], message
    assert "TypeError: ours" in records[defect]["traceback"]
