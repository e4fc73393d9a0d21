"""What Schemathesis cannot know of the service; its command line loads this file, see test_schemathesis.py.

By the document any file and any URL are valid, so what is meant to be accepted gets a real picture. And no host that was made up
may be looked up: what the service would not refuse unseen becomes an address that it does refuse.
"""

import os
from typing import Any

import schemathesis
from hypothesis import strategies

from pipeline.errors import BackgroundRemovalError
from pipeline.fetch.url import parse_source_url
from pipeline.weights import SAMPLE

PICTURE_URL = "TEST_PICTURE_URL"


schemathesis.openapi.format("binary", strategies.just(SAMPLE.read_bytes()))


@schemathesis.hook
def before_call(
    _: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]
) -> None:
    """Name the picture in what is meant to be accepted, and keep the rest at home."""
    if not isinstance(case.body, dict) or "image_url" not in case.body:
        return
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.body = {**case.body, "image_url": os.environ[PICTURE_URL]}
    elif _may_be_looked_up(case.body["image_url"]):
        case.body = {**case.body, "image_url": "http://127.0.0.1/"}


def _may_be_looked_up(url: object) -> bool:
    try:
        return isinstance(url, str) and parse_source_url(url).address is None
    except BackgroundRemovalError:
        return False
