"""Tell Schemathesis what the document does not say; test_schemathesis.py has it load this file.

The document allows any file and any URL. Requests that should be accepted get a real image. Other
URLs with a host name become an address that the service refuses, so that no invented host is
looked up.
"""

import os
from typing import Any

import schemathesis
from hypothesis import strategies

from pipeline.errors import BackgroundRemovalError
from pipeline.fetch.url import parse_source_url
from pipeline.weights import SAMPLE

IMAGE_URL = "TEST_IMAGE_URL"


schemathesis.openapi.format("binary", strategies.just(SAMPLE.read_bytes()))


@schemathesis.hook
def before_call(
    _: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]
) -> None:
    """Put a real image into requests that should be accepted; keep the others on this machine."""
    if not isinstance(case.body, dict) or "image_url" not in case.body:
        return
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.body = {**case.body, "image_url": os.environ[IMAGE_URL]}
    elif _may_be_looked_up(case.body["image_url"]):
        case.body = {**case.body, "image_url": "http://127.0.0.1/"}


def _may_be_looked_up(url: object) -> bool:
    try:
        return isinstance(url, str) and parse_source_url(url).address is None
    except BackgroundRemovalError:
        return False
